"""Figures as a paper prints them: how wide, in which type, with a caption, and names beside lines.

Each function that draws a figure is decorated with ``in_print``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from benchmark.text import broken

WIDTHS = {"column": 3.3, "page": 7.0}
"""The width of a figure in inches, in one column of a paper or over the page."""
PAGE = WIDTHS["page"]
POINTS = 8
"""The size of all type, in points."""
in_print = rc_context(
    {
        "font.size": POINTS,
        "axes.titlesize": POINTS,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.dpi": 200,
        "figure.constrained_layout.use": True,
        "legend.frameon": False,
        "lines.markersize": 4,
    }
)
"""Decorates a function that draws a figure: the look of its axes and type."""
LINE = 0.16
"""The height of a line of type, in inches."""
LETTER = 0.061
"""The usual width of a letter, in inches."""
JOINT = {"arrowstyle": "-", "linewidth": 0.5, "relpos": (0, 0.5), "shrinkA": 0, "shrinkB": 0}
"""What joins the end of a line to its name."""
SIDES = (("left", 5, 0), ("right", -5, 0), ("center", 0, 7), ("center", 0, -7))
"""Where a point's name may stand: how it is aligned, and how far it is from the point, in points of
type to the right and up."""


@dataclass(frozen=True)
class Picture:
    """A figure, and the caption that a reader needs below it."""

    figure: Figure
    caption: str


def panels(count: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure ``width`` inches wide and its panels, each ``height`` inches high.

    Two or three panels are side by side where the width is a page's.
    """
    columns = (count if count <= 3 else 2) if width >= PAGE else 1
    lines = math.ceil(count / columns)
    figure = Figure(figsize=(width, height * lines))
    places = figure.subplots(lines, columns, squeeze=False).ravel()
    for unused in places[count:]:
        unused.remove()
    return figure, list(places[:count])


def set_title(axes: Axes, title: str) -> None:
    """Write a title over a panel, in several lines if it would be wider."""
    figure, place = axes.get_figure(root=True), axes.get_subplotspec()
    assert figure is not None
    assert place is not None
    width = figure.get_figwidth() / place.get_gridspec().ncols
    axes.set_title(broken(title, int(width / LETTER)))


def in_legend(name: str) -> str:
    """Return a label that shows ``name`` in a legend, which leaves out what begins with _."""
    return f" {name}" if name.startswith("_") else name


def add_legend(figure: Figure) -> None:
    """Make the figure higher by a legend, below its panels, of what is named in any of them."""
    named: dict[str, Artist] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        named |= {label: h for h, label in zip(handles, labels, strict=True) if label not in named}
    if not (labels := list(named)):
        return
    width, height = figure.get_size_inches()
    # a name that is too long for the figure is on several lines
    labels = [broken(label, int((width - 0.5) / LETTER)) for label in labels]
    longest = max(len(line) for label in labels for line in label.split("\n"))
    columns = max(1, min(len(labels), int(width / (LETTER * longest + 0.5))))
    deep = sum(
        sorted(1 + label.count("\n") for label in labels)[-math.ceil(len(labels) / columns) :]
    )
    figure.set_size_inches(width, height + LINE * deep)
    place = {"loc": "outside lower center", "ncols": columns, "handlelength": 3}
    figure.legend(list(named.values()), labels, **place)


def name_lines(axes: Axes) -> bool:
    """Write the name of each line to the right of its end, if there is room for all.

    Returns whether there was; the names are those that a legend would have.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    lines = [line for line in axes.get_lines() if not str(line.get_label()).startswith("_")]
    names = [str(line.get_label()) for line in lines]
    figure.draw_without_rendering()
    width, height = axes.bbox.width / figure.dpi, axes.bbox.height / figure.dpi
    if not lines or LINE * len(lines) > height or LETTER * max(map(len, names)) > width / 3:
        return False
    ends = [_end(axes, np.asarray(line.get_ydata(), dtype=float)) for line in lines]
    for line, name, end, place in zip(
        lines, names, ends, _spread(ends, LINE / height), strict=True
    ):
        axes.annotate(
            name,
            (1, end),
            (1 + 0.12 / width, place),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            arrowprops={"color": line.get_color(), **JOINT},
        )
    return True


def _end(axes: Axes, y: np.ndarray) -> float:
    """Return how high the last point of a line stands in its axes, from 0 to 1."""
    there = y[np.isfinite(y)]
    shown = axes.transData.transform((axes.get_xlim()[1], there[-1] if there.size else 0.0))
    return float(axes.transAxes.inverted().transform(shown)[1].clip(0, 1))


def _spread(places: Sequence[float], gap: float) -> list[float]:
    """Return the places moved apart, in the same order, so that ``gap`` is between neighbours."""
    order = sorted(range(len(places)), key=places.__getitem__)
    moved = [places[n] for n in order]
    for n in range(1, len(moved)):
        moved[n] = max(moved[n], moved[n - 1] + gap)
    top = 1.0
    for n in reversed(range(len(moved))):
        moved[n] = min(moved[n], top)
        top = moved[n] - gap
    return [place for _, place in sorted(zip(order, moved, strict=True))]


Point = tuple[float, float, str]
"""The x, y and name of a point."""


def name_points(axes: Axes, points: Sequence[Point]) -> bool:
    """Write the name of each point beside it, if no two get in each other's
    way; returns whether that was so.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    shown = axes.transData.transform([(x, y) for x, y, _ in points])
    around = POINTS * figure.dpi / 72
    taken = [Bbox.from_bounds(x - around / 2, y - around / 2, around, around) for x, y in shown]
    written: list[Annotation] = []
    for point in points:
        if (found := _beside(axes, point, taken)) is None:
            for other in written:
                other.remove()
            return False
        written.append(found)
        taken.append(found.get_window_extent())
    return True


def _beside(axes: Axes, point: Point, taken: Sequence[Bbox]) -> Annotation | None:
    """Write a point's name on the first side of it where nothing is; None if there is no such."""
    x, y, name = point
    for aligned, right, up in SIDES:
        written = axes.annotate(
            name,
            (x, y),
            (right, up),
            textcoords="offset points",
            ha=aligned,
            va="center",
        )
        box = written.get_window_extent()
        inside = axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1
        if inside and not any(box.overlaps(other) for other in taken):
            return written
        written.remove()
    return None
