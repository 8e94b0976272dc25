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
