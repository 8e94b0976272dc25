"""From raw rows to the interactions that count: binarise, collapse repeats, drop small items and users."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Ratings:
    """Raw rows in file order; users and items by their positions in the sorted raw ids."""

    user: np.ndarray
    """(rows,) int32, positions in ``user_ids``."""
    item: np.ndarray
    """(rows,) int32, positions in ``item_ids``."""
    user_ids: np.ndarray
    """(users,) raw ids, sorted, each once: int64 as numbers, or bytes; some may be without a row."""
    item_ids: np.ndarray
    """(items,) the same of items."""
    rating: np.ndarray | None = None
    """(rows,) numbers, or none where the file has only positive interactions."""

    def __len__(self) -> int:
        return len(self.user)

    @property
    def shape(self) -> tuple[int, int]:
        """How many users and how many items have a row."""
        return len(np.flatnonzero(np.bincount(self.user))), len(
            np.flatnonzero(np.bincount(self.item))
        )

    def where(self, keep: np.ndarray) -> Ratings:
        """The rows where ``keep`` is true, in the same order."""
        rating = None if self.rating is None else self.rating[keep]
        return replace(self, user=self.user[keep], item=self.item[keep], rating=rating)


def preprocess(
    ratings: Ratings, *, min_rating: float | None, min_users_per_item: int, min_items_per_user: int
) -> tuple[Ratings, int]:
    """Apply the paper's filters, one pass each, in this order: rating, repeats, items, users.

    Returns the rows that are left, in file order, and how many repeats of a (user, item) pair were dropped;
    the first of a pair stays.
    """
    if ratings.rating is not None and min_rating is not None:
        ratings = ratings.where(ratings.rating >= min_rating)
    before = len(ratings)
    ratings = ratings.where(first_of_pair(ratings))
    repeats = before - len(ratings)
    ratings = ratings.where(counts(ratings.item) >= min_users_per_item)
    ratings = ratings.where(counts(ratings.user) >= min_items_per_user)
    return ratings, repeats


def counts(positions: np.ndarray) -> np.ndarray:
    """How often each row's user, or item, occurs among all rows: (rows,) -> (rows,)."""
    return np.bincount(positions)[positions]


def first_of_pair(ratings: Ratings) -> np.ndarray:
    """Whether each row is the first with its (user, item) pair: (rows,) bool."""
    key = ratings.user.astype(np.int64) * len(ratings.item_ids) + ratings.item
    _, first = np.unique(key, return_index=True)
    keep = np.zeros(len(ratings), dtype=bool)
    keep[first] = True
    return keep
