"""What changed between two folders of records: another machine, an older commit, a colleague."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.evaluation.metrics import Metric
from benchmark.records.record import Record
from benchmark.records.together import Folds
from benchmark.report.cells import Cell, Mean, Number, Table
from benchmark.report.rows import Row, metrics_of, outside_grids, rows, title
from benchmark.stats import ALPHA, MARGIN, Difference, difference, holm, summarize

DEFINITIONS = (
    "Here: the folder of the report; there: the folder that it is compared with. Means over seeds "
    "± standard deviation over seeds. Difference: here - there, on the same test users, with its "
    "95 % interval, by a t-test with the variances over users and over seeds added; p after Holm's "
    "correction over the rows. The same bits: every trial ended in the same results to the last "
    "bit. Equal: the difference is surely smaller than "
    f"{MARGIN:g}, by two one-sided tests at the level {ALPHA:g}. Not alike: what else differs "
    "between the two rows."
)
HEAD = ("model", "device", "precision", "here", "there", "difference", "p", "verdict", "not alike")
FACTS: dict[str, Callable[[Record], object]] = {
    "code": lambda record: (record.spec.protocol, record.spec.code),
    "seeds": lambda record: record.spec.seed,
    "commit": lambda record: (record.environment.commit, record.environment.dirty),
    "CPU": lambda record: record.environment.cpu,
    "GPU": lambda record: record.environment.gpu,
    "threads": lambda record: record.environment.threads,
    "matrix product": lambda record: record.environment.matrix_product,
    "versions": lambda record: (record.environment.python, str(record.environment.versions)),
}
"""What two rows may differ in besides their results."""
Key = tuple[str, str | None, str | None]
"""What identifies a row on a split: label, device and precision."""


@dataclass(frozen=True)
class Change:
    """A row that two folders have, with its scores in each."""

    key: Key
    here: Row
    there: Row
    values: tuple[np.ndarray, np.ndarray]
    """A metric here and there, each (trials, users)."""

    @property
    def same(self) -> bool:
        """Whether both rows have the same trials, with the same results to the last bit."""
        here, there = ({r.id: r for r in row.records} for row in (self.here, self.there))
        return here.keys() == there.keys() and not any(here[i].differs(there[i]) for i in here)

    @property
    def difference(self) -> Difference | None:
        """The difference of the means; None if nothing differs, or it cannot be tested."""
        here, there = self.values
        if self.same or not len(here) or not len(there) or here.shape[1] < 2:
            return None
        return difference(here, there)

    @property
    def unlike(self) -> list[str]:
        """The names of the facts that differ."""
        return [
            name
            for name, fact in FACTS.items()
            if set(map(fact, self.here.records)) != set(map(fact, self.there.records))
        ]


def changes(
    here: tuple[Sequence[Record], Path],
    there: tuple[Sequence[Record], Path],
    metrics: Sequence[Metric] | None = None,
) -> list[Table]:
    """Return a table for each data set and split that both folders have, and for each metric.

    ``here`` and ``there`` are each the records of a folder, and the folder. With None, the metric
    is that by which epochs are selected. Raises DataError if a per-user file is not its record's,
    or if records of a split are of other test users.
    """
    ours, theirs = (_by_split(records) for records, _ in (here, there))
    folders, alone = (here[1], there[1]), _alone(ours, theirs)
    tables = [
        _table(ours[key], theirs[key], folders, metric)
        for key in ours
        if key in theirs
        for metric in _metrics(ours[key], metrics)
    ]
    return [*tables, *alone]


def _metrics(group: Sequence[Record], metrics: Sequence[Metric] | None) -> list[Metric]:
    """Return the metrics of one split's tables; a metric of lists has no value for a user."""
    asked = [group[0].selection] if metrics is None else metrics_of(group, metrics)
    return [metric for metric in asked if not metric.of_lists]


def _by_split(records: Sequence[Record]) -> dict[tuple[str, str], list[Record]]:
    groups = outside_grids(records)
    return {(group[0].data_label, group[0].spec.split_hash): group for group in groups}


def _alone(
    ours: Mapping[tuple[str, str], Any], theirs: Mapping[tuple[str, str], Any]
) -> list[Table]:
    """Return a table of the splits that only one folder has, or none."""
    cells: list[list[Cell]] = [
        [label, split_hash[:12], "only here" if (label, split_hash) in ours else "only there"]
        for label, split_hash in sorted(ours.keys() ^ theirs.keys())
    ]
    head = ["data set", "split", ""]
    return [Table("Not compared: in one folder only", head, cells)] if cells else []


def _table(
    ours: list[Record], theirs: list[Record], folders: tuple[Path, Path], metric: Metric
) -> Table:
    """Return the table of one metric on one split."""
    here, there = ({_key(row): row for row in rows(group)} for group in (ours, theirs))
    folds = Folds()
    found = [
        Change(
            key,
            row,
            there[key],
            (
                _values(row, metric, folders[0], folds),
                _values(there[key], metric, folders[1], folds),
            ),
        )
        for key, row in here.items()
        if key in there
    ]
    differences = [change.difference for change in found]
    sure = {n: each.p for n, each in enumerate(differences) if each and not each.constant}
    adjusted = dict(zip(sure, holm(list(sure.values())), strict=True))
    lines = [(change, differences[n], adjusted.get(n)) for n, change in enumerate(found)]
    return Table(
        f"{metric} on {title(ours)}",
        list(HEAD),
        [_cells(*line) for line in lines],
        list(_only(here, there)),
        DEFINITIONS,
        [{"metric": str(metric)} | _numbers(*line) for line in lines],
    )


def _key(row: Row) -> Key:
    return row.label, row.device, row.precision


def _values(row: Row, metric: Metric, folder: Path, folds: Folds) -> np.ndarray:
    """Return the metric of each scored trial and test user: (trials, users)."""
    return row.per_user([metric], folder, folds)[0]


def _only(here: Mapping[Key, Row], there: Mapping[Key, Row]) -> Iterator[str]:
    """Yield a note on the rows that one folder has alone."""
    for where, keys in (("here", here.keys() - there), ("there", there.keys() - here)):
        if keys:
            shown = (", ".join(filter(None, key)) for key in sorted(keys, key=str))
            yield f"Only {where}: {'; '.join(shown)}."


def _cells(change: Change, found: Difference | None, p: float | None) -> list[Cell]:
    label, device, precision = change.key
    return [
        label,
        device or "-",
        precision or "-",
        *map(_mean, change.values),
        "-" if found is None else _interval(found),
        "-" if p is None else Number(p, ".2g"),
        _verdict(change, found, p),
        ", ".join(change.unlike) or "-",
    ]


def _mean(values: np.ndarray) -> Cell:
    """Return the cell of a metric (trials, users)."""
    if not len(values):
        return "failed"
    summary = summarize(values.mean(axis=1).tolist())
    return Mean(summary.mean, sd=summary.sd)


def _interval(found: Difference) -> str:
    if found.constant:
        return f"{found.mean:+.4f}"
    low, high = found.interval()
    return f"{found.mean:+.4f} ({low:+.4f} to {high:+.4f})"


def _verdict(change: Change, found: Difference | None, p: float | None) -> str:
    """Return what the comparison of one row shows, in a word or two."""
    if change.same:
        return "the same bits"
    if found is None:
        return "-"
    if p is not None and p < ALPHA:
        return "above" if found.mean > 0 else "below"
    return "equal" if found.equal else "not told apart"


def _numbers(change: Change, found: Difference | None, p: float | None) -> dict[str, Any]:
    """Return the CSV row of a change."""
    low, high = (None, None) if found is None or found.constant else found.interval()
    here, there = (float(each.mean()) if len(each) else None for each in change.values)
    label, device, precision = change.key
    return {
        "dataset": change.here.records[0].data_label,
        "split_hash": change.here.spec.split_hash,
        "model": label,
        "device": device,
        "precision": precision,
        "here": here,
        "there": there,
        "difference": found and found.mean,
        "low": low,
        "high": high,
        "p": p,
        "verdict": _verdict(change, found, p),
        "not_alike": ", ".join(change.unlike),
    }
