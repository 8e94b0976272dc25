"""One record as a person reads it: what was trained, with what, where, and how it went."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark import labels
from benchmark.records.record import Record
from benchmark.report.rows import is_number
from benchmark.report.timing import machine

Line = tuple[str, object]
"""What a line is about, and what it says; "" continues the line before."""


def lines(record: Record, folder: Path) -> Iterator[str]:
    """Yield the lines that show a record of a ``folder``."""
    yield f"{labels.trial_label(record)}: {record.status}"
    about: list[Line] = [
        *_what(record),
        *_where(record),
        *_result(record),
        *_cost(record),
        ("again", again(record, folder)),
    ]
    for name, said in about:
        yield f"  {name:<10} {said}"


def again(record: Record, folder: Path) -> str:
    """Return the command that runs the trial of a record again and compares the results."""
    return shlex.join(["python", "run_all.py", "rerun", record.id, "--out", str(folder)])


def _what(record: Record) -> Iterator[Line]:
    spec, data = record.spec, record.data
    yield "record", f"{record.id}, version {record.record_version}, stage {spec.stage}"
    changed = labels.model_options(spec)
    for n, (option, value) in enumerate(labels.flat_values(spec.config).items()):
        mark = "  (not the usual value)" if option in changed else ""
        yield "" if n else "options", f"{option} = {value}{mark}"
    yield "code", f"{spec.code}, protocol version {spec.protocol}"
    yield "data", f"{record.data_label}, split {spec.split_hash}"
    yield (
        "",
        f"{data.training_users} training users, {data.items} items, {data.test_users} test users",
    )
    for option, value in labels.flat_values(data.options).items():
        yield "", f"{option} = {value}"
    for note in data.notes:
        yield "", note


def _where(record: Record) -> Iterator[Line]:
    facts = record.environment
    commit = facts.commit or "outside a repository"
    yield "commit", f"{commit}{' with changes' if facts.dirty else ''}"
    versions = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    yield "software", f"Python {facts.python}, {versions}; {facts.system}"
    yield "machine", machine(record)
    yield "precision", f"{record.spec.precision or '-'} on {record.spec.device or '-'}"


def _result(record: Record) -> Iterator[Line]:
    for n, line in enumerate((record.reason or "").splitlines()):
        yield "" if n else "reason", line
    for n, (name, estimate) in enumerate((record.metrics or {}).items()):
        yield (
            "" if n else "result",
            f"{name} {estimate.mean:.4f} ± {estimate.stderr:.4f} over users",
        )
    if record.best_epoch and record.best_validation is not None:
        yield (
            "epochs",
            f"{len(record.curve)}; tested: {record.best_epoch}, with the best validation "
            f"{record.selection} {record.best_validation:.4f}",
        )
    for epoch in sorted({1, record.best_epoch or 1, len(record.curve)}):
        if len(record.curve) > 1:
            yield "", ", ".join(_quantities(record.curve[epoch - 1]))


def _quantities(point: dict[str, Any]) -> Iterator[str]:
    """Yield each quantity of a point of the curve, as "epoch 3"."""
    for name, value in point.items():
        yield f"{name} {value:.6g}" if is_number(value) else f"{name} {value}"


def _cost(record: Record) -> Iterator[Line]:
    known = {name: value for name, value in record.cost.model_dump().items() if value is not None}
    for n, (name, value) in enumerate(known.items()):
        quantity, _, unit = name.rpartition("_")
        shown = f"{value / 1e6:.4g} MB" if unit == "bytes" else f"{value:.4g} s"
        yield "" if n else "cost", f"{quantity.replace('_', ' ')} {shown}"
    yield "time", f"{record.started} to {record.finished}{' (resumed)' if record.resumed else ''}"
    beside = "beside other work" if record.beside_others else "alone"
    yield "", f"{beside}; other processes used {record.other_work:.0%} of the cores"
