"""The authors' split: whole users are held out, and a fifth of each one's items are her targets.

This follows their procedure bit for bit. Its random stream is NumPy's legacy RandomState, and
every order (users by id, rows as in the file, items by first appearance among the training rows) is
part of it.
"""

from __future__ import annotations

import numpy as np

from datasets.errors import DataError
from datasets.preprocess import Ratings
from datasets.split import Fold, Interactions, Split

AUTHORS_SEED = 98765
TARGET_SHARE = 0.2
"""The share of a held-out user's items that become targets, rounded down to whole items."""
FEWEST_ITEMS = 5
"""A held-out user with fewer of the training items has no target, and no metric counts her."""


def order(users: int, seed: int) -> np.ndarray:
    """Return the places, among users sorted by id, of the permuted users: (users,).

    The first are training users, then come the validation users and, as many, the test users.
    """
    return np.random.RandomState(seed).permutation(users)


def split(ratings: Ratings, held_out: int, seed: int = AUTHORS_SEED) -> Split:
    """Return the split with ``held_out`` users for validation and as many for test.

    Raises DataError if no user is left to train on, or if a fold has no target.
    """
    users = np.flatnonzero(np.bincount(ratings.user))
    if 2 * held_out >= len(users):
        raise DataError(
            f"held_out = {held_out} takes {2 * held_out} of the {len(users)} users left after the "
            "filters, but some must train; set held_out lower"
        )
    permuted = users[order(len(users), seed)]
    first_validation, first_test = len(users) - 2 * held_out, len(users) - held_out
    uid = _places(permuted, len(ratings.user_ids))[ratings.user]

    in_train = uid < first_validation
    items = _by_first_appearance(ratings.item[in_train])
    sid = _places(items, len(ratings.item_ids))[ratings.item]
    user_ids, item_ids = ratings.user_ids[permuted], ratings.item_ids[items]

    train = Interactions(uid[in_train], sid[in_train], user_ids[:first_validation], item_ids)
    validation, test = (
        _fold(uid, sid, user_ids, item_ids, first, first + held_out, seed)
        for first in (first_validation, first_test)
    )
    made = Split(train, validation, test)
    made.check()
    for name, fold in (("validation", made.validation), ("test", made.test)):
        if not len(fold.target):
            raise DataError(
                f"none of the {held_out} {name} users has {FEWEST_ITEMS} items that training users "
                "have too, so there is nothing to find; "
                "hold out more users or set the filters lower"
            )
    return made


def _by_first_appearance(positions: np.ndarray) -> np.ndarray:
    """Return each of ``positions`` once, in the order of first appearance."""
    seen = np.flatnonzero(np.bincount(positions))
    first = np.empty(seen[-1] + 1, dtype=np.int64)
    # assigned backwards, since the last value assigned to an index stays
    first[positions[::-1]] = np.arange(len(positions))[::-1]
    return seen[np.argsort(first[seen])]


def _places(order: np.ndarray, size: int) -> np.ndarray:
    """Return the place of each position in ``order``, -1 where it has none: (size,) int32."""
    place = np.full(size, -1, dtype=np.int32)
    place[order] = np.arange(len(order))
    return place


def _fold(
    uid: np.ndarray,
    sid: np.ndarray,
    user_ids: np.ndarray,
    item_ids: np.ndarray,
    first: int,
    stop: int,
    seed: int,
) -> Fold:
    """Return the fold of the users with uids from ``first`` to below ``stop``.

    Targets are drawn for one user after the other, in the order of sorted raw ids, from a random
    stream that starts anew with ``seed``.
    """
    rows = np.flatnonzero((uid >= first) & (uid < stop) & (sid >= 0))
    ids = user_ids[first:stop]
    # the place of each user among the sorted raw ids
    rank = np.empty(len(ids), dtype=np.int64)
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
        Interactions(uid[r] - np.int32(first), sid[r], ids, item_ids)
        for r in (rows[~is_target], rows[is_target])
    )
    return Fold(history, target)
