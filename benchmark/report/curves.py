"""Learning curves: the validation score and each logged quantity, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.records.record import Record
from benchmark.report.palette import Look, looks
from benchmark.report.rows import Row, is_number, names, rows, title
from benchmark.text import broken

PANELS = {
    "validation": "validation {}",
    "loss": "training loss per user",
    "kl": "KL (nats per user)",
    "beta": "beta, at the epoch's last update",
}
"""The quantities of a record's curve that are drawn, each with the label of its axis, in which {}
is the metric by which the epoch was selected."""


WIDEST = 80
"""The most characters of a name on one line of a legend."""


def in_legend(name: str) -> str:
    """Return a label that shows ``name`` in a legend, which leaves out what begins with _.

    A name that would squeeze the axes is on several lines.
    """
    shown = broken(name, WIDEST)
    return f" {shown}" if shown.startswith("_") else shown


def draw(group: Sequence[Record]) -> Figure | None:
    """Return the figure of one split's records, with a line for each row of its table.

    Returns None if no model has more than one epoch.
    """
    table_rows = [row for row in rows(group) if row.scored and row.scored[0].curve]
    learners = [row for row in table_rows if len(row.scored[0].curve) > 1]
    if not learners:
        return None
    keys = [key for key in PANELS if any(key in row.scored[0].curve[0] for row in learners)]
    figure = Figure(figsize=(4.2 * len(keys), 3.8), layout="constrained")
    for key, axes in zip(keys, figure.subplots(1, len(keys), squeeze=False)[0], strict=True):
        _panel(axes, key, table_rows, learners)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=min(4, len(labels)),
        frameon=False,
        handlelength=3,
    )
    figure.suptitle(
        f"{title(group)}\nthick: mean over seeds; thin: each seed; dot: the epoch that was tested",
        fontsize=9,
    )
    return figure


def _panel(axes: Axes, key: str, table_rows: Sequence[Row], learners: Sequence[Row]) -> None:
    """Draw one quantity of every row; a model without epochs is a level line of its score."""
    shown = looks([row.label for row in table_rows])
    for row, name, look in zip(table_rows, names(table_rows), shown, strict=True):
        if row in learners:
            _lines(axes, key, row, look, in_legend(name))
        elif key == "validation":
            score, label = row.scored[0].curve[0][key], in_legend(name)
            axes.axhline(score, color=look.color, linestyle=look.line, linewidth=1, label=label)
    axes.set_xlabel("epoch")
    axes.set_ylabel(PANELS[key].format(table_rows[0].records[0].selection))
    axes.spines[["top", "right"]].set_visible(False)


def _lines(axes: Axes, key: str, row: Row, look: Look, name: str) -> None:
    """Draw one quantity of a row: a thin line for each seed, and a thick one for their mean."""
    lines = traces(row, key)
    for record, line in lines:
        axes.plot(range(1, len(line) + 1), line, color=look.color, linewidth=0.6, alpha=0.5)
        if key == "validation" and (best := record.best_epoch):
            axes.plot(best, line[best - 1], "o", color=look.color, markersize=3)
    if lines:
        mean = mean_of(lines)
        style = {"color": look.color, "linestyle": look.line, "label": name}
        axes.plot(range(1, len(mean) + 1), mean, linewidth=1.8, **style)


Trace = tuple[Record, list[float]]
"""A trial, and a quantity of its curve epoch by epoch; NaN where it is no number."""


def traces(row: Row, key: str) -> list[Trace]:
    """Return the trace of each scored trial of a row that logged the quantity ``key``."""
    return [
        (
            record,
            [epoch[key] if is_number(epoch.get(key)) else math.nan for epoch in record.curve],
        )
        for record in row.scored
        if record.curve and key in record.curve[0]
    ]


def mean_of(lines: Sequence[Trace]) -> list[float]:
    """Return the mean over trials, epoch by epoch, as far as all of them go."""
    return [fmean(values) for values in zip(*(line for _, line in lines), strict=False)]
