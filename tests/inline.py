"""Trials in the process of the tests, for tests that are not about processes."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import pytest
import torch

from benchmark import conduct
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.run import checkpoint, trial
from benchmark.run.child import write_spec
from benchmark.run.display import Display, Lines
from benchmark.run.progress import News
from benchmark.run.under_way import UnderWay
from benchmark.spec import Job
from datasets import atomic


class Inline:
    """Runs trials one after the other in this process, which need not import torch for each."""

    def __init__(
        self,
        at_once: int = 1,
        timeout: float | None = None,
        fresh: bool = False,
        display: Display | None = None,
    ) -> None:
        self.fresh, self.display = fresh, display or Lines()

    def run(self, jobs: Sequence[Job]) -> Generator[tuple[Job, Record], None, None]:
        """Run every job; give each with its record, once that is stored."""
        with self.display.watching(jobs):
            for job in jobs:
                self.display.started(job)
                record = self.settle(job)
                self.display.finished(job, record)
                yield job, record

    def hear(self, under_way: UnderWay, news: News) -> None:
        """Do what a run does with a message of a trial."""
        under_way.hear(news)
        self.display.heard(under_way)
        self.display.show([under_way])

    def settle(self, job: Job) -> Record:
        """Do what the process of a trial does, from its spec to its record."""
        with atomic.lock(job.out, job.spec.id, wait=False):
            if self.fresh:
                checkpoint.path_of(job).unlink(missing_ok=True)
            result = trial.run(trial.load(write_spec(job)), partial(self.hear, UnderWay(job)))
            trial.write(job, result)
        return store.read(store.path_of(job.out, job.spec.id))


@contextmanager
def inline() -> Iterator[None]:
    """Let runs of the command line train in this process."""
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conduct, "Local", Inline)
        yield
    torch.set_num_threads(threads)
