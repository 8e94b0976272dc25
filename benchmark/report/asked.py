"""What the verb ``report`` shows instead of the usual tables, where that is asked for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmark.errors import UsageError
from benchmark.evaluation.metrics import Metric
from benchmark.records.record import Record
from benchmark.report import (
    changes,
    contest_figures,
    contest_tables,
    files,
    paper,
    per_user,
    screen,
    select,
)
from benchmark.report.contest import contests
from benchmark.report.figures import FIGURES
from datasets import atomic


def show_paper(records: list[Record], arguments: argparse.Namespace) -> list[Path]:
    """Print the paper's tables, and write its tables and figures; returns the paths written."""
    # a person who names data sets wants no others, also not the paper's that were not run
    absent = not arguments.datasets
    tables = {
        f"table-{n}": paper.TABLES[n](records, arguments.out, absent) for n in arguments.table
    }
    for made in tables.values():
        screen.show(made)
    figures = {f"figure-{n}": FIGURES[n](records, arguments.out) for n in arguments.figure}
    if arguments.to:
        return files.write(arguments.to, tables, figures, drawn=True)
    return files.write(arguments.out / "report", {}, figures)


def show_contest(records: list[Record], arguments: argparse.Namespace) -> list[Path]:
    """Print the tables of contests, and write them with their figures; returns the paths written.

    Raises UsageError if there is no contest in the records.
    """
    if not (held := contests(records, arguments.out)):
        raise UsageError(
            f"{arguments.out} holds no contest; search the options of two models or more with the "
            "verb tune, then run them with --tuned and the same --out"
        )
    tables = contest_tables.tables(held)
    screen.show(tables)
    figures = {f"contest-budget-{each.label}": contest_figures.budgets(each) for each in held}
    figures["contest-forest"] = contest_figures.forest(held)
    return files.write(arguments.to or arguments.out / "report", {"contest": tables}, figures)


def write_per_user(
    records: list[Record], arguments: argparse.Namespace, metrics: Sequence[Metric] | None
) -> list[Path]:
    """Write the metrics of each trial and test user as one CSV file; returns its path."""
    path = arguments.to / "per-user.csv"
    atomic.write(path, per_user.to_csv(records, arguments.out, metrics).encode())
    return [path]


def show_changes(
    records: list[Record], arguments: argparse.Namespace, metrics: Sequence[Metric] | None
) -> list[Path]:
    """Print what differs between two folders, and write it if asked; returns the paths written."""
    theirs = select.of(select.stored(arguments.compare), arguments.datasets, arguments.models)
    here, there = (records, arguments.out), (theirs, arguments.compare)
    tables = changes.changes(here, there, metrics)
    screen.show(tables)
    return files.write(arguments.to, {"changes": tables}, {}) if arguments.to else []
