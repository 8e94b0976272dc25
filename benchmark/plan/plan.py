"""A plan: data sets, the models that are to be trained on each, and how; and the trials that come
of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, Literal, TypeVar

import numpy as np
import torch
from pydantic import BaseModel

from benchmark import environment, labels
from benchmark.evaluation import truth
from benchmark.evaluation.truth import code_of
from benchmark.spec import PROTOCOL, Data, Job, TrialSpec
from datasets.base import DatasetConfig
from datasets.cache import Prepared
from datasets.registry import Entry as DataEntry
from models.base import Config, Device, Precision
from models.registry import Entry as ModelEntry

E = TypeVar("E", ModelEntry, DataEntry)
C = TypeVar("C", bound=BaseModel)


@dataclass(frozen=True)
class Chosen(Generic[E, C]):
    """A model or data set of the registry with its options."""

    entry: E
    config: C
    origins: dict[str, str]
    """Where the value of each option comes from that is not a default."""


ChosenData = Chosen[DataEntry, DatasetConfig]
ChosenModel = Chosen[ModelEntry, Config]


@dataclass(frozen=True)
class Lineup:
    """A data set and the models that are to be trained on it."""

    data: ChosenData
    models: list[ChosenModel]
    prepared: Prepared | None = None
    """The split; None before it is made or read."""

    @property
    def dataset(self) -> str:
        """The name of the data set."""
        return self.data.entry.name

    @property
    def data_label(self) -> str:
        """What the data set is called, with the options that are not the usual ones."""
        return labels.dataset_label(self.dataset, self.data.config.model_dump(mode="json"))

    def label(self, model: ChosenModel) -> str:
        """Return what one of the models is called on this data set."""
        name = model.entry.name
        usual = labels.usual_options(name, self.dataset)
        return labels.named(name, labels.differing(labels.flat(model.config), usual))


@dataclass(frozen=True)
class Plan:
    """What a run is to do: every name looked up and every option validated, nothing trained yet."""

    lineups: list[Lineup]
    seeds: list[int]
    devices: list[str]
    """"auto", or some of Device."""
    precision: str
    """"auto", or one of Precision."""
    stage: Literal["test", "validation"] = "test"
    """"validation": trials of a grid or search, which never see the test users."""
    patience: int | None = None
    """As in TrialSpec."""

    def with_models(self, change: Callable[[Lineup, ChosenModel], Iterable[ChosenModel]]) -> Plan:
        """Return the plan with what ``change`` gives in place of each model, without repeats."""
        return replace(
            self,
            lineups=[
                replace(
                    lineup,
                    models=distinct(m for model in lineup.models for m in change(lineup, model)),
                )
                for lineup in self.lineups
            ],
        )


def distinct(models: Iterable[ChosenModel]) -> list[ChosenModel]:
    """Return the models without repeats; 1 and 1.0 may be the same value of an option."""
    found: dict[tuple[str, str], ChosenModel] = {}
    for model in models:
        found.setdefault((model.entry.name, model.config.model_dump_json()), model)
    return list(found.values())


@dataclass(frozen=True)
class Process:
    """How the trials of a run are run; their numbers do not depend on it."""

    out: Path
    threads: int
    jobs: int = 1
    checkpoint_seconds: float = 60.0
    keep_weights: bool = False
    plugins: tuple[Path, ...] = ()


def jobs(plan: Plan, process: Process) -> list[Job]:
    """Every trial of a plan whose splits are prepared: each model with each seed, and the rows of
    the truth.
    """
    return [
        Job(
            spec=spec,
            data=describe(lineup.data, prepared),
            split=prepared.folder,
            out=process.out.resolve(),
            threads=process.threads,
            alone=process.jobs == 1,
            checkpoint_seconds=process.checkpoint_seconds,
            keep_weights=process.keep_weights,
            plugins=process.plugins,
        )
        for lineup in plan.lineups
        if (prepared := lineup.prepared)
        for spec in specs_of_lineup(plan, lineup, prepared)
    ]


def specs_of_lineup(plan: Plan, lineup: Lineup, prepared: Prepared) -> list[TrialSpec]:
    """Return the trials on one data set; on generated data also the rows of its truth."""
    split_hash = prepared.split_hash
    specs = [
        spec
        for model in lineup.models
        for spec in specs_of(model, plan, lineup.dataset, split_hash)
    ]
    if prepared.split.truth and plan.stage == "test":
        specs += [truth_spec(row, lineup.dataset, split_hash) for row in truth.ROWS]
    return specs


def specs_of(model: ChosenModel, plan: Plan, dataset: str, split_hash: str) -> list[TrialSpec]:
    """Return a model's trials on each device: one for each seed, or one if it is deterministic.

    Where several devices are asked for, those that the model does not run on are left out, if it
    runs on another.
    """
    resolved: list[Device] = list(
        dict.fromkeys(device_for(model.entry, asked) for asked in plan.devices)
    )
    devices: list[Device] = [
        device for device in resolved if device in model.entry.devices
    ] or resolved[:1]
    seeds = [None] if model.entry.deterministic else plan.seeds
    return [
        spec_of(model, seed, device, plan, dataset, split_hash)
        for device in devices
        for seed in seeds
    ]


def spec_of(
    model: ChosenModel, seed: int | None, device: Device, plan: Plan, dataset: str, split_hash: str
) -> TrialSpec:
    """Return the spec of one trial of a model."""
    return TrialSpec(
        protocol=PROTOCOL,
        model=model.entry.name,
        config=model.config.model_dump(mode="json"),
        code=code_of(model.entry.name) or "",
        dataset=dataset,
        split_hash=split_hash,
        seed=seed,
        stage=plan.stage,
        device=device,
        precision=precision_for(model.entry, plan.precision, device),
        patience=plan.patience,
    )


def truth_spec(row: str, dataset: str, split_hash: str) -> TrialSpec:
    """Return the spec of a row of the truth."""
    return TrialSpec(
        protocol=PROTOCOL,
        model=row,
        config={},
        code=code_of(row) or "",
        dataset=dataset,
        split_hash=split_hash,
        seed=None,
        device=None,
        precision=None,
    )


def device_for(model: ModelEntry, asked: str) -> Device:
    """Where ``model`` runs: what was asked for, even if it cannot; "auto" is a GPU where both sides
    have it.
    """
    if asked == "auto":
        return "cuda" if "cuda" in model.devices and torch.cuda.is_available() else "cpu"
    return "cuda" if asked == "cuda" else "cpu"


def precision_for(model: ModelEntry, asked: str, device: Device) -> Precision:
    """Return the precision that was asked for if the model has products in it, else fp32.

    "auto" is fp32 on a GPU, and on a CPU what ``environment.auto_precision`` says.
    """
    if asked == "auto" and device == "cpu":
        asked, _ = environment.auto_precision()
    known = model.precisions
    return known[known.index(asked)] if asked in known else "fp32"


def describe(data: ChosenData, prepared: Prepared) -> Data:
    """Return what a record says of its data set."""
    split = prepared.split
    users, items = split.train.shape
    held_out = len(split.validation.history.user_ids) + len(split.test.history.user_ids)
    # under weak generalisation the last history holds all rows but the test targets
    rows = (split.test.history, split.test.target) if split.weak else split.parts.values()
    return Data(
        options=data.config.model_dump(mode="json"),
        task=data.entry.dataset.task.name,
        users=users if split.weak else users + held_out,
        interactions=sum(map(len, rows)),
        training_users=users,
        items=items,
        training_interactions=len(split.train),
        validation_users=len(np.unique(split.validation.target.user)),
        test_users=len(np.unique(split.test.target.user)),
        raw_sha256=prepared.raw_sha256,
        notes=prepared.notes,
    )
