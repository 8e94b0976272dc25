"""Means and their uncertainty, and tests of differences.

Means are over users or seeds; differences are between two sets of seeds, or between models on the
same users.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean, stdev

import numpy as np

RESAMPLES = 10_000
"""The number of resamples of a bootstrap, and the least number of a permutation test."""
BLOCK = 2**24
"""The number of random numbers that are held in memory at a time."""
ALPHA = 0.05
"""The family-wise error rate: all pairs of rows on one data set and metric are a family."""


@dataclass(frozen=True)
class Summary:
    """A metric over the seeds of a table row."""

    mean: float
    sd: float | None
    """The standard deviation over seeds (ddof=1); None for one seed or a deterministic model."""
    stderr: float
    """The standard error over users, averaged over seeds."""
    seeds: int


def summarize(means: Sequence[float], stderrs: Sequence[float]) -> Summary:
    """Return the summary of a metric from each seed's mean and standard error over users."""
    sd = stdev(means) if len(means) > 1 else None
    return Summary(fmean(means), sd, fmean(stderrs), len(means))


def welch_t(a: Sequence[float], mean: float, sd: float, seeds: int) -> float:
    """Return Welch's t of the values ``a`` against a sample with this mean, deviation and size."""
    from scipy.stats import ttest_ind_from_stats

    return float(
        ttest_ind_from_stats(fmean(a), stdev(a), len(a), mean, sd, seeds, equal_var=False).statistic
    )


def paired_interval(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the mean of b - a over pairs, by Student's t.

    Raises ValueError unless ``a`` and ``b`` have the same length, two or more.
    """
    from scipy.stats import ttest_rel

    # strict, since scipy would pair a single value with each value of a longer sequence
    pairs = np.array(list(zip(a, b, strict=True)))
    if len(pairs) < 2:
        raise ValueError(f"{len(pairs)} pairs have no interval; at least two are needed")
    low, high = ttest_rel(pairs[:, 1], pairs[:, 0]).confidence_interval(0.95)
    return float(low), float(high)


def resamples(tests: int) -> int:
    """Return the number of resamples for each of ``tests`` permutation tests, at least RESAMPLES.

    It is large enough that the least possible p is still significant after ``holm``.
    """
    return max(RESAMPLES, math.ceil(2 * tests / ALPHA))


def sign_flip_p(differences: np.ndarray) -> np.ndarray:
    """Return the two-sided p of each row's mean being 0: (D, users) -> (D,).

    It is that of a permutation test: each resample flips the signs of random users' differences,
    the same users in all rows. The observed signs count as one more resample, so that p is never 0
    and the test is exact (Phipson, Smyth 2010).
    """
    number = resamples(len(differences))
    # a resample that equals the observed mean but for rounding must count as equal to it
    observed = np.abs(differences.sum(axis=1)) * (1 - 1e-12)
    extreme = np.zeros(len(differences))
    for random, count in _blocks(differences.shape[1], number):
        signs = 1.0 - 2 * random.integers(0, 2, (count, differences.shape[1]), dtype=np.int8)
        extreme += (np.abs(signs @ differences.T) >= observed).sum(axis=0)
    return (extreme + 1) / (number + 1)


def bootstrap_interval(differences: np.ndarray) -> np.ndarray:
    """Return the 95 % interval of each row's mean, by the percentile bootstrap over users.

    The shapes are (D, users) -> (D, 2).
    """
    users = differences.shape[1]
    means = [
        random.multinomial(users, np.full(users, 1 / users), count) @ differences.T / users
        for random, count in _blocks(users, RESAMPLES)
    ]
    return np.quantile(np.concatenate(means), [0.025, 0.975], axis=0).T


def _blocks(users: int, number: int) -> Iterator[tuple[np.random.Generator, int]]:
    """Yield a seeded generator and how many resamples to draw from it, until ``number`` are drawn.

    Blocks keep the random numbers within BLOCK, and are the same for the same arguments.
    """
    random, left = np.random.default_rng(0), number
    while left:
        count = min(left, max(1, BLOCK // users))
        left -= count
        yield random, count


def holm(p: np.ndarray) -> np.ndarray:
    """Return the p values (D,) of D tests, adjusted for their number by Holm's method (1979).

    If those below ALPHA count as significant, the family-wise error rate is at most ALPHA.
    """
    order = np.argsort(p)
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p)))).clip(max=1)
    return adjusted


@dataclass(frozen=True)
class Comparison:
    """The comparison of two rows, models in a table, on the same users."""

    first: int
    """The index of the one row."""
    second: int
    """The index of the other row."""
    difference: float
    """The mean of first - second over users."""
    p: float
    """The p of the permutation test."""
    adjusted: float
    """The p after Holm's correction for the number of pairs."""

    @property
    def significant(self) -> bool:
        """Whether the difference is significant after Holm's correction."""
        return self.adjusted < ALPHA


def comparisons(values: np.ndarray) -> list[Comparison]:
    """Return the comparison of every pair of rows; ``values`` are (rows, users)."""
    pairs = list(combinations(range(len(values)), 2))
    if not pairs:
        return []
    differences = np.array([values[a] - values[b] for a, b in pairs])
    p = sign_flip_p(differences)
    means = differences.mean(axis=1).tolist()
    numbers = zip(pairs, means, p.tolist(), holm(p).tolist(), strict=True)
    return [Comparison(a, b, *rest) for (a, b), *rest in numbers]


def best(values: np.ndarray) -> set[int]:
    """Return the rows of ``values`` (rows, users) that are best, by their indices.

    They are the row with the largest mean, and those that do not differ from it significantly.
    """
    if not len(values):
        return set()
    top = int(values.mean(axis=1).argmax())
    worse = {
        pair.first + pair.second - top
        for pair in comparisons(values)
        if top in (pair.first, pair.second) and pair.significant
    }
    return set(range(len(values))) - worse
