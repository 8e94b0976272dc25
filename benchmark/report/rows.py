"""Gathers records into the rows of tables: the records of a row differ only in their seed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmark import labels
from benchmark.evaluation.metrics import Metric, headline
from benchmark.evaluation.truth import ROWS as BOUNDS
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.records.together import Folds, of_one_split
from benchmark.spec import TrialSpec
from datasets.errors import DataError
from datasets.strong_generalization import AUTHORS_SEED
from models.registry import MODELS

FINISHED = 0.98
"""The share of the epochs by which the best one must have come for training to count as finished.

It is that of the median trial. With 200 epochs it is the 196th."""


@dataclass(frozen=True)
class Row:
    """A row of a table: records that differ only in their seed."""

    label: str
    """What the model is called: its name, and the options that are not the usual ones."""
    device: str | None
    precision: str | None
    records: list[Record]
    """The records in the order of their seeds."""
    older: int
    """The number of records left out, since they are of older versions of the code or protocol."""

    @property
    def scored(self) -> list[Record]:
        """The records that have metrics."""
        return [record for record in self.records if record.metrics is not None]

    @property
    def spec(self) -> TrialSpec:
        """The spec of the first record; those of the others differ only in the seed."""
        return self.records[0].spec

    @property
    def epochs(self) -> int:
        """The number of epochs of a scored trial; 0 without a curve."""
        return len(self.scored[0].curve) if self.scored else 0

    @property
    def best_epoch(self) -> float | None:
        """The median over trials of the epoch that was tested; None without a curve."""
        epochs = [r.best_epoch for r in self.scored if r.best_epoch and r.curve]
        return median(epochs) if epochs else None

    @property
    def unfinished(self) -> bool:
        """Whether the validation score was still rising when training ended (see FINISHED)."""
        return self.epochs > 1 and (self.best_epoch or 0) > FINISHED * self.epochs

    @property
    def shown(self) -> str:
        """The text of the model cell."""
        return f"{self.label} (unfinished)" if self.unfinished else self.label

    @property
    def seeds(self) -> str:
        """The text of the seeds cell: "4 of 5" if one failed, "-" for a deterministic model."""
        if self.spec.seed is None:
            return "-"
        scored, total = len(self.scored), len(self.records)
        return str(scored) if scored == total else f"{scored} of {total}"

    def per_user(
        self, metrics: Sequence[Metric], folder: Path, folds: Folds | None = None
    ) -> np.ndarray:
        """Return each metric of each scored trial and test user: (metrics, trials, users).

        Raises DataError if a per-user file is not its record's, if a record's metrics do not follow
        from it, or if its test users are not those of the rows before, which are in ``folds``.
        """
        folds = folds or Folds()
        trials = []
        for record in self.scored:
            results = store.per_user(folder, record)
            if wrong := folds.wrong(record, results):
                raise DataError(wrong)
            trials.append((results.hit, results.targets))
        return np.array([[metric(*hits) for hits in trials] for metric in metrics])


def by_split(records: Iterable[Record]) -> list[list[Record]]:
    """Return a group of records for each split, sorted by data set.

    Of several splits of a data set, that with the authors' seed is the first.
    Raises DataError if the records of a split differ in its sizes.
    """
    splits: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        splits[record.data_label, record.spec.split_hash].append(record)
    for group in splits.values():
        if wrong := of_one_split(group):
            raise DataError(wrong)
    return sorted(splits.values(), key=lambda group: (_data_set(group), _split_place(group)))


def _data_set(group: Sequence[Record]) -> str:
    """Return the label of a split's data set, which all its splits share."""
    options = group[0].data.options | {"split_seed": AUTHORS_SEED}
    return labels.dataset_label(group[0].spec.dataset, options)


def _split_place(group: Sequence[Record]) -> tuple[bool, int, str]:
    """Return what splits of a data set are sorted by: the authors' first, then by their seeds."""
    seed = group[0].data.options.get("split_seed") or 0
    return seed != AUTHORS_SEED, seed, group[0].spec.split_hash


def outside_grids(records: Iterable[Record]) -> list[list[Record]]:
    """Return the groups of ``by_split`` without points of grids, which never saw a test user."""
    return by_split(record for record in records if record.spec.stage != "validation")


def one_seed_each(groups: Sequence[list[Record]]) -> list[list[Record]]:
    """Return those groups of ``by_split`` whose split has the first seed of their data set.

    The authors' seed comes first, then the others in order.
    """
    first: dict[str, tuple[bool, int]] = {}
    for group in groups:
        first.setdefault(_data_set(group), _split_place(group)[:2])
    return [group for group in groups if _split_place(group)[:2] == first[_data_set(group)]]


def rows(group: Iterable[Record]) -> list[Row]:
    """Return the rows of one split's records, whatever the order in which trials finished.

    A row has the records of the newest version of code and protocol only. Rows stand in the
    registry's order, then by the values of their options; bounds stand last.
    """
    by_key: dict[tuple[str, str | None, str | None, int | None], list[Record]] = defaultdict(list)
    for record in sorted(group, key=lambda r: r.finished):
        spec = record.spec
        key = labels.model_label(spec), spec.device, spec.precision, spec.patience
        by_key[key].append(record)
    table_rows = []
    for (label, device, precision, _), records in by_key.items():
        current = [r for r in records if _version(r) == _version(records[-1])]
        current.sort(key=lambda r: r.spec.seed or 0)
        table_rows.append(Row(label, device, precision, current, older=len(records) - len(current)))
    return sorted(table_rows, key=_place)


def _version(record: Record) -> tuple[int, str]:
    return record.spec.protocol, record.spec.code


def _place(row: Row) -> tuple[Any, ...]:
    """Return a row's sort key; options that are numbers are sorted by value, so 8 is before 16."""
    model = row.spec.model
    order = [*MODELS, *BOUNDS]
    options = [(name, _by_value(value)) for name, value in labels.model_options(row.spec).items()]
    return (
        model in BOUNDS,
        order.index(model) if model in order else len(order),
        model,
        options,
        row.device or "",
        row.precision or "",
        row.spec.patience or 0,
    )


def _by_value(value: Any) -> tuple[bool, float, str]:
    """Return the sort key of an option's value; numbers come first."""
    if isinstance(value, int | float):
        return False, value, ""
    return True, 0, str(value)


def models(table_rows: Sequence[Row]) -> list[Row]:
    """Return the rows that are compared: with metrics, no bounds, and trained to the end."""
    return [
        row
        for row in table_rows
        if row.scored and row.spec.model not in BOUNDS and not row.unfinished
    ]


def names(table_rows: Sequence[Row]) -> list[str]:
    """Return each row's label, with device and precision where several rows have that label."""
    counts = Counter(row.label for row in table_rows)
    return [
        f"{row.label} ({row.device}, {row.precision})" if counts[row.label] > 1 else row.label
        for row in table_rows
    ]


def is_number(value: object) -> bool:
    """Return whether a value in a record is a number to calculate with, whatever model says it."""
    return isinstance(value, int | float) and -1e300 < value < 1e300


def metrics_of(group: Sequence[Record], asked: Sequence[Metric] | None) -> Sequence[Metric]:
    """Return the ``asked`` metrics as one split has them; with None those of its task."""
    task = group[0].data.task
    return headline(task) if asked is None else [metric.on(task) for metric in asked]


def title(group: Sequence[Record]) -> str:
    """Return the title of one split's table: the data set and split, with their sizes."""
    record, data = group[-1], group[-1].data
    return (
        f"{record.data_label}: {data.test_users} test users, {data.training_users} training "
        f"users, {data.items} items; split {record.spec.split_hash[:12]}"
    )
