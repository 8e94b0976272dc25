"""What a run would do: each trial, whether it has a record, and where each of its settings comes
from.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from statistics import median

from benchmark import plugins
from benchmark.environment import memory_limit
from benchmark.evaluation import truth
from benchmark.labels import flat
from benchmark.plan import plan as plans
from benchmark.plan.deal import Deal
from benchmark.plan.forecast import Forecast, of_model, trial_bytes, trial_seconds
from benchmark.plan.options import searches
from benchmark.plan.plan import ChosenData, ChosenModel, Lineup, Plan
from benchmark.plan.search import Budget
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.records.searched import searched
from benchmark.spec import PROTOCOL, Data, TrialSpec
from benchmark.text import duration, say
from datasets import cache
from datasets.cache import Prepared

Measure = Callable[[TrialSpec], float | None]
"""Measures about how many seconds a trial takes; None where that cannot be done."""


def show(plan: Plan, arguments: argparse.Namespace, measure: Measure | None = None) -> int:
    """Print each trial, whether it has a record, what it will take, and where its settings come
    from; nothing is made or run.

    Times are forecast from stored trials, or by ``measure`` where that is given and gives one.
    """
    stored = store.read_all(arguments.out)
    forecast, deal = Forecast(stored, arguments.jobs), Deal(arguments.shard)
    for lineup in plan.lineups:
        data, made = lineup.data, at_hand(lineup, arguments)
        notice = made.notice if made else "not split yet; a run would make the split"
        say(": ".join(filter(None, [lineup.data_label, notice])), *settings(data))
        split = made.split_hash if made else ""
        options = data.config.model_dump(mode="json")
        of_data = [record for record in stored if record.data.options == options]
        described = plans.describe(data, made) if made else None
        for model in lineup.models:
            specs = deal.keep(plans.specs_of(model, plan, lineup.dataset, split))
            if not specs:
                continue
            stages = [stage_of(spec, of_data, arguments) for spec in specs]
            seconds = {
                spec.id: (measure and measure(spec))
                or trial_seconds(spec, described, forecast.stored)
                for spec, stage in zip(specs, stages, strict=True)
                if stage == TO_RUN
            }
            said = forecast.of(len(specs), list(seconds.values()))
            say(f"  {lineup.label(model)}: {said}")
            for spec, stage in zip(specs, stages, strict=True):
                seed = "" if spec.seed is None else f"seed {spec.seed}, "
                takes = needs(spec, described, seconds[spec.id]) if spec.id in seconds else ""
                say(f"    {seed}{spec.device}, {spec.precision}: {stage}{takes}")
            say(*settings(model))
        bounds = list(truth.ROWS) if made and made.split.truth and plan.stage == "test" else []
        for row in deal.keep(bounds):
            spec = plans.truth_spec(row, lineup.dataset, split)
            say(f"  {row}: {stage_of(spec, of_data, arguments)}")
    say(forecast.whole)
    return 0


def needs(spec: TrialSpec, data: Data | None, seconds: float | None) -> str:
    """Return what follows a trial's line: about how long it takes, and how much memory."""
    size = trial_bytes(spec, data) if data else None
    told = []
    if seconds is not None:
        told.append(duration(seconds))
    if size is not None:
        there = memory_limit()
        fits = "" if size <= there else f", and there are {there / 1e9:,.1f} GB here"
        told.append(f"{size / 1e9:,.1f} GB{fits}")
    return f", about {' and '.join(told)}" if told else ""


def at_hand(lineup: Lineup, arguments: argparse.Namespace) -> Prepared | None:
    """Return the split of a data set if it is made already."""
    entry, config = lineup.data.entry, lineup.data.config
    with plugins.blamed(entry.dataset):
        return cache.at_hand(
            lineup.dataset,
            entry.dataset(config),
            arguments.data_dir,
            cache.default_folder(),
            PROTOCOL,
        )


def show_search(
    plan: Plan, budget: Budget, arguments: argparse.Namespace, measure: Measure | None = None
) -> int:
    """Print what is searched of each model, by how many trials, and about how long they take."""
    stored = store.read_all(arguments.out)
    forecast, deal = Forecast(stored, arguments.jobs), Deal(arguments.shard)
    for lineup in plan.lineups:
        say(lineup.data_label)
        made = at_hand(lineup, arguments)
        described = plans.describe(lineup.data, made) if made else None
        for model in lineup.models:
            said = f"trials to run until they have taken {budget.seconds:g} s"
            if budget.trials is not None:
                specs = plans.specs_of(model, plan, lineup.dataset, made.split_hash if made else "")
                of_search = (budget.trials if searches(model.config) else 1) * len(specs)
                trials = len(deal.keep(range(of_search)))
                left = max(0, trials - tried(lineup, model, stored))
                each = None
                if left:
                    each = search_seconds(specs[0], described, forecast.stored, measure)
                said = forecast.of(trials, [each] * left)
            say(f"  {lineup.label(model)}: {said}")
            for option, search in searches(model.config).items():
                say(f"      {option}: {search}")
    if budget.trials is not None:
        say(forecast.whole)
    return 0


def tried(lineup: Lineup, model: ChosenModel, stored: list[Record]) -> int:
    """Return how many trials of a model's search have a record."""
    found = searched(of_model(stored, lineup.dataset, model.entry.name))
    ran = found.get((lineup.data_label, model.entry.name))
    return sum(len(attempt.records) for attempt in ran.attempts) if ran else 0


def search_seconds(
    first: TrialSpec, data: Data | None, stored: list[Record], measure: Measure | None
) -> float | None:
    """Return about how long a trial of a search takes: the median of those that were run, and
    while there are none, what the first will take.
    """
    took = [record.cost.spent_seconds for record in of_model(stored, first.dataset, first.model)]
    if took:
        return median(took)
    return (measure and measure(first)) or trial_seconds(first, data, stored)


TO_RUN = "to run"


def stage_of(spec: TrialSpec, stored: list[Record], arguments: argparse.Namespace) -> str:
    """Return whether a trial has a record; while its split is not made, a record of any split
    counts.
    """
    blank = {"split_hash": ""} if not spec.split_hash else {}
    found = [record for record in stored if record.spec.model_copy(update=blank) == spec]
    if not found or arguments.force or (arguments.retry and found[-1].status != "ok"):
        return TO_RUN
    return "done" if found[-1].status == "ok" else found[-1].status


def settings(chosen: ChosenData | ChosenModel) -> Iterator[str]:
    """Yield a line for each option, with its value and where that comes from."""
    for option, value in flat(chosen.config).items():
        yield f"      {option} = {json.dumps(value)}  ({chosen.origins.get(option, 'default')})"
