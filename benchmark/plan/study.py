"""Beta of the VAEs: a sweep over its cap, and the paper's heuristic, which finds the cap in one run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from benchmark.catalog import UsageError
from benchmark.plan import options
from benchmark.plan.plan import Grid, Planned
from benchmark.records.store import Record

RISE = 80
"""Epochs in which the heuristic's first run takes beta from 0 to 1 (Liang et al. 2018, figure 1)."""


def is_vae(model: Planned) -> bool:
    """Whether it has a beta."""
    return "beta_cap" in type(model.config).model_fields


def changed(model: Planned, why: str, **values: Any) -> Planned:
    """``model`` with other options. Raises UsageError for values that it does not take."""
    config = options.configured(model.entry.name, model.config, values)
    return replace(model, config=config, origins=model.origins | dict.fromkeys(values, why))


def swept(asked: Grid, betas: Mapping[str, Sequence[float]]) -> Grid:
    """Each model in ``betas`` as it is, and with each cap: annealed to it over 80 % of the updates, and constant.

    Others stay as they are. Raises UsageError for one that is no VAE, or a cap that it does not take.
    """

    def points(model: Planned) -> list[Planned]:
        caps = betas.get(model.entry.name, ())
        annealed = [
            changed(model, "--beta-sweep", beta_cap=cap, total_anneal_steps=None) for cap in caps
        ]
        constant = [
            changed(model, "--beta-sweep", beta_cap=cap, total_anneal_steps=0)
            for cap in caps
            if cap
        ]
        return [model, *annealed, *constant]

    swept = {
        name: [point for model in of for point in points(model)]
        for name, of in asked.models.items()
    }
    return replace(
        asked, models={name: list({p.label: p for p in of}.values()) for name, of in swept.items()}
    )


def vaes(asked: Grid) -> list[str]:
    """Names of the chosen models that have a beta; raises UsageError if none has."""
    found = {model.entry.name for of in asked.models.values() for model in of if is_vae(model)}
    if not found:
        raise UsageError("no chosen model has a beta; name a VAE, as in --models mult-vae")
    return sorted(found)


def annealed_to_1(asked: Grid, users: Mapping[str, int]) -> Grid:
    """The heuristic's first run of each VAE; ``users`` are the training users of each data set.

    Raises UsageError if no chosen model is a VAE, or one has too few epochs to get there.
    """

    def first(model: Planned, name: str) -> Planned:
        if model.config.epochs < RISE:
            raise UsageError(
                f"--beta-heuristic raises beta to 1 over {RISE} epochs, and {model.label} has {model.config.epochs}; "
                f"set {RISE} or more"
            )
        steps = RISE * math.ceil(users[name] / model.config.batch)
        return changed(model, "--beta-heuristic", beta_cap=1.0, total_anneal_steps=steps)

    vaes(asked)
    return replace(
        asked,
        models={
            name: [first(model, name) for model in of if is_vae(model)]
            for name, of in asked.models.items()
        },
    )


def stopped_at_best(first: Grid, found: Sequence[Record]) -> Grid:
    """The heuristic's second run: the same slope, up to the beta at which the ``first`` runs did best.

    That is the beta in force at the end of the epoch with the best validation score, the mean over seeds and
    devices. A model whose first runs all failed has no second one.
    """

    def second(model: Planned, name: str) -> Iterable[Planned]:
        curves = [
            r.curve
            for r in found
            if (r.spec.dataset, r.label, r.status) == (name, model.label, "ok")
        ]
        if not curves:
            return []
        mean = [
            fmean(point["validation"] for point in epoch) for epoch in zip(*curves, strict=True)
        ]
        return [
            changed(model, "--beta-heuristic", beta_cap=curves[0][mean.index(max(mean))]["beta"])
        ]

    return replace(
        first,
        models={
            name: [m for model in of for m in second(model, name)]
            for name, of in first.models.items()
        },
    )
