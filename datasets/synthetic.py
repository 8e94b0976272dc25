"""Generated data: users of a few types, with long tails of item popularity and of user activity.

User u of type t has item i with probability p_ui = 1 - exp(-a_u q_ti), independently of other items
given her type and activity. q_ti is the item's popularity, (rank + 20)^-0.8, times the exponential
of a normal preference of the type; the activity a_u is log-normal. There may be any number of users
and items, and nothing is downloaded. The truth is kept with the split. Activity does not change the
order of a user's p_ui, so no ranking is better in expectation than the one by her type's q_t.
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
"""The number of probabilities held in memory at a time."""
ACTIVITIES = 15
"""The number of values of activity that a split's truth keeps."""


class SyntheticConfig(DatasetConfig):
    """Options of the generator."""

    users: PositiveInt = 3_000
    """The number of users, before the filters."""
    items: PositiveInt = 800
    """The number of items, before those that no training user has are dropped."""
    density: Annotated[float, Field(gt=0, lt=1)] = 0.03
    """The expected share of all (user, item) pairs that are interactions, before the filters."""
    types: PositiveInt = 20
    """The number of user types, which are equally likely."""
    activity_spread: NonNegativeFloat = 0.8
    """The standard deviation of the logarithm of a user's activity."""
    preference_spread: NonNegativeFloat = 1.4
    """The standard deviation of the logarithm of a type's preference for an item."""
    seed: NonNegativeInt = 0
    """The seed of the generator; the split has a seed of its own."""


@dataclass(frozen=True, eq=False)
class World:
    """The properties of users and items, drawn before any interaction."""

    q: np.ndarray
    """(types, items) float64 rates."""
    user_type: np.ndarray
    """(users,) int64 type of each user."""
    activity: np.ndarray
    """(users,) float64 activity of each user."""
    random: np.random.RandomState
    """The random stream, from which interactions are drawn next."""


@register("synthetic", SyntheticConfig())
class Synthetic(Dataset[SyntheticConfig]):
    """Generated interactions: a small data set by default, of any size by its options."""

    def read(self, raw: tuple[Path, ...]) -> Ratings:
        user, item = (positions.astype(np.int32) for positions in generate(self.config))
        return Ratings(user, item, np.arange(self.config.users), np.arange(self.config.items))

    def split(self, raw: tuple[Path, ...] = ()) -> tuple[Split, list[str]]:
        made, notes = super().split(raw)
        world = make_world(self.config)
        truth = Truth(
            q=world.q[:, made.train.item_ids],
            activity=quantiles(world.activity, ACTIVITIES),
            test_type=world.user_type[made.test.history.user_ids],
        )
        return replace(made, truth=truth), notes


def make_world(config: SyntheticConfig) -> World:
    """Draw items and users; the popularity ranks are dealt to the item numbers at random."""
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
    """Draw the interactions: users and items, two int64 arrays, sorted by user, then by item."""
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
    """Return the middles of ``count`` equally likely parts of ``values``: (count,)."""
    return np.quantile(values, (np.arange(count) + 0.5) / count)


def scale_for(density: float, activity: np.ndarray, q: np.ndarray) -> float:
    """Return the factor on all activities with which the expected density is ``density``.

    The expectation is a mean over 200 quantiles of activity and over all types.
    """
    # slow to import, and needed only where data are generated
    from scipy.optimize import brentq

    middles = quantiles(activity, 200)

    def excess(log_scale: float) -> float:
        scaled = np.exp(log_scale) * middles
        return float(np.mean([-np.expm1(-a * q).mean() for a in scaled])) - density

    # brentq also returns a tuple, with full_output, which is not asked for
    root = brentq(excess, -40.0, 40.0)
    return float(np.exp(float(root)))  # pyright: ignore[reportArgumentType]
