"""What a run tells while it goes on: lines for a log, JSON for a script, or nothing.

What a terminal shows is in terminal.py.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from typing import TextIO

from benchmark import labels
from benchmark.records.record import Record
from benchmark.run import outcome
from benchmark.run.under_way import UnderWay
from benchmark.spec import Job
from benchmark.text import counted, duration, say

FEW = 2
"""With more trials under way than these, a log gets one line for all."""

Forecast = Callable[[Job, Sequence[Record]], float | None]
"""Returns about how many seconds a trial takes, by the records of others; None if that is not
known."""


def unknown(job: Job, records: Sequence[Record]) -> float | None:
    """Forecast nothing."""


class Display:
    """Follows the trials of a run, and tells nothing of them."""

    interval = 60.0
    """The seconds between two times at which the trials under way are shown."""

    def __init__(self, forecast: Forecast = unknown, at_once: int = 1) -> None:
        """``forecast`` says how long trials take, of which ``at_once`` run at a time."""
        self.forecast, self.at_once = forecast, at_once
        self.records: list[Record] = []
        """Those of the run's trials that have ended, by which the others are forecast."""
        self.left: dict[str, Job] = {}
        """The trials that have not ended, by id."""
        self.under_way: Sequence[UnderWay] = ()
        self.expected: dict[str, float | None] = {}
        """What is forecast for those that are left."""
        self.total = 0

    def alone(self) -> AbstractContextManager[object]:
        """Keep from standard output, inside the block, what else is printed, as by a data set."""
        return redirect_stdout(io.StringIO())

    @contextmanager
    def watching(self, jobs: Sequence[Job]) -> Iterator[None]:
        """Follow these trials inside the block."""
        self.left, self.total = {job.spec.id: job for job in jobs}, len(jobs)
        self.under_way, self.due = (), time.monotonic() + self.interval
        self._foresee()
        yield

    @property
    def done(self) -> int:
        """How many of the trials have ended."""
        return self.total - len(self.left)

    def tell(self, event: str, line: str, **fields: object) -> None:
        """Tell an event: to a person by a ``line``, to a script by its fields."""

    def note(self, line: str) -> None:
        """Tell what is only said."""
        self.tell("note", line, text=line)

    def started(self, job: Job) -> None:
        """Take note that a trial has started."""

    def heard(self, trial: UnderWay) -> None:
        """Take note of the news of a trial."""

    def finished(self, job: Job, record: Record | None) -> None:
        """Tell that a trial has ended; ``record`` is None if another run has settled it."""
        del self.left[job.spec.id]
        self.under_way = [trial for trial in self.under_way if trial.job.spec.id in self.left]
        if record:
            self.records.append(record)
        self._foresee()
        what = outcome.line(record) if record else "done by another run"
        said = [f"[{self.done}/{self.total}] {labels.trial_label(job)}: {what}", self.time_left()]
        self.tell("trial ended", "; ".join(filter(None, said)), **name_of(job), **result_of(record))

    def show(self, trials: Sequence[UnderWay]) -> None:
        """Show the trials under way, if it is time."""
        self.under_way = trials
        if (now := time.monotonic()) >= self.due:
            self.due = now + self.interval
            self.draw()

    def draw(self) -> None:
        """Show the trials under way."""

    def time_left(self) -> str:
        """Return about how long the trials will go on; empty if nothing is known of it.

        It is "more than" what is known of some if nothing is known of others.
        """
        running = {trial.job.spec.id: trial for trial in self.under_way}
        seconds = [self._seconds(job, running.get(name)) for name, job in self.left.items()]
        known = [one for one in seconds if one is not None]
        if not known:
            return ""
        least = max(*known, sum(known) / self.at_once)
        if least < 1:
            return ""
        return f"{'about' if len(known) == len(seconds) else 'more than'} {duration(least)} left"

    def _seconds(self, job: Job, trial: UnderWay | None) -> float | None:
        """Return about how long a trial that has not ended will take from now on."""
        if trial and trial.seconds_left is not None:
            return trial.seconds_left
        whole = self.expected[job.spec.id] or self._of_alike(job)
        if whole is None or trial is None:
            return whole
        return max(0.0, whole - trial.seconds)

    def _of_alike(self, job: Job) -> float | None:
        """Return how long a trial of the same model and data set that is under way takes."""
        for trial in self.under_way:
            if (trial.job.spec.model, trial.job.spec.dataset) == (job.spec.model, job.spec.dataset):
                return trial.whole_seconds
        return None

    def _foresee(self) -> None:
        self.expected = {name: self.forecast(job, self.records) for name, job in self.left.items()}


class Lines(Display):
    """Tells a person in lines, as a log or a pipe holds them."""

    def alone(self) -> AbstractContextManager[object]:
        return nullcontext()

    def tell(self, event: str, line: str, **fields: object) -> None:
        say(line)

    def draw(self) -> None:
        if 0 < len(self.under_way) <= FEW:
            for trial in self.under_way:
                facts = (f"{name} {fact}".strip() for name, fact in trial.facts().items() if fact)
                say(f"{labels.trial_label(trial.job)}: {', '.join(facts)}")
        else:
            ended = f"{self.done} of {counted(self.total, 'trial')} ended"
            running = f"{len(self.under_way)} under way" if self.under_way else ""
            say(", ".join(filter(None, [ended, running, self.time_left()])))


class Events(Display):
    """Tells a script: each event is a JSON document on a line of standard output."""

    to: TextIO | None = None

    def alone(self) -> AbstractContextManager[object]:
        self.to = sys.stdout
        return redirect_stdout(sys.stderr)

    def tell(self, event: str, line: str, **fields: object) -> None:
        say(json.dumps({"event": event} | fields), to=self.to)

    def started(self, job: Job) -> None:
        self.tell("trial started", "", **name_of(job))

    def heard(self, trial: UnderWay) -> None:
        if trial.news and trial.news.epoch:
            fields = trial.news.model_dump() | {"memory_bytes": trial.memory_bytes}
            self.tell("epoch", "", id=trial.job.spec.id, **fields)


def for_person(forecast: Forecast = unknown, at_once: int = 1) -> Lines:
    """Return what shows a person the trials of a run, on a terminal or in a log.

    A log is what is not a terminal on both standard output and standard error.
    """
    if sys.stdout.isatty() and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        from benchmark.run.terminal import Terminal  # rich, which no trial of a run needs

        return Terminal(forecast, at_once)
    return Lines(forecast, at_once)


def name_of(job: Job) -> dict[str, object]:
    """Return the fields that say which trial an event is of."""
    spec = job.spec
    return {
        "id": spec.id,
        "dataset": labels.dataset_label(spec.dataset, job.data.options),
        "model": labels.model_label(spec),
        "seed": spec.seed,
    }


def result_of(record: Record | None) -> dict[str, object]:
    """Return the fields that say how a trial has ended; none if another run has settled it."""
    if record is None:
        return {}
    return {
        "status": record.status,
        "reason": record.sentence if record.reason else None,
        "metrics": {name: value.mean for name, value in (record.metrics or {}).items()},
        "best_epoch": record.best_epoch,
        "best_validation": record.best_validation,
        "seconds": record.cost.spent_seconds,
    }
