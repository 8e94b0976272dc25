"""Rows of result tables against each other: every pair on the same test users, and ranks over data sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.evaluation.metrics import SELECTION, Metric
from benchmark.records.record import Record
from benchmark.report.format import Table
from benchmark.report.table import PAIRS, Row, by_split, models, names, rows, title
from benchmark.stats import Comparison, bootstrap_interval, comparisons

CELLS = (
    f"Cells: mean of row - column over test users, {SELECTION}; bold: significant. The CSV file has every metric, the "
    "95 % interval of the mean difference (bootstrap over users) and p before and after correction."
)


def compared(found: Sequence[Record], folder: Path, metrics: Sequence[Metric]) -> list[Table]:
    """A table for each data set and split in ``found`` that has two rows or more, the best row first."""
    groups = by_split(r for r in found if r.spec.stage != "validation")
    made = [(group, models(rows(group))) for group in groups]
    return [
        _table(group, compared, folder, metrics) for group, compared in made if len(compared) > 1
    ]


def _table(group: list[Record], made: list[Row], folder: Path, metrics: Sequence[Metric]) -> Table:
    every = [SELECTION, *(metric for metric in metrics if metric != SELECTION)]
    # (rows, metrics, users)
    values = np.array([row.per_user(every, folder).mean(axis=1) for row in made])
    order = np.argsort(-values[:, 0].mean(axis=1), kind="stable")
    values, called = values[order], names([made[i] for i in order])
    about = {
        "dataset": group[0].data_label,
        "split_hash": group[0].spec.split_hash,
        "test_users": values.shape[2],
    }
    pairs = [comparisons(values[:, m]) for m in range(len(every))]
    data = [
        about | {"metric": str(metric)} | numbers
        for m, metric in enumerate(every)
        for numbers in _numbers(pairs[m], values[:, m], called)
    ]
    return Table(
        f"Differences on {title(group)}",
        ["", *called],
        _matrix(pairs[0], called),
        [],
        f"{CELLS} {PAIRS}",
        data,
    )


def _matrix(pairs: Sequence[Comparison], called: Sequence[str]) -> list[list[str]]:
    """Each row's difference from each column."""
    cells = [[name, *["" for _ in called]] for name in called]
    for pair in pairs:
        for row, column, sign in ((pair.first, pair.second, 1), (pair.second, pair.first, -1)):
            text = f"{sign * pair.difference:+.4f}"
            cells[row][column + 1] = f"**{text}**" if pair.significant else text
    return cells


def _numbers(
    pairs: Sequence[Comparison], values: np.ndarray, called: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Of each pair; ``values`` are (rows, users)."""
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


def standings(found: Sequence[Record], folder: Path) -> list[Table]:
    """Mean rank over the data sets of ``found``, and who wins where, of rows that are on all of them.

    None for one data set, or if fewer than two rows are on all.
    """
    from scipy.stats import rankdata

    groups = [
        models(rows(group)) for group in by_split(r for r in found if r.spec.stage != "validation")
    ]
    keyed = [{(row.model, row.device, row.precision): row for row in group} for group in groups]
    common = [key for key in keyed[0] if all(key in of for of in keyed)] if keyed else []
    if len(groups) < 2 or len(common) < 2:
        return []
    values = [
        np.array([of[key].per_user([SELECTION], folder)[0].mean(axis=0) for key in common])
        for of in keyed
    ]
    ranks = np.mean([rankdata(-each.mean(axis=1)) for each in values], axis=0)
    order = np.argsort(ranks, kind="stable")
    called, beaten = names([keyed[0][key] for key in common]), _beaten(values)
    cells = [
        [called[i], f"{ranks[i]:.2f}", *("" if i == j else beaten[i][j] for j in order)]
        for i in order
    ]
    data = [
        {"model": called[i], "mean_rank": float(ranks[i]), "datasets": len(groups)} for i in order
    ]
    labels = ", ".join(group[0].records[0].data_label for group in groups)
    definitions = (
        f"Rank by mean {SELECTION}, 1 the best, among these rows. Others: on how many of the data sets the row's mean "
        f"is above the column's, and in parentheses significantly so. {PAIRS}"
    )
    return [
        Table(
            f"Standings over {labels}",
            ["", "mean rank", *(called[i] for i in order)],
            cells,
            [],
            definitions,
            data,
        )
    ]


def _beaten(values: Sequence[np.ndarray]) -> list[list[str]]:
    """How often each row beats each column, and how often surely; ``values`` (rows, users) of each data set."""
    wins, sure = np.zeros((2, len(values[0]), len(values[0])), dtype=int)
    for pair in (pair for of_one in values for pair in comparisons(of_one)):
        first, second = (
            (pair.first, pair.second) if pair.difference > 0 else (pair.second, pair.first)
        )
        wins[first, second] += pair.difference != 0
        sure[first, second] += pair.significant
    return [
        [f"{n} ({m})" for n, m in zip(*both, strict=True)] for both in zip(wins, sure, strict=True)
    ]
