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
from benchmark.report.cells import Cell, Mean, Table, counted
from benchmark.report.rows import Row, models, outside_grids, rows, title
from benchmark.stats import ALPHA, RESAMPLES, Summary, best, summarize

CELLS = (
    "Cells: mean over seeds ± standard deviation over seeds (ddof=1; - for one run), and in "
    "parentheses the standard error of the mean over the test users. Bold: the best mean, and "
    "those that do not differ from it significantly."
)
PAIRS = (
    "Two rows are compared on each test user's values, averaged over seeds, by a two-sided "
    f"permutation test that flips the signs of their differences in {RESAMPLES:,} resamples or "
    "more. The level of significance, after Holm's correction over all pairs of rows on the data "
    f"set and metric, is {ALPHA:g}."
)
PROTOCOL = "Weights of the epoch with the best validation NDCG@100, scored on the test users once."
TRUTH = (
    "oracle and bayes are bounds, not models: oracle ranks by each user's true type, the best that "
    "anyone can do in expectation; bayes by the posterior over types given the history, from the "
    "generator's own probabilities."
)
EXTERNAL = (
    "(external): lists made elsewhere, scored on the same users; how they were made is not known "
    "here."
)


def results(records: Sequence[Record], folder: Path, metrics: Sequence[Metric]) -> list[Table]:
    """Return a table for each data set and split, without the points of grids.

    Raises DataError if a per-user file is not its record's.
    """
    return [_table(group, folder, metrics) for group in outside_grids(records)]


def _table(group: list[Record], folder: Path, metrics: Sequence[Metric]) -> Table:
    table_rows = rows(group)
    cells: list[list[Cell]] = []
    data: list[dict[str, Any]] = []
    for row, scores in zip(table_rows, scores_of(table_rows, folder, metrics), strict=True):
        cells.append([*about(row), *(score.cell for score in scores)])
        data += [
            _numbers(row, metric, score) for metric, score in zip(metrics, scores, strict=True)
        ]
    head = [*ABOUT, *map(str, metrics)]
    definitions = _definitions(table_rows, metrics)
    return Table(title(group), head, cells, remarks(table_rows), definitions, data)


ABOUT = ("model", "device", "precision", "seeds")
"""The names of the first columns, which say what a row is about."""


def about(row: Row) -> list[str]:
    """Return the first cells of a row, one for each column in ABOUT."""
    return [row.label, row.device or "-", row.precision or "-", row.seeds]


@dataclass(frozen=True)
class Score:
    """A row's value of one metric."""

    summary: Summary | None
    """The metric over the seeds; None if every trial failed."""
    best: bool
    """Whether the row is the best of the table, or does not differ from the best significantly."""

    @property
    def cell(self) -> Cell:
        """The mean with its standard deviation over seeds and standard error over users."""
        if self.summary is None:
            return "failed"
        return Mean(
            self.summary.mean, bold=self.best, sd=self.summary.sd, stderr=self.summary.stderr
        )


def scores_of(
    table_rows: Sequence[Row], folder: Path, metrics: Sequence[Metric]
) -> list[list[Score]]:
    """Return the scores of each row, one for each metric.

    Raises DataError if a per-user file is not its record's.
    """
    values = [row.per_user(metrics, folder) for row in table_rows]
    # bounds do not compete for the best mean
    competing = [table_rows.index(row) for row in models(table_rows)]
    columns = []
    for m in range(len(metrics)):
        means = np.array([values[i][m].mean(axis=0) for i in competing])
        top = {competing[n] for n in best(means)}
        columns.append(
            [Score(_summary(per_user[m]), i in top) for i, per_user in enumerate(values)]
        )
    return [list(scores) for scores in zip(*columns, strict=True)]


def _summary(per_user: np.ndarray) -> Summary | None:
    """Return the summary of the values (trials, users); None if there is no trial."""
    if not len(per_user):
        return None
    return summarize(
        [float(values.mean()) for values in per_user],
        [standard_error(values) for values in per_user],
    )


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


def remarks(table_rows: Sequence[Row]) -> list[str]:
    """Return what a reader must know about the rows: each failure, and how many are left out."""
    texts = [
        f"{row.label}{_seed(record)}: {record.status}: {record.sentence}"
        for row in table_rows
        for record in row.records
        if record.status != "ok"
    ]
    older = sum(row.older for row in table_rows)
    if older:
        texts.append(f"Left out: {counted(older, 'record')} of older code or protocol versions.")
    return texts


def _seed(record: Record) -> str:
    return "" if record.spec.seed is None else f" seed {record.spec.seed}"


def _definitions(table_rows: list[Row], metrics: Sequence[Metric]) -> str:
    """Return the sentences that define the words and numbers of the table."""
    kinds = " ".join(MEANINGS[kind] for kind in dict.fromkeys(metric.kind for metric in metrics))
    sentences = [CELLS, PAIRS, kinds, PROTOCOL]
    if any(row.spec.model in BOUNDS for row in table_rows):
        sentences.append(TRUTH)
    if any(row.spec.stage == "external" for row in table_rows):
        sentences.append(EXTERNAL)
    return " ".join(sentences)
