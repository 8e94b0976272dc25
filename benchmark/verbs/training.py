"""The verbs that train: a run, and a search of options."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from benchmark.conduct import (
    Detached,
    calibrated,
    check_out,
    conduct,
    display_of,
    jobs_of,
    prepared,
    train,
)
from benchmark.errors import UsageError
from benchmark.plan import dry_run, search
from benchmark.plan.plan import Plan
from benchmark.plan.samplers import SAMPLERS
from benchmark.plan.search import Budget
from benchmark.plan.study import Study
from benchmark.request import check_shared, plan_of, study_of
from benchmark.run.display import Display


def run(arguments: argparse.Namespace) -> int:
    """Train what has no record yet, print the tables and what was written; 1 if a selected trial
    failed.
    """
    check_shared(arguments, waiting={"--beta-heuristic": arguments.beta_heuristic})
    check_calibrate(arguments)
    written, display = list[Path](), display_of(arguments)
    study = study_of(arguments, partial(prepared, data_dir=arguments.data_dir, written=written))
    if arguments.dry_run:
        plan = next(study)
        return dry_run.show(plan, arguments, measure_of(plan, arguments))
    return carry_out(study, arguments, written, display)


def tune(arguments: argparse.Namespace) -> int:
    """Search the options of each model, as ``run`` trains it."""
    waiting = {
        "--seconds": arguments.seconds is not None,
        "--sampler": not SAMPLERS[arguments.sampler].independent,
    }
    check_shared(arguments, waiting)
    check_calibrate(arguments)
    display = display_of(arguments)
    plan, _ = plan_of(arguments, arguments.seeds or [0])
    trials = None if arguments.seconds is not None else arguments.trials
    budget = Budget(trials, arguments.seconds or 0.0, arguments.patience)
    if arguments.dry_run:
        plan = search.of_search(plan, budget)
        return dry_run.show_search(plan, budget, arguments, measure_of(plan, arguments))
    sampler = SAMPLERS[arguments.sampler](arguments.search_seed)
    return carry_out(search.tune(plan, sampler, budget), arguments, [], display)


def check_calibrate(arguments: argparse.Namespace) -> None:
    """Raise UsageError if times are to be measured for a forecast that is not asked for."""
    if arguments.calibrate and not arguments.dry_run:
        raise UsageError(
            "--calibrate measures what --dry-run tells, and goes with it only; add --dry-run, or "
            "leave it out"
        )


def measure_of(plan: Plan, arguments: argparse.Namespace) -> dry_run.Measure | None:
    """Return what measures the times of a plan's trials, if that is asked for."""
    return calibrated(jobs_of(plan, arguments, [])) if arguments.calibrate else None


def carry_out(
    study: Study, arguments: argparse.Namespace, written: list[Path], display: Display
) -> int:
    """Run a study's trials, print the tables and what was ``written``; 1 if a trial failed."""
    check_out(arguments.out)
    try:
        with display.alone():
            how = partial(train, arguments=arguments, written=written, display=display)
            selected = conduct(study, how)
    except Detached:
        display.note("the same command, without --detach, waits for them and prints the tables")
        return 0
    from benchmark.report import files, screen  # not before the first trial has started
    from benchmark.report.page import page
    from benchmark.report.report import Report

    whole = Report(selected, arguments.out)
    pages = {page.NAME: page.made(whole)}
    written += files.write(arguments.out / "report", whole.tables, whole.figures, pages)
    if said := files.summary(written, arguments.verbose):
        display.tell("written", said, paths=list(map(str, written)))
    tables = [{"title": table.title, "rows": table.data} for table in whole.shown]
    display.tell("tables", "", tables=tables)
    if not arguments.json:
        screen.show(whole.shown)
    return int(any(record.status != "ok" for record in selected))
