"""Comparisons of models: differences of pairs on the same users, and ranks over data sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
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


def differences(records: Sequence[Record], folder: Path, metrics: Sequence[Metric]) -> list[Table]:
    """Return a table for each data set and split on which two rows or more have results.

    In each, the row with the best mean comes first. Raises DataError if a per-user file is not its
    record's.
    """
    splits = [(group, models(rows(group))) for group in outside_grids(records)]
    return [
        _table(group, table_rows, folder, metrics)
        for group, table_rows in splits
        if len(table_rows) > 1
    ]


def _table(
    group: list[Record], table_rows: list[Row], folder: Path, metrics: Sequence[Metric]
) -> Table:
    all_metrics = [SELECTION, *(metric for metric in metrics if metric != SELECTION)]
    # (rows, metrics, users)
    values = np.array([row.per_user(all_metrics, folder).mean(axis=1) for row in table_rows])
    order = np.argsort(-values[:, 0].mean(axis=1), kind="stable")
    values, row_names = values[order], names([table_rows[i] for i in order])
    split = {
        "dataset": group[0].data_label,
        "split_hash": group[0].spec.split_hash,
        "test_users": values.shape[2],
    }
    pairs = [comparisons(values[:, m]) for m in range(len(all_metrics))]
    data = [
        split | {"metric": str(metric)} | numbers
        for m, metric in enumerate(all_metrics)
        for numbers in _numbers(pairs[m], values[:, m], row_names)
    ]
    return Table(
        f"Differences on {title(group)}",
        ["", *row_names],
        _matrix(pairs[0], row_names),
        definitions=f"{CELLS} {PAIRS}",
        data=data,
    )


def _matrix(pairs: Sequence[Comparison], row_names: Sequence[str]) -> list[list[Cell]]:
    """Return the cells of the table: each row's name and its difference from each column."""
    cells: list[list[Cell]] = [[name, *[""] * len(row_names)] for name in row_names]
    for pair in pairs:
        for row, column, sign in ((pair.first, pair.second, 1), (pair.second, pair.first, -1)):
            cells[row][column + 1] = Number(sign * pair.difference, "+.4f", pair.significant)
    return cells


def _numbers(
    pairs: Sequence[Comparison], values: np.ndarray, row_names: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Yield the CSV row of each pair; ``values`` are (rows, users)."""
    intervals = bootstrap_interval(
        np.array([values[pair.first] - values[pair.second] for pair in pairs])
    )
    for pair, (low, high) in zip(pairs, intervals, strict=True):
        yield {
            "model": row_names[pair.first],
            "other": row_names[pair.second],
            "difference": pair.difference,
            "low": float(low),
            "high": float(high),
            "p": pair.p,
            "p_holm": pair.adjusted,
        }


RANKS = (
    f"Mean rank: the rank by mean {SELECTION} among these rows, averaged over the data sets; 1 is "
    "the best. Other columns: on how many data sets the row's mean is above the column's, and in "
    "parentheses on how many of them significantly. " + PAIRS
)


def standings(records: Sequence[Record], folder: Path) -> list[Table]:
    """Return a table of each model's mean rank over several data sets, and of its wins over others.

    Only the rows that every data set and split has are ranked. The list is empty if the records are
    of one split only, or if fewer than two rows are on all. Raises DataError if a per-user file is
    not its record's.
    """
    splits = [_by_key(group) for group in outside_grids(records)]
    common = [key for key in splits[0] if all(key in split for split in splits)] if splits else []
    if len(splits) < 2 or len(common) < 2:
        return []
    values = [_means([split[key] for key in common], folder) for split in splits]
    data_sets = [next(iter(split.values())).records[0].data_label for split in splits]
    row_names = names([splits[0][key] for key in common])
    return [_standings(f"Standings over {', '.join(data_sets)}", row_names, values)]


def _by_key(group: Sequence[Record]) -> dict[tuple[str, str | None, str | None], Row]:
    """Return one split's models by what identifies a row on every split."""
    return {(row.label, row.device, row.precision): row for row in models(rows(group))}


def _means(table_rows: Sequence[Row], folder: Path) -> np.ndarray:
    """Return each user's NDCG@100, averaged over seeds: (rows, users)."""
    return np.array([row.per_user([SELECTION], folder)[0].mean(axis=0) for row in table_rows])


def _standings(heading: str, row_names: Sequence[str], values: Sequence[np.ndarray]) -> Table:
    """Return the table of the named rows; ``values`` has an array (rows, users) for each split."""
    from scipy.stats import rankdata

    ranks = np.mean([rankdata(-split.mean(axis=1)) for split in values], axis=0)
    order: list[int] = np.argsort(ranks, kind="stable").tolist()
    beaten = _beaten(values)

    def row(i: int) -> list[Cell]:
        wins = ["" if i == j else beaten[i][j] for j in order]
        return [row_names[i], Number(float(ranks[i]), ".2f"), *wins]

    cells = [row(i) for i in order]
    data = [
        {"model": row_names[i], "mean_rank": float(ranks[i]), "datasets": len(values)}
        for i in order
    ]
    head = ["", "mean rank", *(row_names[i] for i in order)]
    return Table(heading, head, cells, definitions=RANKS, data=data)


def _beaten(values: Sequence[np.ndarray]) -> list[list[str]]:
    """Return on how many splits each row beats each column, and on how many significantly.

    ``values`` has an array (rows, users) for each split.
    """
    number = len(values[0])
    wins, significant = np.zeros((2, number, number), dtype=int)
    for pair in chain.from_iterable(map(comparisons, values)):
        ends = (pair.first, pair.second)
        winner, loser = ends if pair.difference > 0 else ends[::-1]
        wins[winner, loser] += pair.difference != 0
        significant[winner, loser] += pair.significant

    def text(i: int, j: int) -> str:
        return f"{wins[i, j]} ({significant[i, j]})"

    return [[text(i, j) for j in range(number)] for i in range(number)]
