"""The contract of a data set: its options, where its raw files come from, and how they are read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt

from datasets import fetch, fields
from datasets.errors import DataError
from datasets.fetch import Source
from datasets.preprocess import Dropped, Ratings, preprocess
from datasets.published import Published
from datasets.split import Split
from datasets.strong_generalization import AUTHORS_SEED, split
from datasets.task import STRONG_GENERALISATION, Task


class DatasetConfig(BaseModel):
    """Options that every data set has: which rows count, and how many users are held out."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    min_rating: float | None = None
    """The smallest rating that counts as an interaction; with None every row counts."""
    min_users_per_item: NonNegativeInt = 0
    """The fewest users of an item; items with fewer are dropped first (paper: 200 on MSD)."""
    min_items_per_user: NonNegativeInt = 5
    """The fewest items of a user; users with fewer are dropped (paper: 5, and 20 on MSD)."""
    held_out: PositiveInt | None = None
    """The number of users held out for validation, and again for test; with None a tenth of the
    users left after the filters, rounded down."""
    split_seed: NonNegativeInt = AUTHORS_SEED
    """The seed of the order of users and of the choice of targets; the default is the authors'."""


class UnfilteredConfig(DatasetConfig):
    """Options of data that come filtered already."""

    min_rating: None = None
    """Fixed, as the data have been filtered already."""
    min_users_per_item: Literal[0] = 0
    """Fixed, as the data have been filtered already."""
    min_items_per_user: Literal[0] = 0
    """Fixed, as the data have been filtered already."""


C = TypeVar("C", bound=DatasetConfig)


class Dataset(ABC, Generic[C]):
    """A data set: it reads its raw files and makes a Split of them."""

    source: ClassVar[Source | None] = None
    """Where the raw files come from; None for generated data and for a person's own."""
    task: ClassVar[Task] = STRONG_GENERALISATION
    """How the rows are split, and what is measured."""
    published: ClassVar[Published | None] = None
    """The counts that others got out of these raw files; None if they are not known."""

    def __init__(self, config: C) -> None:
        self.config = config

    @abstractmethod
    def read(self, raw: tuple[Path, ...]) -> Ratings:
        """Return the raw rows in file order.

        ``raw`` is what ``find`` returned: an archive or raw files, () for generated data. Raises
        DataError, with the number of the line, if a file is malformed.
        """

    def find(self, data_dir: Path) -> tuple[Path, ...]:
        """Return the archive or the raw files in ``data_dir``; () if absent or not needed."""
        return fetch.find(self.source, data_dir) if self.source else ()

    def split(self, raw: tuple[Path, ...] = ()) -> tuple[Split, list[str]]:
        """Read, filter and split the data; return the split and notes for a person to read.

        Raises DataError if a file is malformed, if the options leave nothing, or if a verified
        archive gives other counts than the published ones.
        """
        config = self.config
        rows = self.read(raw)
        ratings, dropped = preprocess(
            rows,
            min_rating=config.min_rating,
            min_users_per_item=config.min_users_per_item,
            min_items_per_user=config.min_items_per_user,
        )
        if not len(ratings):
            raise DataError(
                f"none of {len(rows)} rows is left with min_rating = {config.min_rating}, "
                f"min_users_per_item = {config.min_users_per_item} and min_items_per_user = "
                f"{config.min_items_per_user}; set them lower"
            )
        users, items = ratings.shape
        if not (held_out := config.held_out or users // 10):
            raise DataError(
                f"a tenth of {users} users is less than one user to hold out; set held_out"
            )
        if raw:
            for line in self.account(rows, ratings, dropped):
                print(f"{fetch.name_of(raw)}: {line}", flush=True)
        made = split(ratings, held_out, config.split_seed)
        verified = fetch.verified(self.source, raw)
        repeats = dropped.repeats
        notes = [f"{repeats} repeats of a (user, item) pair were dropped"] if repeats else []
        if self.published and self.published.options == config:
            notes += self.published.differences(len(ratings), users, items, made.train.shape[1])
            if notes and verified:
                raise DataError(
                    f"{raw[0].name} has its published checksum, but its data differ from the "
                    f"published data ({'; '.join(notes)}); this is a bug in reading it: report it"
                )
        for what, ids in (("user", rows.user_ids), ("item", rows.item_ids)):
            if mixed := fields.mixed(ids, what):
                notes.append(f"{mixed}: {what} ids are sorted as text")
        if self.source and not verified:
            notes.insert(0, fetch.unverified(self.source, raw))
        return made, notes

    def account(self, rows: Ratings, kept: Ratings, dropped: Dropped) -> list[str]:
        """Return what became of the raw ``rows``, in lines for a person to read."""
        config = self.config
        reasons = {
            f"rows rated below min_rating = {config.min_rating:g}"
            if config.min_rating is not None
            else "": dropped.low,
            "repeats": dropped.repeats,
            f"items with fewer than min_users_per_item = {config.min_users_per_item} "
            "users": dropped.items,
            f"users with fewer than min_items_per_user = {config.min_items_per_user} "
            "items": dropped.users,
        }
        users, items = kept.shape
        left_out = ", ".join(counted(count, what) for what, count in reasons.items() if count)
        lines = [
            f"{len(rows):,} rows read, {len(kept):,} kept ({len(kept) / len(rows):.0%}), of "
            f"{users:,} users and {items:,} items; left out: {left_out or 'nothing'}"
        ]
        if rows.unused:
            unused = ", ".join(name or "a column without a name" for name in rows.unused)
            lines.append(f"not used: {unused}; the split is by user, not by time")
        return lines

    def likeness(self, hashes: Mapping[str, str]) -> list[str]:
        """Return a note on whether a split is the authors', or no note if theirs is not known.

        ``hashes`` is the sha256 of each of the split's six files by name.
        """
        known = self.published and self.published.options == self.config and self.published.files
        if not known:
            return []
        other = [name for name, sha in known.items() if hashes[name] != sha]
        return [
            f"not the authors' split: {', '.join(other)} differ"
            if other
            else "identical to the authors' split"
        ]


def counted(number: int, what: str) -> str:
    """Return a number with ``what``, whose first word is a plural, as "1 row kept"."""
    first, _, rest = what.partition(" ")
    first = first if number != 1 else first.removesuffix("s")
    return f"{number:,} {first} {rest}".rstrip()
