"""A figure of quality against time, for the models that were timed alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from benchmark.records.record import Record
from benchmark.report.curves import in_legend
from benchmark.report.palette import looks
from benchmark.report.rows import title
from benchmark.report.timing import QUANTITIES, Cost, costs


def draw(group: Sequence[Record]) -> Figure | None:
    """Return a figure of one split's models: the test score against total seconds.

    It has a panel for each machine, with a line through the models that no other beats in both.
    Returns None if no trial ran alone.
    """
    by_machine = alone(group)
    if not by_machine:
        return None
    figure = Figure(figsize=(8, 4.2 * len(by_machine)), layout="constrained")
    panels = figure.subplots(len(by_machine), 1, squeeze=False)[:, 0]
    for axes, (machine, measured) in zip(panels, by_machine.items(), strict=True):
        _panel(axes, measured, f"test {group[0].selection}")
        axes.set_title(fill(machine, 100), fontsize=6)
    figure.suptitle(title(group), fontsize=9)
    return figure


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


def _panel(axes: Axes, measured: Sequence[Cost], quality_label: str) -> None:
    models = best_first(measured)
    line = frontier([(seconds, quality) for seconds, quality, _ in models])
    axes.plot(*zip(*line, strict=True), color="0.6", linewidth=1)
    shown = looks([cost.label for _, _, cost in models])
    for look, (seconds, quality, cost) in zip(shown, models, strict=True):
        # a long name would leave the axes little room
        name = in_legend(fill(f"{cost.label.replace(',', ', ')} ({cost.precision})", 36))
        axes.plot(seconds, quality, look.marker, color=look.color, linestyle="none", label=name)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=7)
    spent = [seconds for seconds, _, _ in models]
    # either scale then bears two numbers or more
    axes.set_xscale("log" if max(spent) >= 100 * min(spent) else "linear")
    axes.set_xlabel("seconds of training, validation and test, median over trials")
    axes.set_ylabel(quality_label)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def frontier(pairs: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the (cost, quality) that no other beats or equals in both, the cheapest first."""
    best: list[tuple[float, float]] = []
    for cost, quality in sorted(pairs, key=lambda pair: (pair[0], -pair[1])):
        if not best or quality > best[-1][1]:
            best.append((cost, quality))
    return best
