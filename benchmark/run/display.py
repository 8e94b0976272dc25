"""How far a run is: a line for each trial that has ended, and on a terminal one that changes."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any

from tqdm import tqdm

from benchmark import labels
from benchmark.spec import Job
from benchmark.text import say, visible

RESERVED = 30
"""The characters of a terminal's line that are not for the trials under way: how many have ended,
the share of the work that is done, and the time left."""


def changing_line(total: int | None = None) -> tqdm[Any]:
    """Return the line on standard error that shows what is under way; only a terminal has one."""
    form = "{desc} {percentage:.0f}%, {remaining} left{postfix}"
    hidden = total == 0 or not sys.stderr.isatty()
    return tqdm(total=total, bar_format=form, leave=False, disable=hidden)


def room() -> int:
    """Return how many characters of the line are for the trials under way."""
    return shutil.get_terminal_size().columns - RESERVED


def progress_of(job: Job, epoch: int, planned: int, best: float | None, room: int) -> str:
    """Return a trial's name, epoch and best validation score, if possible in ``room`` characters.

    The name of the data set is left out first, then the end of the model's.
    """
    seed = "" if job.spec.seed is None else f" seed {job.spec.seed}"
    end = f" epoch {epoch} of {planned}" if epoch else ""
    end += "" if best is None else f", best {best:.4f}"
    model = visible(labels.model_label(job.spec))
    cut = f"{model[: max(room - len(seed + end) - 1, 1)]}…"
    names = (labels.trial_label(job), model + seed, cut + seed)
    return next((name for name in names if len(name + end) <= room), names[-1]) + end


class Display:
    """How far all the trials of a run are."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.started = total, 0, time.monotonic()
        self.bar = changing_line(total)

    def show(self, shares: Sequence[float], trials: Sequence[str]) -> None:
        """Show the trials under way, each with the share of its epochs that is over.

        The first is always named, the others while there is room.
        """
        shown = list(trials[:1])
        for trial in trials[1:]:
            if len("; ".join([*shown, trial])) <= room():
                shown.append(trial)
        more = len(trials) - len(shown)
        self.bar.set_description_str(f"{self.done}/{self.total}", refresh=False)
        self.bar.set_postfix_str("; ".join(shown) + (f" and {more} more" if more else ""), False)
        self.bar.update(self.done + sum(shares) - self.bar.n)
        self.bar.refresh()

    def finished(self, job: Job, what: str) -> None:
        """Print a line for a trial that has ended."""
        self.done += 1
        left = (time.monotonic() - self.started) / self.done * (self.total - self.done)
        tail = f"; about {left / 60:.0f} min left" if left > 60 else ""
        self.say(f"[{self.done}/{self.total}] {labels.trial_label(job)}: {what}{tail}")

    def say(self, line: str) -> None:
        """Print a line above the one that changes."""
        with tqdm.external_write_mode():
            say(line)
