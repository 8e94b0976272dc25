"""What the verb ``report`` shows and writes: the usual tables, or what is asked for instead."""

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
from benchmark.report.picture import WIDTHS
from benchmark.report.report import Report
from datasets import atomic


def show_all(whole: Report, arguments: argparse.Namespace) -> list[Path]:
    """Print the usual tables, and write all with the figures if asked; returns the paths written.

    The table of differences is too wide for a screen.
    """
    there = whole.tables if arguments.to else {"shown": whole.shown}
    tables = select.columns(there, arguments.columns)
    screen.show([t for name, made in tables.items() if name != "differences" for t in made])
    if not arguments.to:
        return []
    return files.write(arguments.to, tables, whole.figures, vectors=True)


def show_paper(records: list[Record], arguments: argparse.Namespace) -> list[Path]:
    """Print the paper's tables, and write its tables and figures; returns the paths written."""
    # a person who names data sets wants no others, also not the paper's that were not run
    absent = not arguments.datasets
    tables = {
        f"table-{n}": paper.TABLES[n](records, arguments.out, absent) for n in arguments.table
    }
    tables = select.columns(tables, arguments.columns)
    for made in tables.values():
        screen.show(made)
    width = WIDTHS[arguments.width]
    figures = {f"figure-{n}": FIGURES[n](records, arguments.out, width) for n in arguments.figure}
    if arguments.to:
        return files.write(arguments.to, tables, figures, drawn=True, vectors=True)
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
    tables = select.columns({"contest": contest_tables.tables(held)}, arguments.columns)
    screen.show(tables["contest"])
    to = arguments.to or arguments.out / "report"
    figures = contest_figures.figures(held, WIDTHS[arguments.width])
    return files.write(to, tables, figures, vectors=arguments.to is not None)


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
    found = {"changes": changes.changes(here, there, metrics)}
    tables = select.columns(found, arguments.columns)
    screen.show(tables["changes"])
    return files.write(arguments.to, tables, {}) if arguments.to else []
