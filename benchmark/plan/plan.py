"""From what a person asks for to a list of trials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from benchmark import environment, suite
from benchmark.catalog import UsageError, data_sets, look_up
from benchmark.evaluation import truth
from benchmark.plan import options
from benchmark.spec import PROTOCOL, Job, TrialSpec, code_hash
from benchmark.suite import Setting, Suite
from datasets.cache import Prepared
from datasets.registry import DATASETS
from models.base import Device, Precision
from models.registry import MODELS, Entry


@dataclass(frozen=True)
class Planned:
    """A model or data set with its options on the way to a run."""

    entry: Any
    """Of the registry."""
    config: Any
    """All options."""
    usual: Any
    """The same without what a person or a suite of one's own asked for: a label names what differs from these."""
    origins: dict[str, str]
    """Where the value of an option comes from, if not from the defaults."""

    @property
    def label(self) -> str:
        """The name, with the options that differ from the usual ones."""
        return options.label(self.entry.name, self.config, self.usual)


@dataclass(frozen=True)
class Grid:
    """Every name looked up and every option validated; nothing read or trained yet."""

    datasets: list[Planned]
    models: dict[str, list[Planned]]
    """By the name of the data set, whose published settings they start from."""
    seeds: list[int]
    devices: list[str]
    """"auto", or some of Device."""
    precision: str
    """"auto", or one of Precision."""
    stage: Literal["test", "validation"] = "test"
    """"validation": points of a grid, which never see the test users."""


def resolve(
    dataset_names: Iterable[str] | None = None,
    model_names: Iterable[str] | None = None,
    seeds: Iterable[int] | None = None,
    settings: Iterable[str] = (),
    devices: Sequence[str] = ("auto",),
    precision: str = "auto",
    asked: Suite | None = None,
    tried: Iterable[str] = (),
) -> Grid:
    """What a person asks for, as objects; what is not said is as the suite ``asked`` says, else as suites/paper.toml.

    ``tried`` are options with several values, ``NAME.OPTION=VALUE,VALUE``: a model is there with each combination.

    Raises UsageError if a name is unknown, an option or its value is wrong, or the device is not there or cannot
    multiply in that precision.
    """
    paper = suite.load(suite.PAPER)
    own = asked or paper
    names = own.models if model_names is None else model_names
    data = data_sets(own.datasets if dataset_names is None else dataset_names)
    models = {n: look_up("model", n, MODELS) for n in (MODELS if names is None else names)}
    data_defaults, model_defaults = (
        {n: entry.config for n, entry in chosen.items()} for chosen in (data, models)
    )
    known = [*DATASETS, *MODELS]
    given = options.assign("--set", settings, data_defaults, model_defaults, known)
    points = options.assign("--grid", tried, {}, model_defaults, known)
    for device in devices:
        check_device(device, precision)

    def plan(entry: Any, name: str, model: str | None, point: Mapping[str, Any]) -> Planned:
        said = {option: options.value_of(text) for option, text in given[model or name].items()}
        return planned(entry, list(paper.of(name, model)), list(own.of(name, model)), said, point)

    def plans(name: str) -> list[Planned]:
        made = [
            plan(entry, name, n, point)
            for n, entry in models.items()
            for point in options.points(points[n])
        ]
        # 1 and 1.0 may be one value
        return list({planned.label: planned for planned in made}.values())

    return Grid(
        [plan(entry, name, None, {}) for name, entry in data.items()],
        {name: plans(name) for name in data},
        list(dict.fromkeys(own.seeds if seeds is None else seeds)),
        list(dict.fromkeys(devices)),
        precision,
        "validation" if tried else "test",
    )


def planned(
    entry: Any,
    published: Sequence[Setting],
    own: Sequence[Setting],
    given: Mapping[str, Any],
    point: Mapping[str, Any],
) -> Planned:
    """The defaults, over them what was published, the suite's own settings, what was ``given``, a grid's ``point``."""
    usual = options.configured(
        entry.name, entry.config, {option: value for option, value, _ in published}
    )
    asked = {option: value for option, value, _ in own} | dict(given) | dict(point)
    origins = {option: source for option, _, source in [*published, *own]}
    origins |= dict.fromkeys(given, "--set") | dict.fromkeys(point, "--grid")
    return Planned(entry, options.configured(entry.name, usual, asked), usual, origins)


def check_device(device: str, precision: str) -> None:
    """Raises UsageError if the device is not there or cannot multiply in that precision."""
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "--device cuda: torch finds no CUDA device on this machine; leave the option out"
        )
    if precision == "tf32" and (device == "cpu" or not torch.cuda.is_available()):
        raise UsageError(
            "--precision tf32: only a CUDA device has such products; use fp32 or bf16 on the CPU"
        )


@dataclass(frozen=True)
class Process:
    """How the trials of a run are run; nothing that their numbers depend on."""

    out: Path
    threads: int
    jobs: int = 1
    checkpoint_seconds: float = 60.0
    keep_weights: bool = False
    plugins: tuple[Path, ...] = ()


def jobs(grid: Grid, data: Planned, prepared: Prepared, process: Process) -> list[Job]:
    """The trials on one data set: each model with each seed, a deterministic one once; and the rows of its truth."""
    name = data.entry.name
    specs = [
        (model.label, spec)
        for model in grid.models[name]
        for spec in specs_of(model, grid, name, prepared.split_hash)
    ]
    if prepared.split.truth and grid.stage == "test":
        specs += [(row, truth_spec(row, name, prepared.split_hash)) for row in truth.ROWS]
    described = describe(data, prepared)
    return [
        Job(
            spec=spec,
            label=shown,
            data=described,
            split=prepared.folder,
            out=process.out.resolve(),
            threads=process.threads,
            alone=process.jobs == 1,
            checkpoint_seconds=process.checkpoint_seconds,
            keep_weights=process.keep_weights,
            plugins=process.plugins,
        )
        for shown, spec in specs
    ]


def specs_of(model: Planned, grid: Grid, dataset: str, split_hash: str) -> list[TrialSpec]:
    """A model's trials: with each seed, a deterministic one once, on each device.

    Where several devices are asked for, those that the model does not run on are left out, if it runs on another.
    """
    resolved: list[Device] = list(
        dict.fromkeys(device_for(model.entry, asked) for asked in grid.devices)
    )
    devices: list[Device] = [
        device for device in resolved if device in model.entry.devices
    ] or resolved[:1]
    seeds = [None] if model.entry.deterministic else grid.seeds
    return [
        spec_of(model, seed, device, grid, dataset, split_hash)
        for device in devices
        for seed in seeds
    ]


def spec_of(
    model: Planned, seed: int | None, device: Device, grid: Grid, dataset: str, split_hash: str
) -> TrialSpec:
    """The identity of one trial of a model."""
    return TrialSpec(
        protocol=PROTOCOL,
        model=model.entry.name,
        config=model.config.model_dump(mode="json"),
        code=code_of(model.entry.name) or "",
        dataset=dataset,
        split_hash=split_hash,
        seed=seed,
        stage=grid.stage,
        device=device,
        precision=precision_for(model.entry, grid.precision, device),
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
    """``code_hash`` of the files behind a row's name; None if there is none."""
    if model in truth.ROWS:
        return code_hash(Path(truth.__file__))
    return code_hash(*MODELS[model].files) if model in MODELS else None


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


def describe(data: Planned, prepared: Prepared) -> dict[str, Any]:
    """What a record says of its data set."""
    split = prepared.split
    users, items = split.train.shape
    return {
        "label": data.label,
        "options": data.config.model_dump(mode="json"),
        "users": users + len(split.validation.history.user_ids) + len(split.test.history.user_ids),
        "interactions": sum(map(len, split.parts.values())),
        "training_users": users,
        "items": items,
        "training_interactions": len(split.train),
        "validation_users": len(np.unique(split.validation.target.user)),
        "test_users": len(np.unique(split.test.target.user)),
        "raw_sha256": prepared.raw_sha256,
        "notes": list(prepared.notes),
    }
