"""What a data set becomes: interactions of training users, two folds of held-out users, the truth if known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix


@dataclass(frozen=True, eq=False)
class Interactions:
    """(user, item) pairs in the authors' file order, each at most once, and the raw ids behind the positions."""

    user: np.ndarray
    """(rows,) int32, positions in ``user_ids``."""
    item: np.ndarray
    """(rows,) int32, positions in ``item_ids``."""
    user_ids: np.ndarray
    """(users,) raw ids, int64 or bytes; users without a row stay."""
    item_ids: np.ndarray
    """(I,) raw ids, int64 or bytes."""

    def __post_init__(self) -> None:
        if self.user.shape != self.item.shape or {self.user.dtype, self.item.dtype} != {
            np.dtype(np.int32)
        }:
            raise ValueError(
                f"users {self.user.shape} {self.user.dtype} and items {self.item.shape} {self.item.dtype} "
                "must be int32 arrays of one length"
            )

    def __len__(self) -> int:
        return len(self.user)

    @property
    def shape(self) -> tuple[int, int]:
        """(users, I)."""
        return len(self.user_ids), len(self.item_ids)

    @cached_property
    def matrix(self) -> csr_matrix:
        """Binary float32 (users, I), items ascending within a user."""
        ones = np.ones(len(self), dtype=np.float32)
        matrix = csr_matrix((ones, (self.user, self.item)), shape=self.shape)
        matrix.sort_indices()
        return matrix


@dataclass(frozen=True, eq=False)
class Fold:
    """Held-out users: what a model sees of them, and what it must find. Both hold the same users."""

    history: Interactions
    target: Interactions


@dataclass(frozen=True, eq=False)
class Truth:
    """How a generated data set came about: user u has item i with probability 1 - exp(-activity_u q[type_u, i])."""

    q: np.ndarray
    """(types, I) float64, in the order of the split's items."""
    activity: np.ndarray
    """(quantiles,) float64: values of the users' activity, equally likely."""
    test_type: np.ndarray
    """(test users,) int64: the type of the user at each position of the test fold."""


@dataclass(frozen=True, eq=False)
class Split:
    """Training users, validation users and test users; no user is in two of them, all know the same items."""

    train: Interactions
    validation: Fold
    test: Fold
    truth: Truth | None = None
    """Of a generated data set."""

    @property
    def parts(self) -> dict[str, Interactions]:
        """The five sets of interactions by the authors' file names."""
        return {
            "train": self.train,
            "validation_tr": self.validation.history,
            "validation_te": self.validation.target,
            "test_tr": self.test.history,
            "test_te": self.test.target,
        }

    def check(self) -> None:
        """Verify all that a split promises; done once, when it is made, since it reads every row.

        Raises ValueError: a broken promise is a bug here, not bad input.
        """
        for name, part in self.parts.items():
            if len(part) and not (
                _within(part.user, part.shape[0]) and _within(part.item, part.shape[1])
            ):
                raise ValueError(f"{name} has positions outside its ids")
            if part.item_ids is not self.train.item_ids:
                raise ValueError(f"{name} has items of its own")
        seen = [self.train.user_ids]
        for fold in (self.validation, self.test):
            if fold.history.user_ids is not fold.target.user_ids:
                raise ValueError("history and target of a fold must hold the same users")
            both = fold.history.matrix + fold.target.matrix
            if both.nnz != len(fold.history) + len(fold.target):
                raise ValueError("a fold has an item twice for a user")
            seen.append(fold.history.user_ids)
        if self.train.matrix.nnz != len(self.train) or self.train.matrix.max() > 1:
            raise ValueError("the training rows have a pair twice")
        everyone = np.concatenate(seen)
        if len(np.unique(everyone)) != len(everyone):
            raise ValueError("a user is in two parts of the split")


def _within(positions: np.ndarray, size: int) -> bool:
    return positions.min() >= 0 and positions.max() < size
