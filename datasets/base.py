"""The contract of a data-set adapter: options, where the raw file comes from, and how it is read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt

from datasets import fetch
from datasets.errors import DataError
from datasets.fetch import Source
from datasets.preprocess import Ratings, preprocess
from datasets.published import Published
from datasets.split import Split
from datasets.strong_generalization import AUTHORS_SEED, split


class DatasetConfig(BaseModel):
    """Options of every data set: which rows count, and who is held out."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

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


C = TypeVar("C", bound=DatasetConfig)


class Dataset(ABC, Generic[C]):
    """A named way to a Split."""

    source: ClassVar[Source | None] = None
    """None for a data set that is generated, or a person's own."""
    published: ClassVar[Published | None] = None

    def __init__(self, config: C) -> None:
        self.config = config

    @abstractmethod
    def read(self, raw: tuple[Path, ...]) -> Ratings:
        """The raw rows in file order, from the archive or the raw files (none where it is generated).

        Raises DataError, with the line number, if a file is malformed.
        """

    def find(self, data_dir: Path) -> tuple[Path, ...]:
        """The raw files that are at hand: an archive, or what it holds; none if they are absent or not needed."""
        return fetch.find(self.source, data_dir) if self.source else ()

    def split(self, raw: tuple[Path, ...] = ()) -> tuple[Split, list[str]]:
        """Read, filter and split; returns the split and what a person should know about it.

        Raises DataError if a file is malformed, the options leave nothing, or a verified archive gives other
        numbers than the published ones.
        """
        config = self.config
        rows = self.read(raw)
        ratings, repeats = preprocess(
            rows,
            min_rating=config.min_rating,
            min_users_per_item=config.min_users_per_item,
            min_items_per_user=config.min_items_per_user,
        )
        if not len(ratings):
            raise DataError(
                f"no interaction of {len(rows)} rows is left by min_rating = {config.min_rating}, "
                f"min_users_per_item = {config.min_users_per_item} and min_items_per_user = "
                f"{config.min_items_per_user}; set them lower"
            )
        users, items = ratings.shape
        if not (held_out := config.held_out or users // 10):
            raise DataError(
                f"a tenth of {users} users is less than one user to hold out; set held_out"
            )
        made = split(ratings, held_out, config.split_seed)
        verified = fetch.verified(self.source, raw)
        notes = [f"{repeats} repeats of a (user, item) pair were dropped"] if repeats else []
        if self.published and self.published.options == config:
            notes += self.published.differences(len(ratings), users, items, made.train.shape[1])
            if notes and verified:
                raise DataError(
                    f"{raw[0].name} is the published archive, and yet: {'; '.join(notes)}; this is a fault of the "
                    "code that read it: report it"
                )
        if self.source and not verified:
            notes.insert(0, fetch.unverified(self.source, raw))
        return made, notes

    def likeness(self, hashes: Mapping[str, str]) -> list[str]:
        """What is to be said of a split whose six files have these ``hashes``, where the authors' are known."""
        known = self.published and self.published.options == self.config and self.published.files
        if not known:
            return []
        other = [name for name, sha in known.items() if hashes[name] != sha]
        return [
            f"not the authors' split: {', '.join(other)} differ"
            if other
            else "identical to the authors' split"
        ]
