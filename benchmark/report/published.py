"""Published numbers under this protocol, from results/published.csv, and whether ours agree."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from benchmark.paths import ROOT
from benchmark.stats import Summary

VALUES = ROOT / "results" / "published.csv"
"""The published numbers, one row each."""
NAMES = ROOT / "results" / "published_names.csv"
"""The name in VALUES and the registered name of each model that has another name here."""
PROTOCOL = "strong generalisation, authors' split"
"""The protocol of the numbers that are shown; those of other protocols are left out."""
DATASETS = {"ml20m": "ML-20M", "netflix": "Netflix", "msd": "MSD"}
"""The paper's data sets in its order, each by its name here with its name in VALUES."""
OWN = "Liang2018"
"""The beginning of the ``source`` of the paper's own numbers."""
Verdict = Literal["agrees", "differs"]


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
    verified: bool
    """Whether the value was read in a source that prints it, not recalled from memory."""

    @property
    def text(self) -> str:
        """The value as published, with its standard error, and a dagger if it is not verified."""
        spread = "" if self.stderr is None else f" ± {self.stderr:g}"
        return f"{self.digits}{spread}{'' if self.verified else '†'}"


@cache
def published(dataset: str, values: Path = VALUES, names: Path = NAMES) -> list[Published]:
    """Return the numbers of one data set, the paper's own first, then in the file's order.

    The list is empty for a data set that the paper has not.
    """
    registered = {row["published"]: row["model"] for row in _csv_rows(names)}
    numbers = [
        Published(
            model=registered.get(row["model"], row["model"]),
            name=row["model"],
            metric=row["metric"],
            value=float(row["value"]),
            digits=row["value"],
            stderr=float(row["stderr"]) if row["stderr"] else None,
            source=row["source"],
            verified=row["seen"] == "yes",
        )
        for row in _csv_rows(values)
        if (row["dataset"], row["protocol"]) == (DATASETS.get(dataset), PROTOCOL)
    ]
    return sorted(numbers, key=lambda number: not number.source.startswith(OWN))


def _csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def verdict(ours: Summary | None, theirs: Published | None) -> Verdict | None:
    """Return whether two values differ by at most two standard errors of their difference.

    Returns None where one of them is missing or has no standard error.
    """
    if ours is None or ours.stderr is None or theirs is None or theirs.stderr is None:
        return None
    bound = 2 * math.sqrt(ours.stderr**2 + theirs.stderr**2)
    return "agrees" if abs(ours.mean - theirs.value) <= bound else "differs"
