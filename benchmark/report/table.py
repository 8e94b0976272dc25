"""The result table: a row per model and options, a column per metric; only seeds are averaged."""

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
    "Pairs are compared on each test user's values, averaged over seeds, by a permutation test on "
    f"their differences' signs, two-sided, of {RESAMPLES:,} resamples or more, with Holm's "
    f"correction over all pairs of the data set and metric, at {ALPHA:g}."
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


def results(found: Sequence[Record], folder: Path, metrics: Sequence[Metric]) -> list[Table]:
    """A table for each data set and split in ``found``, without the points of grids.

    Raises DataError if a per-user file is not its record's.
    """
    return [_table(group, folder, metrics) for group in outside_grids(found)]


def _table(group: list[Record], folder: Path, metrics: Sequence[Metric]) -> Table:
    made = rows(group)
    cells: list[list[Cell]] = []
    data: list[dict[str, Any]] = []
    for row, scores in zip(made, scores_of(made, folder, metrics), strict=True):
        cells.append([*about(row), *(score.cell for score in scores)])
        data += [
            _numbers(row, metric, score) for metric, score in zip(metrics, scores, strict=True)
        ]
    head = [*ABOUT, *map(str, metrics)]
    return Table(title(group), head, cells, remarks(made), _definitions(made, metrics), data)


ABOUT = ("model", "device", "precision", "seeds")


def about(row: Row) -> list[str]:
    """The cells that say what a row is of, below ABOUT."""
    return [row.label, row.device or "-", row.precision or "-", row.seeds]


@dataclass(frozen=True)
class Score:
    """A row's value of one metric."""

    summary: Summary | None
    """None if every record is a failure's."""
    best: bool
    """Whether it is the best of the table or does not differ from that significantly."""

    @property
    def cell(self) -> Cell:
        """The mean with its spread over seeds and its error over users."""
        if self.summary is None:
            return "failed"
        return Mean(
            self.summary.mean, bold=self.best, sd=self.summary.sd, stderr=self.summary.stderr
        )


def scores_of(made: Sequence[Row], folder: Path, metrics: Sequence[Metric]) -> list[list[Score]]:
    """A score for each row and metric. Raises DataError if a per-user file is not its record's."""
    values = [row.per_user(metrics, folder) for row in made]
    competing = [made.index(row) for row in models(made)]  # bounds do not
    columns = []
    for m in range(len(metrics)):
        top = {competing[n] for n in best(np.array([values[i][m].mean(axis=0) for i in competing]))}
        columns.append(
            [Score(_summary(per_user[m]), i in top) for i, per_user in enumerate(values)]
        )
    return [list(scores) for scores in zip(*columns, strict=True)]


def _summary(per_user: np.ndarray) -> Summary | None:
    """The summary of (trials, users) values; None without a trial."""
    if not len(per_user):
        return None
    return summarize(
        [float(values.mean()) for values in per_user],
        [standard_error(values) for values in per_user],
    )


def _numbers(row: Row, metric: Metric, score: Score) -> dict[str, Any]:
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


def remarks(made: Sequence[Row]) -> list[str]:
    """What a reader must know of these rows: failures, and records left out."""
    said = [
        f"{row.label}{_seed(record)}: {record.status}: {record.sentence}"
        for row in made
        for record in row.records
        if record.status != "ok"
    ]
    older = sum(row.older for row in made)
    if older:
        said.append(f"Left out: {counted(older, 'record')} of older code or protocol versions.")
    return said


def _seed(record: Record) -> str:
    return "" if record.spec.seed is None else f" seed {record.spec.seed}"


def _definitions(made: list[Row], metrics: Sequence[Metric]) -> str:
    """What the numbers are."""
    kinds = " ".join(MEANINGS[kind] for kind in dict.fromkeys(metric.kind for metric in metrics))
    said = [CELLS, PAIRS, kinds, PROTOCOL]
    if any(row.spec.model in BOUNDS for row in made):
        said.append(TRUTH)
    if any(row.spec.stage == "external" for row in made):
        said.append(EXTERNAL)
    return " ".join(said)
