"""What the plots of the page have in common, as Vega-Lite's JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.report.palette import color_of

Json = dict[str, Any]
DIGITS = 5
"""The significant digits of a number in a plot."""
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3])
"""The dashes of the rows of one model, which have one colour."""
FILTERED: Json = {"filter": "!isValid(shown) || indexof(shown, datum.row) >= 0"}
"""Leaves out the rows that the page's own filter hides: page.js sets ``shown``."""
PICKED: Json = {
    "name": "picked",
    "select": {"type": "point", "fields": ["row"]},
    "bind": "legend",
}
"""Lets a click on a row in the legend put it before the others."""


def rounded(value: float | None) -> float | None:
    """Return a number with DIGITS significant digits; None if there is none to be shown."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.{DIGITS}g}")


def spaced(length: int, limit: int) -> list[int]:
    """Return the numbers from 1 to ``length``, or ``limit`` of them, evenly, with both ends."""
    if length <= limit:
        return list(range(1, length + 1))
    return [1 + round(n * (length - 1) / (limit - 1)) for n in range(limit)]


def plot(
    about: str,
    values: Sequence[Mapping[str, Any]],
    layers: Sequence[Json],
    params: Sequence[Json] = (),
    transform: Sequence[Json] = (),
    height: int = 340,
) -> Json:
    """Return a plot of ``layers`` over the same values, as wide as the page.

    ``about`` is what a screen reader says of it. ``transform`` comes before the page's filter.
    """
    return {
        "description": about,
        "width": "container",
        "height": height,
        "data": {"values": list(values)},
        "params": [{"name": "shown", "value": None}, *params],
        "transform": [*transform, FILTERED],
        "layer": list(layers),
    }


def layer(mark: str, encoding: Json, where: str = "true", **look: Any) -> Json:
    """Return the marks of the values for which the expression ``where`` holds."""
    return {
        "mark": {"type": mark, **look},
        "transform": [{"filter": where}],
        "encoding": encoding,
    }


def flat(*fields: str) -> Json:
    """Return the step that makes a value of each element of equally long lists."""
    return {"flatten": list(fields), "as": list(fields)}


def choice(name: str, label: str, options: Sequence[str], labels: Sequence[str] = ()) -> Json:
    """Return a parameter that a reader sets in a list; it starts with the first option."""
    bound = {
        "input": "select",
        "options": list(options),
        "labels": list(labels or options),
        "name": f"{label} ",
    }
    return {"name": name, "value": options[0], "bind": bound}


def number(field: str, title: str | None, **more: Any) -> Json:
    """Return the encoding of a number on an axis that need not begin at 0."""
    return {"field": field, "type": "quantitative", "title": title, "scale": {"zero": False}} | more


LINE = 22
"""The height of a row of a plot that has a line for each row, in pixels."""
LABELS: Json = {"labelLimit": {"expr": "0.45 * containerSize()[0]"}}
"""Leaves the longest names of rows beside an axis less than half of the width."""


def legend(entries: Sequence[str], **more: Any) -> Json:
    """Return a legend of these entries, in as many columns as there is room for."""
    widest = 7 * max(map(len, entries), default=0) + 50
    columns = {"expr": f"max(1, floor(width / {widest}))"}
    return {"columns": columns, "labelLimit": {"expr": "max(120, width - 40)"}, **more}


def names(field: str = "row", **more: Any) -> Json:
    """Return the encoding of a name, which needs no title."""
    return {"field": field, "type": "nominal", "title": None} | more


def told(fields: Mapping[str, str]) -> Json:
    """Return what is told of a mark under the pointer: titles by field."""
    return {"tooltip": [{"field": field, "title": title} for field, title in fields.items()]}


def coloured(rows: Sequence[str], dashed: bool = False) -> Json:
    """Return the encodings that tell rows apart: the colour of the model, and other rows of the
    same model by dashes, or else by shapes.
    """
    # a name may have a device and precision behind the label
    colors = [color_of(row.partition(" (")[0]) for row in rows]
    places = [colors[:n].count(color) for n, color in enumerate(colors)]
    symbol = {"symbolType": "stroke", "symbolSize": 400} if dashed else {}
    row = names(legend=legend(rows, symbolOpacity=1, **symbol))  # also beside a pale band
    color = row | {"scale": {"domain": list(rows), "range": colors}}
    looks = DASHES if dashed else ("circle", "square", "triangle-up", "diamond", "cross")
    other = {"domain": list(rows), "range": [looks[place % len(looks)] for place in places]}
    return {
        "color": color,
        "strokeDash" if dashed else "shape": row | {"scale": other},
        "opacity": {"condition": {"param": "picked", "value": 1}, "value": 0.12},
    }
