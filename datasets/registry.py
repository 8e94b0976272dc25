"""Names of data sets. One is known once its file says ``@register(...)`` and datasets/__init__.py imports it."""

from __future__ import annotations

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
    """The defaults; their type validates other values."""

    @property
    def about(self) -> str:
        """What it is, in the first sentence of its class."""
        return (self.dataset.__doc__ or "").splitlines()[0]


DATASETS: dict[str, Entry] = {}
ALIASES: dict[str, str] = {}
"""Other names that people use, and the one here."""


def canonical(name: str) -> str:
    """The name here of what a person may call otherwise."""
    return ALIASES.get(name, name)


def register(name: str, config: DatasetConfig, *aliases: str) -> Callable[[D], D]:
    """Make a data set available as ``name``, and as each of ``aliases``, with ``config``'s values as its defaults.

    Raises ValueError if a name is taken.
    """

    def add(dataset: D) -> D:
        for one in (name, *aliases):
            if taken := DATASETS.get(canonical(one)):
                raise ValueError(
                    f"the data-set name {one!r} is taken by {taken.dataset.__module__}; register another name"
                )
        DATASETS[name] = Entry(name, dataset, config)
        ALIASES.update(dict.fromkeys(aliases, name))
        return dataset

    return add
