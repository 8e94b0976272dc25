"""The result table: a row per model and options, a column per metric, seeds averaged and nothing else."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.evaluation.metrics import MEANINGS, Metric, standard_error
from benchmark.evaluation.truth import ROWS as BOUNDS
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.report.format import Table, counted
from benchmark.spec import TrialSpec
from benchmark.stats import ALPHA, RESAMPLES, Summary, best, summarize
from models.registry import MODELS

CELLS = (
    "Cells: mean over seeds ± standard deviation over seeds (ddof=1; - for one run), and in parentheses the standard "
    "error of the mean over the test users. Bold: the best mean, and those that do not differ from it significantly."
)
PAIRS = (
    "Pairs are compared on each test user's values, averaged over seeds, by a permutation test on their differences' "
    f"signs, two-sided, of {RESAMPLES:,} resamples or more, with Holm's correction over all pairs of the data set and "
    f"metric, at {ALPHA:g}."
)
PROTOCOL = "Weights of the epoch with the best validation NDCG@100, scored on the test users once."
TRUTH = (
    "oracle and bayes are bounds, not models: oracle ranks by each user's true type, the best that anyone can do in "
    "expectation; bayes by the posterior over types given the history, from the generator's own probabilities."
)
EXTERNAL = "(external): lists made elsewhere, scored on the same users; how they were made is not known here."


@dataclass(frozen=True)
class Row:
    """Records that differ only in their seed."""

    model: str
    device: str | None
    precision: str | None
    records: list[Record]
    older: int
    """Records of other versions of the code or the protocol, left out."""

    @property
    def scored(self) -> list[Record]:
        """Those that have metrics."""
        return [record for record in self.records if record.metrics is not None]

    @property
    def spec(self) -> TrialSpec:
        """Of any of the records."""
        return self.records[0].spec

    @property
    def seeds(self) -> str:
        """How many, for a cell: "4 of 5" if one has no metrics, "-" if there is nothing to seed."""
        if self.spec.seed is None:
            return "-"
        scored, every = len(self.scored), len(self.records)
        return str(scored) if scored == every else f"{scored} of {every}"

    def per_user(self, metrics: Sequence[Metric], folder: Path) -> np.ndarray:
        """Of each metric, trial that is scored and test user: (metrics, trials, users), from the records' files."""
        found = [store.hits(folder, record) for record in self.scored]
        return np.array([[metric(*hits) for hits in found] for metric in metrics])


def results(found: Sequence[Record], folder: Path, metrics: Sequence[Metric]) -> list[Table]:
    """A table for each data set and split in ``found``, without the points of grids.

    Raises DataError if a per-user file is not its record's.
    """
    return [
        _table(group, folder, metrics)
        for group in by_split(r for r in found if r.spec.stage != "validation")
    ]


def by_split(found: Iterable[Record]) -> list[list[Record]]:
    """The records of each data set and split, by their names."""
    splits: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in found:
        splits[record.data_label, record.spec.split_hash].append(record)
    return [splits[key] for key in sorted(splits)]


def rows(found: Iterable[Record]) -> list[Row]:
    """Group one split's records; where several versions of code or protocol match, the newest counts.

    In the registry's order, bounds last, whatever the order in which trials finished.
    """
    groups: dict[tuple[str, str | None, str | None], list[Record]] = defaultdict(list)
    for record in sorted(found, key=lambda r: r.finished):
        groups[record.label, record.spec.device, record.spec.precision].append(record)
    made = []
    for key, group in groups.items():
        current = [r for r in group if _version(r) == _version(group[-1])]
        current.sort(key=lambda r: r.spec.seed or 0)
        made.append(Row(*key, current, older=len(group) - len(current)))
    place = {name: n for n, name in enumerate([*MODELS, *BOUNDS])}

    def order(row: Row) -> tuple[bool, int, list[Any], str, str]:
        model, parts = row.spec.model, re.split(r"(\d+\.?\d*)", row.model.rstrip("]"))
        options = [float(part) if n % 2 else part for n, part in enumerate(parts)]  # 8 before 16
        return (
            model in BOUNDS,
            place.get(model, len(place)),
            options,
            row.device or "",
            row.precision or "",
        )

    return sorted(made, key=order)


def models(made: Sequence[Row]) -> list[Row]:
    """Rows that have metrics and are no bounds."""
    return [row for row in made if row.scored and row.spec.model not in BOUNDS]


def names(made: Sequence[Row]) -> list[str]:
    """What to call each row: the model, and what else tells it from others of that name."""
    several = [[other for other in made if other.model == row.model] for row in made]
    return [
        f"{row.model} ({row.device}, {row.precision})" if len(same) > 1 else row.model
        for row, same in zip(made, several, strict=True)
    ]


def _version(record: Record) -> tuple[int, str, dict[str, Any]]:
    """Options belong to it: what a label leaves out are defaults, and those may change."""
    return record.spec.protocol, record.spec.code, record.spec.config


def title(group: Sequence[Record]) -> str:
    """The data set and split that a group of records has."""
    data = group[-1].data
    return (
        f"{group[-1].data_label}: {data.test_users} test users, {data.training_users} training users, "
        f"{data.items} items; split {group[-1].spec.split_hash[:12]}"
    )


def _table(group: list[Record], folder: Path, metrics: Sequence[Metric]) -> Table:
    made = rows(group)
    cells, data = [], []
    for row, scores in zip(made, scores_of(made, folder, metrics), strict=True):
        cells.append(
            [
                row.model,
                row.device or "-",
                row.precision or "-",
                row.seeds,
                *(s.text for s in scores),
            ]
        )
        data += [
            _numbers(row, metric, score) for metric, score in zip(metrics, scores, strict=True)
        ]
    head = ["model", "device", "precision", "seeds", *map(str, metrics)]
    return Table(title(group), head, cells, remarks(made), _definitions(made, metrics), data)


@dataclass(frozen=True)
class Score:
    """A row's value of one metric."""

    summary: Summary | None
    """None if every record is a failure's."""
    best: bool
    """Whether it is the best of the table or does not differ from that significantly."""

    @property
    def text(self) -> str:
        """For a cell."""
        if self.summary is None:
            return "failed"
        mean = f"{self.summary.mean:.4f}"
        spread = "-" if self.summary.sd is None else f"{self.summary.sd:.4f}"
        return f"{f'**{mean}**' if self.best else mean} ± {spread} ({self.summary.stderr:.4f})"


def scores_of(made: Sequence[Row], folder: Path, metrics: Sequence[Metric]) -> list[list[Score]]:
    """Of each row, a score for each metric. Raises DataError if a per-user file is not its record's."""
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
    """Of (trials, users) values; None without a trial."""
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
        "model": row.model,
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
    """What a reader must know of this table: failures, and records left out."""
    said = [
        f"{row.model}{'' if record.spec.seed is None else f' seed {record.spec.seed}'}: {record.status}: "
        f"{record.sentence}"
        for row in made
        for record in row.records
        if record.status != "ok"
    ]
    older = sum(row.older for row in made)
    if older:
        said.append(f"Left out: {counted(older, 'record')} of older code or protocol versions.")
    return said


def _definitions(made: list[Row], metrics: Sequence[Metric]) -> str:
    """What the numbers are."""
    kinds = " ".join(MEANINGS[kind] for kind in dict.fromkeys(metric.kind for metric in metrics))
    said = [CELLS, PAIRS, kinds, PROTOCOL]
    if any(row.spec.model in BOUNDS for row in made):
        said.append(TRUTH)
    if any(row.spec.stage == "external" for row in made):
        said.append(EXTERNAL)
    return " ".join(said)
