"""Beside the authors' own code on the same split: test metrics with Welch's t over seeds, and the learning curve."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from tabulate import tabulate

from benchmark.records.record import Record
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
    with published.open(newline="") as file:
        for line in csv.DictReader(file):
            wanted = (line["dataset"], line["model"], "fp32", "ok")
            mine = [
                r
                for r in found
                if (
                    r.data_label,
                    r.label,
                    r.spec.precision,
                    r.status,
                )
                == wanted
            ]
            if not mine:
                continue
            values = [value_of(record, line["quantity"]) for record in mine]
            theirs = float(line["mean"])
            t = (
                welch_t(values, theirs, float(line["sd"]), int(line["seeds"]))
                if line["sd"]
                else None
            )
            yield Difference(line["model"], line["quantity"], fmean(values), theirs, t)


def value_of(record: Record, quantity: str) -> float:
    """What a record says of a ``Difference.quantity``."""
    kind, _, name = quantity.partition(" ")
    if kind == "test":
        assert record.metrics is not None
        return record.metrics[name].mean
    return record.curve[int(name.removeprefix("epoch ")) - 1]["validation"]


def tables(found: Sequence[Record], published: Path) -> str:
    """Two Markdown tables: test metrics, and validation NDCG@100 by epoch."""
    rows = list(differences(found, published))
    test = [_cells(d, digits=4) for d in rows if d.t is not None]
    curve = [_cells(d, digits=3) for d in rows if d.t is None]
    heads = (
        ["model", "test metric", "here", "authors' code", "difference", "Welch's t"],
        ["model", "epoch", "validation NDCG@100 here", "authors' code", "difference"],
    )
    made = [
        tabulate(cells, head, tablefmt="pipe", disable_numparse=True)
        for cells, head in zip((test, curve), heads, strict=True)
    ]
    return "\n\n".join(made)


def _cells(d: Difference, digits: int) -> list[str]:
    """A table row; the authors' value has the ``digits`` that are known of it."""
    name = d.quantity.split()[-1]
    cells = [d.model, name, f"{d.ours:.4f}", f"{d.theirs:.{digits}f}", f"{d.ours - d.theirs:+.4f}"]
    return cells if d.t is None else [*cells, f"{d.t:+.1f}"]
