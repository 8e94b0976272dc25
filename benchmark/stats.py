"""Means and their uncertainty: over users, over seeds, and between two sets of seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev


@dataclass(frozen=True)
class Summary:
    """Of one metric over the seeds of a table row."""

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
    """Welch's t of the values ``a`` against others known by their mean, standard deviation and number."""
    return (fmean(a) - mean) / math.sqrt(stdev(a) ** 2 / len(a) + sd**2 / seeds)


def paired_interval(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    """95 % interval of the mean of b - a over pairs, as a normal sample's: Student's t with one degree less than pairs.

    Raises ValueError unless ``a`` and ``b`` are equally many, at least two.
    """
    from scipy.special import stdtrit

    differences = [y - x for x, y in zip(a, b, strict=True)]
    if len(differences) < 2:
        raise ValueError(f"{len(differences)} pairs have no interval; at least two are needed")
    margin = stdtrit(len(differences) - 1, 0.975) * stdev(differences) / math.sqrt(len(differences))
    return fmean(differences) - margin, fmean(differences) + margin
