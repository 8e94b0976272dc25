"""Learning curves: the validation score and each logged quantity, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from matplotlib.axes import Axes

from benchmark.records.record import Record
from benchmark.report.palette import Look, looks
from benchmark.report.picture import (
    PAGE,
    Picture,
    add_legend,
    in_legend,
    in_print,
    name_lines,
    panels,
)
from benchmark.report.rows import Row, is_number, names, rows, title

PANELS = {
    "validation": "validation {}",
    "loss": "training loss per user",
    "kl": "KL (nats per user)",
    "beta": "beta at the epoch's end",
}
"""The quantities of a record's curve that are drawn, each with the label of its axis, in which {}
is the metric by which the epoch was selected."""


@in_print
def draw(group: Sequence[Record], width: float = PAGE) -> Picture | None:
    """Return the figure of one split's records, with a line for each row of its table.

    It is ``width`` inches wide. Returns None if no model has more than one epoch.
    """
    table_rows = [row for row in rows(group) if row.scored and row.scored[0].curve]
    learners = [row for row in table_rows if len(row.scored[0].curve) > 1]
    if not learners:
        return None
    keys = [key for key in PANELS if any(key in row.scored[0].curve[0] for row in learners)]
    figure, places = panels(len(keys), width, height=2.1)
    for key, axes in zip(keys, places, strict=True):
        _panel(axes, key, table_rows, learners)
    if not name_lines(places[0]):
        add_legend(figure)
    return Picture(
        figure,
        f"Learning curves on {title(group)}. Thick lines are means over seeds, thin lines seeds, "
        "and dots the epochs that were tested.",
    )


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


def _lines(axes: Axes, key: str, row: Row, look: Look, name: str) -> None:
    """Draw one quantity of a row: a thin line for each seed, and a thick one for their mean."""
    lines = traces(row, key)
    for record, line in lines:
        axes.plot(range(1, len(line) + 1), line, color=look.color, linewidth=0.5, alpha=0.5)
        if key == "validation" and (best := record.best_epoch):
            axes.plot(best, line[best - 1], "o", color=look.color, markersize=3)
    if lines:
        mean = mean_of(lines)
        style = {"color": look.color, "linestyle": look.line, "label": name}
        axes.plot(range(1, len(mean) + 1), mean, linewidth=1.4, **style)


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
