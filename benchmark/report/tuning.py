"""The tuning table: every point of a grid or search with its validation score, the best first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import fmean, median
from typing import Any

from benchmark.labels import flat_values, named
from benchmark.records.record import Record
from benchmark.records.searched import STAGE
from benchmark.report.cells import Cell, Mean, Table
from benchmark.report.rows import Row, by_split, rows
from benchmark.stats import Summary, summarize
from benchmark.text import counted

DEFINITIONS = (
    "Validation score of the best epoch: mean over seeds ± standard deviation (ddof=1; - "
    "for one run). Such trials score the validation users only, never a test user. Bold: the best "
    "of a model."
)


def tunings(records: Sequence[Record]) -> list[Table]:
    """Return a table for each data set and split that a model was tuned on."""
    return [_table(group) for group in by_split(r for r in records if r.spec.stage == STAGE)]


@dataclass(frozen=True)
class Point:
    """A point of a grid: one combination of the options' values."""

    name: str
    """The model, with the options that differ between the points of its grid."""
    row: Row
    summary: Summary | None
    """The validation score over the seeds; None if every trial failed."""
    best: bool
    """Whether no point of the model has a higher mean."""

    @property
    def epochs(self) -> list[int]:
        """The best epoch of each trial that has one."""
        return [record.best_epoch for record in self.row.records if record.best_epoch]


def _table(group: list[Record]) -> Table:
    by_model: dict[str, list[Row]] = defaultdict(list)
    for row in rows(group):
        by_model[row.spec.model].append(row)
    points = list(chain.from_iterable(map(_points, by_model.values())))
    hours = sum(map(_seconds, group)) / 3600
    budget = (
        f"Budget: {counted(len(group), 'trial')}, {hours:.2f} hours of training and validation."
    )
    return Table(
        _title(group[-1]),
        ["model", "precision", "seeds", f"validation {group[-1].selection}", "best epoch"],
        [_cells(point) for point in points],
        [budget],
        DEFINITIONS,
        [_numbers(point) for point in points],
    )


def _points(table_rows: Sequence[Row]) -> Iterator[Point]:
    """Yield the points of one model's grid, the best first."""
    configs = [flat_values(row.spec.config) | {"patience": row.spec.patience} for row in table_rows]
    varied = _varied(configs)
    summaries = [_summary(row) for row in table_rows]
    means = [summary.mean if summary else 0.0 for summary in summaries]
    for n in sorted(range(len(means)), key=lambda n: -means[n]):
        options = {option: configs[n][option] for option in varied if option in configs[n]}
        name = named(table_rows[n].spec.model, options)
        best = summaries[n] is not None and means[n] == max(means)
        yield Point(name, table_rows[n], summaries[n], best)


def _varied(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the options whose values are not the same in all configs."""
    values: dict[str, set[str]] = {option: set() for config in configs for option in config}
    for option, texts in values.items():
        texts.update(str(config.get(option)) for config in configs)
    return [option for option, texts in values.items() if len(texts) > 1]


def _summary(row: Row) -> Summary | None:
    """Return the best validation score over the seeds; None if every trial failed."""
    scores = [
        r.best_validation for r in row.records if r.status == "ok" and r.best_validation is not None
    ]
    return summarize(scores) if scores else None


def _seconds(record: Record) -> float:
    """Return the seconds of training and validation; those of a test do not count."""
    return (record.cost.training_seconds or 0) + (record.cost.validation_seconds or 0)


def _title(record: Record) -> str:
    data = record.data
    return (
        f"{record.data_label}, tuning: {data.validation_users} validation users, "
        f"{data.training_users} training users; split {record.spec.split_hash[:12]}"
    )


def _cells(point: Point) -> list[Cell]:
    row, score = point.row, point.summary
    planned = max(len(record.curve) for record in row.records)
    best = f"{median(point.epochs):g} of {planned}" if point.epochs else "-"
    shown = Mean(score.mean, bold=point.best, sd=score.sd) if score else row.records[0].status
    return [point.name, row.precision or "-", str(len(row.records)), shown, best]


def _numbers(point: Point) -> dict[str, Any]:
    """Return the CSV row of a point."""
    row, score = point.row, point.summary
    return {
        "dataset": row.records[0].data_label,
        "split_hash": row.spec.split_hash,
        "model": row.spec.model,
        "point": point.name,
        "precision": row.precision,
        "trials": len(row.records),
        "mean": score and score.mean,
        "sd_over_seeds": score and score.sd,
        "best_epoch": fmean(point.epochs) if point.epochs else None,
    }
