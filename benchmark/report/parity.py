"""Comparison with the authors' own code on the same split: test metrics and learning curves."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from benchmark.labels import model_label
from benchmark.records.record import Record
from benchmark.report.cells import Cell, Number, Table
from benchmark.stats import welch_t


@dataclass(frozen=True)
class Difference:
    """A quantity of a model, as found here and as found by the authors' code."""

    model: str
    quantity: str
    """"test METRIC", or "validation epoch N" (NDCG@100)."""
    ours: float
    """The mean over our seeds."""
    theirs: float
    """The mean over the seeds of the authors' code."""
    t: float | None
    """Welch's t over seeds; None where the standard deviation of their seeds is not known."""


def differences(records: Sequence[Record], path: Path) -> Iterator[Difference]:
    """Yield the difference in each quantity of the file ``path``, results/parity.csv.

    Quantities of a data set and model without a successful trial in fp32 are left out.
    """
    by_label: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        if (record.spec.precision, record.status) == ("fp32", "ok"):
            by_label[record.data_label, model_label(record.spec)].append(record)
    with path.open(newline="") as file:
        csv_rows = list(csv.DictReader(file))
    for row in csv_rows:
        if trials := by_label.get((row["dataset"], row["model"])):
            values = [value_of(record, row["quantity"]) for record in trials]
            theirs, sd = float(row["mean"]), row["sd"]
            t = welch_t(values, theirs, float(sd), int(row["seeds"])) if sd else None
            yield Difference(row["model"], row["quantity"], fmean(values), theirs, t)


def value_of(record: Record, quantity: str) -> float:
    """Return a record's value of a quantity, which is named as in ``Difference.quantity``."""
    kind, _, name = quantity.partition(" ")
    if kind == "test":
        assert record.metrics is not None
        return record.metrics[name].mean
    return record.curve[int(name.removeprefix("epoch ")) - 1]["validation"]


def tables(records: Sequence[Record], path: Path) -> list[Table]:
    """Return two tables, test metrics and validation NDCG@100 by epoch, as ``differences`` does."""
    pairs = list(differences(records, path))
    test = ["model", "test metric", "here", "authors' code", "difference", "Welch's t"]
    curve = ["model", "epoch", "validation NDCG@100 here", "authors' code", "difference"]
    return [
        Table("", test, [_cells(pair, digits=4) for pair in pairs if pair.t is not None]),
        Table("", curve, [_cells(pair, digits=3) for pair in pairs if pair.t is None]),
    ]


def _cells(pair: Difference, digits: int) -> list[Cell]:
    """Return the cells of a row; the authors' value is known to ``digits`` decimals."""
    difference = Number(pair.ours - pair.theirs, "+.4f")
    theirs = Number(pair.theirs, f".{digits}f")
    cells = [pair.model, pair.quantity.split()[-1], Number(pair.ours), theirs, difference]
    return cells if pair.t is None else [*cells, Number(pair.t, "+.1f")]
