"""The contract of a data-set adapter: options, where the raw file comes from, and how it is read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt

from datasets.errors import DataError
from datasets.preprocess import Ratings, preprocess
from datasets.split import Split
from datasets.strong_generalization import AUTHORS_SEED, split


class DatasetConfig(BaseModel):
    """Options of every data set: which rows count, and who is held out."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    min_rating: float | None = None
    """Smallest rating that counts as an interaction; none: every row does."""
    min_users_per_item: NonNegativeInt = 0
    """Items with fewer users go, before users are counted."""
    min_items_per_user: NonNegativeInt = 5
    """Users with fewer items go."""
    held_out: PositiveInt | None = None
    """Users held out for validation, and as many for test; none: a tenth of the users, rounded down."""
    split_seed: NonNegativeInt = AUTHORS_SEED
    """Of the user order and of the items to be found; the default is the authors'."""


@dataclass(frozen=True)
class Source:
    """Where a raw file comes from."""

    url: str
    archive: str
    """File name of the archive."""
    sha256: str
    """Of the archive."""
    member: str
    """The raw file inside the archive, with its folder."""
    licence: str
    citation: str


C = TypeVar("C", bound=DatasetConfig)


class Dataset(ABC, Generic[C]):
    """A named way to a Split."""

    source: ClassVar[Source | None] = None
    """None for a data set that is generated."""

    def __init__(self, config: C) -> None:
        self.config = config

    @abstractmethod
    def read(self, path: Path | None) -> Ratings:
        """The raw rows in file order, from the archive or raw file at ``path`` (none where it is generated).

        Raises DataError, with the line number, if the file is malformed.
        """

    def split(self, path: Path | None) -> tuple[Split, list[str]]:
        """Read, filter and split; returns the split and what a person should know about it.

        Raises DataError if the file is malformed or the options leave nothing.
        """
        config = self.config
        raw = self.read(path)
        ratings, repeats = preprocess(
            raw,
            min_rating=config.min_rating,
            min_users_per_item=config.min_users_per_item,
            min_items_per_user=config.min_items_per_user,
        )
        if not len(ratings):
            raise DataError(
                f"no interaction of {len(raw)} rows is left by min_rating = {config.min_rating}, "
                f"min_users_per_item = {config.min_users_per_item} and min_items_per_user = "
                f"{config.min_items_per_user}; set them lower"
            )
        held_out = config.held_out or len(np.unique(ratings.user)) // 10
        if not held_out:
            raise DataError(
                f"a tenth of {len(np.unique(ratings.user))} users is less than one user to hold out; set held_out"
            )
        notes = [f"{repeats} repeats of a (user, item) pair were dropped"] if repeats else []
        return split(ratings, held_out, config.split_seed), notes
