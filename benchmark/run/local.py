"""Runs the trials that are not settled, each in a process of its own, and says how far it is."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector

from benchmark import labels
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.run import checkpoint
from benchmark.run.child import Child, Settled, stamp_of
from benchmark.run.display import Display, Lines
from benchmark.spec import Job
from datasets import atomic

TICK_SECONDS = 0.2
"""How often the runner looks at deadlines, and at trials that another run works on."""


def settled(jobs: Iterable[Job], force: bool, retry: bool) -> dict[str, Record]:
    """The records of the trials that need not run, by id: with ``retry`` none of a failure, with
    ``force`` none at all.

    Raises DataError if a record cannot be read: better before the run than after hours.
    """
    paths = (store.path_of(job.out, job.spec.id) for job in jobs if not force)
    records = (store.read(path) for path in paths if path.exists())
    return {record.id: record for record in records if record.status == "ok" or not retry}


def tidy(out: Path, settled: Iterable[Job]) -> None:
    """Delete what killed runs left in ``out``, and checkpoints of trials that are ``settled``."""
    for job in settled:
        if checkpoint.path_of(job).exists():
            # else another run works on it
            with suppress(atomic.Busy), atomic.lock(job.out, job.spec.id, wait=False):
                checkpoint.path_of(job).unlink(missing_ok=True)
    for folder in (out, out / store.SPECS):
        atomic.tidy(folder)


class Local:
    """Runs trials on this machine, each in a process of its own, ``at_once`` at a time."""

    def __init__(
        self,
        at_once: int = 1,
        timeout: float | None = None,
        fresh: bool = False,
        display: Display | None = None,
    ) -> None:
        """``timeout``: seconds after which a trial is ended; ``fresh``: disregard checkpoints;
        ``display``: what tells how far it is, else lines.
        """
        self.at_once, self.timeout, self.fresh = at_once, timeout, fresh
        self.display = display or Lines()
        self.running: list[Child] = []
        self.tell_at: dict[str, float] = {}
        """When to say that a trial is under way in another run, by its id."""

    def run(self, jobs: Sequence[Job]) -> Generator[tuple[Job, Record], None, None]:
        """Give each job with its record, as they end; whatever ends this early, no process outlives
        it.

        A trial that another run settles meanwhile is left to it. Raises DataError if a trial cannot
        be run at all, or its record not be written.
        """
        self.queue = deque((job, stamp_of(job)) for job in jobs)
        with DefaultSelector() as self.selector, self.display.watching(jobs):
            try:
                while self.queue or self.running:
                    self.start()
                    yield from self.attend()
            finally:
                for child in self.running:
                    child.close()

    def start(self) -> None:
        """Start waiting trials while fewer than ``at_once`` run, trying each at most once."""
        for _ in range(len(self.queue)):
            if len(self.running) == self.at_once:
                return
            job, stamp = self.queue.popleft()
            try:
                child = Child.start(job, stamp, self.fresh)
            except atomic.Busy:
                self.queue.append((job, stamp))
                self.tell_at.setdefault(job.spec.id, time.monotonic() + atomic.PATIENCE_SECONDS)
            except Settled:
                self.display.finished(job, None)
            else:
                self.display.started(job)
                self.running.append(child)
                self.selector.register(child.output, EVENT_READ, child)

    def attend(self) -> Iterator[tuple[Job, Record]]:
        """Read messages, end trials that are over their time, and give those that have ended."""
        for key, _ in self.selector.select(TICK_SECONDS):
            more = key.data.read(self.display.heard)
            if not more or key.data.ended:  # it may hang at its very end
                yield key.data.job, self.settle(key.data)
        for child in self.running:
            if self.timeout and child.under_way.seconds > self.timeout:
                child.timed_out = True
                child.launched.kill()
        self.display.show([child.under_way for child in self.running])
        if not self.running:  # all that is left is under way elsewhere
            self.wait()

    def wait(self) -> None:
        """Wait a moment for other runs; of each trial that takes them long, say once for which."""
        for job, _ in self.queue:
            if time.monotonic() > self.tell_at.get(job.spec.id, math.inf):
                self.tell_at[job.spec.id] = math.inf
                holders = atomic.holders(atomic.lock_path(job.out, job.spec.id))
                self.display.note(
                    f"waiting for {labels.trial_label(job)}, which runs in {holders}; it goes on "
                    "here once that has ended"
                )
        time.sleep(TICK_SECONDS)

    def settle(self, child: Child) -> Record:
        """Return the record of a trial that has ended, and say how it went."""
        self.selector.unregister(child.output)
        record = child.settle(self.timeout)
        self.running.remove(child)
        child.close()
        self.display.finished(child.job, record)
        return record
