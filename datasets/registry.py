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


def register(name: str, config: DatasetConfig) -> Callable[[D], D]:
    """Make a data set available as ``name`` with the values of ``config`` as its defaults.

    Raises ValueError if the name is taken.
    """

    def add(dataset: D) -> D:
        if name in DATASETS:
            raise ValueError(
                f"the data-set name {name!r} is taken by {DATASETS[name].dataset.__module__}; register another name"
            )
        DATASETS[name] = Entry(name, dataset, config)
        return dataset

    return add
