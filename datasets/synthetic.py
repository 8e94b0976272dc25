"""A generated data set: a finite mixture of types of user, with a long tail of items and of activity.

User u of type t has item i with probability p_ui = 1 - exp(-a_u q_ti), independently given type and activity:
q_ti is the item's popularity, (rank + 20)^-0.8, times exp of a normal preference of the type; a_u is log-normal.
Any number of users and items; no download. The truth is kept with the split: every activity keeps the order of q_t,
so that ranking by the true type is the best that anyone can do in expectation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from datasets.base import Dataset, DatasetConfig
from datasets.preprocess import Ratings
from datasets.registry import register
from datasets.split import Split, Truth

CHUNK = 2**24
"""Probabilities held in memory at a time."""
ACTIVITIES = 15
"""Values of activity that the truth of a split keeps."""


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


@dataclass(frozen=True, eq=False)
class World:
    """What users and items are like, before any interaction is drawn."""

    q: np.ndarray
    """(types, items)."""
    user_type: np.ndarray
    """(users,)."""
    activity: np.ndarray
    """(users,)."""
    random: np.random.RandomState
    """The stream that interactions go on from."""


@register("synthetic", SyntheticConfig())
class Synthetic(Dataset[SyntheticConfig]):
    """Generated interactions: small by default, of any size by its options."""

    def read(self, raw: tuple[Path, ...]) -> Ratings:
        user, item = (positions.astype(np.int32) for positions in generate(self.config))
        return Ratings(user, item, np.arange(self.config.users), np.arange(self.config.items))

    def split(self, raw: tuple[Path, ...] = ()) -> tuple[Split, list[str]]:
        split, notes = super().split(raw)
        world = make_world(self.config)
        truth = Truth(
            q=world.q[:, split.train.item_ids],
            activity=quantiles(world.activity, ACTIVITIES),
            test_type=world.user_type[split.test.history.user_ids],
        )
        return replace(split, truth=truth), notes


def make_world(config: SyntheticConfig) -> World:
    """Draw items and users. Item numbers carry no popularity: ranks are dealt to them at random."""
    random = np.random.RandomState(config.seed)
    popularity = (random.permutation(config.items) + 20.0) ** -0.8
    preference = np.exp(
        config.preference_spread * random.standard_normal((config.types, config.items))
    )
    q = popularity * preference
    user_type = random.randint(config.types, size=config.users)
    activity = np.exp(config.activity_spread * random.standard_normal(config.users))
    return World(q, user_type, activity * scale_for(config.density, activity, q), random)


def generate(config: SyntheticConfig) -> tuple[np.ndarray, np.ndarray]:
    """Draw (user, item) pairs, sorted by user, then item: two int64 arrays."""
    world = make_world(config)
    pairs = []
    step = max(1, CHUNK // config.items)
    for start in range(0, config.users, step):
        users = slice(start, start + step)
        p = -np.expm1(-world.activity[users, None] * world.q[world.user_type[users]])
        user, item = np.nonzero(world.random.random_sample(p.shape) < p)
        pairs.append((user + start, item))
    return np.concatenate([u for u, _ in pairs]), np.concatenate([i for _, i in pairs])


def quantiles(values: np.ndarray, count: int) -> np.ndarray:
    """The middles of ``count`` equally likely parts of ``values``."""
    return np.quantile(values, (np.arange(count) + 0.5) / count)


def scale_for(density: float, activity: np.ndarray, q: np.ndarray) -> float:
    """The factor on all activities that gives the expected density, over 200 quantiles of activity and all types."""
    from scipy.optimize import brentq  # slow to import, and a trial's process does not come here

    middles = quantiles(activity, 200)

    def excess(log_scale: float) -> float:
        scaled = np.exp(log_scale) * middles
        return float(np.mean([-np.expm1(-a * q).mean() for a in scaled])) - density

    return float(np.exp(float(brentq(excess, -40.0, 40.0))))  # pyright: ignore[reportArgumentType]  (no full output)
