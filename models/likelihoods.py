"""Likelihoods of a user's binary row x given the decoder's output f, each one a small frozen config.

Each is a sum over the user's own items and at most one reduction over all items, so that x stays sparse.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from models.base import Config
from models.batches import CSR


class Likelihood(Config, ABC):
    """p(x | f)."""

    @abstractmethod
    def log_prob(self, f: Tensor, x: CSR) -> Tensor:
        """log p(x | f) up to terms without f, per user: f (B, I), x (B, I) -> (B,)."""


class Multinomial(Likelihood):
    """log p(x | f) = sum_i x_i log softmax(f)_i (Liang et al. 2018, equation 2)."""

    def log_prob(self, f: Tensor, x: CSR) -> Tensor:
        return own(torch.log_softmax(f, dim=1), x)


def own(values: Tensor, x: CSR) -> Tensor:
    """Sum ``values`` (B, I) over each user's own items: sum_i x_i values_i -> (B,)."""
    return values.new_zeros(len(x)).index_add(0, x.row, values[x.row, x.col])
