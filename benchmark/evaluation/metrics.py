"""Ranking metrics as pure functions of the ranks at which each user's targets are.

For N users, ``hit`` (N, 100) bool says in column r whether the item at rank r + 1 is a target, and
``targets`` (N,) is the number of each user's targets, at least 1. The definitions are the paper's
(Liang et al. 2018, section 4.1) for Recall and NDCG; the other kinds are not in the paper.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from benchmark.catalog import look_up
from benchmark.errors import UsageError
from datasets.task import TASKS, Name

SAMPLED = "sampled "
"""The beginning of the name of a sampled metric."""
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


def hit_rate(hit: np.ndarray, targets: np.ndarray, cutoff: int) -> np.ndarray:
    """Return 1 for a user with a hit among the first ``cutoff`` ranks, and 0 for others: (N,)."""
    return np.any(hit[:, :cutoff], axis=1).astype(np.float64)


def precision(hit: np.ndarray, targets: np.ndarray, cutoff: int) -> np.ndarray:
    """Return the hits among the first ``cutoff`` ranks divided by ``cutoff``: (N,)."""
    return hit[:, :cutoff].sum(axis=1) / cutoff


def average_precision(hit: np.ndarray, targets: np.ndarray, cutoff: int) -> np.ndarray:
    """Return the sum of the precision at the rank of each hit, divided by min(cutoff, targets):
    (N,). Its mean over users is MAP.
    """
    hit = hit[:, :cutoff]
    at_rank = hit.cumsum(axis=1) / np.arange(1, cutoff + 1)
    return (hit * at_rank).sum(axis=1) / np.minimum(cutoff, targets)


KINDS: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "Recall": recall,
    "NDCG": ndcg,
    "MRR": mrr,
    "MAP": average_precision,
    "Precision": precision,
    "HR": hit_rate,
}
MEANINGS = {
    "Recall": "Recall@R is the number of a user's targets among the first R items, divided by R or "
    "by the number of targets, whichever is smaller.",
    "NDCG": "NDCG@R is the sum of 1 / log2(rank + 1) over the targets among the first R items, "
    "divided by the largest possible sum.",
    "MRR": "MRR@R is 1 / rank of the first target, or 0 without one among the first R items.",
    "MAP": "MAP@R is the sum of the precision at the rank of each target among the first R items, "
    "divided by R or by the number of targets, whichever is smaller.",
    "Precision": "Precision@R is the number of a user's targets among the first R items, divided "
    "by R.",
    "HR": "HR@R, the hit rate, is the share of users with a target among the first R items.",
    "Coverage": "Coverage@R is the share of all items that are among the first R of at least one "
    "test user.",
    "Novelty": "Novelty@R is the mean over test users, and over the first R items of each, of "
    "-log2 of the share of training users who have the item (if none has it, as if one had).",
}
"""What each kind of metric means, for the reader of a table."""


OF_LISTS = ("Coverage", "Novelty")
"""The kinds that look at the recommended items and not at their hits; see evaluation/lists.py."""


@dataclass(frozen=True)
class Metric:
    """A kind of metric at a cutoff, written like "NDCG@100" or "sampled NDCG@10"."""

    kind: str
    cutoff: int
    sampled: bool = False
    """Whether targets were ranked among a sample of items, and not among all."""

    @classmethod
    def parse(cls, text: str) -> Metric:
        """Return the metric that is written ``text``, as in "NDCG@100" or "sampled NDCG@10".

        Raises UsageError unless the kind is known and the cutoff is a number from 1 to 100.
        """
        kind, _, cutoff = text.removeprefix(SAMPLED).partition("@")
        look_up("metric", kind, MEANINGS)
        short = cutoff.isascii() and cutoff.isdigit() and len(cutoff) <= len(str(DEPTH))
        if not (short and 1 <= int(cutoff) <= DEPTH):  # int refuses thousands of digits
            raise UsageError(
                f"the metric {text[:40]!r} needs a cutoff of 1 to {DEPTH}, as in {kind}@20"
            )
        return cls(kind, int(cutoff), text.startswith(SAMPLED))

    def on(self, task: Name) -> Metric:
        """Return the same metric as a data set with that task has it: sampled or not."""
        return replace(self, sampled=TASKS[task].sampled)

    def __str__(self) -> str:
        return f"{SAMPLED if self.sampled else ''}{self.kind}@{self.cutoff}"

    @property
    def of_lists(self) -> bool:
        """Whether it is computed from the recommended items, and not from the ranks of hits."""
        return self.kind in OF_LISTS

    def __call__(self, hit: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return each user's value: (N,) float64. A metric of lists has none."""
        return KINDS[self.kind](hit, targets, self.cutoff)


def headline(task: Name) -> tuple[Metric, ...]:
    """Return the metrics of the tables of data sets with that task."""
    return tuple(map(Metric.parse, TASKS[task].metrics))


def selection(task: Name) -> Metric:
    """Return the metric of the validation users by which the best epoch is chosen."""
    return Metric.parse(TASKS[task].selection)


HEADLINE = headline("strong generalisation")
"""The metrics of the paper's tables 2 and 4."""
SELECTION = selection("strong generalisation")
"""The metric by which their epochs are chosen."""


def standard_error(per_user: np.ndarray) -> float:
    """Return the standard error of the mean over N users: std(ddof=0) / sqrt(N)."""
    return float(per_user.std() / np.sqrt(len(per_user)))
