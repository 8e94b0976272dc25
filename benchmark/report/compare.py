"""Comparisons of models: differences of pairs on the same users, and ranks over data sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.evaluation.metrics import Metric, selection
from benchmark.records.record import Record
from benchmark.records.together import Folds
from benchmark.report.cells import Cell, Number, Table
from benchmark.report.rows import (
    Row,
    metrics_of,
    models,
    names,
    one_seed_each,
    outside_grids,
    rows,
    title,
)
from benchmark.stats import difference
from datasets.task import TASKS, Name

CELLS = (
    "Cells: mean of row - column over test users and seeds, {}. The CSV file has every "
    "metric, the 95 % interval of the difference and its p value (t-test, with the variances over "
    "users and over seeds added). Both are of that pair alone: of twenty pairs that do not differ, "
    "one is expected to have p below .05."
)


def differences(
    records: Sequence[Record], folder: Path, metrics: Sequence[Metric] | None = None
) -> list[Table]:
    """Return a table for each data set and split on which two rows or more have results.

    In each, the row with the best mean comes first. A split with one test user has none. Raises
    DataError if a per-user file is not its record's.
    """
    compared = [group for group in outside_grids(records) if group[0].data.test_users > 1]
    splits = [(group, models(rows(group))) for group in compared]
    return [
        _table(group, table_rows, folder, metrics_of(group, metrics))
        for group, table_rows in splits
        if len(table_rows) > 1
    ]


def _table(
    group: list[Record], table_rows: list[Row], folder: Path, metrics: Sequence[Metric]
) -> Table:
    first = group[0].selection
    others = (metric for metric in metrics if metric != first and not metric.of_lists)
    every = [first, *others]
    folds = Folds()
    values = [row.per_user(every, folder, folds) for row in table_rows]
    order = sorted(range(len(values)), key=lambda n: -values[n][0].mean())
    row_names = names([table_rows[n] for n in order])
    split = {
        "dataset": group[0].data_label,
        "split_hash": group[0].spec.split_hash,
        "test_users": values[0].shape[2],
    }
    data = [
        split | {"metric": str(metric)} | numbers
        for m, metric in enumerate(every)
        for numbers in _numbers([values[n][m] for n in order], row_names)
    ]
    means = [float(values[n][0].mean()) for n in order]
    cells = [_cells(n, row_names, means) for n in range(len(means))]
    heading, definitions = f"Differences on {title(group)}", CELLS.format(first)
    return Table(heading, ["", *row_names], cells, definitions=definitions, data=data)


def _cells(n: int, row_names: Sequence[str], means: Sequence[float]) -> list[Cell]:
    """Return the cells of the n-th row: its name, and its difference from each row."""
    differences = [Number(means[n] - mean, "+.4f") for mean in means]
    return [row_names[n], *differences[:n], "", *differences[n + 1 :]]


def _numbers(values: Sequence[np.ndarray], row_names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the CSV row of each pair; ``values`` are (seeds, users) for each row.

    There is no interval and no p of a difference that is constant.
    """
    for first, second in combinations(range(len(values)), 2):
        found = difference(values[first], values[second])
        low, high, p = (None,) * 3 if found.constant else (*found.interval(), found.p)
        yield {
            "model": row_names[first],
            "other": row_names[second],
            "difference": found.mean,
            "low": low,
            "high": high,
            "p": p,
        }


RANKS = (
    "Mean rank: the rank by mean {} among these rows, averaged over the data sets; 1 is "
    "the best. Other columns: on how many data sets the row's mean is above the column's. Neither "
    "says how sure an order is."
)


def standings(records: Sequence[Record], folder: Path) -> list[Table]:
    """Return a table of each model's mean rank over several data sets, and of its wins over others.

    There is one for each task of the data sets. Of splits of a data set that differ in their seed,
    those with the authors' seed count, or else the first seed. Only the rows that every data
    set of the task has are ranked; there is no table for a task of one data set only, or with fewer
    than two rows on all. Raises DataError if a per-user file is not its record's.
    """
    groups = one_seed_each(outside_grids(records))
    return [
        table
        for task in TASKS
        for table in _standings_of(task, [g for g in groups if g[0].data.task == task], folder)
    ]


def _standings_of(task: Name, groups: Sequence[list[Record]], folder: Path) -> list[Table]:
    """Return the table of one task's splits, or none."""
    splits, metric = [_by_key(group) for group in groups], selection(task)
    common = [key for key in splits[0] if all(key in split for split in splits)] if splits else []
    if len(splits) < 2 or len(common) < 2:
        return []
    means = np.array([_means([split[key] for key in common], folder, metric) for split in splits])
    data_sets = [next(iter(split.values())).records[0].data_label for split in splits]
    row_names = names([splits[0][key] for key in common])
    return [ranked(f"Standings over {', '.join(data_sets)}", row_names, means, metric)]


def _by_key(group: Sequence[Record]) -> dict[tuple[str, str | None, str | None], Row]:
    """Return one split's models by what identifies a row on every split."""
    return {(row.label, row.device, row.precision): row for row in models(rows(group))}


def _means(table_rows: Sequence[Row], folder: Path, metric: Metric) -> list[float]:
    """Return the metric of each row, averaged over seeds and users."""
    folds = Folds()
    return [float(row.per_user([metric], folder, folds).mean()) for row in table_rows]


def ranked(heading: str, row_names: Sequence[str], means: np.ndarray, metric: Metric) -> Table:
    """Return the table of the named rows from their ``means`` (splits, rows) of a metric."""
    from scipy.stats import rankdata

    ranks = rankdata(-means, axis=1).mean(axis=0)
    # (rows, rows): on how many splits the first is above the second
    wins = (means[:, :, None] > means[:, None, :]).sum(axis=0)
    order: list[int] = np.argsort(ranks, kind="stable").tolist()
    cells: list[list[Cell]] = [
        [
            row_names[i],
            Number(float(ranks[i]), ".2f"),
            *("" if i == j else str(wins[i, j]) for j in order),
        ]
        for i in order
    ]
    data = [
        {"model": row_names[i], "mean_rank": float(ranks[i]), "datasets": len(means)} for i in order
    ]
    head = ["", "mean rank", *(row_names[i] for i in order)]
    return Table(heading, head, cells, definitions=RANKS.format(metric), data=data)
