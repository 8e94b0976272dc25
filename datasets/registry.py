"""The registry of data sets: a name gives the class and its default options.

A data set is registered when datasets/__init__.py imports its file, which says ``@register(...)``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from datasets.base import Dataset, DatasetConfig

D = TypeVar("D", bound=type[Dataset[Any]])


@dataclass(frozen=True)
class Entry:
    """A registered data set."""

    name: str
    dataset: type[Dataset[Any]]
    config: DatasetConfig
    """The default options; their type validates other values."""

    @property
    def about(self) -> str:
        """What the data set is: the first line of its class's docstring."""
        return (self.dataset.__doc__ or "not described").strip().splitlines()[0]


DATASETS: dict[str, Entry] = {}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
"""A name that can be given on the command line, and stand in the name of a file."""
ALIASES: dict[str, str] = {}
"""The registered name for each other name that people use."""


def canonical(name: str) -> str:
    """Return the registered name for ``name``, which may be an alias."""
    return ALIASES.get(name, name)


def register(name: str, config: DatasetConfig, *aliases: str) -> Callable[[D], D]:
    """Return a decorator that registers a data set as ``name`` and as each of ``aliases``.

    ``config`` holds the default options. Raises ValueError if a name is taken or no name, or the
    options are none.
    """
    for one in (name, *aliases):
        if not (isinstance(one, str) and NAME.fullmatch(one)):
            raise ValueError(
                f"the data-set name {one!r} will not do: it must be text of letters, digits, - and "
                "_, and begin with a letter or digit; register another name"
            )
    if not isinstance(config, DatasetConfig):
        raise ValueError(
            f"the data set {name!r} has the options {config!r}, which are no DatasetConfig; "
            "register it with the default options, as in DatasetConfig()"
        )

    def add(dataset: D) -> D:
        for one in (name, *aliases):
            if taken := DATASETS.get(canonical(one)):
                raise ValueError(
                    f"the data-set name {one!r} is taken by {taken.dataset.__module__}; "
                    "register another name"
                )
        DATASETS[name] = Entry(name, dataset, config)
        ALIASES.update(dict.fromkeys(aliases, name))
        return dataset

    return add
