"""From what a person asks for to a list of trials."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from pydantic import BaseModel, ValidationError

from benchmark import environment, truth
from benchmark.catalog import UsageError, data_sets, look_up, suggestion
from benchmark.spec import PROTOCOL, Job, TrialSpec, code_hash
from datasets.base import DatasetConfig
from datasets.cache import Prepared
from datasets.registry import DATASETS, canonical
from datasets.registry import Entry as DatasetEntry
from models.base import Config, Device, Precision
from models.registry import MODELS, Entry

B = TypeVar("B", bound=BaseModel)


@dataclass(frozen=True)
class Grid:
    """Every name looked up and every option validated; nothing read or trained yet."""

    datasets: list[tuple[DatasetEntry, DatasetConfig]]
    models: list[tuple[Entry, Config]]
    seeds: list[int]
    device: str
    """"auto", or one of Device."""
    precision: str
    """"auto", or one of Precision."""


def resolve(
    dataset_names: Sequence[str],
    model_names: Sequence[str],
    seeds: Iterable[int],
    settings: Sequence[str],
    device: str,
    precision: str,
) -> Grid:
    """What a person asks for, as objects; names and seeds given twice count once.

    Raises UsageError if a name is unknown, an option or its value is wrong, or the device is not there or cannot
    multiply in that precision.
    """
    chosen_data = data_sets(dataset_names)
    chosen_models = {name: look_up("model", name, MODELS) for name in model_names}
    given = assign(settings, chosen_data, chosen_models)
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch finds no CUDA device on this machine; leave the option out")
    if precision == "tf32" and (device == "cpu" or not torch.cuda.is_available()):
        raise UsageError("--precision tf32: only a CUDA device has such products; use fp32 or bf16 on the CPU")
    return Grid(
        [(entry, configured(name, entry.config, given[name])) for name, entry in chosen_data.items()],
        [(entry, configured(name, entry.config, given[name])) for name, entry in chosen_models.items()],
        list(dict.fromkeys(seeds)),
        device,
        precision,
    )


def assign(
    settings: Sequence[str], data: Mapping[str, DatasetEntry], models: Mapping[str, Entry]
) -> dict[str, dict[str, Any]]:
    """The options given to each name by ``NAME.OPTION=VALUE``, or ``OPTION=VALUE`` for every model that has it."""
    given: dict[str, dict[str, Any]] = {name: {} for name in (*data, *models)}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise UsageError(f"--set {setting}: it must read NAME.OPTION=VALUE or OPTION=VALUE")
        name, dot, option = key.partition(".")
        name = canonical(name)
        if dot and name not in given:
            known = name in DATASETS or name in MODELS
            what = "is not among the chosen ones" if known else f"is unknown{suggestion(name, given)}"
            raise UsageError(f"--set {setting}: the model or data set {name!r} {what}; chosen: {', '.join(given)}")
        takers = [name] if dot else [n for n, entry in models.items() if key in type(entry.config).model_fields]
        if not takers:
            options = [field for entry in models.values() for field in type(entry.config).model_fields]
            raise UsageError(
                f"--set {setting}: no chosen model has an option {key!r}{suggestion(key, options)}; "
                "an option of a data set reads NAME.OPTION=VALUE"
            )
        for taker in takers:
            given[taker][option if dot else key] = value_of(text)
    return given


def value_of(text: str) -> Any:
    """A value from the command line: JSON where it is JSON, "none", else the text itself; options validate it."""
    if text.lower() == "none":
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def configured(name: str, defaults: B, given: Mapping[str, Any]) -> B:
    """``defaults`` with the options ``given``; raises UsageError for an unknown option or a value it cannot take."""
    try:
        return type(defaults)(**{**defaults.model_dump(), **given})
    except ValidationError as error:
        first = error.errors()[0]
        option = ".".join(map(str, first["loc"]))
        options = type(defaults).model_fields
        if first["type"] == "extra_forbidden":
            known = ", ".join(options) or "none"
            raise UsageError(
                f"{name} has no option {option!r}{suggestion(option, options)}; its options: {known}"
            ) from error
        message = first["msg"].replace("Input should", "it should")
        raise UsageError(f"{name}.{option} = {first['input']!r} will not do: {message}") from error


@dataclass(frozen=True)
class Process:
    """How the trials of a run are run; nothing that their numbers depend on."""

    out: Path
    threads: int
    jobs: int = 1
    checkpoint_seconds: float = 60.0
    keep_weights: bool = False


def jobs(grid: Grid, entry: DatasetEntry, config: DatasetConfig, prepared: Prepared, process: Process) -> list[Job]:
    """The trials on one data set: each model with each seed, a deterministic one once; and the rows of its truth."""
    data = describe(label(entry.name, config, entry.config), config, prepared)
    specs = [
        (label(model.name, options, model.config), spec_of(model, options, seed, grid, entry.name, prepared.split_hash))
        for model, options in grid.models
        for seed in ([None] if model.deterministic else grid.seeds)
    ]
    if prepared.split.truth:
        specs += [(row, truth_spec(row, entry.name, prepared.split_hash)) for row in truth.ROWS]
    return [
        Job(
            spec=spec,
            label=shown,
            data=data,
            split=prepared.folder,
            out=process.out.resolve(),
            threads=process.threads,
            alone=process.jobs == 1,
            checkpoint_seconds=process.checkpoint_seconds,
            keep_weights=process.keep_weights,
        )
        for shown, spec in specs
    ]


def spec_of(model: Entry, options: Config, seed: int | None, grid: Grid, dataset: str, split_hash: str) -> TrialSpec:
    """The identity of a model's trial."""
    return TrialSpec(
        protocol=PROTOCOL,
        model=model.name,
        config=options.model_dump(mode="json"),
        code=code_of(model.name) or "",
        dataset=dataset,
        split_hash=split_hash,
        seed=seed,
        device=device_for(model, grid.device),
        precision=precision_for(model, grid.precision, device_for(model, grid.device)),
    )


def truth_spec(row: str, dataset: str, split_hash: str) -> TrialSpec:
    """The identity of a row of the truth."""
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


def code_of(model: str) -> str | None:
    """``code_hash`` of the file behind a row's name; None if there is none."""
    if model in truth.ROWS:
        return code_hash(Path(truth.__file__))
    return code_hash(Path(inspect.getfile(MODELS[model].model))) if model in MODELS else None


def device_for(model: Entry, asked: str) -> Device:
    """Where ``model`` runs: what was asked for, even if it cannot; "auto" is a GPU where both sides have it."""
    if asked == "auto":
        return "cuda" if "cuda" in model.devices and torch.cuda.is_available() else "cpu"
    return "cuda" if asked == "cuda" else "cpu"


def precision_for(model: Entry, asked: str, device: Device) -> Precision:
    """What was asked for where the model has products that it changes, else fp32.

    "auto" is bf16 on a CPU with instructions for it, where models rank as well (README, "Speed"); elsewhere fp32.
    """
    if asked == "auto" and device == "cpu" and environment.has_bf16():
        asked = "bf16"
    known = model.precisions
    return known[known.index(asked)] if asked in known else "fp32"


def label(name: str, config: BaseModel, defaults: BaseModel) -> str:
    """``name``, with the options that differ from the defaults: ``mult-vae[latent=100]``."""
    usual = defaults.model_dump(mode="json")
    changed = {key: value for key, value in config.model_dump(mode="json").items() if value != usual[key]}
    return f"{name}[{','.join(f'{k}={v}' for k, v in changed.items())}]" if changed else name


def describe(name: str, config: DatasetConfig, prepared: Prepared) -> dict[str, Any]:
    """What a record says of its data set."""
    split = prepared.split
    users, items = split.train.shape
    return {
        "label": name,
        "options": config.model_dump(mode="json"),
        "training_users": users,
        "items": items,
        "training_interactions": len(split.train),
        "validation_users": len(np.unique(split.validation.target.user)),
        "test_users": len(np.unique(split.test.target.user)),
        "raw_sha256": prepared.raw_sha256,
        "notes": list(prepared.notes),
    }
