"""Names of models. A model is known once its file says ``@register(...)`` and models/__init__.py imports it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from models.base import Config, Device, Precision, Recommender

M = TypeVar("M", bound=type[Recommender[Any]])


@dataclass(frozen=True)
class Entry:
    """A registered model."""

    name: str
    model: type[Recommender[Any]]
    config: Config
    """The defaults; their type validates other values."""
    paper: str
    """Author, short title, venue and year."""
    deterministic: bool
    """Draws no random numbers: run once per split, with no seed."""
    devices: tuple[Device, ...]
    """Where it runs."""
    precisions: tuple[Precision, ...]
    """Of its training products."""

    @property
    def kinds(self) -> list[type]:
        """What defines it: the model's class, and those of the configs inside its own (a likelihood's)."""
        return [
            self.model,
            *(type(value) for value in vars(self.config).values() if isinstance(value, Config)),
        ]

    @property
    def files(self) -> list[Path]:
        """Where those classes are."""
        return [Path(inspect.getfile(kind)) for kind in self.kinds]

    @property
    def about(self) -> str:
        """What it is, in the first sentence of its class."""
        return (self.model.__doc__ or "").splitlines()[0]


MODELS: dict[str, Entry] = {}


def register(
    name: str,
    config: Config,
    *,
    paper: str,
    deterministic: bool = False,
    devices: tuple[Device, ...] = ("cpu",),
    precisions: tuple[Precision, ...] = ("fp32",),
) -> Callable[[M], M]:
    """Make a model available as ``name`` with the values of ``config`` as its defaults.

    Raises ValueError if the name is taken.
    """

    def add(model: M) -> M:
        if name in MODELS:
            raise ValueError(
                f"the model name {name!r} is taken by {MODELS[name].model.__module__}; register another name"
            )
        MODELS[name] = Entry(name, model, config, paper, deterministic, devices, precisions)
        return model

    return add
