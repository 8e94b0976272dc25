"""What a run would do: each trial, whether it has a record, and where each of its settings comes from."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

from benchmark.evaluation import truth
from benchmark.plan import options, plan
from benchmark.plan.plan import Grid, Planned
from benchmark.records import store
from benchmark.records.store import Record
from benchmark.spec import PROTOCOL, TrialSpec
from datasets import cache


def show(asked: Grid, arguments: argparse.Namespace) -> int:
    """Print each trial, whether it has a record, and where its settings come from; nothing is read, made or run."""
    stored = store.read_all(arguments.out)
    for data in asked.datasets:
        name, dataset = data.entry.name, data.entry.dataset(data.config)
        made = cache.at_hand(name, dataset, arguments.data_dir, cache.default_folder(), PROTOCOL)
        print(
            f"{data.label}{'' if made else ': not split yet; a run would make the split'}",
            *settings(data),
            sep="\n",
        )
        split = made.split_hash if made else ""
        of_data = [
            record
            for record in stored
            if record.data["options"] == data.config.model_dump(mode="json")
        ]
        for model in asked.models[name]:
            print(f"  {model.label}")
            for spec in plan.specs_of(model, asked, name, split):
                where = f"{'' if spec.seed is None else f'seed {spec.seed}, '}{spec.device}, {spec.precision}"
                print(f"    {where}: {stage_of(spec, of_data, arguments)}")
            for line in settings(model):
                print(line)
        for row in truth.ROWS if made and made.split.truth and asked.stage == "test" else ():
            print(f"  {row}: {stage_of(plan.truth_spec(row, name, split), of_data, arguments)}")
    return 0


def stage_of(spec: TrialSpec, stored: list[Record], arguments: argparse.Namespace) -> str:
    """Whether a trial has a record; where its split is not known yet, one of any split counts."""
    blank = {"split_hash": ""} if not spec.split_hash else {}
    found = [record for record in stored if record.spec.model_copy(update=blank) == spec]
    if not found or arguments.force or (arguments.retry and found[-1].status != "ok"):
        return "to run"
    return "done" if found[-1].status == "ok" else found[-1].status


def settings(of: Planned) -> Iterator[str]:
    """A line for each option with its value and where that comes from."""
    for option, value in options.flat(of.config).items():
        yield f"      {option} = {json.dumps(value)}  ({of.origins.get(option, 'default')})"
