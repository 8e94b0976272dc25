"""Ranking metrics as pure functions of where a user's targets were found.

Shapes: N users, ``hit`` (N, 100) bool, whether rank r + 1 holds a target; ``targets`` (N,) how many there are, >= 1.
Definitions are the paper's (Liang et al. 2018, section 4.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmark.catalog import UsageError, look_up

DEPTH = 100
"""Ranks that are kept; no cutoff can be larger."""


def recall(hit: np.ndarray, targets: np.ndarray, cutoff: int) -> np.ndarray:
    """Hits among the first ``cutoff`` / min(cutoff, targets): (N,)."""
    return hit[:, :cutoff].sum(axis=1) / np.minimum(cutoff, targets)


def ndcg(hit: np.ndarray, targets: np.ndarray, cutoff: int) -> np.ndarray:
    """Binary gain with discount 1 / log2(rank + 1), over that of min(cutoff, targets) first ranks: (N,)."""
    discount = 1 / np.log2(np.arange(2, cutoff + 2))
    ideal = np.concatenate([[0.0], discount.cumsum()])[np.minimum(cutoff, targets)]
    return (hit[:, :cutoff] * discount).sum(axis=1) / ideal


def mrr(hit: np.ndarray, targets: np.ndarray, cutoff: int) -> np.ndarray:
    """1 / rank of the first hit, 0 without one among the first ``cutoff``: (N,)."""
    return (hit[:, :cutoff] / np.arange(1, cutoff + 1)).max(axis=1)


KINDS: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "Recall": recall,
    "NDCG": ndcg,
    "MRR": mrr,
}
MEANINGS = {
    "Recall": "Recall@R: a user's targets among the first R items, over the smaller of R and the number of targets.",
    "NDCG": "NDCG@R: the same with the discount 1 / log2(rank + 1), over that of the best order.",
    "MRR": "MRR@R: 1 / rank of the first target, 0 without one among the first R.",
}
"""For a reader of a table."""


@dataclass(frozen=True)
class Metric:
    """A kind of metric at a cutoff, written like "NDCG@100"."""

    kind: str
    cutoff: int

    @classmethod
    def parse(cls, text: str) -> Metric:
        """Raises UsageError unless ``text`` is KIND@CUTOFF with a known kind and a cutoff of 1 to 100."""
        kind, _, cutoff = text.partition("@")
        look_up("metric", kind, KINDS)
        if not (cutoff.isascii() and cutoff.isdigit() and 1 <= int(cutoff) <= DEPTH):
            raise UsageError(f"the metric {text!r} needs a cutoff of 1 to {DEPTH}, as in {kind}@20")
        return cls(kind, int(cutoff))

    def __str__(self) -> str:
        return f"{self.kind}@{self.cutoff}"

    def __call__(self, hit: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Per user: (N,) float64."""
        return KINDS[self.kind](hit, targets, self.cutoff)


SELECTION = Metric("NDCG", 100)
"""Chooses the best epoch, on validation users."""
HEADLINE = (Metric("Recall", 20), Metric("Recall", 50), SELECTION)
"""The paper's columns."""


def standard_error(per_user: np.ndarray) -> float:
    """Of the mean over users: std(ddof=0) / sqrt(N)."""
    return float(per_user.std() / np.sqrt(len(per_user)))
