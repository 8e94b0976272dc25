"""The result table: a row for each model with its options, a column for each metric.

Only seeds are averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.evaluation.metrics import MEANINGS, Metric, standard_error
from benchmark.evaluation.truth import ROWS as BOUNDS
from benchmark.records.record import Record
from benchmark.records.together import Folds
from benchmark.report import lists
from benchmark.report.cells import Cell, Table, UserMean
from benchmark.report.rows import Row, metrics_of, models, names, outside_grids, rows, title
from benchmark.stats import ALPHA, COARSE, Leaders, Summary, leaders, summarize
from benchmark.text import counted

CELLS = (
    "Cells: mean over seeds ± standard deviation over seeds (ddof=1; - for one run), and in "
    "parentheses the standard error of the mean over the test users. Bold: the best mean of a "
    "column, and those not shown to be below it."
)
TESTS = (
    "Each row is compared with the best one on the same test users, by a t-test of the mean "
    "difference whose variance is the sum of those over users and over seeds; for a row with one "
    "seed only the users' variance counts. The level of significance, after Holm's correction over "
    f"the rows, is {ALPHA:g}. Detectable: a true difference of this size is found four times in "
    f"five (median over the rows); where it is above {COARSE:g}, no row is bold."
)
SELECTED = "Weights of the epoch with the best validation {}, scored on the test users once."
SAMPLED = (
    "A sampled metric ranks a user's target among 99 items drawn at random, not among all. It is "
    "not comparable with the full ranking's, and may put models in another order (Krichene, Rendle "
    "2020)."
)
TRUTH = (
    "oracle and bayes are bounds, not models: oracle ranks by each user's true type, the best that "
    "anyone can do in expectation; bayes by the posterior over types given the history, from the "
    "generator's own probabilities."
)
LISTS = (
    "Coverage and Novelty need the top-100 lists that a run keeps beside its records, and Novelty "
    "the split in the cache; - where they are missing, or where targets are ranked among a sample."
)
EXTERNAL = (
    "(external): lists made elsewhere, scored on the same users; how they were made is not known "
    "here."
)


@dataclass(frozen=True)
class Scored:
    """The rows of one split, with what each scored."""

    group: list[Record]
    """All records of the split but the points of grids."""
    rows: list[Row]
    columns: list[Column]


def scored(
    records: Sequence[Record], folder: Path, metrics: Sequence[Metric] | None = None
) -> list[Scored]:
    """Return the rows of each data set and split with their scores.

    Raises DataError if a per-user file is not its record's.
    """
    return [_scored(group, folder, metrics_of(group, metrics)) for group in outside_grids(records)]


def _scored(group: list[Record], folder: Path, metrics: Sequence[Metric]) -> Scored:
    table_rows = rows(group)
    return Scored(group, table_rows, columns_of(table_rows, folder, metrics))


def table(split: Scored) -> Table:
    """Return the result table of one split."""
    columns, metrics = split.columns, [column.metric for column in split.columns]
    cells: list[list[Cell]] = []
    data: list[dict[str, Any]] = []
    for n, row in enumerate(split.rows):
        cells.append([*about(row), *(column.scores[n].cell for column in columns)])
        data += [_numbers(row, column.metric, column.scores[n]) for column in columns]
    return Table(
        title(split.group),
        [*ABOUT, *map(str, metrics)],
        cells,
        [*leading(columns), *remarks(split.rows)],
        _definitions(split.rows, metrics),
        data,
    )


ABOUT = ("model", "device", "precision", "seeds")
"""The names of the first columns, which say what a row is about."""


def about(row: Row) -> list[str]:
    """Return the first cells of a row, one for each column in ABOUT."""
    return [row.shown, row.device or "-", row.precision or "-", row.seeds]


@dataclass(frozen=True)
class Score:
    """A row's value of one metric."""

    summary: Summary | None
    """The metric over the seeds; None if every trial failed."""
    best: bool
    """Whether the row is the best of the table, or not shown to be below the best."""
    absent: str = "failed"
    """The cell where there is no summary."""

    @property
    def cell(self) -> Cell:
        """The mean with its standard deviation over seeds and standard error over users."""
        if self.summary is None:
            return self.absent
        return UserMean(
            self.summary.mean, bold=self.best, sd=self.summary.sd, stderr=self.summary.stderr
        )


@dataclass(frozen=True)
class Column:
    """One metric of a table."""

    metric: Metric
    scores: list[Score]
    """The score of each row."""
    values: list[np.ndarray]
    """The metric of each row's trials and test users: (trials, users); a metric of lists has none.
    """
    remark: str
    """Which rows are best, and what difference would have been found; "" if none is compared."""


def columns_of(table_rows: Sequence[Row], folder: Path, metrics: Sequence[Metric]) -> list[Column]:
    """Return the column of each metric.

    Raises DataError if a per-user file is not its record's.
    """
    folds = Folds()
    of_hits = [metric for metric in metrics if not metric.of_lists]
    values = [row.per_user(of_hits, folder, folds) for row in table_rows]
    columns = {
        metric: _of_hits(metric, table_rows, [row[m] for row in values])
        for m, metric in enumerate(of_hits)
    }
    return [columns.get(metric) or _of_lists(metric, table_rows, folder) for metric in metrics]


def _of_hits(metric: Metric, table_rows: Sequence[Row], values: Sequence[np.ndarray]) -> Column:
    """Return the column of a metric of which each row has ``values`` (trials, users)."""
    competing = [table_rows.index(row) for row in models(table_rows)]
    found = leaders([values[n] for n in competing])
    bold = {competing[n] for n in found.marked} if found else set()
    scores = [Score(_summary(per_user), n in bold) for n, per_user in enumerate(values)]
    row_names = names(table_rows)
    remark = _remark(metric, found, [row_names[n] for n in competing]) if found else ""
    return Column(metric, scores, list(values), remark)


def _of_lists(metric: Metric, table_rows: Sequence[Row], folder: Path) -> Column:
    """Return the column of a metric of lists, in which no row is called the best."""
    values = [lists.values(row, metric, folder) for row in table_rows]
    scores = [
        Score(summarize(found) if found else None, False, "-" if row.scored else "failed")
        for row, found in zip(table_rows, values, strict=True)
    ]
    return Column(metric, scores, [np.empty((0, 0))] * len(values), "")


def _remark(metric: Metric, found: Leaders, row_names: Sequence[str]) -> str:
    """Return which of the named rows are best, and what difference would have been found."""
    best, level = row_names[found.best], ", ".join(row_names[n] for n in found.level)
    if found.coarse:
        shown = ", but no row is bold, since the tests are too coarse"
    elif level:
        shown = f"; not shown to be below it: {level}"
    else:
        shown = "; the others compared are below it"
    return f"{metric}: the best mean is that of {best}{shown}; detectable {found.detectable:.4f}."


def _summary(per_user: np.ndarray) -> Summary | None:
    """Return the summary of the values (trials, users); None if there is no trial."""
    if not len(per_user):
        return None
    errors = [standard_error(values) for values in per_user if len(values) > 1]
    return summarize([float(values.mean()) for values in per_user], errors)


def _numbers(row: Row, metric: Metric, score: Score) -> dict[str, Any]:
    """Return the CSV row of one metric of a row."""
    summary = score.summary
    return {
        "dataset": row.records[0].data_label,
        "split_hash": row.spec.split_hash,
        "model": row.label,
        "device": row.device,
        "precision": row.precision,
        "metric": str(metric),
        "trials": len(row.records),
        "scored": len(row.scored),
        "mean": summary and summary.mean,
        "sd_over_seeds": summary and summary.sd,
        "stderr_over_users": summary and summary.stderr,
        "best": score.best,
        "test_users": row.records[0].data.test_users,
    }


def leading(columns: Sequence[Column]) -> list[str]:
    """Return a note for each column with a comparison, which says what rows are best in it."""
    return [column.remark for column in columns if column.remark]


def remarks(table_rows: Sequence[Row]) -> list[str]:
    """Return what a reader must know about the rows: failed, unfinished and left out."""
    texts = [
        f"{row.label}{_seed(record)}: {record.status}: {record.sentence}"
        for row in table_rows
        for record in row.records
        if record.status != "ok"
    ]
    rising = [
        f"{row.label} (best epoch {row.best_epoch:g} of {row.epochs})"
        for row in table_rows
        if row.unfinished
    ]
    if rising:
        texts.append(f"Unfinished, and compared with no row: {', '.join(rising)}.")
    older = sum(row.older for row in table_rows)
    if older:
        texts.append(f"Left out: {counted(older, 'record')} of older code or protocol versions.")
    return texts


def _seed(record: Record) -> str:
    return "" if record.spec.seed is None else f" seed {record.spec.seed}"


def _definitions(table_rows: Sequence[Row], metrics: Sequence[Metric]) -> str:
    """Return the sentences that define the words and numbers of the table."""
    kinds = " ".join(MEANINGS[kind] for kind in dict.fromkeys(metric.kind for metric in metrics))
    sentences = [CELLS, TESTS, kinds, SELECTED.format(table_rows[0].records[0].selection)]
    if any(metric.sampled for metric in metrics):
        sentences.append(SAMPLED)
    if any(metric.of_lists for metric in metrics):
        sentences.append(LISTS)
    if any(row.spec.model in BOUNDS for row in table_rows):
        sentences.append(TRUTH)
    if any(row.spec.stage == "external" for row in table_rows):
        sentences.append(EXTERNAL)
    return " ".join(sentences)
