"""From raw rows to the interactions that count: binarise, collapse repeats, drop small items and users."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Ratings:
    """Raw rows in file order."""

    user: np.ndarray
    """(rows,) raw ids, int64 or bytes."""
    item: np.ndarray
    """(rows,) raw ids, int64 or bytes."""
    rating: np.ndarray | None = None
    """(rows,) float, or none where the file has only positive interactions."""

    def __len__(self) -> int:
        return len(self.user)

    def where(self, keep: np.ndarray) -> Ratings:
        """The rows where ``keep`` is true, in the same order."""
        rating = None if self.rating is None else self.rating[keep]
        return Ratings(self.user[keep], self.item[keep], rating)


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
    ratings = ratings.where(first_of_pair(ratings.user, ratings.item))
    repeats = before - len(ratings)
    ratings = ratings.where(counts(ratings.item) >= min_users_per_item)
    ratings = ratings.where(counts(ratings.user) >= min_items_per_user)
    return ratings, repeats


def counts(ids: np.ndarray) -> np.ndarray:
    """How often each row's id occurs among all rows: (rows,) -> (rows,)."""
    _, position, count = np.unique(ids, return_inverse=True, return_counts=True)
    return count[position]


def first_of_pair(user: np.ndarray, item: np.ndarray) -> np.ndarray:
    """Whether each row is the first with its (user, item) pair: (rows,) bool."""
    _, u = np.unique(user, return_inverse=True)
    items, i = np.unique(item, return_inverse=True)
    _, first = np.unique(u.astype(np.int64) * max(len(items), 1) + i, return_index=True)
    keep = np.zeros(len(user), dtype=bool)
    keep[first] = True
    return keep
