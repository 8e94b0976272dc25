"""Studies: which trials a run is made of. Some plan their next trials by the records of the first.

A study is a generator: it yields a plan, and receives the records of the plan's trials for the next
one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from benchmark.errors import UsageError
from benchmark.plan import options
from benchmark.plan.choose import changed
from benchmark.plan.plan import ChosenModel, Lineup, Plan
from benchmark.records.record import Record

Study = Generator[Plan, list[Record], None]

RISE = 80
"""Epochs in which the heuristic's first run takes beta from 0 to 1 (Liang et al. 2018, figure 1).
"""


def plain(plan: Plan) -> Study:
    """Yield the plan as it is: each model once."""
    yield plan


def grid(plan: Plan, tried: Iterable[str]) -> Study:
    """Each model with every combination of the values in ``tried``, scored on the validation users
    alone.

    ``tried`` holds texts like ``NAME.OPTION=VALUE,VALUE``. Raises UsageError if one names no option
    of a model.
    """
    defaults = {
        model.entry.name: model.config for lineup in plan.lineups for model in lineup.models
    }
    texts = options.assign("--grid", tried, {}, defaults)

    def points(lineup: Lineup, model: ChosenModel) -> Iterable[ChosenModel]:
        for point in options.points(texts[model.entry.name]):
            yield changed(model, "--grid", point)

    yield replace(plan.with_models(points), stage="validation")


def beta_sweep(plan: Plan, caps: Mapping[str, Sequence[float]]) -> Study:
    """Each model as it is; those in ``caps`` also with each cap of beta, annealed to it and
    constant.

    Raises UsageError for one that is no VAE, or a cap that it does not take.
    """

    def points(lineup: Lineup, model: ChosenModel) -> Iterable[ChosenModel]:
        yield model
        of_model = caps.get(model.entry.name, ())
        for cap in of_model:
            yield changed(model, "--beta-sweep", {"beta_cap": cap, "total_anneal_steps": None})
        for cap in filter(None, of_model):
            yield changed(model, "--beta-sweep", {"beta_cap": cap, "total_anneal_steps": 0})

    yield plan.with_models(points)


def beta_heuristic(plan: Plan, prepare: Callable[[Plan], Plan]) -> Study:
    """The paper's way to a cap of beta: each VAE annealed to 1, then up to the beta at which it did
    best.

    ``prepare`` adds the splits to a plan. Raises UsageError if no chosen model is a VAE, or one has
    too few epochs to get to 1.
    """
    vaes(plan)
    first = prepare(plan).with_models(annealed_to_1)
    records = yield first
    yield stopped_at_best(first, records)


def is_vae(model: ChosenModel) -> bool:
    """Return whether the model has a beta."""
    return "beta_cap" in type(model.config).model_fields


def vaes(plan: Plan) -> list[str]:
    """Return the names of the chosen models that have a beta; raises UsageError if none has."""
    models = [model for lineup in plan.lineups for model in lineup.models]
    if not (found := {model.entry.name for model in models if is_vae(model)}):
        raise UsageError("no chosen model has a beta; name a VAE, as in --models mult-vae")
    return sorted(found)


def annealed_to_1(lineup: Lineup, model: ChosenModel) -> Iterable[ChosenModel]:
    """The heuristic's first run of a VAE; nothing for another model.

    Raises UsageError if the model has too few epochs to get there.
    """
    if not is_vae(model):
        return
    options = model.config.model_dump()
    if options["epochs"] < RISE:
        raise UsageError(
            f"--beta-heuristic raises beta to 1 over {RISE} epochs, and {lineup.label(model)} has "
            f"{options['epochs']}; set {RISE} or more"
        )
    assert lineup.prepared, "the number of training users is read from the split"
    users, _ = lineup.prepared.split.train.shape
    steps = RISE * math.ceil(users / options["batch"])
    yield changed(model, "--beta-heuristic", {"beta_cap": 1.0, "total_anneal_steps": steps})


def stopped_at_best(first: Plan, records: Sequence[Record]) -> Plan:
    """The heuristic's second run: the same slope, up to the beta at which the ``first`` runs did
    best.

    That is the beta in force at the end of the epoch with the best validation score, the mean over
    seeds and devices. A model whose first runs all failed has no second one.
    """

    def second(lineup: Lineup, model: ChosenModel) -> Iterable[ChosenModel]:
        assert lineup.prepared, "the first runs had a split"
        ran = lineup.prepared.split_hash, model.entry.name, model.config.model_dump(mode="json")
        curves = [
            record.curve
            for record in records
            if (record.spec.split_hash, record.spec.model, record.spec.config) == ran
            and record.status == "ok"
        ]
        if curves:
            mean = [
                fmean(point["validation"] for point in epoch) for epoch in zip(*curves, strict=True)
            ]
            beta = curves[0][mean.index(max(mean))]["beta"]
            yield changed(model, "--beta-heuristic", {"beta_cap": beta})

    return first.with_models(second)
