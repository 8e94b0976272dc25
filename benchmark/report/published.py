"""What others published under this protocol, and whether ours agrees: results/published.csv."""

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
NAMES = ROOT / "results" / "published_names.csv"
"""Models that have another name here: that in VALUES, and the registered one."""
PROTOCOL = "strong generalisation, authors' split"
"""Others are not compared."""
DATASETS = {"ml20m": "ML-20M", "netflix": "Netflix", "msd": "MSD"}
"""The paper's data sets, in its order: name here and in VALUES."""
OWN = "Liang2018"
"""How the source of the paper's own numbers begins."""
Verdict = Literal["agrees", "differs"]


@dataclass(frozen=True)
class Published:
    """One published number."""

    model: str
    """The registered name, else as published."""
    name: str
    """As published."""
    metric: str
    value: float
    digits: str
    """The value as it is printed in the source."""
    stderr: float | None
    """Over users, where it is published."""
    source: str
    verified: bool
    """Read in a source that prints it, not recalled."""

    @property
    def text(self) -> str:
        """The value as published, with its standard error, and a dagger if it is recalled."""
        spread = "" if self.stderr is None else f" ± {self.stderr:g}"
        return f"{self.digits}{spread}{'' if self.verified else '†'}"


@cache
def published(dataset: str, values: Path = VALUES, names: Path = NAMES) -> list[Published]:
    """All numbers of one data set, the paper's own first, then in the file's order.

    There are none for data sets that are not the paper's.
    """
    known = {line["published"]: line["model"] for line in _lines(names)}
    found = [
        Published(
            model=known.get(line["model"], line["model"]),
            name=line["model"],
            metric=line["metric"],
            value=float(line["value"]),
            digits=line["value"],
            stderr=float(line["stderr"]) if line["stderr"] else None,
            source=line["source"],
            verified=line["seen"] == "yes",
        )
        for line in _lines(values)
        if (line["dataset"], line["protocol"]) == (DATASETS.get(dataset), PROTOCOL)
    ]
    return sorted(found, key=lambda one: not one.source.startswith(OWN))


def _lines(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def verdict(ours: Summary | None, theirs: Published | None) -> Verdict | None:
    """Whether two values are within two standard errors of their difference.

    None where one of them is missing or has no standard error.
    """
    if ours is None or theirs is None or theirs.stderr is None:
        return None
    bound = 2 * math.sqrt(ours.stderr**2 + theirs.stderr**2)
    return "agrees" if abs(ours.mean - theirs.value) <= bound else "differs"
