"""The authors' split: whole users are held out, and a fifth of each one's items is what must be found.

A transcription of the procedure, bit for bit: NumPy's legacy RandomState is its random stream, and every
order (users by id, rows as in the file, items by first appearance among training rows) is part of it.
"""

from __future__ import annotations

import numpy as np

from datasets.errors import DataError
from datasets.preprocess import Ratings
from datasets.split import Fold, Interactions, Split

AUTHORS_SEED = 98765
TARGET_SHARE = 0.2
FEWEST_ITEMS = 5
"""A held-out user with fewer items among the training items has no target and is in no metric."""


def split(ratings: Ratings, held_out: int, seed: int = AUTHORS_SEED) -> Split:
    """Hold out ``held_out`` users for validation and as many for test.

    Raises DataError if no user would be left to train on, or no item to find in a fold.
    """
    users = np.unique(ratings.user)
    if 2 * held_out >= len(users):
        raise DataError(
            f"held_out = {held_out} takes {2 * held_out} of the {len(users)} users left after the filters, but some "
            "must train; set held_out lower"
        )
    permuted = users[np.random.RandomState(seed).permutation(len(users))]
    first_validation, first_test = len(users) - 2 * held_out, len(users) - held_out
    place = np.empty(len(users), dtype=np.int64)  # of each sorted user in the permuted list
    place[np.searchsorted(users, permuted)] = np.arange(len(users))
    uid = place[np.searchsorted(users, ratings.user)]

    in_train = uid < first_validation
    item_ids = _by_first_appearance(ratings.item[in_train])
    sid = _positions(ratings.item, item_ids)

    train = Interactions(
        uid[in_train].astype(np.int32),
        sid[in_train].astype(np.int32),
        permuted[:first_validation],
        item_ids,
    )
    validation, test = (
        _fold(uid, sid, permuted, item_ids, first, first + held_out, seed) for first in (first_validation, first_test)
    )
    made = Split(train, validation, test)
    made.check()
    for name, fold in (("validation", made.validation), ("test", made.test)):
        if not len(fold.target):
            raise DataError(
                f"none of the {held_out} {name} users has {FEWEST_ITEMS} items that training users have too, so "
                "there is nothing to find; hold out more users or set the filters lower"
            )
    return made


def _by_first_appearance(ids: np.ndarray) -> np.ndarray:
    unique, first = np.unique(ids, return_index=True)
    return unique[np.argsort(first)]


def _positions(ids: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The position of each id in ``known``, -1 where it is not there."""
    order = np.argsort(known)
    place = np.minimum(np.searchsorted(known, ids, sorter=order), len(known) - 1)
    found = order[place]
    return np.where(known[found] == ids, found, -1)


def _fold(
    uid: np.ndarray,
    sid: np.ndarray,
    permuted: np.ndarray,
    item_ids: np.ndarray,
    first: int,
    stop: int,
    seed: int,
) -> Fold:
    """The held-out users at ``first`` to ``stop``, walked in sorted raw-id order with a fresh random stream."""
    rows = np.flatnonzero((uid >= first) & (uid < stop) & (sid >= 0))
    ids = permuted[first:stop]
    rank = np.empty(len(ids), dtype=np.int64)  # of each position among the sorted raw ids
    rank[np.argsort(ids)] = np.arange(len(ids))
    rows = rows[np.argsort(rank[uid[rows] - first], kind="stable")]
    is_target = np.zeros(len(rows), dtype=bool)
    random = np.random.RandomState(seed)
    start = 0
    for n in np.bincount(rank[uid[rows] - first], minlength=len(ids)):
        if n >= FEWEST_ITEMS:
            drawn = random.choice(n, size=int(TARGET_SHARE * n), replace=False)
            is_target[start + drawn] = True
        start += n
    history, target = (
        Interactions((uid[r] - first).astype(np.int32), sid[r].astype(np.int32), ids, item_ids)
        for r in (rows[~is_target], rows[is_target])
    )
    return Fold(history, target)
