"""A figure of quality against time, for the models that were timed alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from benchmark.records.record import Record
from benchmark.report.palette import Look, looks
from benchmark.report.picture import (
    PAGE,
    Picture,
    add_legend,
    in_legend,
    in_print,
    name_points,
    panels,
)
from benchmark.report.rows import title
from benchmark.report.timing import QUANTITIES, Cost, costs

LETTERS = "abcdefghijklmnopqrstuvwxyz"
"""What panels are called in a caption."""


@in_print
def draw(group: Sequence[Record], width: float = PAGE) -> Picture | None:
    """Return a figure of one split's models: the test score against total seconds.

    It is ``width`` inches wide, and has a panel for each machine, with a line through the models
    that no other beats in both. Returns None if no trial ran alone.
    """
    by_machine = alone(group)
    if not by_machine:
        return None
    labels = list(dict.fromkeys(cost.label for costs in by_machine.values() for cost in costs))
    shown = dict(zip(labels, looks(labels), strict=True))
    figure, places = panels(len(by_machine), width, height=2.6)
    named = [
        _panel(axes, measured, f"test {group[0].selection}", shown)
        for axes, measured in zip(places, by_machine.values(), strict=True)
    ]
    if not all(named):
        add_legend(figure)
    where = list(by_machine)
    if len(where) > 1:
        for axes, letter in zip(places, LETTERS, strict=False):
            axes.set_title(letter, loc="left")
        where = [f"({letter}) {machine}" for letter, machine in zip(LETTERS, where, strict=False)]
    return Picture(
        figure,
        f"Quality against time on {title(group)}, of trials that ran alone. The line joins the "
        f"models that no other beats in both. Measured on {'; '.join(where)}.",
    )


def alone(group: Sequence[Record]) -> dict[str, list[Cost]]:
    """Return the costs of one split's models on each machine, of trials that ran alone."""
    by_machine: dict[str, list[Cost]] = defaultdict(list)
    for cost in costs(group):
        if not cost.busy:
            by_machine[cost.machine].append(cost)
    return by_machine


def best_first(measured: Sequence[Cost]) -> list[tuple[float, float, Cost]]:
    """Return the total seconds, the test score and the cost of each model, the best first."""
    models = [
        (
            cost.median(QUANTITIES["total (s)"]) or 0.0,
            cost.median(lambda record: record.tested) or 0.0,
            cost,
        )
        for cost in measured
    ]
    return sorted(models, key=lambda model: -model[1])


def _panel(
    axes: Axes, measured: Sequence[Cost], quality_label: str, shown: Mapping[str, Look]
) -> bool:
    """Draw the models of one machine; returns whether each has its name beside it."""
    models = best_first(measured)
    line = frontier([(seconds, quality) for seconds, quality, _ in models])
    axes.plot(*zip(*line, strict=True), color="0.6", linewidth=1)
    points = []
    for seconds, quality, cost in models:
        look, name = shown[cost.label], in_legend(f"{cost.label} ({cost.precision})")
        axes.plot(seconds, quality, look.marker, color=look.color, linestyle="none", label=name)
        points.append((seconds, quality, name))
    spent = [seconds for seconds, _, _ in models]
    # either scale then bears two numbers or more
    axes.set_xscale("log" if max(spent) >= 100 * min(spent) else "linear")
    axes.set_xlabel("seconds in all, median over trials")
    axes.set_ylabel(quality_label)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    return name_points(axes, points)


def frontier(pairs: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the (cost, quality) that no other beats or equals in both, the cheapest first."""
    best: list[tuple[float, float]] = []
    for cost, quality in sorted(pairs, key=lambda pair: (pair[0], -pair[1])):
        if not best or quality > best[-1][1]:
            best.append((cost, quality))
    return best
