"""Beta sweeps: what a VAE's cap of beta does to its score, its KL and its latent units, as a table and a plot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.evaluation.metrics import SELECTION
from benchmark.labels import flat_values, named
from benchmark.records.record import Record
from benchmark.report.format import Table
from benchmark.report.table import Row, by_split, remarks, rows, title

SWEPT = ("beta_cap", "total_anneal_steps")
POINTS = 3
"""Caps that make a sweep."""
MODES = {"annealed": "annealed to its cap", "constant": "constant"}
QUANTITIES = {
    "beta": "beta in force",
    "validation": f"validation {SELECTION}",
    "test": f"test {SELECTION}",
    "kl": "KL (nats)",
    "active_units": "active units",
}
"""Of a point, all at the epoch that was selected."""
DEFINITIONS = (
    "All at the epoch with the best validation score: beta in force at its last update; KL: mean over training users, "
    "summed over latent units; active units: those whose own mean KL is above .01 nats. Mean over seeds ± standard "
    "deviation (ddof=1; - for one run). Annealed: beta grows from 0 to its cap; constant: the cap from the start."
)


@dataclass(frozen=True)
class Point:
    """One cap in one mode: a row of the result table."""

    row: Row
    cap: float
    mode: str
    values: dict[str, list[float]]
    """Of each quantity, one of each seed."""


@dataclass(frozen=True)
class Sweep:
    """A VAE whose runs differ in beta alone."""

    model: str
    group: list[Record]
    """Of its split."""
    points: list[Point]
    """By mode, then cap; without a cap there is nothing to anneal, so that point is in both modes."""


def sweeps(found: Sequence[Record]) -> Iterator[Sweep]:
    """Every VAE in ``found`` with three caps or more in a mode."""
    for group in by_split(record for record in found if _is_vae(record)):
        families: dict[str, list[Row]] = defaultdict(list)
        for row in rows(group):
            families[_family(row)].append(row)
        for model, family in families.items():
            points = sorted(_points(family), key=lambda point: (point.mode, point.cap))
            full = [
                mode for mode in MODES if len({p.cap for p in points if p.mode == mode}) >= POINTS
            ]
            if full:
                yield Sweep(model, group, [point for point in points if point.mode in full])


def _is_vae(record: Record) -> bool:
    """Whether it belongs here: tested or failed, with a beta, and with what is logged beside it."""
    if record.spec.stage != "test" or not all(option in record.spec.config for option in SWEPT):
        return False
    return record.metrics is None or "active_units" in record.curve[0]


def _family(row: Row) -> str:
    """The row without its beta: model, other options that are no defaults, device and precision."""
    options = flat_values(row.spec.config)
    said = {
        key: value for key, value in options.items() if key not in SWEPT and f"{key}=" in row.model
    }
    return f"{named(row.spec.model, said)}, {row.device}, {row.precision}"


def _points(family: Sequence[Row]) -> Iterator[Point]:
    """Without those whose slope is given in updates, as the heuristic's are."""
    for row in family:
        cap, steps = (row.spec.config[option] for option in SWEPT)
        if not cap or not steps:
            for mode in MODES if not cap else ["annealed" if steps is None else "constant"]:
                yield Point(row, cap, mode, _values(row.scored))


def _values(scored: Sequence[Record]) -> dict[str, list[float]]:
    best = [record.curve[(record.best_epoch or 1) - 1] for record in scored]
    return {
        "beta": [epoch["beta"] for epoch in best],
        "validation": [epoch["validation"] for epoch in best],
        "test": [record.metrics[str(SELECTION)].mean for record in scored if record.metrics],
        "kl": [epoch["kl"] for epoch in best],
        "active_units": [epoch["active_units"] for epoch in best],
    }


def table(sweep: Sweep) -> Table:
    """A line for each point."""
    cells, data = [], []
    for point in sweep.points:
        shown = [
            _shown(values, 1 if name in ("kl", "active_units") else 4)
            for name, values in point.values.items()
        ]
        cells.append([point.mode, f"{point.cap:g}", point.row.seeds, *shown])
        numbers = {
            name: {
                "mean": fmean(values) if values else None,
                "sd": stdev(values) if len(values) > 1 else None,
            }
            for name, values in point.values.items()
        }
        data.append(
            {
                "dataset": sweep.group[0].data_label,
                "split_hash": sweep.group[0].spec.split_hash,
                "model": sweep.model,
            }
            | {"mode": point.mode, "cap": point.cap, "seeds": len(point.row.scored)}
            | {
                f"{name}_{what}": value
                for name, both in numbers.items()
                for what, value in both.items()
            }
        )
    head = ["beta", "cap", "seeds", *QUANTITIES.values()]
    notes = remarks([point.row for point in sweep.points if point.cap or point.mode == "annealed"])
    return Table(
        f"Beta of {sweep.model} on {title(sweep.group)}", head, cells, notes, DEFINITIONS, data
    )


def _shown(values: Sequence[float], digits: int) -> str:
    if not values:
        return "failed"
    spread = f"{stdev(values):.{digits}f}" if len(values) > 1 else "-"
    return f"{fmean(values):.{digits}f} ± {spread}"


def draw(sweep: Sweep) -> Figure:
    """Scores, KL and active units against the beta in force at the selected epoch, a line for each mode."""
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
        f"{sweep.model} on {title(sweep.group)}\nbars: standard deviation over seeds", fontsize=9
    )
    return figure


def _line(
    axes: Axes, points: Sequence[Point], name: str, color: str, style: str, label: str
) -> None:
    x, y = ([fmean(point.values[quantity]) for point in points] for quantity in ("beta", name))
    spread = [stdev(values) if len(values := point.values[name]) > 1 else 0.0 for point in points]
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
