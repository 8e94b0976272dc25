"""What a model or a data set is called: its name, and in brackets the options that differ from the usual ones.

The usual options of a model on a data set are its defaults, and over them what was published for that data set
(suites/paper.toml). A label is made where it is shown, from the configuration; it is never stored or parsed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

from benchmark import suite
from benchmark.spec import Job, TrialSpec
from datasets import own
from datasets.registry import DATASETS
from models.registry import MODELS


def flat(config: BaseModel) -> dict[str, Any]:
    """Every option by its dotted name, in order, with its value as JSON has it."""
    return flat_values(config.model_dump(mode="json"))


def flat_values(nested: Mapping[str, Any]) -> dict[str, Any]:
    """The values of dictionaries inside others by their dotted names."""

    def walk(values: Mapping[str, Any], prefix: str) -> Iterable[tuple[str, Any]]:
        for key, value in values.items():
            if isinstance(value, dict):
                yield from walk(value, f"{prefix}{key}.")
            else:
                yield prefix + key, value

    return dict(walk(nested, ""))


def named(name: str, options: Mapping[str, Any]) -> str:
    """``name`` with options in brackets, if there are any: ``mult-vae[latent=100]``."""
    said = ",".join(f"{key}={value}" for key, value in options.items())
    return f"{name}[{said}]" if options else name


def of_trial(spec: TrialSpec) -> str:
    """The label of a trial's model."""
    if spec.stage == "external":
        return f"{spec.model} (external)"
    return of_model(spec.model, spec.config, spec.dataset)


def of_model(name: str, options: Mapping[str, Any], dataset: str) -> str:
    """The label of a model on a data set; all options are told of a model that is not registered here."""
    return named(name, unusual(options, usual_of_model(name, dataset)))


def of_data(name: str, options: Mapping[str, Any]) -> str:
    """The label of a data set."""
    return named(name, unusual(options, usual_of_data(name, options)))


def of_job(job: Job) -> str:
    """Data set, model and seed, for a person who waits for a trial."""
    seed = "" if job.spec.seed is None else f" seed {job.spec.seed}"
    return f"{of_data(job.spec.dataset, job.data.options)} {of_trial(job.spec)}{seed}"


def unusual(options: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """The options that differ from the usual ones, by their dotted names."""
    missing = object()
    return {k: v for k, v in flat_values(options).items() if usual.get(k, missing) != v}


def usual_of_model(name: str, dataset: str) -> dict[str, Any]:
    """The usual options of a model on a data set; none of one that is not registered here."""
    if name not in MODELS:
        return {}
    return flat(MODELS[name].config) | published(dataset, name)


def usual_of_data(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The usual options of a data set; a person's own is a file, or a folder with the six files of a split."""
    if name in DATASETS:
        return flat(DATASETS[name].config) | published(name, None)
    return flat(own.FileConfig() if "user_column" in options else own.SplitConfig())


def published(dataset: str, model: str | None) -> dict[str, Any]:
    """The options of a model, or of the data set itself, that suites/paper.toml has for a data set."""
    return {option: value for option, value, _ in paper().of(dataset, model)}


@cache
def paper() -> suite.Suite:
    """The suite with the published settings."""
    return suite.load(suite.PAPER)
