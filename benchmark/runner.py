"""Runs the trials that are not settled, each in a process of its own, and says how far it is.

A trial's files belong to whoever holds its lock. The runner holds it and its child inherits it, so that a child
that outlives a killed runner for a moment still keeps others away.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import IO

from tqdm import tqdm

from benchmark import checkpoint, environment, outcome, records
from benchmark.checkpoint import Progress
from benchmark.records import Record, Status
from benchmark.spec import Job
from benchmark.timing import Clock
from datasets import atomic
from datasets.errors import DataError

Stamp = tuple[int, int] | None
TICK_SECONDS = 0.2
"""Between two looks at deadlines and at trials that another run works on."""


def unsettled(jobs: Iterable[Job], force: bool, retry: bool) -> list[Job]:
    """Those without a record; with ``retry`` also those whose record is a failure's; with ``force`` all of them.

    Raises DataError if a record cannot be read: better before the run than after hours.
    """
    chosen = []
    for job in jobs:
        path = records.path_of(job.out, job.spec.id)
        if force or not path.exists() or (records.read(path).status != "ok" and retry):
            chosen.append(job)
    return chosen


def tidy(settled: Iterable[Job]) -> None:
    """Delete what killed runs left of trials that have their record."""
    for job in settled:
        if any(job.out.glob(f".{job.spec.id}.*")):
            try:
                with atomic.lock(job.out, job.spec.id, wait=False):
                    atomic.sweep(job.out, job.spec.id)
            except atomic.Busy:
                pass  # another run works on it


class Settled(Exception):
    """Another run has written the trial's record since this one began."""


@dataclass(eq=False)
class Child:
    """A trial under way."""

    job: Job
    process: subprocess.Popen[bytes]
    resources: ExitStack
    """The lock and the log; closed last."""
    log: IO[bytes]
    """What it writes to standard error."""
    progress: Progress
    """Of which the runner knows the start only."""
    oom_kills: int
    """Of the machine, when it started."""
    spec: Path
    unread: bytes = b""
    epoch: int = 0
    planned: int = 1
    written: list[Path] | None = None
    """Set once it says that its record is there."""
    timed_out: bool = False
    started: float = field(default_factory=time.monotonic)

    @classmethod
    def start(cls, job: Job, stamp: Stamp, fresh: bool) -> Child:
        """Start the process; ``fresh`` disregards a checkpoint.

        Raises Busy if another run works on the trial, Settled if one has replaced the record that had ``stamp``.
        """
        with ExitStack() as stack:
            lock = stack.enter_context(atomic.lock(job.out, job.spec.id, wait=False))
            if _stamp(job) != stamp:
                raise Settled
            atomic.sweep(job.out, job.spec.id, keep=None if fresh else checkpoint.path_of(job))
            spec = job.out / "specs" / f"{job.spec.id}.json"
            atomic.write(spec, (job.model_dump_json(indent=1) + "\n").encode())
            log = stack.enter_context(tempfile.TemporaryFile())
            listening, held = os.pipe()
            stack.callback(os.close, held)
            process = subprocess.Popen(
                [sys.executable, "-m", "benchmark.trial", str(spec), "--with-parent"],
                cwd=environment.ROOT,
                env=os.environ | environment.variables(job.threads),
                stdin=listening,
                stdout=subprocess.PIPE,
                stderr=log,
                pass_fds=(lock,),
                start_new_session=True,  # a terminal's Ctrl-C is for the runner alone
            )
            end_with(listening, process.pid)
            progress = Progress(Clock(job.spec.device))
            return cls(job, process, stack.pop_all(), log, progress, environment.oom_kills(), spec)

    @property
    def output(self) -> int:
        """Descriptor of its messages."""
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def read(self) -> bool:
        """Take in the messages there are; false at their end."""
        received = os.read(self.output, 2**16)
        *lines, self.unread = (self.unread + received).split(b"\n")
        for line in lines:
            message = json.loads(line)
            self.epoch, self.planned = message.get("epoch", self.epoch), message.get("planned", self.planned)
            if "written" in message:
                self.written = [Path(path) for path in message["written"]]
        return bool(received)

    def kill(self) -> None:
        """End the process and its children."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """Let go of everything, at the latest now."""
        self.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()
        atomic.sweep(self.job.out, self.job.spec.id, keep=checkpoint.path_of(self.job))
        self.resources.close()

    def settle(self, timeout: float | None) -> tuple[Record, list[Path]]:
        """The record that the process wrote before it ended, or else one that says how it ended.

        Raises DataError if the process could not run the trial at all, or not write its record.
        """
        code = self.process.wait()
        path = records.path_of(self.job.out, self.job.spec.id)
        if self.written is not None:
            return records.read(path), [self.spec, *self.written]
        self.log.seek(0)
        said = self.log.read().decode(errors="replace").strip().splitlines()
        if code == 2 and said and said[-1].startswith("trial: "):
            raise DataError(said[-1].removeprefix("trial: "))
        status, sentence = self.verdict(code, timeout)
        reason = "\n".join([*said[-20:], sentence])
        record = outcome.record_of(self.job, status, reason, None, self.progress)
        record = record.model_copy(update={"cost": {"process_seconds": time.monotonic() - self.started}})
        written = records.write(self.job.out, record, None)
        checkpoint.path_of(self.job).unlink(missing_ok=True)
        return record, [self.spec, *written]

    def verdict(self, code: int, timeout: float | None) -> tuple[Status, str]:
        """Status and sentence for a process that ended without a record."""
        where = f"; it was at epoch {self.epoch} of {self.planned}" if self.epoch else " in its first epoch"
        if self.timed_out:
            return "timeout", f"ran longer than --timeout {timeout:g} seconds{where}"
        if code >= 0:
            return "failed", f"its process ended with exit code {code} before its record was written{where}"
        name = signal.Signals(-code).name
        if -code == signal.SIGKILL and environment.oom_kills() > self.oom_kills:
            return "oom", f"out of memory: the system killed its process{where}"
        return "failed", f"its process died of signal {name}{where}"


def end_with(listening: int, group: int) -> None:
    """Have the kernel end a process group when the other end of the pipe ``listening``, which this closes, is closed.

    It does so however this process dies, and whatever the interpreters of the group are doing then.
    """
    fcntl.fcntl(listening, fcntl.F_SETOWN, -group)
    fcntl.fcntl(listening, fcntl.F_SETFL, fcntl.fcntl(listening, fcntl.F_GETFL) | os.O_ASYNC)
    os.close(listening)


class Run:
    """A queue of trials, those under way, and what has been written."""

    def __init__(self, todo: Sequence[Job], at_once: int, timeout: float | None, fresh: bool) -> None:
        self.queue = deque((job, _stamp(job)) for job in todo)
        self.at_once, self.timeout, self.fresh = at_once, timeout, fresh
        self.running: list[Child] = []
        self.written: list[Path] = []
        self.selector = DefaultSelector()
        self.display = Display(len(todo))

    def go(self) -> list[Path]:
        """Run all; whatever ends this early, no process outlives it."""
        with self.selector, self.display.bar:
            try:
                while self.queue or self.running:
                    self.start()
                    self.attend()
            finally:
                for child in self.running:
                    child.close()
        return self.written

    def start(self) -> None:
        """Fill the free places, with a look at each waiting trial at most once."""
        for _ in range(len(self.queue)):
            if len(self.running) == self.at_once:
                return
            job, stamp = self.queue.popleft()
            try:
                child = Child.start(job, stamp, self.fresh)
            except atomic.Busy:
                self.queue.append((job, stamp))
            except Settled:
                self.display.finished(job, "done by another run")
            else:
                self.running.append(child)
                self.selector.register(child.output, EVENT_READ, child)

    def attend(self) -> None:
        """Take in messages, end what is over its time, and settle what has ended."""
        for key, _ in self.selector.select(TICK_SECONDS):
            if not key.data.read():
                self.settle(key.data)
        for child in self.running:
            if self.timeout and time.monotonic() - child.started > self.timeout:
                child.timed_out = True
                child.kill()
        self.display.show(self.running)
        if not self.running:  # all that is left is under way elsewhere
            time.sleep(TICK_SECONDS)

    def settle(self, child: Child) -> None:
        """See that an ended trial has its record."""
        self.selector.unregister(child.output)
        record, paths = child.settle(self.timeout)
        self.running.remove(child)
        child.close()
        self.written += paths
        self.display.finished(child.job, outcome.line(record))


class Display:
    """A line for each finished trial; on a terminal also a bar over all of them, with the time left."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.started = total, 0, time.monotonic()
        form = "{desc} {percentage:3.0f}% |{bar}| {elapsed}, {remaining} left{postfix}"
        self.bar = tqdm(total=total, bar_format=form, leave=False, disable=not sys.stderr.isatty() or not total)

    def show(self, running: Sequence[Child]) -> None:
        """How far it is: every trial counts alike, one under way by its epochs."""
        self.bar.set_description_str(f"{self.done} of {self.total} trials", refresh=False)
        self.bar.set_postfix_str("; ".join(f"{c.job.title} epoch {c.epoch} of {c.planned}" for c in running), False)
        self.bar.update(self.done + sum(c.epoch / c.planned for c in running) - self.bar.n)
        self.bar.refresh()

    def finished(self, job: Job, what: str) -> None:
        """Print the line."""
        self.done += 1
        left = (time.monotonic() - self.started) / self.done * (self.total - self.done)
        tail = f"; about {left / 60:.0f} min left" if left > 60 else ""
        with tqdm.external_write_mode():
            print(f"[{self.done}/{self.total}] {job.title}: {what}{tail}", flush=True)


def _stamp(job: Job) -> Stamp:
    """Changes when the record is replaced; None without one."""
    try:
        stat = records.path_of(job.out, job.spec.id).stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns


def run(todo: Sequence[Job], at_once: int = 1, timeout: float | None = None, fresh: bool = False) -> list[Path]:
    """Run every trial, ``at_once`` at a time, each at most ``timeout`` seconds; returns the paths of all files written.

    ``fresh`` disregards checkpoints. A trial that another run settles meanwhile is left to it. Raises DataError if a
    trial cannot be run at all, or its record not be written.
    """
    return Run(todo, at_once, timeout, fresh).go()
