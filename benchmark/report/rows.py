"""Records grouped into the rows of tables: the records of a row differ in their seed alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark import labels
from benchmark.evaluation.metrics import Metric
from benchmark.evaluation.truth import ROWS as BOUNDS
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.records.together import of_one_split
from benchmark.spec import TrialSpec
from datasets.errors import DataError
from models.registry import MODELS


@dataclass(frozen=True)
class Row:
    """Records that differ only in their seed."""

    label: str
    """The model, with the options that differ from what it starts from."""
    device: str | None
    precision: str | None
    records: list[Record]
    """By their seeds."""
    older: int
    """How many records of other versions of the code or the protocol were left out."""

    @property
    def scored(self) -> list[Record]:
        """Those that have metrics."""
        return [record for record in self.records if record.metrics is not None]

    @property
    def spec(self) -> TrialSpec:
        """The first record's; the others' differ in the seed."""
        return self.records[0].spec

    @property
    def seeds(self) -> str:
        """How many, for a cell: "4 of 5" if one has no metrics, "-" if there is nothing to seed."""
        if self.spec.seed is None:
            return "-"
        scored, every = len(self.scored), len(self.records)
        return str(scored) if scored == every else f"{scored} of {every}"

    def per_user(self, metrics: Sequence[Metric], folder: Path) -> np.ndarray:
        """Each metric of each scored trial and test user: (metrics, trials, users).

        Raises DataError if a per-user file is not its record's.
        """
        found = [store.hits(folder, record) for record in self.scored]
        return np.array([[metric(*hits) for hits in found] for metric in metrics])


def by_split(found: Iterable[Record]) -> list[list[Record]]:
    """The records of each data set and split, by their names.

    Raises DataError if records of a split say that it has different sizes.
    """
    splits: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in found:
        splits[record.data_label, record.spec.split_hash].append(record)
    for group in splits.values():
        if wrong := of_one_split(group):
            raise DataError(wrong)
    return [splits[key] for key in sorted(splits)]


def outside_grids(found: Iterable[Record]) -> list[list[Record]]:
    """As ``by_split``, without the points of grids, which never saw a test user."""
    return by_split(record for record in found if record.spec.stage != "validation")


def rows(found: Iterable[Record]) -> list[Row]:
    """Group one split's records; of several versions of code or protocol, the newest counts.

    Rows are in the registry's order, then by the options' values, bounds last, whatever the order
    in which trials finished.
    """
    groups: dict[tuple[str, str | None, str | None], list[Record]] = defaultdict(list)
    for record in sorted(found, key=lambda r: r.finished):
        spec = record.spec
        groups[labels.model_label(spec), spec.device, spec.precision].append(record)
    made = []
    for key, group in groups.items():
        current = [r for r in group if _version(r) == _version(group[-1])]
        current.sort(key=lambda r: r.spec.seed or 0)
        made.append(Row(*key, current, older=len(group) - len(current)))
    return sorted(made, key=_place)


def _version(record: Record) -> tuple[int, str]:
    return record.spec.protocol, record.spec.code


def _place(row: Row) -> tuple[Any, ...]:
    """Where a row stands: numbers among its options count by their values, so 8 comes before 16."""
    model = row.spec.model
    known = [*MODELS, *BOUNDS]
    options = [(name, _by_value(value)) for name, value in labels.model_options(row.spec).items()]
    return (
        model in BOUNDS,
        known.index(model) if model in known else len(known),
        model,
        options,
        row.device or "",
        row.precision or "",
    )


def _by_value(value: Any) -> tuple[bool, float, str]:
    """A key that sorts options' values: numbers first."""
    if isinstance(value, int | float):
        return False, value, ""
    return True, 0, str(value)


def models(made: Sequence[Row]) -> list[Row]:
    """Rows that have metrics and are no bounds."""
    return [row for row in made if row.scored and row.spec.model not in BOUNDS]


def names(made: Sequence[Row]) -> list[str]:
    """What to call each row: its label, and what else tells it from others of that label."""
    several = [[other for other in made if other.label == row.label] for row in made]
    return [
        f"{row.label} ({row.device}, {row.precision})" if len(same) > 1 else row.label
        for row, same in zip(made, several, strict=True)
    ]


def is_number(value: object) -> bool:
    """Return whether a value in a record is a number to calculate with, whatever model says it."""
    return isinstance(value, int | float) and -1e300 < value < 1e300


def title(group: Sequence[Record]) -> str:
    """The data set and split that a group of records has, with their sizes."""
    one, data = group[-1], group[-1].data
    return (
        f"{one.data_label}: {data.test_users} test users, {data.training_users} training "
        f"users, {data.items} items; split {one.spec.split_hash[:12]}"
    )
