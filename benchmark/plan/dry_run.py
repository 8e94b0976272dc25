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
from benchmark.plan.plan import ChosenData, ChosenModel, Deal, Lineup, Plan
from benchmark.plan.search import Budget
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.records.searched import searched
from benchmark.spec import PROTOCOL, TrialSpec
from benchmark.text import counted, say
from datasets import cache


def show(plan: Plan, arguments: argparse.Namespace) -> int:
    """Print each trial, whether it has a record, and where its settings come from; nothing is made
    or run.
    """
    stored = store.read_all(arguments.out)
    forecast, deal = Forecast(stored, arguments.jobs), Deal(arguments.shard)
    for lineup in plan.lineups:
        data = lineup.data
        with plugins.blamed(data.entry.dataset):
            dataset = data.entry.dataset(data.config)
            made = cache.at_hand(
                lineup.dataset, dataset, arguments.data_dir, cache.default_folder(), PROTOCOL
            )
        notice = made.notice if made else "not split yet; a run would make the split"
        say(": ".join(filter(None, [lineup.data_label, notice])), *settings(data))
        split = made.split_hash if made else ""
        options = data.config.model_dump(mode="json")
        of_data = [record for record in stored if record.data.options == options]
        for model in lineup.models:
            specs = deal.keep(plans.specs_of(model, plan, lineup.dataset, split))
            if not specs:
                continue
            stages = [stage_of(spec, of_data, arguments) for spec in specs]
            said = forecast.of(lineup, model, len(specs), stages.count(TO_RUN))
            say(f"  {lineup.label(model)}: {said}")
            for spec, stage in zip(specs, stages, strict=True):
                seed = "" if spec.seed is None else f"seed {spec.seed}, "
                say(f"    {seed}{spec.device}, {spec.precision}: {stage}")
            say(*settings(model))
        bounds = list(truth.ROWS) if made and made.split.truth and plan.stage == "test" else []
        for row in deal.keep(bounds):
            spec = plans.truth_spec(row, lineup.dataset, split)
            say(f"  {row}: {stage_of(spec, of_data, arguments)}")
    say(forecast.whole)
    return 0


def show_search(plan: Plan, budget: Budget, arguments: argparse.Namespace) -> int:
    """Print what is searched of each model, by how many trials, and about how long they take."""
    stored = store.read_all(arguments.out)
    forecast, deal = Forecast(stored, arguments.jobs), Deal(arguments.shard)
    for lineup in plan.lineups:
        say(lineup.data_label)
        for model in lineup.models:
            said = f"trials to run until they have taken {budget.seconds:g} s"
            if budget.trials is not None:
                seeds = 1 if model.entry.deterministic else len(plan.seeds)
                of_search = (budget.trials if searches(model.config) else 1) * seeds
                trials = len(deal.keep(range(of_search)))
                found = searched(of_model(stored, lineup, model))
                ran = found.get((lineup.data_label, model.entry.name))
                done = sum(len(attempt.records) for attempt in ran.attempts) if ran else 0
                said = forecast.of(lineup, model, trials, max(0, trials - done))
            say(f"  {lineup.label(model)}: {said}")
            for option, search in searches(model.config).items():
                say(f"      {option}: {search}")
    if budget.trials is not None:
        say(forecast.whole)
    return 0


class Forecast:
    """How long trials will take: as long as the median of the model's stored trials of any kind.

    Only trials of this machine on the same data set count, on whichever of its splits.
    """

    def __init__(self, stored: Sequence[Record], jobs: int) -> None:
        here = cpu_model()
        self.stored = [record for record in stored if record.environment.cpu == here]
        self.jobs = jobs
        self.seconds = 0.0
        self.trials = 0
        self.unknown = 0

    def of(self, lineup: Lineup, model: ChosenModel, trials: int, left: int) -> str:
        """Return how many trials a model has and how long those that are ``left`` will take."""
        said = f"{counted(trials, 'trial')}, {left} of them to run"
        self.trials += left
        if not left:
            return said
        ran = of_model(self.stored, lineup, model)
        if not ran:
            self.unknown += left
            return f"{said}; how long they take is known after the first"
        seconds = left * median(record.cost.spent_seconds for record in ran) / self.jobs
        self.seconds += seconds
        return f"{said}, in about {seconds / 60:.1f} min"

    @property
    def whole(self) -> str:
        """The sum of all that was forecast."""
        said = f"{counted(self.trials, 'trial')} to run"
        if self.unknown == self.trials > 0:
            return f"{said}; how long they take is known after the first"
        rest = f" without the {self.unknown} of which that is not known yet" if self.unknown else ""
        return f"{said}, in about {self.seconds / 3600:.1f} h{rest}"


def of_model(stored: Sequence[Record], lineup: Lineup, model: ChosenModel) -> list[Record]:
    """Return the ``stored`` records of a model on a data set, with any options and split seed."""
    ran = lineup.dataset, model.entry.name
    return [record for record in stored if (record.spec.dataset, record.spec.model) == ran]


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
