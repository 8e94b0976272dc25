"""Rows of result tables against each other: pairs on the same users, and ranks over data sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.evaluation.metrics import SELECTION, Metric
from benchmark.records.record import Record
from benchmark.report.cells import Cell, Number, Table
from benchmark.report.rows import Row, models, names, outside_grids, rows, title
from benchmark.report.table import PAIRS
from benchmark.stats import Comparison, bootstrap_interval, comparisons

CELLS = (
    f"Cells: mean of row - column over test users, {SELECTION}; bold: significant. The CSV file "
    "has every metric, the 95 % interval of the mean difference (bootstrap over users) and p "
    "before and after correction."
)


def differences(found: Sequence[Record], folder: Path, metrics: Sequence[Metric]) -> list[Table]:
    """A table for each data set and split that has two rows or more, the best row first."""
    made = [(group, models(rows(group))) for group in outside_grids(found)]
    return [_table(group, there, folder, metrics) for group, there in made if len(there) > 1]


def _table(group: list[Record], made: list[Row], folder: Path, metrics: Sequence[Metric]) -> Table:
    every = [SELECTION, *(metric for metric in metrics if metric != SELECTION)]
    # (rows, metrics, users)
    values = np.array([row.per_user(every, folder).mean(axis=1) for row in made])
    order = np.argsort(-values[:, 0].mean(axis=1), kind="stable")
    values, called = values[order], names([made[i] for i in order])
    where = {
        "dataset": group[0].data_label,
        "split_hash": group[0].spec.split_hash,
        "test_users": values.shape[2],
    }
    pairs = [comparisons(values[:, m]) for m in range(len(every))]
    data = [
        where | {"metric": str(metric)} | numbers
        for m, metric in enumerate(every)
        for numbers in _numbers(pairs[m], values[:, m], called)
    ]
    cells = _matrix(pairs[0], called)
    return Table(
        f"Differences on {title(group)}",
        ["", *called],
        cells,
        definitions=f"{CELLS} {PAIRS}",
        data=data,
    )


def _matrix(pairs: Sequence[Comparison], called: Sequence[str]) -> list[list[Cell]]:
    """Each row's difference from each column."""
    cells: list[list[Cell]] = [[name, *["" for _ in called]] for name in called]
    for pair in pairs:
        for row, column, sign in ((pair.first, pair.second, 1), (pair.second, pair.first, -1)):
            cells[row][column + 1] = Number(sign * pair.difference, "+.4f", pair.significant)
    return cells


def _numbers(
    pairs: Sequence[Comparison], values: np.ndarray, called: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """The numbers of each pair in full; ``values`` are (rows, users)."""
    intervals = bootstrap_interval(
        np.array([values[pair.first] - values[pair.second] for pair in pairs])
    )
    for pair, (low, high) in zip(pairs, intervals, strict=True):
        yield {
            "model": called[pair.first],
            "other": called[pair.second],
            "difference": pair.difference,
            "low": float(low),
            "high": float(high),
            "p": pair.p,
            "p_holm": pair.adjusted,
        }


RANKS = (
    f"Rank by mean {SELECTION}, 1 the best, among these rows. Others: on how many of the data "
    "sets the row's mean is above the column's, and in parentheses significantly so. " + PAIRS
)


def standings(found: Sequence[Record], folder: Path) -> list[Table]:
    """Mean rank over the data sets of ``found``, and who wins where.

    Only rows that are on all of them are ranked. There is no table for one data set, or if fewer
    than two rows are on all.
    """
    groups = [models(rows(group)) for group in outside_grids(found)]
    keyed = [{(row.label, row.device, row.precision): row for row in group} for group in groups]
    common = [key for key in keyed[0] if all(key in of for of in keyed)] if keyed else []
    if len(groups) < 2 or len(common) < 2:
        return []
    values = [
        np.array([of[key].per_user([SELECTION], folder)[0].mean(axis=0) for key in common])
        for of in keyed
    ]
    where = ", ".join(group[0].records[0].data_label for group in groups)
    called = names([keyed[0][key] for key in common])
    return [_standings(f"Standings over {where}", called, values)]


def _standings(heading: str, called: Sequence[str], values: Sequence[np.ndarray]) -> Table:
    """The table of the rows ``called`` so; ``values`` are (rows, users) for each data set."""
    from scipy.stats import rankdata

    ranks = np.mean([rankdata(-each.mean(axis=1)) for each in values], axis=0)
    order: list[int] = np.argsort(ranks, kind="stable").tolist()
    beaten = _beaten(values)
    cells: list[list[Cell]] = [
        [
            called[i],
            Number(float(ranks[i]), ".2f"),
            *("" if i == j else beaten[i][j] for j in order),
        ]
        for i in order
    ]
    data = [
        {"model": called[i], "mean_rank": float(ranks[i]), "datasets": len(values)} for i in order
    ]
    head = ["", "mean rank", *(called[i] for i in order)]
    return Table(heading, head, cells, definitions=RANKS, data=data)


def _beaten(values: Sequence[np.ndarray]) -> list[list[str]]:
    """How often each row beats each column, and how often surely.

    ``values`` are (rows, users) for each data set.
    """
    wins, sure = np.zeros((2, len(values[0]), len(values[0])), dtype=int)
    for pair in (pair for of_one in values for pair in comparisons(of_one)):
        ends = (pair.first, pair.second)
        first, second = ends if pair.difference > 0 else ends[::-1]
        wins[first, second] += pair.difference != 0
        sure[first, second] += pair.significant
    return [
        [f"{n} ({m})" for n, m in zip(*both, strict=True)] for both in zip(wins, sure, strict=True)
    ]
