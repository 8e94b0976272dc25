"""Ranking metrics as pure functions of the ranks at which each user's targets are.

For N users, ``hit`` (N, 100) bool says in column r whether the item at rank r + 1 is a target, and
``targets`` (N,) is the number of each user's targets, at least 1. The definitions are the paper's
(Liang et al. 2018, section 4.1); MRR is not in the paper.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmark.catalog import look_up
from benchmark.errors import UsageError

DEPTH = 100
"""The number of ranks that are kept; no cutoff can be larger."""


def recall(hit: np.ndarray, targets: np.ndarray, cutoff: int) -> np.ndarray:
    """Return the hits among the first ``cutoff`` ranks divided by min(cutoff, targets): (N,)."""
    return hit[:, :cutoff].sum(axis=1) / np.minimum(cutoff, targets)


def ndcg(hit: np.ndarray, targets: np.ndarray, cutoff: int) -> np.ndarray:
    """Return the discounted gain of the first ``cutoff`` ranks over the largest possible one: (N,).

    A hit at a rank gains 1 / log2(rank + 1). The largest gain has hits at the first
    min(cutoff, targets) ranks.
    """
    discount = 1 / np.log2(np.arange(2, cutoff + 2))
    ideal = np.concatenate([[0.0], discount.cumsum()])[np.minimum(cutoff, targets)]
    return (hit[:, :cutoff] * discount).sum(axis=1) / ideal


def mrr(hit: np.ndarray, targets: np.ndarray, cutoff: int) -> np.ndarray:
    """Return 1 / rank of the first hit, or 0 without a hit in the first ``cutoff`` ranks: (N,)."""
    return (hit[:, :cutoff] / np.arange(1, cutoff + 1)).max(axis=1)


KINDS: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "Recall": recall,
    "NDCG": ndcg,
    "MRR": mrr,
}
MEANINGS = {
    "Recall": "Recall@R is the number of a user's targets among the first R items, divided by R or "
    "by the number of targets, whichever is smaller.",
    "NDCG": "NDCG@R is the sum of 1 / log2(rank + 1) over the targets among the first R items, "
    "divided by the largest possible sum.",
    "MRR": "MRR@R is 1 / rank of the first target, or 0 without one among the first R items.",
}
"""What each kind of metric means, for the reader of a table."""


@dataclass(frozen=True)
class Metric:
    """A kind of metric at a cutoff, written like "NDCG@100"."""

    kind: str
    cutoff: int

    @classmethod
    def parse(cls, text: str) -> Metric:
        """Return the metric that is written ``text``, as in "NDCG@100".

        Raises UsageError unless the kind is known and the cutoff is a number from 1 to 100.
        """
        kind, _, cutoff = text.partition("@")
        look_up("metric", kind, KINDS)
        if not (cutoff.isascii() and cutoff.isdigit() and 1 <= int(cutoff) <= DEPTH):
            raise UsageError(f"the metric {text!r} needs a cutoff of 1 to {DEPTH}, as in {kind}@20")
        return cls(kind, int(cutoff))

    def __str__(self) -> str:
        return f"{self.kind}@{self.cutoff}"

    def __call__(self, hit: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return each user's value: (N,) float64."""
        return KINDS[self.kind](hit, targets, self.cutoff)


SELECTION = Metric("NDCG", 100)
"""The metric of the validation users by which the best epoch is chosen."""
HEADLINE = (Metric("Recall", 20), Metric("Recall", 50), SELECTION)
"""The metrics of the paper's tables."""


def standard_error(per_user: np.ndarray) -> float:
    """Return the standard error of the mean over N users: std(ddof=0) / sqrt(N)."""
    return float(per_user.std() / np.sqrt(len(per_user)))
