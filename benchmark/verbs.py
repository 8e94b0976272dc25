"""What each verb of the command line does; returns its exit code."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from benchmark import listing, plugins
from benchmark.conduct import (
    Detached,
    calibrated,
    check_out,
    conduct,
    jobs_of,
    prepare,
    prepared,
    train,
)
from benchmark.errors import UsageError
from benchmark.evaluation.metrics import Metric
from benchmark.paths import ROOT
from benchmark.plan import choose, dry_run, search
from benchmark.plan import plan as plans
from benchmark.plan.plan import ChosenData, Plan
from benchmark.plan.samplers import SAMPLERS
from benchmark.plan.search import Budget
from benchmark.plan.study import Study
from benchmark.request import check_shared, plan_of, study_of
from benchmark.text import counted, say, say_output


def run(arguments: argparse.Namespace) -> int:
    """Train what has no record yet, print the tables and what was written; 1 if a selected trial
    failed.
    """
    check_shared(arguments, waiting={"--beta-heuristic": arguments.beta_heuristic})
    written: list[Path] = []
    study = study_of(arguments, partial(prepared, data_dir=arguments.data_dir, written=written))
    if arguments.calibrate and not arguments.dry_run:
        raise UsageError(
            "--calibrate measures what --dry-run tells, and goes with it only; add --dry-run, or "
            "leave it out"
        )
    if arguments.dry_run:
        plan = next(study)
        measure = calibrated(jobs_of(plan, arguments, written)) if arguments.calibrate else None
        return dry_run.show(plan, arguments, measure)
    return carry_out(study, arguments, written)


def tune(arguments: argparse.Namespace) -> int:
    """Search the options of each model, as ``run`` trains it."""
    waiting = {
        "--seconds": arguments.seconds is not None,
        "--sampler": not SAMPLERS[arguments.sampler].independent,
    }
    check_shared(arguments, waiting)
    plan, _ = plan_of(arguments, arguments.seeds or [0])
    trials = None if arguments.seconds is not None else arguments.trials
    budget = Budget(trials, arguments.seconds or 0.0, arguments.patience)
    if arguments.dry_run:
        return dry_run.show_search(plan, budget, arguments)
    sampler = SAMPLERS[arguments.sampler](arguments.search_seed)
    return carry_out(search.tune(plan, sampler, budget), arguments, [])


def prepare_all(arguments: argparse.Namespace) -> int:
    """Download what is missing, and make the split of each data set; nothing is trained."""
    lineups = choose.plan(arguments.datasets, [], settings=arguments.set).lineups
    plan = Plan(lineups, [], [], "")
    if arguments.split_seeds:
        plan = choose.on_splits(plan, arguments.split_seeds)
    for lineup in prepared(plan, arguments.data_dir, []).lineups:
        made = lineup.prepared
        assert made, "else DataError"
        say(f"{lineup.data_label}: split {made.split_hash[:12]} in {made.folder}")
    return 0


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


def carry_out(study: Study, arguments: argparse.Namespace, written: list[Path]) -> int:
    """Run a study's trials, print the tables and what was ``written``; 1 if a trial failed."""
    check_out(arguments.out)
    try:
        selected = conduct(study, partial(train, arguments=arguments, written=written))
    except Detached:
        say("the same command, without --detach, waits for them and prints the tables")
        return 0
    from benchmark.report import files, screen  # not before the first trial has started
    from benchmark.report.page import page
    from benchmark.report.report import Report

    whole = Report(selected, arguments.out)
    pages = {page.NAME: page.made(whole)}
    written += files.write(arguments.out / "report", whole.tables, whole.figures, pages)
    if said := files.summary(written, arguments.verbose):
        say(said)
    say("")
    screen.show(whole.shown)
    return int(any(record.status != "ok" for record in selected))


def report(arguments: argparse.Namespace) -> int:
    """Print the tables of the records in a folder, or the paper's.

    Write them, the plots and the page where that is asked.
    """
    from benchmark.report import asked, files, screen, select
    from benchmark.report.page import page
    from benchmark.report.report import Report

    metrics = [Metric.parse(text) for text in arguments.metrics] if arguments.metrics else None
    records = select.of(select.stored(arguments.out), arguments.datasets, arguments.models)
    whole = Report(records, arguments.out, metrics)
    if arguments.table or arguments.figure:
        written = asked.show_paper(records, arguments)
    elif arguments.contest:
        written = asked.show_contest(records, arguments)
    else:
        screen.show(whole.shown)
        written = files.write(arguments.to, whole.tables, whole.figures) if arguments.to else []
    if arguments.html:
        to = arguments.to or arguments.out / "report"
        written += files.write(to, {}, {}, {page.NAME: page.made(whole)})
    if said := files.summary(written, arguments.verbose):
        say(said)
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Say what is wrong with a folder of records; 1 if anything is."""
    from benchmark.records.verify import verify as verdict_on

    verdict = verdict_on(arguments.folder)
    if not verdict.checked and not verdict.faults:
        raise UsageError(f"{arguments.folder} holds no record; name the folder that a run wrote")
    counts = f"{verdict.checked} records checked, {len(verdict.faults)} faults"
    say(*verdict.faults, *verdict.notes, counts)
    return int(bool(verdict.faults))


def evaluate(arguments: argparse.Namespace) -> int:
    """Score lists made elsewhere, store the record, and print the table of the folder."""
    from benchmark.report import files, screen, select
    from benchmark.report.report import Report
    from benchmark.run import external

    check_out(arguments.out)
    data = ranking_all(choose.data_set(arguments.dataset, arguments.set))
    prepared = prepare(data, arguments.data_dir)
    described = plans.describe(data, prepared)
    written = external.evaluate(
        arguments.name, arguments.lists, data.entry.name, described, prepared, arguments.out
    )
    say(files.summary(written, verbose=True))
    say("")
    screen.show(Report(select.stored(arguments.out), arguments.out).shown)
    return 0


def ranking_all(data: ChosenData) -> ChosenData:
    """Return ``data``; raise UsageError if its targets are ranked among sampled items only."""
    if data.entry.dataset.task.sampled:
        raise UsageError(
            f"{data.entry.name} ranks each target among sampled items only; name a data set on "
            "which all items are ranked"
        )
    return data


def list_all(arguments: argparse.Namespace) -> int:
    """Print every data set, model and likelihood, with options and their meanings."""
    say(*listing.lines())
    return 0


def contract(arguments: argparse.Namespace) -> int:
    """Run the contract tests on what a plugin registers; 1 if one fails."""
    before = plugins.names()
    plugins.load([arguments.file])
    if not (new := sorted(plugins.names() - before)):
        raise UsageError(
            f"{arguments.file} registers no model, likelihood or data set; see the README's example"
        )
    if not find_spec("pytest"):
        raise UsageError(
            f"{sys.executable} has no package pytest; pip install -r requirements-dev.txt"
        )
    say(f"{arguments.file} registers {', '.join(new)}")
    chosen = " or ".join(f"[{name}]" for name in new)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests",
        "-m",
        "contract",
        "-k",
        chosen,
    ]
    # unbuffered, so that each line comes when it is written
    environment = {"BENCH_PLUGIN": str(arguments.file.resolve()), "PYTHONUNBUFFERED": "1"}
    return int(say_output(command, ROOT, os.environ | environment) != 0)


def export_split(arguments: argparse.Namespace) -> int:
    """Write the six files of a split, and print their hashes as sha256sum does."""
    from datasets import fetch, pro_sg

    data = choose.data_set(arguments.name, arguments.set)
    made = prepare(data, arguments.data_dir)
    for path in sorted(pro_sg.write(made.split, arguments.folder)):
        say(f"{fetch.sha256(path)}  {path}")
    say(f"split {made.split_hash}")
    return 0


def selftest(arguments: argparse.Namespace) -> int:
    """Check evaluator and protocol; 1 if anything came out otherwise than it must."""
    from benchmark.evaluation.selftest import examine

    data = ranking_all(choose.data_set(arguments.dataset))
    return examine(data.entry.name, prepare(data, arguments.data_dir))
