"""What a run would do: each trial, whether it has a record, and where each of its settings comes
from.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

from benchmark import plugins
from benchmark.evaluation import truth
from benchmark.labels import flat
from benchmark.plan import plan as plans
from benchmark.plan.plan import ChosenData, ChosenModel, Plan
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
