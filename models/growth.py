"""How the time of each model grows with the data and with its options.

A time is forecast from that of another trial of the model: what counts is the ratio of their work.
So its unit is free, and only the parts of one model's work must be in proportion; it is that of one
multiplication and addition within a matrix product. A model of your own may add a function for its
type of options, as ``@training.register`` does here; without one, its time is known from trials on
the same data only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import singledispatch

from models.als import ALSConfig
from models.autoencoder import DAE, VAE, DAEConfig, VAEConfig
from models.base import Config
from models.bpr import BPRConfig
from models.cdae import CDAEConfig
from models.ials import IALSConfig
from models.item_knn import ItemKNNConfig
from models.linear import LinearConfig
from models.popularity import PopularityConfig
from models.recvae import DEPTH, ENCODER_PASSES, RecVAEConfig
from models.slim import SLIMConfig

ELEMENT = 200
"""The work at a number of an array that a loss, a mask or a ranking goes through, from memory."""
UPDATE = 150
"""The work of Adam at a parameter."""
RANK = 500
"""The work of ranking at each score."""
SPARSE = 5
"""The work of a multiplication and addition where one matrix is sparse."""
PAIR = 1500
"""The work at a pair of items of a user where pairs are counted; long histories have more of them
than their share, which this includes."""


@dataclass(frozen=True)
class Size:
    """The size of the rows on which a model trains, or which it scores."""

    users: int
    items: int
    interactions: int

    @property
    def pairs(self) -> float:
        """About how many pairs of items of one user there are."""
        return self.interactions**2 / max(1, self.users)


@singledispatch
def training(config: Config, size: Size) -> float | None:
    """Return the work of one epoch of training on data of this ``size``; None if it is unknown."""
    return None


@singledispatch
def scoring(config: Config, size: Size) -> float | None:
    """Return the work of scoring and ranking all items for rows of this ``size``; None if it is
    unknown.
    """
    return None


@training.register
def _(config: PopularityConfig, size: Size) -> float:
    return ELEMENT * size.interactions


@training.register
def _(config: ItemKNNConfig, size: Size) -> float:
    an_item = 7e6  # in Python
    return PAIR * size.pairs + an_item * size.items


@training.register
def _(config: LinearConfig, size: Size) -> float:
    return size.items**3 + PAIR * size.pairs


@training.register
def _(config: SLIMConfig, size: Size) -> float:
    # an item with more users has more weights
    return size.items**3 + 100 * size.items * size.interactions


@training.register
def _(config: ALSConfig, size: Size) -> float:
    rows = size.users + size.items
    return config.factors * (2 * SPARSE * size.interactions + rows * config.factors)


@training.register
def _(config: IALSConfig, size: Size) -> float:
    rows = size.users + size.items
    return config.factors * (4 * SPARSE * size.interactions + rows * config.factors)


@training.register
def _(config: BPRConfig, size: Size) -> float:
    return size.interactions * (ELEMENT + SPARSE * config.factors)


def adam(parameters: float, size: Size, batch: int) -> float:
    """Return the work of Adam in an epoch."""
    return UPDATE * parameters * math.ceil(size.users / batch)


@training.register(VAEConfig)
@training.register(DAEConfig)
def _(config: VAEConfig | DAEConfig, size: Size) -> float:
    if isinstance(config, VAEConfig):
        sizes = VAE.sizes(config, size.items)
    else:
        sizes = DAE.sizes(config, size.items)
    (_, first), *layers = sizes.values()
    products = sum(inputs * outputs for inputs, outputs in layers)
    parameters = size.items * first + products
    forward_and_back = 3 * (size.users * products + SPARSE * size.interactions * first)
    arrays = ELEMENT * size.users * size.items
    return forward_and_back + arrays + adam(parameters, size, config.batch)


@training.register
def _(config: CDAEConfig, size: Size) -> float:
    products = size.users * size.items + SPARSE * size.interactions
    parameters = (2 * size.items + size.users) * config.latent
    arrays = ELEMENT * size.users * size.items
    return 3 * config.latent * products + arrays + adam(parameters, size, config.batch)


@training.register
def _(config: RecVAEConfig, size: Size) -> float:
    hidden, latent = config.hidden, config.latent
    encoder = size.items * hidden + (DEPTH - 1) * hidden**2 + 2 * latent * hidden
    decoder = latent * size.items
    dense = size.users * (encoder - size.items * hidden + decoder)
    products = 3 * (dense + SPARSE * size.interactions * hidden)
    arrays = ELEMENT * size.users * size.items
    steps = adam(encoder, size, config.batch)
    return ENCODER_PASSES * (products + arrays + steps) + products + arrays


def ranking(size: Size) -> float:
    """Return the work of finding the best items among the scores of all."""
    return RANK * size.users * size.items


@scoring.register
def _(config: PopularityConfig, size: Size) -> float:
    return ranking(size)


@scoring.register
def _(config: ItemKNNConfig, size: Size) -> float:
    return ranking(size) + 5 * ELEMENT * config.k * size.interactions


@scoring.register(LinearConfig)
@scoring.register(SLIMConfig)
def _(config: LinearConfig | SLIMConfig, size: Size) -> float:
    return ranking(size) + 8 * SPARSE * size.interactions * size.items


@scoring.register
def _(config: ALSConfig, size: Size) -> float:
    systems = 4 * config.factors**2 * (size.users * config.factors / 3 + size.interactions)
    return ranking(size) + systems + config.factors * size.users * size.items


@scoring.register
def _(config: IALSConfig, size: Size) -> float:
    systems = 80 * SPARSE * config.factors * size.interactions
    return ranking(size) + systems + config.factors * size.users * size.items


@scoring.register
def _(config: BPRConfig, size: Size) -> float:
    pairs = size.interactions * config.negatives
    descent = 7 * ELEMENT * config.factors * pairs
    return ranking(size) + descent + config.factors * size.users * size.items


@scoring.register(VAEConfig)
@scoring.register(DAEConfig)
@scoring.register(CDAEConfig)
@scoring.register(RecVAEConfig)
def _(config: VAEConfig | DAEConfig | CDAEConfig | RecVAEConfig, size: Size) -> float:
    last = config.hidden if isinstance(config, VAEConfig) else config.latent
    return ranking(size) + last * (size.users * size.items + SPARSE * size.interactions)
