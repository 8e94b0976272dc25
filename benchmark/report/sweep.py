"""Beta sweeps: the score, KL and active latent units of a VAE for several caps of beta."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from matplotlib.axes import Axes

from benchmark.labels import model_options, named
from benchmark.records.record import Record
from benchmark.report.cells import Cell, Mean, Number, Table
from benchmark.report.palette import COLORS
from benchmark.report.picture import PAGE, Picture, add_legend, in_print, panels
from benchmark.report.rows import Row, by_split, is_number, rows, title
from benchmark.report.table import remarks

SWEPT = ("beta_cap", "total_anneal_steps")
"""The options that differ between the points of a sweep."""
LOGGED = ("beta", "kl", "active_units")
"""What the curve of a VAE must have."""
POINTS = 3
"""The least number of caps that make a sweep."""
MODES = {"annealed": "annealed to its cap", "constant": "constant"}
"""The two courses of beta, each with its name in a figure."""
QUANTITIES = {
    "beta": "beta in force",
    "validation": "validation {}",
    "test": "test {}",
    "kl": "KL (nats)",
    "active_units": "active units",
}
"""The quantities of a point, all at the selected epoch, each with the name of its column, in which
{} is the metric by which the epoch was selected."""
DEFINITIONS = (
    "All at the epoch with the best validation score: beta in force at its last update; KL: mean "
    "over training users, summed over latent units; active units: those whose own mean KL is above "
    ".01 nats. Mean over seeds ± standard deviation (ddof=1; - for one run). Annealed: beta grows "
    "from 0 to its cap; constant: the cap from the start."
)


@dataclass(frozen=True)
class Point:
    """A point of a sweep: one cap of beta in one mode."""

    row: Row
    cap: float
    mode: str
    values: dict[str, list[float]]
    """The values of each quantity, one for each seed that has metrics."""


@dataclass(frozen=True)
class Sweep:
    """The trials of a VAE that differ only in beta and seed."""

    family: tuple[str, str, str]
    """What the model is called without its options of beta; the device; the precision."""
    group: list[Record]
    """All records of the split."""
    points: list[Point]
    """The points, sorted by mode, then cap; a cap of 0 is in both modes, as nothing is annealed."""

    @property
    def name(self) -> str:
        """The model, device and precision, as printed."""
        return ", ".join(self.family)


def sweeps(records: Sequence[Record]) -> Iterator[Sweep]:
    """Yield the sweep of each split and VAE with three caps or more in a mode."""
    for group in by_split(record for record in records if _is_vae(record)):
        families: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
        for row in rows(group):
            families[_family(row)].append(row)
        for family, table_rows in families.items():
            points = sorted(_points(table_rows), key=lambda point: (point.mode, point.cap))
            caps = {mode: {p.cap for p in points if p.mode == mode} for mode in MODES}
            if kept := [point for point in points if len(caps[point.mode]) >= POINTS]:
                yield Sweep(family, group, kept)


def _is_vae(record: Record) -> bool:
    """Return whether a trial has a beta and was to be tested, and logged active units or failed."""
    if record.spec.stage != "test" or not all(option in record.spec.config for option in SWEPT):
        return False
    cap, steps = (record.spec.config[option] for option in SWEPT)
    if not is_number(cap) or not (steps is None or is_number(steps)):
        return False
    if record.metrics is None:
        return True
    return all(is_number(_selected(record).get(quantity)) for quantity in LOGGED)


def _selected(record: Record) -> dict[str, float]:
    """Return the point of the curve at the epoch that was tested."""
    return record.curve[(record.best_epoch or 1) - 1]


def _family(row: Row) -> tuple[str, str, str]:
    """Return what all points of a sweep share: ``Sweep.family``."""
    options = {
        option: value for option, value in model_options(row.spec).items() if option not in SWEPT
    }
    return named(row.spec.model, options), str(row.device), str(row.precision)


def _points(family: Sequence[Row]) -> Iterator[Point]:
    """Yield the points of a sweep, without rows that set a number of annealing steps.

    Such rows are made by the heuristic, not by a sweep.
    """
    for row in family:
        cap, steps = (row.spec.config[option] for option in SWEPT)
        if not cap or not steps:
            for mode in MODES if not cap else ["annealed" if steps is None else "constant"]:
                yield Point(row, cap, mode, _values(row.scored))


def _values(scored: Sequence[Record]) -> dict[str, list[float]]:
    """Return the values of each quantity at each record's best epoch."""
    best = [_selected(record) for record in scored]
    return {
        "beta": [epoch["beta"] for epoch in best],
        "validation": [epoch["validation"] for epoch in best],
        "test": [record.tested for record in scored if record.tested is not None],
        "kl": [epoch["kl"] for epoch in best],
        "active_units": [epoch["active_units"] for epoch in best],
    }


def table(sweep: Sweep) -> Table:
    """Return the table of a sweep, with one row for each point."""
    # the row with cap 0 is in both modes, and its failures are remarked on once
    shown = [p.row for p in sweep.points if p.cap or p.mode == "annealed"]
    selection = sweep.group[0].selection
    return Table(
        f"Beta of {sweep.name} on {title(sweep.group)}",
        ["beta", "cap", "seeds", *(name.format(selection) for name in QUANTITIES.values())],
        [_cells(point) for point in sweep.points],
        remarks(shown),
        DEFINITIONS,
        [_numbers(sweep, point) for point in sweep.points],
    )


def _cells(point: Point) -> list[Cell]:
    quantities = [
        Mean(fmean(values), ".1f" if name in ("kl", "active_units") else ".4f", sd=_sd(values))
        if values
        else "failed"
        for name, values in point.values.items()
    ]
    return [point.mode, Number(point.cap, "g"), point.row.seeds, *quantities]


def _numbers(sweep: Sweep, point: Point) -> dict[str, Any]:
    data: dict[str, Any] = {
        "dataset": sweep.group[0].data_label,
        "split_hash": sweep.group[0].spec.split_hash,
        "model": sweep.name,
        "mode": point.mode,
        "cap": point.cap,
        "seeds": len(point.row.scored),
    }
    for name, values in point.values.items():
        data[f"{name}_mean"] = fmean(values) if values else None
        data[f"{name}_sd"] = _sd(values)
    return data


def _sd(values: Sequence[float]) -> float | None:
    return stdev(values) if len(values) > 1 else None


@in_print
def draw(sweep: Sweep, width: float = PAGE) -> Picture:
    """Return the figure of a sweep: each quantity against the beta of the selected epoch."""
    figure, (scores, kl, units) = panels(3, width, height=2.1)
    for mode, style in zip(MODES, ("-", "--"), strict=True):
        points = [point for point in sweep.points if point.mode == mode and point.row.scored]
        if not points:
            continue
        for color, name in enumerate(("validation", "test")):
            _line(scores, points, name, COLORS[color], style, f"{name}, {MODES[mode]}")
        _line(kl, points, "kl", COLORS[2], style, f"KL, {MODES[mode]}")
        _line(units, points, "active_units", COLORS[3], style, f"active units, {MODES[mode]}")
    for axes, label in (
        (scores, str(sweep.group[0].selection)),
        (kl, QUANTITIES["kl"]),
        (units, QUANTITIES["active_units"]),
    ):
        axes.set_xlabel("beta in force")
        axes.set_ylabel(label)
    kl.set_yscale("log")
    add_legend(figure)
    return Picture(
        figure,
        f"Sweep of beta for {sweep.name} on {title(sweep.group)}, against the beta that was in "
        "force at the epoch that was tested. Bars are standard deviations over seeds.",
    )


def _line(
    axes: Axes, points: Sequence[Point], name: str, color: str, style: str, label: str
) -> None:
    x, y = ([fmean(point.values[quantity]) for point in points] for quantity in ("beta", name))
    spread = [_sd(point.values[name]) or 0.0 for point in points]
    axes.errorbar(
        x,
        y,
        yerr=spread,
        color=color,
        linestyle=style,
        marker="o",
        markersize=3,
        capsize=2,
        label=label,
    )
