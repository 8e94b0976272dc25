"""The commands that make a part of the page, or a trial, again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark import labels
from benchmark.paths import ROOT
from benchmark.records.record import Record
from benchmark.report.report import Report
from datasets import own

TABLES = ("--to", "results/runs/tables")
"""The words that write every table and figure to a folder."""
AGAIN = "results/runs/again"
"""The folder that a repeated trial is written to, so that it replaces no record."""


@dataclass(frozen=True)
class Commands:
    """The commands that show again what a report shows."""

    filters: tuple[str, ...]
    """The words that name the records: the data sets and models, unless all in the folder are
    shown; the metrics; the folder."""

    def report(self, *words: str) -> str:
        """Return the command with these words of the verb ``report``."""
        return line("report", *words, *self.filters)


def of_report(report: Report) -> Commands:
    """Return the commands for the records of a report."""
    words: list[str] = []
    if len(report.records) < len(list(report.folder.glob("*.json"))):
        words += ["--datasets", *_distinct(record.data_label for record in report.records)]
        words += ["--models", *_distinct(record.label for record in report.records)]
    if report.metrics:
        words += ["--metrics", *map(str, report.metrics)]
    return Commands((*words, "--out", shown(report.folder)))


def _distinct(names: Any) -> list[str]:
    return sorted(set(names))


def shown(folder: Path) -> str:
    """Return the path of a folder as it is typed in the project's folder."""
    whole = folder.resolve()
    return str(whole.relative_to(ROOT) if whole.is_relative_to(ROOT) else whole)


def line(*words: str) -> str:
    """Return a command line that a shell reads as ``run_all.py`` and these words."""
    return shlex.join(["python", "run_all.py", *words])


def of_trial(record: Record) -> str | None:
    """Return the command that runs a trial again; None for bounds and lists made elsewhere.

    A plugin that it needs is not known, and of an own file only the name.
    """
    spec = record.spec
    if spec.device is None or spec.precision is None:
        return None
    data = spec.dataset
    words = ["--datasets", f"{own.PREFIX}PATH" if data.startswith(own.PREFIX) else data]
    words += ["--models", spec.model]
    if spec.seed is not None:
        words += ["--seeds", str(spec.seed)]
    words += ["--device", spec.device, "--precision", spec.precision]
    settings = [
        *_settings(data.removeprefix(own.PREFIX), labels.data_options(data, record.data.options)),
        *_settings(spec.model, labels.model_options(spec)),
    ]
    if settings:
        words += ["--set", *settings]
    return line(*words, "--out", AGAIN)


def _settings(name: str, options: dict[str, Any]) -> Sequence[str]:
    return [f"{name}.{option}={_typed(value)}" for option, value in options.items()]


def _typed(value: Any) -> str:
    """Return the value of an option as it is typed after --set."""
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value)
