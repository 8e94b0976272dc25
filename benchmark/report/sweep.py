"""Beta sweeps: what a VAE's cap of beta does to its score, its KL and its latent units."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.evaluation.metrics import SELECTION
from benchmark.labels import model_options, named
from benchmark.records.record import Record
from benchmark.report.cells import Cell, Mean, Number, Table
from benchmark.report.rows import Row, by_split, is_number, rows, title
from benchmark.report.table import remarks

SWEPT = ("beta_cap", "total_anneal_steps")
LOGGED = ("beta", "kl", "active_units")
POINTS = 3
"""How many caps make a sweep."""
MODES = {"annealed": "annealed to its cap", "constant": "constant"}
QUANTITIES = {
    "beta": "beta in force",
    "validation": f"validation {SELECTION}",
    "test": f"test {SELECTION}",
    "kl": "KL (nats)",
    "active_units": "active units",
}
"""What is known of a point, all at the epoch that was selected."""
DEFINITIONS = (
    "All at the epoch with the best validation score: beta in force at its last update; KL: mean "
    "over training users, summed over latent units; active units: those whose own mean KL is above "
    ".01 nats. Mean over seeds ± standard deviation (ddof=1; - for one run). Annealed: beta grows "
    "from 0 to its cap; constant: the cap from the start."
)


@dataclass(frozen=True)
class Point:
    """One cap in one mode: a row of the result table."""

    row: Row
    cap: float
    mode: str
    values: dict[str, list[float]]
    """Each quantity, with one value for each seed."""


@dataclass(frozen=True)
class Sweep:
    """A VAE whose runs differ in beta alone."""

    family: tuple[str, str, str]
    """The model with its options but for beta, the device and the precision."""
    group: list[Record]
    """All records of its split."""
    points: list[Point]
    """By mode, then cap. A cap of 0 leaves nothing to anneal, so that point is in both modes."""

    @property
    def name(self) -> str:
        """Model, device and precision, for a person."""
        return ", ".join(self.family)


def sweeps(found: Sequence[Record]) -> Iterator[Sweep]:
    """Every VAE in ``found`` with three caps or more in a mode."""
    for group in by_split(record for record in found if _is_vae(record)):
        families: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
        for row in rows(group):
            families[_family(row)].append(row)
        for family, there in families.items():
            points = sorted(_points(there), key=lambda point: (point.mode, point.cap))
            full = [
                mode for mode in MODES if len({p.cap for p in points if p.mode == mode}) >= POINTS
            ]
            if full:
                yield Sweep(family, group, [point for point in points if point.mode in full])


def _is_vae(record: Record) -> bool:
    """Whether it belongs here: tested or failed, with a beta, and with what is logged beside it."""
    if record.spec.stage != "test" or not all(option in record.spec.config for option in SWEPT):
        return False
    cap, steps = (record.spec.config[option] for option in SWEPT)
    if not is_number(cap) or not (steps is None or is_number(steps)):
        return False
    if record.metrics is None:
        return True
    return all(is_number(_selected(record).get(quantity)) for quantity in LOGGED)


def _selected(record: Record) -> dict[str, float]:
    """What the curve says of the epoch that was tested."""
    return record.curve[(record.best_epoch or 1) - 1]


def _family(row: Row) -> tuple[str, str, str]:
    """What a row is without its beta."""
    options = {
        option: value for option, value in model_options(row.spec).items() if option not in SWEPT
    }
    return named(row.spec.model, options), str(row.device), str(row.precision)


def _points(family: Sequence[Row]) -> Iterator[Point]:
    """The points of rows, without those whose slope is given in updates, as the heuristic's are."""
    for row in family:
        cap, steps = (row.spec.config[option] for option in SWEPT)
        if not cap or not steps:
            for mode in MODES if not cap else ["annealed" if steps is None else "constant"]:
                yield Point(row, cap, mode, _values(row.scored))


def _values(scored: Sequence[Record]) -> dict[str, list[float]]:
    best = [_selected(record) for record in scored]
    return {
        "beta": [epoch["beta"] for epoch in best],
        "validation": [epoch["validation"] for epoch in best],
        "test": [record.metrics[str(SELECTION)].mean for record in scored if record.metrics],
        "kl": [epoch["kl"] for epoch in best],
        "active_units": [epoch["active_units"] for epoch in best],
    }


def table(sweep: Sweep) -> Table:
    """A line for each point."""
    # the row without a cap is in both modes, and its failures are told once
    shown = [p.row for p in sweep.points if p.cap or p.mode == "annealed"]
    return Table(
        f"Beta of {sweep.name} on {title(sweep.group)}",
        ["beta", "cap", "seeds", *QUANTITIES.values()],
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


def draw(sweep: Sweep) -> Figure:
    """Scores, KL and active units against the beta in force at the selected epoch, by mode."""
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    scores, kl, units = figure.subplots(1, 3)
    for mode, style in zip(MODES, ("-", "--"), strict=True):
        points = [point for point in sweep.points if point.mode == mode and point.row.scored]
        if not points:
            continue
        for color, name in enumerate(("validation", "test")):
            _line(scores, points, name, f"C{color}", style, f"{name}, {MODES[mode]}")
        _line(kl, points, "kl", "C2", style, MODES[mode])
        _line(units, points, "active_units", "C3", style, MODES[mode])
    for axes, label in (
        (scores, str(SELECTION)),
        (kl, QUANTITIES["kl"]),
        (units, QUANTITIES["active_units"]),
    ):
        axes.set_xlabel("beta in force at the selected epoch")
        axes.set_ylabel(label)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.containers:  # none if every trial failed
            axes.legend(frameon=False, fontsize=7, handlelength=4)  # long enough for dashes
    kl.set_yscale("log")
    figure.suptitle(
        f"{sweep.name} on {title(sweep.group)}\nbars: standard deviation over seeds", fontsize=9
    )
    return figure


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
