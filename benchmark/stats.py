"""Means and their uncertainty: over users, over seeds, and between models on the same users.

Every interval and p value here is computed in closed form, so that none depends on random numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev

import numpy as np

ALPHA = 0.05
"""The error rate of a family of tests."""
POWER = 0.8
"""The probability with which a detectable difference would have been found."""
COARSE = 0.02
"""Comparisons that would not have found a difference of this size say nothing (NDCG or Recall)."""
MARGIN = 0.003
"""Two models whose difference is surely smaller than this are called equal (NDCG or Recall)."""


ROUNDING = 1e-12
"""Values that differ by less than this differ by the rounding of sums only."""


@dataclass(frozen=True)
class Summary:
    """A metric over the seeds of a table row."""

    mean: float
    sd: float | None
    """The standard deviation over seeds (ddof=1); None for one seed or a deterministic model."""
    stderr: float | None
    """The standard error over users, averaged over seeds; None where it is not known."""
    seeds: int


def summarize(means: Sequence[float], stderrs: Sequence[float] = ()) -> Summary:
    """Return the summary of a metric from each seed's mean and standard error over users."""
    sd = stdev(means) if len(means) > 1 else None
    return Summary(fmean(means), sd, fmean(stderrs) if stderrs else None, len(means))


def welch_t(a: Sequence[float], mean: float, sd: float, seeds: int) -> float:
    """Return Welch's t of the values ``a`` against a sample with this mean, deviation and size."""
    from scipy.stats import ttest_ind_from_stats

    return float(
        ttest_ind_from_stats(fmean(a), stdev(a), len(a), mean, sd, seeds, equal_var=False).statistic
    )


def equivalent(away: float, sd: float, seeds: int, margin: float) -> bool:
    """Return whether a mean over seeds and a single run are equal within ``margin``.

    Two one-sided t-tests at the level ALPHA must both reject a difference as large as the margin,
    given the difference ``away`` >= 0 that was found, where ``sd`` is the standard deviation over
    seeds on both sides (Schuirmann 1987). With sd 0 there is nothing to test.
    """
    from scipy.stats import t

    spread = sd and float(t.ppf(1 - ALPHA, seeds - 1)) * sd * math.sqrt(1 + 1 / seeds)
    return away + spread <= margin


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


@dataclass(frozen=True)
class Difference:
    """The mean of one model's values minus another's, over users and seeds, by Student's t."""

    mean: float
    stderr: float
    """Its standard error over users and seeds."""
    freedom: float
    """Degrees of freedom of that standard error."""

    @property
    def constant(self) -> bool:
        """Whether the values are all the same, which says nothing of how sure their mean is."""
        return self.stderr < ROUNDING

    @property
    def p(self) -> float:
        """The two-sided p value of the mean's being 0; 1 if the values are constant."""
        from scipy.stats import t

        if self.constant:
            return 1.0
        return float(2 * t.sf(abs(self.mean) / self.stderr, self.freedom))

    def interval(self, level: float = 1 - ALPHA) -> tuple[float, float]:
        """Return the interval that holds the true mean with the probability ``level``."""
        half = self.stderr * self._quantile((1 + level) / 2)
        return self.mean - half, self.mean + half

    @property
    def equal(self) -> bool:
        """Whether it is surely smaller than MARGIN, by two one-sided tests at ALPHA."""
        low, high = self.interval(1 - 2 * ALPHA)
        return low > -MARGIN and high < MARGIN

    def detectable(self, tests: int) -> float:
        """Return the smallest true mean that one of ``tests`` tests would find four times in five.

        This is where Holm's correction is strictest: the test of the smallest p value.
        """
        return self.stderr * (self._quantile(1 - ALPHA / tests / 2) + self._quantile(POWER))

    def _quantile(self, probability: float) -> float:
        from scipy.stats import t

        return float(t.ppf(probability, self.freedom))


def difference(first: np.ndarray, second: np.ndarray) -> Difference:
    """Return the difference of two models, each (seeds, users) on the same two users or more.

    Its variance is the sum of that over users (of the seeds' mean difference) and those over seeds
    (of each model's mean), each divided by its number; degrees of freedom by Satterthwaite 1946. A
    user's noise that differs from seed to seed is in both terms, so that the standard error is a
    little too large (Owen 2007, "The pigeonhole bootstrap", whose resampling of users and seeds it
    stands for). A model of one seed has no term over seeds.
    """
    paired = first.mean(axis=0) - second.mean(axis=0)
    samples = [paired, *(values.mean(axis=1) for values in (first, second) if len(values) > 1)]
    parts = [(float(sample.var(ddof=1)) / len(sample), len(sample) - 1) for sample in samples]
    variance = sum(part for part, _ in parts)
    spread = sum(part**2 / freedom for part, freedom in parts)
    freedom = variance**2 / spread if spread else math.inf
    return Difference(float(paired.mean()), math.sqrt(variance), freedom)


def over_splits(differences: Sequence[float], share: float) -> Difference:
    """Return the mean of two models' difference over splits of the data, of each of which it is
    given.

    ``share`` is the number of test users divided by that of training users. It makes up for
    training users that splits share, as if it were so much of a variance more (Nadeau, Bengio 2003,
    "Inference for the Generalization Error"). Needs two splits or more.
    """
    count = len(differences)
    variance = (1 / count + share) * float(np.var(differences, ddof=1))
    return Difference(fmean(differences), math.sqrt(variance), count - 1)


@dataclass(frozen=True)
class Best:
    """What the best score of several trials is expected to be."""

    mean: float
    sd: float
    interval: tuple[float, float]
    """It holds the best score in 95 % of cases."""


def best_of(first: float, scores: Sequence[float], draws: int) -> Best:
    """Return what the best is of the score ``first`` and of so many ``draws`` from ``scores``.

    Scores are drawn with replacement (Dodge et al. 2019, "Show Your Work", there without a first
    one).
    """
    if not draws:
        return Best(first, 0.0, (first, first))
    values = np.maximum(np.sort(scores), first)
    # the best of the draws is at most the n-th lowest score with the probability (n / count)^draws
    below = (np.arange(1, len(values) + 1) / len(values)) ** draws
    probability = np.diff(below, prepend=0.0)
    mean = float(probability @ values)
    sd = math.sqrt(float(probability @ (values - mean) ** 2))
    low, high = values[np.searchsorted(below, [ALPHA / 2, 1 - ALPHA / 2])].tolist()
    return Best(mean, sd, (low, high))


def holm(p: Sequence[float]) -> list[float]:
    """Return p values adjusted for their number, so that any false finding stays below alpha.

    Holm 1979.
    """
    values = np.array(p, dtype=float)
    order = np.argsort(values, kind="stable")
    adjusted = np.empty(len(values))
    factors = len(values) - np.arange(len(values))
    adjusted[order] = np.maximum.accumulate(values[order] * factors).clip(max=1)
    return adjusted.tolist()


@dataclass(frozen=True)
class Leaders:
    """The model with the best mean, and those not shown to be below it."""

    best: int
    level: tuple[int, ...]
    """The others whose difference from the best is not significant, by Holm over all others."""
    detectable: float
    """The difference from the best that would have been found, median over the others' tests."""

    @property
    def coarse(self) -> bool:
        """Whether the tests would have missed differences that matter."""
        return self.detectable > COARSE

    @property
    def marked(self) -> set[int]:
        """The best model and those level with it; none if the tests are coarse."""
        return set() if self.coarse else {self.best, *self.level}


def leaders(models: Sequence[np.ndarray]) -> Leaders | None:
    """Compare each model, (seeds, users), with the one of the best mean.

    None unless there are two models or more on the same two users or more, and one whose difference
    from the best is not constant.
    """
    if len(models) < 2 or models[0].shape[1] < 2:
        return None
    best = int(np.argmax([values.mean() for values in models]))
    others = [n for n in range(len(models)) if n != best]
    found = [difference(models[n], models[best]) for n in others]
    adjusted = holm([each.p for each in found])
    level = tuple(n for n, p in zip(others, adjusted, strict=True) if p >= ALPHA)
    sizes = [each.detectable(len(others)) for each in found if not each.constant]
    return Leaders(best, level, median(sizes)) if sizes else None
