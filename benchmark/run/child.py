"""A trial under way in a process of its own, from its start to its record.

A trial's files belong to whoever holds its lock. The runner holds it and its child inherits it, so
that a child that outlives a killed runner for a moment still keeps others away.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from benchmark import environment
from benchmark.records import store
from benchmark.records.record import Cost, Record, Status
from benchmark.run import checkpoint, outcome
from benchmark.run.clock import Clock
from benchmark.run.launch import Launched, launch
from benchmark.run.progress import News, Progress
from benchmark.run.under_way import UnderWay
from benchmark.spec import Job, Strict
from datasets import atomic
from datasets.errors import DataError

Stamp = tuple[int, int] | None
LONGEST = 2**16
"""The most bytes in one message."""
REFUSED = 2
"""The exit code of a process that refuses its trial."""
LAST_SECONDS = 5.0
"""How long the runner waits for a process to end after its last message."""


def stamp_of(job: Job) -> Stamp:
    """Return a value that changes when the trial's record is replaced; None if there is none."""
    try:
        stat = store.path_of(job.out, job.spec.id).stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns


def write_spec(job: Job) -> Path:
    """Write a job's SPEC.json, from which the process of its trial reads it; returns the path."""
    spec = job.out / store.SPECS / f"{job.spec.id}.json"
    atomic.write(spec, (job.model_dump_json(indent=1) + "\n").encode())
    return spec


class Message(Strict):
    """What a trial's process sends: where it is, that its record is there, or why it cannot be."""

    token: str
    news: News | None = None
    ended: bool = False
    refused: str | None = None

    @classmethod
    def of(cls, line: bytes, token: str) -> Message | None:
        """Return the message in a line, or None if it is none with this ``token``."""
        try:
            message = cls.model_validate_json(line)
        except ValidationError:
            return None
        return message if message.token == token else None


class Settled(Exception):
    """Another run has written the trial's record since this one began."""


@dataclass(eq=False)
class Child:
    """A trial under way."""

    under_way: UnderWay
    launched: Launched
    resources: ExitStack
    """The process and the lock; closed last."""
    progress: Progress
    """What a record of a failure needs; the runner knows only when the trial started."""
    oom_kills: int
    """How many processes the kernel had killed for memory when the trial started."""
    spec: Path
    stamp: Stamp
    """That of the trial's record before, which counts no more."""
    unread: bytes = b""
    ended: bool = False
    """Whether it has said that its record is there."""
    refused: str | None = None
    """Why it could not run the trial at all, or not write its record."""
    intruder: bytes = b""
    """What came over its pipe that is no message of the trial."""
    timed_out: bool = False

    @classmethod
    def start(cls, job: Job, stamp: Stamp, fresh: bool) -> Child:
        """Start the process; ``fresh`` disregards a checkpoint.

        Raises Busy if another run works on the trial, Settled if one has replaced the record that
        had ``stamp``.
        """
        with ExitStack() as stack:
            lock = stack.enter_context(atomic.lock(job.out, job.spec.id, wait=False))
            if stamp_of(job) != stamp:
                raise Settled
            if fresh:
                checkpoint.path_of(job).unlink(missing_ok=True)
            spec = write_spec(job)
            launched = stack.enter_context(closing(launch(job.threads)))
            launched.tell(spec, lock)
            progress = Progress(Clock(job.spec.device))
            kills = environment.oom_kills()
            under_way = UnderWay(job, launched.process.pid)
            return cls(under_way, launched, stack.pop_all(), progress, kills, spec, stamp)

    @property
    def job(self) -> Job:
        """The trial, and what its process must know besides."""
        return self.under_way.job

    @property
    def output(self) -> int:
        """The file descriptor on which the process sends its messages."""
        assert self.launched.process.stdout is not None
        return self.launched.process.stdout.fileno()

    def read(self, heard: Callable[[UnderWay], None]) -> bool:
        """Read the messages that have come; return whether more may follow.

        ``heard`` is called after each that says where the trial is. None follows the last, nor a
        line that is no message, after which nothing of that process can be believed.
        """
        received = os.read(self.output, 2**16)
        *lines, self.unread = (self.unread + received).split(b"\n")
        if len(self.unread) > LONGEST:
            lines.append(self.unread)
        for line in lines:
            if (message := Message.of(line, self.launched.token)) is None:
                self.intruder = line
                return False
            if message.news:
                self.under_way.hear(message.news)
                heard(self.under_way)
            self.ended, self.refused = message.ended, message.refused
        return bool(received) and not self.ended

    def close(self) -> None:
        """End the process if it still runs, and release the trial's lock."""
        self.launched.kill()
        atomic.sweep(self.job.out, self.job.spec.id)
        self.resources.close()

    def settle(self, timeout: float | None) -> Record:
        """Return the record that the process wrote, or write and return one that says how it ended.

        Raises DataError if the process could not run the trial at all, or not write its record.
        """
        if self.ended and (written := self.written()):
            return written
        if not (self.intruder or self.ended):
            with suppress(subprocess.TimeoutExpired):
                self.launched.process.wait(LAST_SECONDS)
        self.launched.kill()
        code = self.launched.process.returncode
        said = self.launched.said().strip().splitlines()
        # a model that sends this message does not end its process as a refusal does
        if self.refused is not None and not self.intruder and code in (REFUSED, -signal.SIGKILL):
            raise DataError(self.refused)
        status, sentence = self.verdict(code, timeout)
        reason = "\n".join([*said[-20:], sentence])
        job = self.job
        record = outcome.record_of(
            job.spec,
            job.data,
            status,
            reason,
            None,
            self.progress,
            threads=job.threads,
            alone=job.alone,
        )
        cost = Cost(process_seconds=self.under_way.seconds)
        result = store.packed(record.model_copy(update={"cost": cost}))
        store.write(job.out, result)
        checkpoint.path_of(job).unlink(missing_ok=True)
        return result.record

    def written(self) -> Record | None:
        """Return the record that the process says it has written; None if there is no such one."""
        if stamp_of(self.job) == self.stamp:
            return None
        with suppress(DataError):
            return store.read(store.path_of(self.job.out, self.job.spec.id))
        return None

    def verdict(self, code: int, timeout: float | None) -> tuple[Status, str]:
        """Return status and reason for a process that ended without a record."""
        news = self.under_way.news or News()
        began = f"; it was at epoch {news.epoch} of {news.planned}"
        where = began if news.epoch else " in its first epoch"
        if self.intruder:
            what = self.intruder[:60].decode(errors="backslashreplace")
            return (
                "failed",
                f"the model wrote {what!r} where only messages to the run belong{where}",
            )
        if self.ended:
            return "failed", f"it said that its record was there, and it is not{where}"
        if self.timed_out:
            return "timeout", f"ran longer than --timeout {timeout:g} seconds{where}"
        if code >= 0:
            ended = f"its process ended with exit code {code} before its record was written"
            return "failed", f"{ended}{where}"
        known = {number.value: number.name for number in signal.Signals}
        name = known.get(-code, str(-code))
        if -code == signal.SIGKILL and environment.oom_kills() > self.oom_kills:
            return "oom", f"out of memory: the system killed its process{where}"
        return "failed", f"its process died of signal {name}{where}"
