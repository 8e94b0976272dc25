"""Makes a plan of the names and options that a person gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

import torch

from benchmark import suite
from benchmark.catalog import data_sets, look_up
from benchmark.errors import UsageError
from benchmark.plan import options
from benchmark.plan.plan import C, Chosen, ChosenData, ChosenModel, E, Lineup, Plan
from benchmark.suite import Setting, Suite
from datasets.registry import Entry as DataEntry
from models.base import Device, Precision
from models.registry import MODELS
from models.registry import Entry as ModelEntry


def plan(
    dataset_names: Iterable[str] | None = None,
    model_names: Iterable[str] | None = None,
    seeds: Iterable[int] | None = None,
    settings: Iterable[str] = (),
    devices: Sequence[str] = ("auto",),
    precision: str = "auto",
    asked: Suite | None = None,
) -> Plan:
    """Return the plan that a person asks for.

    What is not given is as the suite ``asked`` has it, else as suites/paper.toml has it.

    Raises UsageError if a name is unknown, an option or its value is wrong, or the device is not
    there or cannot multiply in that precision.
    """
    paper = suite.load(suite.PAPER)
    own = asked or paper
    names = own.models if model_names is None else model_names
    data = data_sets(own.datasets if dataset_names is None else dataset_names)
    models = {n: look_up("model", n, MODELS) for n in (MODELS if names is None else names)}
    # what nobody has named is left out where it could only be "not available"
    named = names is not None
    given = options.assign(
        "--set",
        settings,
        {name: entry.config for name, entry in data.items()},
        {name: entry.config for name, entry in models.items()},
    )
    values = {
        name: {option: options.value_of(text) for option, text in texts.items()}
        for name, texts in given.items()
    }
    for device in devices:
        check_device(device, precision)
    lineups = [
        _lineup(entry, models.values() if named else fitting(entry, models), [paper, own], values)
        for entry in data.values()
    ]
    return Plan(
        lineups,
        list(dict.fromkeys(own.seeds if seeds is None else seeds)),
        list(dict.fromkeys(devices)),
        precision,
    )


def fitting(data: DataEntry, models: Mapping[str, ModelEntry]) -> list[ModelEntry]:
    """Return those ``models`` that can score the users of a data set."""
    weak = data.dataset.task.weak
    return [entry for entry in models.values() if weak or entry.unseen_users]


def _lineup(
    data: DataEntry,
    models: Iterable[ModelEntry],
    suites: Sequence[Suite],
    given: Mapping[str, Mapping[str, Any]],
) -> Lineup:
    """Return a data set and the models to train on it, each with its options.

    A later suite's settings replace an earlier one's, and what is ``given``, by the name of the
    data set or model, replaces both.
    """

    def chosen(entry: E, defaults: C, model: str | None) -> Chosen[E, C]:
        settings = [setting for each in suites for setting in each.of(data.name, model)]
        return _configured(entry, defaults, settings, given[entry.name])

    on: ChosenData = chosen(data, data.config, None)
    return Lineup(on, [chosen(entry, entry.config, entry.name) for entry in models])


def _configured(
    entry: E, defaults: C, settings: Sequence[Setting], given: Mapping[str, Any]
) -> Chosen[E, C]:
    """Return ``entry`` with its defaults, over them the settings, and over them what is given."""
    values = {option: value for option, value, _ in settings} | dict(given)
    origins = {option: source for option, _, source in settings}
    config = options.configured(entry.name, defaults, values)
    return Chosen(entry, config, origins | dict.fromkeys(given, "--set"))


def data_set(name: str, settings: Iterable[str] = ()) -> ChosenData:
    """Return one data set with its options; raises UsageError as ``plan`` does."""
    (lineup,) = plan([name], [], settings=settings).lineups
    return lineup.data


def model(name: str, dataset: str) -> ChosenModel:
    """Return a model with the options that a run on a data set gives it.

    ``dataset`` is the data set's registered name. Raises UsageError for an unknown model.
    """
    entry = look_up("model", name, MODELS)
    return _configured(entry, entry.config, [*suite.load(suite.PAPER).of(dataset, name)], {})


def changed(chosen: Chosen[E, C], why: str, values: Mapping[str, Any]) -> Chosen[E, C]:
    """Return a model or data set with other options; raises UsageError for wrong values."""
    config = options.configured(chosen.entry.name, chosen.config, values)
    return Chosen(chosen.entry, config, chosen.origins | dict.fromkeys(values, why))


def on_splits(plan: Plan, seeds: Iterable[int]) -> Plan:
    """Return the plan with each data set on the splits with these seeds.

    Raises UsageError for a data set whose split has no seed.
    """
    seeds = list(dict.fromkeys(seeds))
    lineups = [
        replace(lineup, data=changed(lineup.data, "--split-seeds", {"split_seed": seed}))
        for lineup in plan.lineups
        for seed in seeds
    ]
    return replace(plan, lineups=lineups)


def check_device(device: str, precision: str) -> None:
    """Raise UsageError for an unknown one, or a device that is not there or cannot multiply so."""
    look_up("device", device, dict.fromkeys(("auto", *get_args(Device))))
    look_up("precision", precision, dict.fromkeys(("auto", *get_args(Precision))))
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "--device cuda: torch finds no CUDA device on this machine; leave the option out"
        )
    if precision == "tf32" and (device == "cpu" or not torch.cuda.is_available()):
        raise UsageError(
            "--precision tf32: only a CUDA device has such products; use fp32 or bf16 on the CPU"
        )
