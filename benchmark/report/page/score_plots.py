"""The plots of test scores: differences, users by activity, and where uncertainty comes from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.report.cells import Table
from benchmark.report.figures import Fifth
from benchmark.report.page.spec import (
    LABELS,
    LINE,
    PICKED,
    Json,
    choice,
    coloured,
    flat,
    layer,
    names,
    number,
    plot,
    rounded,
    told,
)

VERDICTS = {"p < .05": "#0b5fa5", "p ≥ .05": "#767676", "constant": "#767676"}
"""What is said of a difference, with its colour."""
SOURCES = {"users": "users", "seeds": "seeds", "training": "training rows", "search": "search"}
"""Where the uncertainty of a mean comes from, by the column of the table's file."""
COLORS = ("#0b5fa5", "#c2410c", "#0f766e", "#7e22ce")
"""The colour of each source."""
NUMBERS = ("difference", "low", "high", "p")
"""The columns of a table of differences that are numbers."""


def differences(table: Table) -> Json:
    """Return the plot of each row's difference from a row that the reader chooses."""
    rows = list(dict.fromkeys(pair[side] for side in ("model", "other") for pair in table.data))
    metrics = list(dict.fromkeys(pair["metric"] for pair in table.data))
    first = "datum.model === against"
    turned = {
        "row": f"{first} ? datum.other : datum.model",
        "away": f"{first} ? -datum.difference : datum.difference",
        "from": f"{first} ? -datum.high : datum.low",
        "to": f"{first} ? -datum.low : datum.high",
        "verdict": "!isValid(datum.p) ? 'constant' : datum.p < 0.05 ? 'p < .05' : 'p ≥ .05'",
    }
    chosen = f"datum.metric === metric && ({first} || datum.other === against)"
    return plot(
        f"{table.title}: the difference of each row from one, with its 95 % interval.",
        _by_first(table),
        _intervals("difference"),
        [choice("metric", "Metric", metrics), choice("against", "Difference from", rows)],
        [
            flat("other", *NUMBERS),
            {"filter": chosen},
            *({"calculate": how, "as": field} for field, how in turned.items()),
        ],
        LINE * len(rows),
    )


def _by_first(table: Table) -> list[Json]:
    """Return the pairs of a table, those with the same metric and first row as lists."""
    found: dict[tuple[str, str], dict[str, list[Any]]] = {}
    for pair in table.data:
        lists = found.setdefault((pair["metric"], pair["model"]), defaultdict(list))
        lists["other"].append(pair["other"])
        for key in NUMBERS:
            lists[key].append(rounded(pair[key]))
    return [{"metric": metric, "model": model} | lists for (metric, model), lists in found.items()]


def contest(table: Table) -> Json:
    """Return the plot of each model's difference from the best one of a contest."""
    where = "over_splits" if table.data[-1]["difference_over_splits"] is not None else "one_split"
    values = [
        {
            "row": row["model"],
            "away": rounded(row[f"difference_{where}"] or 0.0),
            "from": rounded(row[f"low_{where}"] or 0.0),
            "to": rounded(row[f"high_{where}"] or 0.0),
            "p": rounded(row[f"p_{where}"]),
            "verdict": "p < .05" if (row[f"p_{where}"] or 1.0) < 0.05 else "p ≥ .05",
        }
        for row in table.data
    ]
    about = f"{table.title}: each model's difference from the best, with its 95 % interval."
    return plot(about, values, _intervals("minus the best"), height=LINE * len(values))


def _intervals(title: str) -> list[Json]:
    """Return the marks of differences with their intervals, and of no difference."""
    domain, colors = list(VERDICTS), list(VERDICTS.values())
    shared = {
        "y": names(sort={"field": "away", "order": "descending"}, axis=LABELS),
        "color": names("verdict", legend=None, scale={"domain": domain, "range": colors}),
        **told({"row": "model", "away": title, "from": "from", "to": "to", "p": "p"}),
    }
    zero = layer("rule", {"x": number("zero", title)}, color="#767676", strokeDash=[3, 3])
    zero["data"] = {"values": [{"zero": 0}]}
    bar = {"x": number("from", title), "x2": {"field": "to"}}
    return [
        zero,
        layer("rule", shared | bar, strokeWidth=2),
        layer("circle", shared | {"x": number("away", title)}, size=70, opacity=1),
    ]


def activity(fifths: Mapping[str, Sequence[Fifth]], labels: Sequence[str], metric: str) -> Json:
    """Return the plot of the named rows' scores on fifths of the users, which have ``labels``."""
    values = [
        {
            "row": name,
            "fifth": label,
            "mean": rounded(part.mean),
            "low": rounded(part.mean - part.error),
            "high": rounded(part.mean + part.error),
            "differs": "yes" if part.differs else "no",
        }
        for name, parts in fifths.items()
        for label, part in zip(labels, parts, strict=True)
    ]
    axis = {"labelAngle": 0, "labelExpr": "split(replace(datum.label, ' users', ''), '\\n')"}
    x = names("fifth", type="ordinal", sort=list(labels), title="items in the history", axis=axis)
    look = coloured(list(fifths), dashed=True)
    about = f"differs from {next(iter(fifths))}"
    tips = told({"row": "model", "fifth": "items", "mean": metric, "differs": about})
    xy: dict[str, Any] = {"x": x, "y": number("mean", metric)}
    bar = {"x": x, "y": number("low", metric), "y2": {"field": "high"}}
    color = {key: look[key] for key in ("color", "opacity")}
    return plot(
        f"{metric} of each row on fifths of the users, the least active first.",
        values,
        [
            layer("line", look | xy, strokeWidth=1.5) | {"params": [PICKED]},
            layer("rule", color | bar),
            layer("circle", color | xy | tips, size=50),
        ],
    )


def uncertainty(parts: Mapping[str, Mapping[str, float | None]], metric: str) -> Json:
    """Return the plot of the standard deviations of the named rows' means, by their sources."""
    values = [
        {"row": name, "source": SOURCES[source], "sd": rounded(sd)}
        for name, of in parts.items()
        for source, sd in of.items()
        if sd is not None
    ]
    domain = [name for name in SOURCES.values() if any(v["source"] == name for v in values)]
    color = names("source", scale={"domain": domain, "range": COLORS[: len(domain)]})
    x = number("sd", f"sd of the mean {metric}", scale={"zero": True})
    y = names(sort=None, axis=LABELS | {"grid": True})
    tips = told({"row": "model", "source": "from", "sd": "standard deviation"})
    return plot(
        f"What the mean {metric} of each row is uncertain by, from each source.",
        values,
        [
            layer(
                "point",
                {"x": x, "y": y, "color": color, "shape": names("source", scale={"domain": domain})}
                | tips,
                filled=True,
                size=70,
            )
        ],
        height=LINE * len(parts),
    )
