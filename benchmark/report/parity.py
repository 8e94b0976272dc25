"""Beside the authors' own code on the same split: test metrics over seeds, and learning curves."""

from __future__ import annotations

import csv
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
    """One quantity, here and in the authors' code."""

    model: str
    quantity: str
    """"test METRIC", or "validation epoch N" (NDCG@100)."""
    ours: float
    theirs: float
    t: float | None
    """Welch's t over seeds; None where the authors' standard deviation is not known."""


def differences(found: Sequence[Record], published: Path) -> Iterator[Difference]:
    """For each line of ``published`` whose data set and model have records in fp32 that are ok."""
    exact = [r for r in found if (r.spec.precision, r.status) == ("fp32", "ok")]
    named = [((record.data_label, model_label(record.spec)), record) for record in exact]
    with published.open(newline="") as file:
        lines = list(csv.DictReader(file))
    for line in lines:
        mine = [record for name, record in named if name == (line["dataset"], line["model"])]
        if mine:
            values = [value_of(record, line["quantity"]) for record in mine]
            theirs, sd = float(line["mean"]), line["sd"]
            t = welch_t(values, theirs, float(sd), int(line["seeds"])) if sd else None
            yield Difference(line["model"], line["quantity"], fmean(values), theirs, t)


def value_of(record: Record, quantity: str) -> float:
    """What a record says of a ``Difference.quantity``."""
    kind, _, name = quantity.partition(" ")
    if kind == "test":
        assert record.metrics is not None
        return record.metrics[name].mean
    return record.curve[int(name.removeprefix("epoch ")) - 1]["validation"]


def tables(found: Sequence[Record], published: Path) -> list[Table]:
    """Two tables: test metrics, and validation NDCG@100 by epoch."""
    pairs = list(differences(found, published))
    test = ["model", "test metric", "here", "authors' code", "difference", "Welch's t"]
    curve = ["model", "epoch", "validation NDCG@100 here", "authors' code", "difference"]
    return [
        Table("", test, [_cells(pair, digits=4) for pair in pairs if pair.t is not None]),
        Table("", curve, [_cells(pair, digits=3) for pair in pairs if pair.t is None]),
    ]


def _cells(pair: Difference, digits: int) -> list[Cell]:
    """A table row; the authors' value has the ``digits`` that are known of it."""
    difference = Number(pair.ours - pair.theirs, "+.4f")
    theirs = Number(pair.theirs, f".{digits}f")
    cells = [pair.model, pair.quantity.split()[-1], Number(pair.ours), theirs, difference]
    return cells if pair.t is None else [*cells, Number(pair.t, "+.1f")]
