"""The verbs on stored records."""

from __future__ import annotations

import argparse

from benchmark.conduct import check_out
from benchmark.errors import UsageError
from benchmark.evaluation.metrics import Metric
from benchmark.text import counted, say


def report(arguments: argparse.Namespace) -> int:
    """Print the tables of the records in a folder, or the paper's.

    Write them, the plots and the page where that is asked.
    """
    from benchmark.report import asked, files, select
    from benchmark.report.page import page
    from benchmark.report.picture import WIDTHS
    from benchmark.report.report import Report

    paper = arguments.table or arguments.figure
    options = {"--table or --figure": paper, "--contest": arguments.contest}
    options["--compare"] = arguments.compare
    instead = [option for option, given in options.items() if given]
    if len(instead) > 1:
        raise UsageError(
            f"{', '.join(instead)}: a report shows one of these; give a command for each"
        )
    if arguments.per_user and not arguments.to:
        raise UsageError("--per-user writes a file; say into which folder, with --to DIR")
    metrics = [Metric.parse(text) for text in arguments.metrics] if arguments.metrics else None
    records = select.of(select.stored(arguments.out), arguments.datasets, arguments.models)
    whole = Report(records, arguments.out, metrics, WIDTHS[arguments.width])
    if paper:
        written = asked.show_paper(records, arguments)
    elif arguments.contest:
        written = asked.show_contest(records, arguments)
    elif arguments.compare:
        written = asked.show_changes(records, arguments, metrics)
    else:
        written = asked.show_all(whole, arguments)
    if arguments.html:
        to = arguments.to or arguments.out / "report"
        written += files.write(to, {}, {}, {page.NAME: page.made(whole)})
    if arguments.per_user:
        written += asked.write_per_user(records, arguments, metrics)
    if said := files.summary(written, arguments.verbose):
        say(said)
    return 0


def show(arguments: argparse.Namespace) -> int:
    """Print one record."""
    from benchmark.report import select
    from benchmark.report.show import lines

    say(*lines(select.one(arguments.out, arguments.id), arguments.out))
    return 0


def rerun(arguments: argparse.Namespace) -> int:
    """Run the trial of a record again; 1 if it ended in other results."""
    from benchmark import again
    from benchmark.report import select

    record = select.one(arguments.out, arguments.id)
    return again.rerun(record, arguments.out, arguments.data_dir, arguments.plugin)


def verify(arguments: argparse.Namespace) -> int:
    """Say what is wrong with a folder of records; 1 if anything is."""
    from benchmark.records.verify import verify as verdict_on

    verdict = verdict_on(arguments.folder)
    if not verdict.checked and not verdict.faults:
        raise UsageError(f"{arguments.folder} holds no record; name the folder that a run wrote")
    counts = f"{verdict.checked} records checked, {len(verdict.faults)} faults"
    say(*verdict.faults, *verdict.notes, counts)
    return int(bool(verdict.faults))


def merge(arguments: argparse.Namespace) -> int:
    """Put the records of several folders into one."""
    from benchmark.records.merge import merge as merged_from
    from benchmark.report import files

    check_out(arguments.out)
    merged = merged_from(arguments.folders, arguments.out)
    if said := files.summary(merged.written, arguments.verbose):
        say(said)
    say(
        f"{counted(merged.copied, 'trial')} copied to {arguments.out}, which has {merged.trials} "
        f"now; {merged.repeated} were in several folders, with the same results"
    )
    return 0
