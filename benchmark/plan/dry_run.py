"""What a run would do: each trial, whether it has a record, and where each of its settings comes
from.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from statistics import median

from benchmark import plugins
from benchmark.environment import cpu_model
from benchmark.evaluation import truth
from benchmark.labels import flat
from benchmark.plan import plan as plans
from benchmark.plan.options import searches
from benchmark.plan.plan import ChosenData, ChosenModel, Plan
from benchmark.plan.search import Budget
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.spec import PROTOCOL, TrialSpec
from benchmark.text import say
from datasets import cache


def show(plan: Plan, arguments: argparse.Namespace) -> int:
    """Print each trial, whether it has a record, and where its settings come from; nothing is made
    or run.
    """
    stored = store.read_all(arguments.out)
    for lineup in plan.lineups:
        data = lineup.data
        with plugins.blamed(data.entry.dataset):
            dataset = data.entry.dataset(data.config)
            made = cache.at_hand(
                lineup.dataset, dataset, arguments.data_dir, cache.default_folder(), PROTOCOL
            )
        missing = "" if made else ": not split yet; a run would make the split"
        say(f"{lineup.data_label}{missing}", *settings(data))
        split = made.split_hash if made else ""
        options = data.config.model_dump(mode="json")
        of_data = [record for record in stored if record.data.options == options]
        for model in lineup.models:
            say(f"  {lineup.label(model)}")
            for spec in plans.specs_of(model, plan, lineup.dataset, split):
                seed = "" if spec.seed is None else f"seed {spec.seed}, "
                where = f"{seed}{spec.device}, {spec.precision}"
                say(f"    {where}: {stage_of(spec, of_data, arguments)}")
            say(*settings(model))
        for row in truth.ROWS if made and made.split.truth and plan.stage == "test" else ():
            spec = plans.truth_spec(row, lineup.dataset, split)
            say(f"  {row}: {stage_of(spec, of_data, arguments)}")
    return 0


def show_search(plan: Plan, budget: Budget, arguments: argparse.Namespace) -> int:
    """Print what is searched of each model, by how many trials, and about how long they take.

    The time is known from the stored trials of the model on this machine.
    """
    stored = [r for r in store.read_all(arguments.out) if r.environment.cpu == cpu_model()]
    for lineup in plan.lineups:
        say(lineup.data_label)
        for model in lineup.models:
            ran = lineup.data_label, model.entry.name
            of_model = [r for r in stored if (r.data_label, r.spec.model) == ran]
            seeds = 1 if model.entry.deterministic else len(plan.seeds)
            said = forecast(model, budget, seeds, of_model, arguments.jobs)
            say(f"  {lineup.label(model)}: {said}")
            for option, search in searches(model.config).items():
                say(f"      {option}: {search}")
    return 0


def forecast(
    model: ChosenModel, budget: Budget, seeds: int, stored: Sequence[Record], jobs: int
) -> str:
    """Return how many trials the search of a model has, and how long those to come will take.

    They are expected to take as long as the ``stored`` ones of the model, of any kind.
    """
    if budget.trials is None:
        return f"trials to run until they have taken {budget.seconds:g} s"
    trials = (budget.trials if searches(model.config) else 1) * seeds
    left = trials - min(trials, sum(record.spec.stage == "validation" for record in stored))
    said = f"{trials} trials, {left} of them to run"
    if not stored:
        return f"{said}; how long they take is known after the first"
    typical = median(record.cost.spent_seconds for record in stored)
    return f"{said}, in about {left * typical / jobs / 60:.1f} min"


def stage_of(spec: TrialSpec, stored: list[Record], arguments: argparse.Namespace) -> str:
    """Return whether a trial has a record; while its split is not made, a record of any split
    counts.
    """
    blank = {"split_hash": ""} if not spec.split_hash else {}
    found = [record for record in stored if record.spec.model_copy(update=blank) == spec]
    if not found or arguments.force or (arguments.retry and found[-1].status != "ok"):
        return "to run"
    return "done" if found[-1].status == "ok" else found[-1].status


def settings(chosen: ChosenData | ChosenModel) -> Iterator[str]:
    """Yield a line for each option, with its value and where that comes from."""
    for option, value in flat(chosen.config).items():
        yield f"      {option} = {json.dumps(value)}  ({chosen.origins.get(option, 'default')})"
