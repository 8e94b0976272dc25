"""Published numbers from results/published.csv, and how ours compare with them."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

from benchmark.evaluation.metrics import Metric
from benchmark.paths import ROOT
from benchmark.stats import MARGIN, Summary, equivalent
from datasets.task import Name

VALUES = ROOT / "results" / "published.csv"
"""The published numbers, one row each."""
NAMES = ROOT / "results" / "published_names.csv"
"""The name in VALUES and the registered name of each model that has another name here."""
PROTOCOLS: dict[Name, str] = {
    "strong generalisation": "strong generalisation, authors' split",
    "leave-one-out": "leave-one-out, 100 sampled negatives",
}
"""The protocol in VALUES of each task's numbers; those of other protocols are not shown."""
DATASETS: dict[Name, dict[str, str]] = {
    "strong generalisation": {"ml20m": "ML-20M", "netflix": "Netflix", "msd": "MSD"},
    "leave-one-out": {"ncf-ml1m": "ML-1M", "ncf-pinterest": "Pinterest"},
}
"""The paper's data sets of each task in its order, by their names here with those in VALUES."""
ROLES = ("paper", "later paper", "third party")
"""Who published a number: the paper of the protocol, a later paper about its own model, or people
who ran the model of others. Numbers are shown in this order."""
Verdict = Literal["equal", "within sampling error", "differs"]


@dataclass(frozen=True)
class Published:
    """A published number."""

    model: str
    """The registered name of the model; the published name if it is not registered."""
    name: str
    """The published name of the model."""
    metric: str
    value: float
    digits: str
    """The value as the source prints it."""
    stderr: float | None
    """The standard error over users; None where it is not published."""
    source: str
    role: str
    """One of ROLES."""
    verified: bool
    """Whether the value was read in a source that prints it, not recalled from memory."""
    stderr_verified: bool
    """The same of the standard error."""

    @property
    def text(self) -> str:
        """The value as published, with its standard error; a dagger marks what is not verified."""
        spread = "" if self.stderr is None else f" ± {self.stderr:.2g}"
        return (
            f"{self.digits}{'' if self.verified else '†'}"
            f"{spread}{'' if self.stderr is None or self.stderr_verified else '†'}"
        )

    @property
    def rounding(self) -> float:
        """The most by which the value was changed when it was rounded to its digits."""
        return 0.5 * 10.0 ** -len(self.digits.partition(".")[2])


@cache
def published(
    dataset: str, task: Name, values: Path = VALUES, names: Path = NAMES
) -> list[Published]:
    """Return the numbers of one data set, the paper's own first, then in the file's order.

    The list is empty for a data set that the paper has not.
    """
    registered = {row["published"]: row["model"] for row in _csv_rows(names)}
    numbers = [
        Published(
            model=registered.get(row["model"], row["model"]),
            name=row["model"],
            metric=str(Metric.parse(row["metric"]).on(task)),
            value=float(row["value"]),
            digits=row["value"],
            stderr=float(row["stderr"]) if row["stderr"] else None,
            source=row["source"],
            role=row["role"],
            verified=row["seen"] == "yes",
            stderr_verified=row["stderr_seen"] == "yes",
        )
        for row in _csv_rows(values)
        if (row["dataset"], row["protocol"]) == (DATASETS[task].get(dataset), PROTOCOLS[task])
    ]
    return sorted(numbers, key=lambda number: ROLES.index(number.role))


def _csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def first(numbers: Sequence[Published]) -> Published | None:
    """Return the number to compare with, of those of one model and metric; None if there is none.

    It is the first, with the standard error that the same authors printed elsewhere for the same
    model if its own is only remembered.
    """
    if not numbers:
        return None
    shown = numbers[0]
    printed = [n.stderr for n in numbers if n.role == shown.role and n.stderr_verified]
    if shown.stderr_verified or not printed:
        return shown
    return replace(shown, stderr=printed[0], stderr_verified=True)


def verdict(ours: Summary | None, theirs: Published | None, seeded: bool) -> Verdict | None:
    """Return how our mean compares with a published one; None without an error over users.

    Both sides have scored the same users. So they are equal if two one-sided t-tests find that the
    difference, the rounding of theirs included, is within MARGIN; what is random is the seed, on
    their side too (with our spread). ``seeded`` says whether the model has seeds. Otherwise the
    difference is compared with two standard errors of that of two samples of users, ours serving
    for theirs where it is not known: being within these says little, as users are the same.
    """
    if ours is None or ours.stderr is None or theirs is None:
        return None
    away = abs(ours.mean - theirs.value)
    sd = ours.sd if seeded else 0.0
    if sd is not None and equivalent(away + theirs.rounding, sd, ours.seeds, MARGIN):
        return "equal"
    their_stderr = ours.stderr if theirs.stderr is None else theirs.stderr
    bound = 2 * math.sqrt(ours.stderr**2 + their_stderr**2)
    return "within sampling error" if away <= bound else "differs"
