"""The tuning table: every point of a grid with its validation score, the best first. Test users are not in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean, median

from benchmark.evaluation.metrics import SELECTION
from benchmark.labels import flat_values, named
from benchmark.records.record import Record
from benchmark.report.format import Table, counted
from benchmark.report.table import Row, by_split, rows
from benchmark.stats import Summary, summarize

STAGE = "validation"
DEFINITIONS = (
    f"Validation {SELECTION} of the best epoch: mean over seeds ± standard deviation (ddof=1; - for one run). Such "
    "trials score the validation users only, never a test user. Bold: the best of a model."
)


def tunings(found: Sequence[Record]) -> list[Table]:
    """A table for each data set and split in ``found`` that something was tuned on."""
    return [_table(group) for group in by_split(r for r in found if r.spec.stage == STAGE)]


def _table(group: list[Record]) -> Table:
    models: dict[str, list[tuple[Row, Summary | None]]] = defaultdict(list)
    for row in rows(group):
        models[row.spec.model].append((row, _summary(row)))
    cells, data = [], []
    for model, points in models.items():
        names = _names(model, [row for row, _ in points])
        points.sort(key=lambda point: point[1].mean if point[1] else 0.0, reverse=True)
        for row, summary in points:
            epochs = [r.best_epoch for r in row.records if r.best_epoch]
            planned = max(len(r.curve) for r in row.records)
            best = f"{median(epochs):g} of {planned}" if epochs else "-"
            shown = _shown(row, summary, summary is not None and summary == points[0][1])
            cells.append(
                [names[row.model], row.precision or "-", str(len(row.records)), shown, best]
            )
            data.append(
                {
                    "dataset": group[0].data_label,
                    "split_hash": row.spec.split_hash,
                    "model": model,
                    "point": names[row.model],
                    "precision": row.precision,
                    "trials": len(row.records),
                    "mean": summary and summary.mean,
                    "sd_over_seeds": summary and summary.sd,
                    "best_epoch": fmean(epochs) if epochs else None,
                }
            )
    described = group[-1].data
    title = (
        f"{group[-1].data_label}, tuning: {described.validation_users} validation users, "
        f"{described.training_users} training users; split {group[-1].spec.split_hash[:12]}"
    )
    seconds = sum((r.cost.training_seconds or 0) + (r.cost.validation_seconds or 0) for r in group)
    hours = seconds / 3600
    budget = (
        f"Budget: {counted(len(group), 'trial')}, {hours:.2f} hours of training and validation."
    )
    head = ["model", "precision", "seeds", f"validation {SELECTION}", "best epoch"]
    return Table(title, head, cells, [budget], DEFINITIONS, data)


def _names(model: str, points: list[Row]) -> dict[str, str]:
    """What to call each row: the model with the options in which its points differ, defaults of today or not."""
    values = {row.model: flat_values(row.spec.config) for row in points}
    first = next(iter(values.values()))
    varied = [
        option for option in first if len({str(has.get(option)) for has in values.values()}) > 1
    ]
    return {
        label: named(model, {option: has[option] for option in varied})
        for label, has in values.items()
    }


def _summary(row: Row) -> Summary | None:
    """None if no trial of the point ended well."""
    scores = [
        r.best_validation for r in row.records if r.status == "ok" and r.best_validation is not None
    ]
    return summarize(scores, [0.0] * len(scores)) if scores else None


def _shown(row: Row, summary: Summary | None, best: bool) -> str:
    if summary is None:
        return row.records[0].status
    mean = f"{summary.mean:.4f}"
    return (
        f"{f'**{mean}**' if best else mean} ± {'-' if summary.sd is None else f'{summary.sd:.4f}'}"
    )
