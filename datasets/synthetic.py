"""A generated data set: a finite mixture of types of user, with a long tail of items and of activity.

User u of type t has item i with probability p_ui = 1 - exp(-a_u q_ti), independently given type and activity:
q_ti is the item's popularity, (rank + 20)^-0.8, times exp of a normal preference of the type; a_u is log-normal.
Any number of users and items; no download. Models are compared on it only to see that the house stands.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from scipy.optimize import brentq

from datasets.base import Dataset, DatasetConfig
from datasets.preprocess import Ratings
from datasets.registry import register

CHUNK = 2**24
"""Probabilities held in memory at a time."""


class SyntheticConfig(DatasetConfig):
    """Options of the generator."""

    users: PositiveInt = 3_000
    """Before the filters."""
    items: PositiveInt = 800
    """Before those that no training user has are dropped."""
    density: Annotated[float, Field(gt=0, lt=1)] = 0.03
    """Expected share of all (user, item) pairs that are interactions."""
    types: PositiveInt = 20
    """Of users, equally likely."""
    activity_spread: NonNegativeFloat = 0.8
    """Standard deviation of the log of a user's activity."""
    preference_spread: NonNegativeFloat = 1.4
    """Standard deviation of the log of a type's preference for an item."""
    seed: NonNegativeInt = 0
    """Of the generator; the split has its own."""


@register("synthetic", SyntheticConfig())
class Synthetic(Dataset[SyntheticConfig]):
    """Generated interactions: small by default, of any size by its options."""

    def read(self, path: Path | None) -> Ratings:
        user, item = generate(self.config)
        return Ratings(user, item)


def generate(config: SyntheticConfig) -> tuple[np.ndarray, np.ndarray]:
    """Draw (user, item) pairs, sorted by user, then item: two int64 arrays.

    Item numbers carry no popularity: ranks are dealt to them at random.
    """
    random = np.random.RandomState(config.seed)
    popularity = (random.permutation(config.items) + 20.0) ** -0.8
    preference = np.exp(config.preference_spread * random.standard_normal((config.types, config.items)))
    q = popularity * preference
    user_type = random.randint(config.types, size=config.users)
    activity = np.exp(config.activity_spread * random.standard_normal(config.users))
    activity *= scale_for(config.density, activity, q)
    pairs = []
    step = max(1, CHUNK // config.items)
    for start in range(0, config.users, step):
        users = slice(start, start + step)
        p = -np.expm1(-activity[users, None] * q[user_type[users]])
        user, item = np.nonzero(random.random_sample(p.shape) < p)
        pairs.append((user + start, item))
    return np.concatenate([u for u, _ in pairs]), np.concatenate([i for _, i in pairs])


def scale_for(density: float, activity: np.ndarray, q: np.ndarray) -> float:
    """The factor on all activities that gives the expected density, over 200 quantiles of activity and all types."""
    quantiles = np.quantile(activity, (np.arange(200) + 0.5) / 200)

    def excess(log_scale: float) -> float:
        scaled = np.exp(log_scale) * quantiles
        return float(np.mean([-np.expm1(-a * q).mean() for a in scaled])) - density

    return float(np.exp(float(brentq(excess, -40.0, 40.0))))  # pyright: ignore[reportArgumentType]  (no full output)
