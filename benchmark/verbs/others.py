"""The verbs on data sets, lists made elsewhere, weights and plugins."""

from __future__ import annotations

import argparse

from benchmark import listing
from benchmark.conduct import check_out, histories, prepare, prepared
from benchmark.errors import UsageError
from benchmark.plan import choose
from benchmark.plan import plan as plans
from benchmark.plan.plan import ChosenData, Plan
from benchmark.text import say
from datasets import atomic


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


def recommend(arguments: argparse.Namespace) -> int:
    """Write the best items outside each history, by a model whose weights were kept."""
    from benchmark.run import recommend as lists
    from benchmark.run import weights

    form = lists.form_of(arguments.to)
    kept = weights.load(arguments.weights)
    made = lists.recommend(kept, histories(arguments.histories, arguments.set), arguments.top)
    atomic.write(arguments.to, form(made))
    say(f"{len(made):,} rows for {made['user'].nunique():,} users in {arguments.to}")
    return 0


def list_all(arguments: argparse.Namespace) -> int:
    """Print every data set, model and likelihood, with options and their meanings."""
    say(*listing.lines())
    return 0


def contract(arguments: argparse.Namespace) -> int:
    """Run the contract tests on what a plugin registers; 1 if one fails."""
    from benchmark.contract import examine

    return examine(arguments.file)
