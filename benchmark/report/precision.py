"""Comparison with the same trials in fp32: what rounded products do to a test metric, by seed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from benchmark.records.record import Record
from benchmark.report.cells import Cell, Number, Table
from benchmark.report.rows import by_split, rows
from benchmark.stats import paired_interval


@dataclass(frozen=True)
class Rounded:
    """A row of a result table, and the fp32 row that differs from it only in precision."""

    model: str
    precision: str
    seeds: int
    """The number of seeds that both rows have."""
    exact: float
    """The mean test score over those seeds in fp32."""
    rounded: float
    """The same mean in ``precision``."""
    interval: tuple[float, float]
    """The 95 % interval of the mean difference, rounded - exact, over pairs of equal seeds."""


def compared(records: Iterable[Record]) -> Iterator[Rounded]:
    """Yield the rows of other precisions that share two seeds or more with their row in fp32."""
    for group in by_split(records):
        by_key = {(row.label, row.device, row.precision): row for row in rows(group)}
        for (model, device, precision), row in by_key.items():
            usual = by_key.get((model, device, "fp32"))
            if precision in ("fp32", None) or usual is None:
                continue
            exact, rounded = _by_seed(usual.scored), _by_seed(row.scored)
            seeds = sorted(exact.keys() & rounded.keys())
            if len(seeds) > 1:
                a, b = [exact[seed] for seed in seeds], [rounded[seed] for seed in seeds]
                yield Rounded(
                    model, precision, len(seeds), fmean(a), fmean(b), paired_interval(a, b)
                )


def _by_seed(scored: Iterable[Record]) -> dict[int, float]:
    """Return each trial's test score by its seed."""
    return {r.spec.seed or 0: r.tested for r in scored if r.tested is not None}


def table(records: Sequence[Record]) -> Table:
    """Return a table with the rows that ``compared`` yields from one data set's records."""
    head = ["model", "precision", "seeds", f"{records[0].selection}, fp32"]
    head += ["rounded", "difference", "95 % interval"]
    cells: list[list[Cell]] = [
        [
            *(r.model, r.precision, str(r.seeds), Number(r.exact), Number(r.rounded)),
            Number(r.rounded - r.exact, "+.4f"),
            f"{r.interval[0]:+.4f} to {r.interval[1]:+.4f}",
        ]
        for r in compared(records)
    ]
    return Table("", head, cells)
