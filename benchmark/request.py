"""What the words of the command line ask for: a plan, or a study of plans."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from benchmark import suite
from benchmark.errors import UsageError
from benchmark.plan import choose, search, study
from benchmark.plan.plan import Plan
from benchmark.plan.study import Study
from benchmark.records import store
from benchmark.suite import Suite


def plan_of(arguments: argparse.Namespace, seeds: list[int] | None) -> tuple[Plan, Suite | None]:
    """Return the plan that is asked for, and its suite, which is the demo if nothing is named."""
    name = arguments.suite or (None if arguments.datasets else "demo")
    named = suite.load(name) if name else None
    plan = choose.plan(
        arguments.datasets,
        arguments.models,
        seeds,
        arguments.set,
        arguments.device,
        arguments.precision,
        named,
    )
    return plan, named


def study_of(arguments: argparse.Namespace, prepare: Callable[[Plan], Plan]) -> Study:
    """Return the study that a run is asked for."""
    plan, named = plan_of(arguments, arguments.seeds)
    if arguments.tuned:
        plan = search.tuned(plan, store.read_all(arguments.out))
    if arguments.split_seeds:
        plan = choose.on_splits(plan, arguments.split_seeds)
    if arguments.grid:
        return study.grid(plan, arguments.grid)
    if arguments.beta_heuristic:
        return study.beta_heuristic(plan, not_prepared if arguments.dry_run else prepare)
    if arguments.beta_sweep:
        caps: list[float] = arguments.beta_sweep
        return study.beta_sweep(plan, dict.fromkeys(study.vaes(plan), caps))
    return study.beta_sweep(plan, named.beta_sweep) if named else study.plain(plan)


def not_prepared(plan: Plan) -> Plan:
    """What a dry run has for a study that must see the data first."""
    raise UsageError(
        "--beta-heuristic: where beta stops is not known before the first run; leave --dry-run out"
    )


def check_shared(arguments: argparse.Namespace, waiting: Mapping[str, bool]) -> None:
    """Raise UsageError if the machines that share a run could not agree on its trials.

    ``waiting`` are options, and whether they are given, with which a trial waits for others.
    """
    if arguments.detach and arguments.executor != "slurm":
        raise UsageError(
            f"--detach leaves trials to Slurm, and the executor is {arguments.executor}; leave it "
            "out, or name --executor slurm"
        )
    shared = "--shard" if arguments.shard else f"--executor {arguments.executor}"
    if not arguments.shard and arguments.executor == "local":
        return
    for option in (o for o, given in waiting.items() if given and arguments.shard):
        raise UsageError(
            f"--shard does not go with {option}, where what is run depends on all trials before; "
            "leave one of them out"
        )
    if "auto" in (*arguments.device, arguments.precision):
        raise UsageError(
            f"{shared} needs --device and --precision, since auto may be another on each machine; "
            "name both, as in --device cpu --precision fp32"
        )
