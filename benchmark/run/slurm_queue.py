"""What Slurm says of a person's jobs, and what it is asked to do with one."""

from __future__ import annotations

import getpass
import subprocess
import time
from collections.abc import Callable
from typing import NamedTuple

from datasets.errors import DataError

TICK_SECONDS = 2.0
"""How often the queue is looked at."""
OUTAGE_SECONDS = 600.0
"""How long Slurm may not answer, as while its controller starts anew."""
HELD = "launch failed requeued held"
"""Why a job waits that a node could not start, as with a full disk. Slurm gives that node no other
job, and holds this one until somebody releases it."""


class Queued(NamedTuple):
    """A job in the queue, in Slurm's words."""

    state: str
    reason: str
    """Why it waits."""


def queue() -> dict[str, Queued]:
    """Return this person's jobs that wait or run, by number.

    Raises DataError if Slurm does not answer.
    """
    form = "--format=%i %T %r"
    command = ["squeue", "--noheader", "--array", form, f"--user={getpass.getuser()}"]
    asked = subprocess.run(command, capture_output=True, text=True)
    if asked.returncode:
        raise DataError(f"Slurm does not answer: {' '.join(asked.stderr.split())}")
    lines = (line.split(maxsplit=2) for line in asked.stdout.splitlines())
    return {number: Queued(state, reason.strip()) for number, state, reason in lines}


def when_answered(tell: Callable[[str], None]) -> dict[str, Queued]:
    """Return what ``queue`` does, once Slurm answers; ``tell`` is told that it does not.

    Raises DataError if it does not for a long time.
    """
    end, told = time.monotonic() + OUTAGE_SECONDS, False
    while True:
        try:
            return queue()
        except DataError as error:
            if time.monotonic() > end:
                raise
            if not told:
                tell(f"{error}; waiting until it does")
            told = True
            time.sleep(TICK_SECONDS)


def release(number: str) -> None:
    """Have Slurm start a job that it holds; if it does not answer, the job stays held."""
    subprocess.run(["scontrol", "release", number], capture_output=True)
