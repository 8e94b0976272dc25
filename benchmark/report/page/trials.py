"""Every final trial with its configuration, curve, environment and provenance."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmark.labels import flat_values, model_options, trial_label
from benchmark.records.record import Record
from benchmark.report.page import commands
from benchmark.report.page.spec import Json, choice, layer, number, plot, rounded, spaced, told
from benchmark.report.rows import is_number

POINTS = 60_000
"""The most epochs of all curves together; with more, each curve is thinned evenly."""
FEWEST, MOST = 20, 200
"""The bounds of the points that are left of a curve."""


def limit_of(trials: int) -> int:
    """Return the most points that each of so many trials' curves may have."""
    return max(FEWEST, min(MOST, POINTS // max(trials, 1)))


def details(finals: Sequence[Record], folder: str) -> Json:
    """Return what is shown of each trial, by its id; facts that trials share are stored once.

    A trial has the places of its facts in "facts", each of these with a title.
    """
    facts: dict[str, int] = {}
    limit = limit_of(len(finals))
    shown = {}
    for record in finals:
        parts = [
            facts.setdefault(json.dumps([title, found]), len(facts))
            for title, found in _facts(record, folder).items()
            if found
        ]
        shown[record.id] = {
            "name": trial_label(record),
            "facts": parts,
            "curve": list(_curve(record, limit)),
            "command": commands.of_trial(record),
        }
    return {"facts": list(map(json.loads, facts)), "trials": shown}


def _facts(record: Record, folder: str) -> dict[str, dict[str, str]]:
    """Return the facts on a trial by title, as texts by name."""
    environment = record.environment.model_dump(mode="json", exclude={"commit", "dirty", "blas"})
    libraries = {
        f"library {n}": _library(lib.model_dump())
        for n, lib in enumerate(record.environment.blas, 1)
    }
    usual = model_options(record.spec)
    return {
        "Result": dict(_result(record)),
        "Configuration": {
            option: _text(value) + (" (not the usual value)" if option in usual else "")
            for option, value in flat_values(record.spec.config).items()
        },
        "Cost": _texts(record.cost.model_dump(exclude_none=True)),
        "Data": _texts(flat_values(record.data.model_dump(mode="json"))),
        "Environment": _texts(flat_values(environment)) | libraries,
        "Provenance": dict(_provenance(record, folder)),
    }


def _library(library: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in library.items() if value is not None)


def _result(record: Record) -> Iterator[tuple[str, str]]:
    yield "status", record.status
    if record.reason:
        yield "reason", record.reason
    for name, estimate in (record.metrics or {}).items():
        yield name, f"{estimate.mean:.4f} (standard error over users {estimate.stderr:.4f})"
    for name in ("tied_rows", "best_epoch", "best_validation"):
        if (value := getattr(record, name)) is not None:
            yield name, _text(value)


def _provenance(record: Record, folder: str) -> Iterator[tuple[str, str]]:
    spec = record.spec.model_dump(mode="json", exclude={"config"})
    yield "record", f"{folder}/{record.id}.json"
    yield from _texts(spec).items()
    environment = record.environment
    yield "commit", _text(environment.commit)
    yield "files differed from the commit", _text(environment.dirty)
    for name in ("resumed", "beside_others", "other_work", "started", "finished"):
        yield name, _text(getattr(record, name))
    yield "per-user results, sha256", _text(record.per_user and record.per_user.sha256)
    yield "record, sha256", _text(record.checksum)


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: _text(value) for name, value in values.items()}


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "-"
    return "-" if value is None else value if isinstance(value, str) else json.dumps(value)


def _curve(record: Record, limit: int) -> Iterator[Json]:
    """Yield each quantity of a curve, in the form that the plot of a trial takes."""
    epochs = spaced(len(record.curve), limit)
    for quantity in record.curve[0] if len(record.curve) > 1 else ():
        values = [record.curve[epoch - 1].get(quantity) for epoch in epochs]
        if quantity != "epoch":
            shown = [rounded(value) if is_number(value) else None for value in values]
            yield {"quantity": quantity, "epoch": epochs, "value": shown}


def plot_of_trial() -> Json:
    """Return the plot of one trial's curve without its values, which page.js puts in."""
    xy = {"x": number("epoch", "epoch"), "y": number("value", None)}
    tips = told({"epoch": "epoch", "value": "value"})
    return plot(
        "A quantity of this trial, epoch by epoch.",
        [],
        [layer("line", xy), layer("circle", xy | tips, size=12)],
        [choice("quantity", "Quantity", ["validation"])],
        [
            {"filter": "datum.quantity === quantity"},
            {"flatten": ["epoch", "value"]},
        ],
        height=220,
    )
