"""Means and their uncertainty.

Over users, over seeds, between two sets of seeds, and between models on the same users.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean, stdev

import numpy as np

RESAMPLES = 10_000
BLOCK = 2**24
"""How many random numbers are held at a time."""
ALPHA = 0.05
"""The error rate of the family of all pairs of one data set and metric."""


@dataclass(frozen=True)
class Summary:
    """A metric over the seeds of a table row."""

    mean: float
    sd: float | None
    """Standard deviation over seeds (ddof=1); None for one seed or a deterministic model."""
    stderr: float
    """Standard error over users, the mean of that of each seed."""
    seeds: int


def summarize(means: Sequence[float], stderrs: Sequence[float]) -> Summary:
    """Summarise one metric from each seed's mean and standard error over users."""
    sd = stdev(means) if len(means) > 1 else None
    return Summary(fmean(means), sd, fmean(stderrs), len(means))


def welch_t(a: Sequence[float], mean: float, sd: float, seeds: int) -> float:
    """Welch's t of the values ``a`` against others known by their mean, deviation and number."""
    from scipy.stats import ttest_ind_from_stats

    return float(
        ttest_ind_from_stats(fmean(a), stdev(a), len(a), mean, sd, seeds, equal_var=False).statistic
    )


def paired_interval(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    """95 % interval of the mean of b - a over pairs, by Student's t.

    Raises ValueError unless ``a`` and ``b`` are equally many, at least two.
    """
    from scipy.stats import ttest_rel

    # scipy would pair a single value with every one of the others
    pairs = np.array(list(zip(a, b, strict=True)))
    if len(pairs) < 2:
        raise ValueError(f"{len(pairs)} pairs have no interval; at least two are needed")
    low, high = ttest_rel(pairs[:, 1], pairs[:, 0]).confidence_interval(0.95)
    return float(low), float(high)


def resamples(tests: int) -> int:
    """RESAMPLES, or as many more as leave the least p of ``tests`` significant after ``holm``."""
    return max(RESAMPLES, math.ceil(2 * tests / ALPHA))


def sign_flip_p(differences: np.ndarray) -> np.ndarray:
    """Two-sided p of each row's mean being 0, (D, users) -> (D,), by a permutation test.

    Each resample flips the signs of random users' differences, of all rows alike. The observed
    signs count as one resample more, so that p is never 0 and the test is exact (Phipson, Smyth
    2010).
    """
    number = resamples(len(differences))
    # what is equal but for rounding counts as equal
    observed = np.abs(differences.sum(axis=1)) * (1 - 1e-12)
    extreme = np.zeros(len(differences))
    for random, count in _blocks(differences.shape[1], number):
        signs = 1.0 - 2 * random.integers(0, 2, (count, differences.shape[1]), dtype=np.int8)
        extreme += (np.abs(signs @ differences.T) >= observed).sum(axis=0)
    return (extreme + 1) / (number + 1)


def bootstrap_interval(differences: np.ndarray) -> np.ndarray:
    """95 % interval of each row's mean, (D, users) -> (D, 2): percentiles over users drawn anew."""
    users = differences.shape[1]
    means = [
        random.multinomial(users, np.full(users, 1 / users), count) @ differences.T / users
        for random, count in _blocks(users, RESAMPLES)
    ]
    return np.quantile(np.concatenate(means), [0.025, 0.975], axis=0).T


def _blocks(users: int, number: int) -> Iterator[tuple[np.random.Generator, int]]:
    """One seeded generator, with how many resamples to draw from it at a time.

    They are the same for the same sizes.
    """
    random, left = np.random.default_rng(0), number
    while left:
        count = min(left, max(1, BLOCK // users))
        left -= count
        yield random, count


def holm(p: np.ndarray) -> np.ndarray:
    """p values (D,) adjusted for there being D tests (Holm 1979).

    The chance of any false finding stays below alpha.
    """
    order = np.argsort(p)
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p)))).clip(max=1)
    return adjusted


@dataclass(frozen=True)
class Comparison:
    """Two rows on the same users."""

    first: int
    second: int
    difference: float
    """Mean of first - second over users."""
    p: float
    adjusted: float
    """p after Holm's correction."""

    @property
    def significant(self) -> bool:
        return self.adjusted < ALPHA


def comparisons(values: np.ndarray) -> list[Comparison]:
    """A comparison of every pair of rows; ``values`` are (rows, users)."""
    pairs = list(combinations(range(len(values)), 2))
    if not pairs:
        return []
    differences = np.array([values[a] - values[b] for a, b in pairs])
    p = sign_flip_p(differences)
    found = zip(pairs, differences.mean(axis=1), p, holm(p), strict=True)
    return [
        Comparison(a, b, float(mean), float(one), float(of_all))
        for (a, b), mean, one, of_all in found
    ]


def best(values: np.ndarray) -> set[int]:
    """The row with the best mean, and those that do not differ from it significantly."""
    if not len(values):
        return set()
    top = int(values.mean(axis=1).argmax())
    worse = {
        pair.first + pair.second - top
        for pair in comparisons(values)
        if top in (pair.first, pair.second) and pair.significant
    }
    return set(range(len(values))) - worse
