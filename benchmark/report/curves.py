"""Learning curves: what validation and each logged quantity did, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from textwrap import fill

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.records.record import Record
from benchmark.report.rows import Row, is_number, names, rows, title

PANELS = {
    "validation": "validation NDCG@100",
    "loss": "training loss per user",
    "kl": "KL (nats per user)",
    "beta": "beta, at the epoch's last update",
}
"""What is drawn of the curve in a record: key and axis label."""


WIDEST = 80
"""The most characters of a name on one line of a legend."""


def color_of(n: int) -> tuple[float, float, float, float]:
    """The colour of a plot's n-th row, from 0: matplotlib's ten, then a paler one of each."""
    return colormaps["tab20"](2 * n % 20 + n // 10 % 2)


def in_legend(name: str) -> str:
    """Return a label that shows ``name`` in a legend, which leaves out what begins with _.

    A name that would squeeze the axes is on several lines.
    """
    shown = name if len(name) <= WIDEST else fill(name.replace(",", ", "), WIDEST)
    return f" {shown}" if shown.startswith("_") else shown


def draw(group: Sequence[Record]) -> Figure | None:
    """One split's records, a line for each row of its table.

    None if no model has more than one epoch.
    """
    made = [row for row in rows(group) if row.scored and row.scored[0].curve]
    learners = [row for row in made if len(row.scored[0].curve) > 1]
    if not learners:
        return None
    keys = [key for key in PANELS if any(key in row.scored[0].curve[0] for row in learners)]
    figure = Figure(figsize=(4.2 * len(keys), 3.8), layout="constrained")
    for key, axes in zip(keys, figure.subplots(1, len(keys), squeeze=False)[0], strict=True):
        _panel(axes, key, made, learners)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=min(4, len(labels)), frameon=False
    )
    figure.suptitle(
        f"{title(group)}\nthick: mean over seeds; thin: each seed; dot: the epoch that was tested",
        fontsize=9,
    )
    return figure


def _panel(axes: Axes, key: str, made: Sequence[Row], learners: Sequence[Row]) -> None:
    for number, (row, name) in enumerate(zip(made, names(made), strict=True)):
        color = color_of(number)
        lines = [
            [point[key] if is_number(point.get(key)) else math.nan for point in record.curve]
            for record in row.scored
            if key in record.curve[0]
        ]
        if row not in learners:
            if key == "validation":
                axes.axhline(lines[0][0], color=color, linestyle="--", label=in_legend(name))
            continue
        for line, record in zip(lines, row.scored, strict=False):
            axes.plot(range(1, len(line) + 1), line, color=color, linewidth=0.6, alpha=0.5)
            if key == "validation" and record.best_epoch:
                axes.plot(
                    record.best_epoch, line[record.best_epoch - 1], "o", color=color, markersize=3
                )
        if lines:
            mean = [fmean(values) for values in zip(*lines, strict=False)]
            axes.plot(
                range(1, len(mean) + 1), mean, color=color, linewidth=1.8, label=in_legend(name)
            )
    axes.set_xlabel("epoch")
    axes.set_ylabel(PANELS[key])
    axes.spines[["top", "right"]].set_visible(False)
