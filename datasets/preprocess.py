"""Filters raw rows: low ratings, repeats, items with few users and users with few items go."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Ratings:
    """Raw rows in file order, with users and items as positions in their sorted raw ids."""

    user: np.ndarray
    """(rows,) int32, positions in ``user_ids``."""
    item: np.ndarray
    """(rows,) int32, positions in ``item_ids``."""
    user_ids: np.ndarray
    """(users,) raw ids, int64 or bytes, sorted, each once; some may have no row."""
    item_ids: np.ndarray
    """(items,) raw ids, like those of users."""
    rating: np.ndarray | None = None
    """(rows,) ratings; None where the file has no ratings."""
    unused: tuple[str, ...] = ()
    """The names of the raw file's columns that are not used."""

    def __len__(self) -> int:
        return len(self.user)

    @property
    def shape(self) -> tuple[int, int]:
        """The number of users and the number of items that have a row."""
        users, items = np.bincount(self.user), np.bincount(self.item)
        return len(np.flatnonzero(users)), len(np.flatnonzero(items))

    def where(self, keep: np.ndarray) -> Ratings:
        """Return the rows where ``keep``, (rows,) bool, is true, in the same order."""
        rating = None if self.rating is None else self.rating[keep]
        return replace(self, user=self.user[keep], item=self.item[keep], rating=rating)


@dataclass(frozen=True)
class Dropped:
    """What the filters dropped, one after the other."""

    low: int
    """Rows with a rating below the smallest that counts."""
    repeats: int
    """Rows whose (user, item) pair an earlier one has."""
    items: int
    """Items with too few users."""
    users: int
    """Users with too few items that were left."""


def preprocess(
    ratings: Ratings, *, min_rating: float | None, min_users_per_item: int, min_items_per_user: int
) -> tuple[Ratings, Dropped]:
    """Apply the paper's filters, each once, in this order: rating, repeats, items, users.

    Returns the rows that are left, in file order, and what was dropped: of rows with the same
    (user, item) pair the first stays.
    """
    rows = len(ratings)
    if ratings.rating is not None and min_rating is not None:
        ratings = ratings.where(ratings.rating >= min_rating)
    low = rows - len(ratings)
    ratings = ratings.where(first_of_pair(ratings))
    repeats = rows - low - len(ratings)
    users, items = ratings.shape
    ratings = ratings.where(counts(ratings.item) >= min_users_per_item)
    items -= ratings.shape[1]
    ratings = ratings.where(counts(ratings.user) >= min_items_per_user)
    users -= ratings.shape[0]
    return ratings, Dropped(low, repeats, items, users)


def counts(positions: np.ndarray) -> np.ndarray:
    """Return how many rows have the same position as each row: (rows,) -> (rows,)."""
    return np.bincount(positions)[positions]


def first_of_pair(ratings: Ratings) -> np.ndarray:
    """Return whether each row is the first with its (user, item) pair: (rows,) bool."""
    key = ratings.user.astype(np.int64) * len(ratings.item_ids) + ratings.item
    _, first = np.unique(key, return_index=True)
    keep = np.zeros(len(ratings), dtype=bool)
    keep[first] = True
    return keep
