"""The tuning table: every point of a grid with its validation score, the best first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from benchmark.evaluation.metrics import SELECTION
from benchmark.labels import flat_values, named
from benchmark.records.record import Record
from benchmark.report.cells import Cell, Mean, Table, counted
from benchmark.report.rows import Row, by_split, rows
from benchmark.stats import Summary, summarize

STAGE = "validation"
DEFINITIONS = (
    f"Validation {SELECTION} of the best epoch: mean over seeds ± standard deviation (ddof=1; - "
    "for one run). Such trials score the validation users only, never a test user. Bold: the best "
    "of a model."
)


def tunings(found: Sequence[Record]) -> list[Table]:
    """A table for each data set and split in ``found`` that something was tuned on."""
    return [_table(group) for group in by_split(r for r in found if r.spec.stage == STAGE)]


@dataclass(frozen=True)
class Point:
    """One combination of a grid."""

    name: str
    """The model with the options that the points of its grid differ in."""
    row: Row
    summary: Summary | None
    """None if no trial of the point ended well."""
    best: bool
    """Whether no point of the model is better."""

    @property
    def epochs(self) -> list[int]:
        """The best epoch of each trial that has one."""
        return [record.best_epoch for record in self.row.records if record.best_epoch]


def _table(group: list[Record]) -> Table:
    models: dict[str, list[Row]] = defaultdict(list)
    for row in rows(group):
        models[row.spec.model].append(row)
    points = [point for of_model in models.values() for point in _points(of_model)]
    hours = sum(map(_seconds, group)) / 3600
    budget = (
        f"Budget: {counted(len(group), 'trial')}, {hours:.2f} hours of training and validation."
    )
    return Table(
        _title(group[-1]),
        ["model", "precision", "seeds", f"validation {SELECTION}", "best epoch"],
        [_cells(point) for point in points],
        [budget],
        DEFINITIONS,
        [_numbers(point) for point in points],
    )


def _points(of_model: Sequence[Row]) -> Iterator[Point]:
    """A model's points, the best first."""
    options = [flat_values(row.spec.config) for row in of_model]
    known = dict.fromkeys(option for has in options for option in has)
    varied = [option for option in known if len({str(has.get(option)) for has in options}) > 1]
    summaries = [_summary(row) for row in of_model]
    means = [summary.mean if summary else 0.0 for summary in summaries]
    for n in sorted(range(len(means)), key=lambda n: -means[n]):
        told = {option: options[n][option] for option in varied if option in options[n]}
        name = named(of_model[n].spec.model, told)
        best = summaries[n] is not None and means[n] == max(means)
        yield Point(name, of_model[n], summaries[n], best)


def _summary(row: Row) -> Summary | None:
    scores = [
        r.best_validation for r in row.records if r.status == "ok" and r.best_validation is not None
    ]
    return summarize(scores, [0.0] * len(scores)) if scores else None


def _seconds(record: Record) -> float:
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
