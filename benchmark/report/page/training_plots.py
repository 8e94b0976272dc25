"""The plots of training: learning curves, searches, beta sweeps, and what training costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmark.records.searched import Searched
from benchmark.report import curves, pareto, sweep
from benchmark.report.cells import Table
from benchmark.report.contest_figures import course, seconds, timed_on
from benchmark.report.page.spec import (
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
    spaced,
    told,
)
from benchmark.report.rows import Row
from benchmark.report.timing import Cost

MOST = 200
"""The most points of a curve in a plot."""


def learning(named: Mapping[str, Row], selection: str) -> Json | None:
    """Return the plot of the named rows' mean curves with the epochs that were tested.

    A model without epochs is a level. Returns None if no row has a curve.
    """
    values = [value for name, row in named.items() for value in _curves(name, row)]
    used = [key for key in curves.PANELS if any(v["quantity"] == key for v in values)]
    if not any(value["kind"] == "line" for value in values):
        return None
    xy = {"x": number("epoch", "epoch", axis={"tickMinStep": 1}), "y": number("value", None)}
    look = coloured(list(named), dashed=True)
    dot = {key: look[key] for key in ("color", "opacity")}
    tips = told({"row": "model", "epoch": "epoch", "value": "value"})
    return plot(
        "The mean over seeds of a quantity, epoch by epoch, with a line for each row of the table.",
        values,
        [
            layer("line", look | xy, "datum.kind === 'line'", strokeWidth=1.8)
            | {"params": [PICKED]},
            layer("rule", look | {"y": xy["y"]} | tips, "datum.kind === 'level'"),
            layer("circle", dot | xy | tips, "datum.kind === 'tested'", size=28),
        ],
        [choice("quantity", "Quantity", used, [curves.PANELS[k].format(selection) for k in used])],
        [{"filter": "datum.quantity === quantity"}, flat("epoch", "value")],
    )


def _curves(name: str, row: Row) -> list[Json]:
    """Return the lines, levels and tested epochs of a row, by quantity."""
    found = []
    for quantity in curves.PANELS:
        traces = curves.traces(row, quantity)
        mean = curves.mean_of(traces) if traces else []
        epochs = spaced(len(mean), MOST)
        about = {"row": name, "quantity": quantity}
        means = {"epoch": epochs, "value": [rounded(mean[epoch - 1]) for epoch in epochs]}
        if len(mean) > 1:
            found.append(about | {"kind": "line"} | means)
        elif mean and quantity == "validation":
            found.append(about | {"kind": "level"} | means)
        if len(mean) > 1 and quantity == "validation":
            tested = [
                (r.best_epoch, rounded(line[r.best_epoch - 1]))
                for r, line in traces
                if r.best_epoch
            ]
            best, reached = zip(*tested, strict=True) if tested else ((), ())
            found.append(about | {"kind": "tested", "epoch": list(best), "value": list(reached)})
    return found


def budgets(searches: Mapping[str, Searched], selection: str) -> list[tuple[str, Json]]:
    """Return what a search of each named model brings: against trials, and against seconds on the
    machine on which most trials ran.
    """
    models, timed = list(searches), timed_on(searches)
    trials, times = [], []
    for model, search in searches.items():
        numbers, bests = course(search)
        low, high = zip(*(best.interval for best in bests), strict=True)
        reached = {"best": [best.mean for best in bests], "low": low, "high": high}
        trials.append(_lists(model, {"trials": numbers} | reached))
        if model not in timed.absent:
            took = seconds(search, numbers, timed.place)
            times.append(_lists(model, {"seconds": took} | reached))
    return [
        ("against trials", _budget(trials, models, "trials", selection)),
        (f"against seconds {timed}", _budget(times, models, "seconds", selection)),
    ]


def _lists(model: str, numbers: Mapping[str, Sequence[float]]) -> Json:
    return {"row": model} | {key: list(map(rounded, values)) for key, values in numbers.items()}


def _budget(values: Sequence[Json], models: Sequence[str], spent: str, selection: str) -> Json:
    scale = {"type": "log"} if spent == "seconds" else {"zero": False}
    x = number(spent, spent, axis={"tickMinStep": 1}, scale=scale)
    y = number("best", f"expected best validation {selection}")
    xy = {"x": x, "y": y}
    look = coloured(models, dashed=True)
    band = {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "color": look["color"]}
    tips = told(
        {"row": "model", spent: spent, "best": "expected best", "low": "from", "high": "to"}
    )
    return plot(
        f"The best validation score to be expected of a search, against its {spent}, by model.",
        values,
        [
            layer("area", band, opacity=0.08),
            layer("line", look | xy) | {"params": [PICKED]},
            layer("circle", {key: look[key] for key in ("color", "opacity")} | xy | tips, size=28),
        ],
        transform=[flat(spent, "best", "low", "high")],
    )


def betas(model: str, table: Table, selection: str) -> Json:
    """Return the plot of a model's sweep: a quantity against beta, for both courses of beta."""
    quantities = {
        key: name.format(selection) for key, name in sweep.QUANTITIES.items() if key != "beta"
    }
    about = f"{table.title}: a quantity against beta; bars are standard deviations over seeds."
    return plot(
        about,
        list(_points(model, table, list(quantities))),
        _beta_layers(),
        [choice("quantity", "Quantity", list(quantities), list(quantities.values()))],
        [{"filter": "datum.quantity === quantity"}],
    )


def _beta_layers() -> list[Json]:
    x = number("beta", "beta in force at the selected epoch")
    scale = {"domain": list(sweep.MODES.values())}
    y, course = number("value", None), names("course", scale=scale)
    bar = {"x": x, "y": number("low", None), "y2": {"field": "high"}, "color": course}
    tips = told({"course": "beta", "cap": "cap", "beta": "in force", "value": "mean", "sd": "sd"})
    dots = {"x": x, "y": y, "color": course, "shape": course} | tips
    return [
        layer("line", {"x": x, "y": y, "color": course, "strokeDash": course}),
        layer("rule", bar),
        layer("point", dots, filled=True, size=60),
    ]


def _points(model: str, table: Table, quantities: Sequence[str]) -> Iterator[Json]:
    """Yield each quantity of each point of a sweep that has a score."""
    for row in table.data:
        for key in quantities if row["beta_mean"] is not None else ():
            about = {"row": model, "course": sweep.MODES[row["mode"]], "cap": row["cap"]}
            mean, sd = row[f"{key}_mean"], row[f"{key}_sd"]
            ends = {"low": mean - (sd or 0.0), "high": mean + (sd or 0.0)}
            numbers = {"beta": row["beta_mean"], "value": mean, "sd": sd} | ends
            yield about | {"quantity": key} | {k: rounded(v) for k, v in numbers.items()}


def cost(measured: Sequence[Cost], selection: str) -> Json:
    """Return the plot of the test score against total seconds, of models on one machine."""
    models = pareto.best_first(measured)
    points = [
        {
            "row": f"{cost.label} ({cost.precision})",
            "seconds": rounded(seconds),
            "score": rounded(score),
        }
        for seconds, score, cost in models
    ]
    line = pareto.frontier([(seconds, score) for seconds, score, _ in models])
    spent = [seconds for seconds, _, _ in models]
    scale = {"type": "log"} if max(spent) >= 100 * min(spent) > 0 else {"zero": False}
    x = number(
        "seconds", "seconds of training, validation and test, median over trials", scale=scale
    )
    xy: dict[str, Any] = {"x": x, "y": number("score", f"test {selection}")}
    tips = told({"row": "model", "seconds": "seconds", "score": "score"})
    frontier = layer("line", xy, color="#767676", strokeWidth=1)
    frontier["data"] = {"values": [{"seconds": a, "score": b} for a, b in line]}
    marks = layer("point", coloured([p["row"] for p in points]) | xy | tips, filled=True, size=80)
    return plot(
        "The test score against seconds; the line joins the models that no other beats in both.",
        points,
        [frontier, marks | {"params": [PICKED]}],
    )
