"""The split of a data set: interactions of training users, and two folds of held-out users."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix


@dataclass(frozen=True, eq=False)
class Interactions:
    """(user, item) pairs in the authors' file order, each at most once, and their raw ids."""

    user: np.ndarray
    """(rows,) int32, positions in ``user_ids``."""
    item: np.ndarray
    """(rows,) int32, positions in ``item_ids``."""
    user_ids: np.ndarray
    """(users,) raw ids, int64 or bytes; a user may have no row."""
    item_ids: np.ndarray
    """(I,) raw ids, int64 or bytes."""

    def __post_init__(self) -> None:
        if self.user.shape != self.item.shape or {self.user.dtype, self.item.dtype} != {
            np.dtype(np.int32)
        }:
            raise ValueError(
                f"users {self.user.shape} {self.user.dtype} and items {self.item.shape} "
                f"{self.item.dtype} must be int32 arrays of one length"
            )

    def __len__(self) -> int:
        return len(self.user)

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of users and of items, (users, I)."""
        return len(self.user_ids), len(self.item_ids)

    @cached_property
    def matrix(self) -> csr_matrix:
        """The pairs as a binary float32 matrix (users, I), with each user's items ascending."""
        ones = np.ones(len(self), dtype=np.float32)
        matrix = csr_matrix((ones, (self.user, self.item)), shape=self.shape)
        matrix.sort_indices()
        return matrix


@dataclass(frozen=True, eq=False)
class Fold:
    """Held-out interactions of some users, whom the model may have trained on or not."""

    history: Interactions
    """What a model sees of them."""
    target: Interactions
    """What a model must find; the users are the same as in ``history``."""
    candidates: Interactions | None = None
    """The items among which a user's targets are ranked, targets included; None for all items."""

    def check(self) -> None:
        """Raise ValueError if the parts contradict each other."""
        if self.history.user_ids is not self.target.user_ids:
            raise ValueError("history and target of a fold must hold the same users")
        both = self.history.matrix + self.target.matrix
        if both.nnz != len(self.history) + len(self.target):
            raise ValueError("a fold has an item twice for a user")
        if self.candidates is not None:
            ranked = self.candidates.matrix
            if ranked.multiply(self.target.matrix).nnz != len(self.target):
                raise ValueError("a target is not among the candidates")
            if ranked.multiply(self.history.matrix).nnz:
                raise ValueError("a candidate is in the history")


@dataclass(frozen=True, eq=False)
class Truth:
    """The process that generated the data: P(u has i) = 1 - exp(-activity_u q[type_u, i])."""

    q: np.ndarray
    """(types, I) float64 rates; the items are in the split's order."""
    activity: np.ndarray
    """(quantiles,) float64 values of a user's activity, equally likely."""
    test_type: np.ndarray
    """(test users,) int64 type of each user of the test fold."""


@dataclass(frozen=True, eq=False)
class Split:
    """Training, validation and test rows, which share the items.

    Under strong generalisation no user is in two of them. Under weak generalisation the users are
    the same in all three, and a fold has other rows of the training users.
    """

    train: Interactions
    validation: Fold
    test: Fold
    truth: Truth | None = None
    """The process that generated the data; None for real data."""

    @property
    def weak(self) -> bool:
        """Whether a user of a fold is the training user of the same row."""
        return self.validation.history.user_ids is self.train.user_ids

    @property
    def parts(self) -> dict[str, Interactions]:
        """The sets of interactions by the names of their files, which are the authors' five.

        Folds with candidates have a file of these besides.
        """
        parts = {
            "train": self.train,
            "validation_tr": self.validation.history,
            "validation_te": self.validation.target,
            "test_tr": self.test.history,
            "test_te": self.test.target,
        }
        for name, fold in (("validation_ca", self.validation), ("test_ca", self.test)):
            if fold.candidates is not None:
                parts[name] = fold.candidates
        return parts

    def check(self) -> None:
        """Raise ValueError if the split breaks a rule of its contract.

        This reads every row, so it is done once, when the split is made. The error is no DataError,
        since a split that was made from raw rows breaks a rule only through a bug.
        """
        for name, part in self.parts.items():
            if len(part) and not (
                _within(part.user, part.shape[0]) and _within(part.item, part.shape[1])
            ):
                raise ValueError(f"{name} has positions outside its ids")
            if part.item_ids is not self.train.item_ids:
                raise ValueError(f"{name} has items of its own")
        for fold in (self.validation, self.test):
            fold.check()
        if self.train.matrix.nnz != len(self.train) or self.train.matrix.max() > 1:
            raise ValueError("the training rows have a pair twice")
        users = [part.user_ids for part in (self.train, self.validation.history, self.test.history)]
        everyone = np.concatenate(users[:1] if self.weak else users)
        if len(np.unique(everyone)) != len(everyone):
            raise ValueError("a user is in two parts of the split")


def _within(positions: np.ndarray, size: int) -> bool:
    return positions.min() >= 0 and positions.max() < size
