"""Suites: which models on which data sets, with which settings, in a TOML file.

Settings of published values stand in suites/paper.toml, and every run of its data sets starts
from them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, NonNegativeFloat, NonNegativeInt, ValidationError

from benchmark.catalog import suggestion
from benchmark.errors import UsageError
from benchmark.paths import ROOT
from benchmark.spec import Strict
from datasets import text
from datasets.errors import DataError
from datasets.registry import canonical

FOLDER = ROOT / "suites"
PAPER = "paper"
Setting = tuple[str, Any, str]
"""An option, its value, and where that comes from."""


class Settings(Strict):
    """Options that some models start from on some data sets."""

    datasets: list[str]
    models: list[str] | None = None
    """The models whose options these are; None if they are options of the data sets themselves."""
    options: dict[str, Any]
    """Values by the options' dotted names, as "likelihood.c1"."""
    source: str
    """Where the values come from."""


class Suite(Strict):
    """What a run trains unless it is told otherwise."""

    about: str
    """What the suite is for, in one sentence."""
    datasets: list[str] = Field(min_length=1)
    models: list[str] | None = None
    """The models' names; None for every registered model."""
    seeds: list[NonNegativeInt] = Field(min_length=1)
    settings: tuple[Settings, ...] = ()
    beta_sweep: dict[str, list[NonNegativeFloat]] = Field(default_factory=dict)
    """Caps of beta to train a VAE with, annealed and constant, besides its own."""

    def of(self, dataset: str, model: str | None) -> Iterator[Setting]:
        """Yield the settings of ``model`` on ``dataset``, or of the data set itself; later ones
        win.
        """
        for settings in self.settings:
            if dataset in map(canonical, settings.datasets) and (
                model in settings.models if settings.models else model is None
            ):
                for option, value in settings.options.items():
                    yield option, value, settings.source


def load(name: str) -> Suite:
    """Return a suite of the folder suites/ by its name, or any suite by its path.

    Raises UsageError if there is none, or the file is not a suite.
    """
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    try:
        return parse(name, text.decoded(path.read_bytes(), path))
    except DataError as error:
        raise UsageError(f"--suite {name}: {error}") from error
    except OSError as error:
        known = sorted(path.stem for path in FOLDER.glob("*.toml"))
        raise UsageError(
            f"--suite {name}: there is no such suite{suggestion(name, known)}; "
            f"name one of {', '.join(known)}, or a FILE.toml"
        ) from error


def parse(name: str, content: str) -> Suite:
    """Return the suite in a TOML text; raises UsageError, with ``name``, if it is not one."""
    try:
        return Suite.model_validate(tomllib.loads(content))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"--suite {name}: it is not TOML ({error}); mend it") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"--suite {name}: {where}: {first['msg']}; mend it") from error
