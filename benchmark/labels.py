"""What a model or a data set is called: its name, and the options that differ from the usual ones.

A config may hold another (a model's likelihood); its options are written with dots, as
``likelihood.c1``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Protocol

from pydantic import BaseModel

from benchmark import suite
from benchmark.spec import Data, TrialSpec
from benchmark.suite import Suite
from benchmark.text import visible
from datasets import own
from datasets.registry import DATASETS
from models.registry import MODELS


def flat(config: BaseModel) -> dict[str, Any]:
    """Return every option by its dotted name, in order, with its value as JSON has it."""
    return flat_values(config.model_dump(mode="json"))


def flat_values(nested: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of nested dictionaries by their dotted names."""

    def walk(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
        for key, value in values.items():
            if isinstance(value, dict):
                yield from walk(value, f"{prefix}{key}.")
            else:
                yield prefix + key, value

    return dict(walk(nested, ""))


def named(name: str, options: Mapping[str, Any]) -> str:
    """Return ``name``, followed by the options in brackets if there are any."""
    said = ",".join(f"{option}={value}" for option, value in options.items())
    return f"{name}[{said}]" if said else name


def differing(options: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """Return those ``options`` whose value is not the ``usual`` one."""
    return {
        option: value
        for option, value in options.items()
        if option not in usual or value != usual[option]
    }


def model_options(spec: TrialSpec) -> dict[str, Any]:
    """Return the options of a trial's model that differ from the usual ones on that data set."""
    return differing(flat_values(spec.config), usual_options(spec.model, spec.dataset))


def usual_options(model: str, dataset: str) -> dict[str, Any]:
    """Return the options that a model starts from on a data set, by their dotted names.

    They are the registered defaults and, over them, the published settings of suites/paper.toml.
    There are none for a model that is not registered here, since nothing is known of it.
    """
    if entry := MODELS.get(model):
        return flat(entry.config) | _published(dataset, model)
    return {}


def model_label(spec: TrialSpec) -> str:
    """Return what a trial's model is called, as ``mult-vae[latent=100]``.

    Lists made elsewhere are called "NAME (external)".
    """
    if spec.stage == "external":
        return f"{spec.model} (external)"
    return named(spec.model, model_options(spec))


def dataset_label(name: str, options: Mapping[str, Any]) -> str:
    """Return what a data set with these ``options`` is called, as ``ml1m[held_out=300]``."""
    return named(name, data_options(name, options))


def data_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return those ``options`` of a data set that differ from the usual ones."""
    usual: dict[str, Any] = {}
    if entry := DATASETS.get(name):
        usual = flat(entry.config) | _published(name, None)
    elif name.startswith(own.PREFIX):
        # the options tell a file from a split, which may be gone by now
        usual = flat(own.FileConfig() if "user_column" in options else own.SplitConfig())
    return differing(flat_values(options), usual)


class OfTrial(Protocol):
    """What says which trial it is of: a job, or a record."""

    @property
    def spec(self) -> TrialSpec: ...

    @property
    def data(self) -> Data: ...


def trial_label(trial: OfTrial) -> str:
    """Return what a trial is called in lines: data set, model, seed."""
    seed = "" if trial.spec.seed is None else f" seed {trial.spec.seed}"
    data = dataset_label(trial.spec.dataset, trial.data.options)
    return visible(f"{data} {model_label(trial.spec)}{seed}")


def _published(dataset: str, model: str | None) -> dict[str, Any]:
    return {option: value for option, value, _ in _paper().of(dataset, model)}


@cache
def _paper() -> Suite:
    return suite.load(suite.PAPER)
