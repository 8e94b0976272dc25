"""What runs trials: on this machine (local.py), later on others."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import NamedTuple, Protocol

from benchmark.records.record import Record
from benchmark.spec import Job


class Resources(NamedTuple):
    """What a trial is given on a machine that it shares with others."""

    minutes: int
    """After so many it is stopped, and goes on later."""
    megabytes: int


class Executor(Protocol):
    """Runs trials somewhere."""

    def run(self, jobs: Sequence[Job]) -> Generator[tuple[Job, Record], None, None]:
        """Run every job; give each with its record, once that is stored in the job's folder."""
        ...
