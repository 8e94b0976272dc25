"""The registry of models: a name gives the class and its default options.

A model is registered when models/__init__.py imports its file, which says ``@register(...)``.
"""

from __future__ import annotations

import inspect
import re
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
    """The default options; their type validates other values."""
    paper: str
    """The paper's authors, short title, venue and year."""
    deterministic: bool
    """Whether it draws no random numbers; it is then trained once on a split, without a seed."""
    devices: tuple[Device, ...]
    """The devices on which it runs."""
    precisions: tuple[Precision, ...]
    """The precisions that its matrix products in training may have."""
    unseen_users: bool = True
    """Whether it scores users whom it has not trained on, by their histories."""

    @property
    def kinds(self) -> list[type]:
        """The classes that define the model: its own, and those of configs in its config.

        Such a config is a likelihood.
        """
        return [
            self.model,
            *(type(value) for value in vars(self.config).values() if isinstance(value, Config)),
        ]

    @property
    def files(self) -> list[Path]:
        """The files of ``kinds``."""
        return [Path(inspect.getfile(kind)) for kind in self.kinds]

    @property
    def about(self) -> str:
        """What the model is: the first line of its class's docstring."""
        return (self.model.__doc__ or "not described").strip().splitlines()[0]


MODELS: dict[str, Entry] = {}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
"""A name that can be given on the command line, and stand in the name of a file."""


def check_name(name: object) -> None:
    """Raise ValueError if a model or likelihood cannot be registered as ``name``."""
    if not (isinstance(name, str) and NAME.fullmatch(name)):
        raise ValueError(
            f"the model name {name!r} will not do: it must be text of letters, digits, - and _, "
            "and begin with a letter or digit; register another name"
        )


def register(
    name: str,
    config: Config,
    *,
    paper: str,
    deterministic: bool = False,
    devices: tuple[Device, ...] = ("cpu",),
    precisions: tuple[Precision, ...] = ("fp32",),
    unseen_users: bool = True,
) -> Callable[[M], M]:
    """Return a decorator that registers a model as ``name``.

    ``config`` holds the default options; the other arguments are those of ``Entry``. Raises
    ValueError if the name is taken or no name, or the options are none.
    """
    check_name(name)
    if not isinstance(config, Config):
        raise ValueError(
            f"the model {name!r} has the options {config!r}, which are no Config; register it with "
            "the default options, as in MyConfig()"
        )

    def add(model: M) -> M:
        if name in MODELS:
            raise ValueError(
                f"the model name {name!r} is taken by {MODELS[name].model.__module__}; "
                "register another name"
            )
        MODELS[name] = Entry(
            name, model, config, paper, deterministic, devices, precisions, unseen_users
        )
        return model

    return add
