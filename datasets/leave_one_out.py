"""The split of He et al. (2017): one item of each user is held out and ranked among sampled items.

The test targets and the items that they are ranked among are published. Which rows served for
validation is not: here one item of each user's training row, drawn with a seed, is held out and
ranked among 99 items that are drawn from those that are neither in the row nor the test target.
"""

from __future__ import annotations

import numpy as np

from datasets.errors import DataError
from datasets.split import Fold, Interactions, Split

SAMPLED = 99
"""The number of items that a validation target is ranked among, besides itself."""


def split(rows: Interactions, test_target: Interactions, test_ca: Interactions, seed: int) -> Split:
    """Return the split of training ``rows`` whose test targets and candidates are given.

    Every user has one test target. Raises DataError if a user has too few items to hold one out, or
    if so many that no ``SAMPLED`` others are left.
    """
    target, sampled = _draw(rows, test_target.item[np.argsort(test_target.user)], seed)
    users = np.arange(len(rows.user_ids), dtype=np.int32)
    held_out = rows.item == target[rows.user]

    def part(user: np.ndarray, item: np.ndarray) -> Interactions:
        return Interactions(user, item, rows.user_ids, rows.item_ids)

    train = part(rows.user[~held_out], rows.item[~held_out])
    ranked = np.column_stack([target, sampled])
    candidates = part(users.repeat(ranked.shape[1]), ranked.ravel())
    made = Split(
        train,
        Fold(train, part(users, target), candidates),
        Fold(rows, test_target, test_ca),
    )
    made.check()
    return made


def _draw(rows: Interactions, test_target: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what is drawn for each user, in their order, from one random stream.

    It is the validation target, (U,) int32, and the items that it is ranked among, (U, SAMPLED)
    int32 ascending.
    """
    random = np.random.RandomState(seed)
    own, (users, items) = rows.matrix, rows.shape
    target = np.empty(users, dtype=np.int32)
    sampled = np.empty((users, SAMPLED), dtype=np.int32)
    for user in range(users):
        row = own.indices[own.indptr[user] : own.indptr[user + 1]]
        other = np.ones(items, dtype=bool)
        other[row] = other[test_target[user]] = False
        others = np.flatnonzero(other)
        if len(row) < 2 or len(others) < SAMPLED:
            raise DataError(
                f"user {user} has {len(row)} of {items} items, and needs two or more of them and "
                f"{SAMPLED} others; leave such users out"
            )
        target[user] = row[random.randint(len(row))]
        sampled[user] = np.sort(random.choice(others, SAMPLED, replace=False))
    return target, sampled
