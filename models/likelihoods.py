"""Likelihoods of a user's binary row x given the decoder's output f, each one a small frozen config.

Each is a sum over the user's own items and at most one reduction over all items, so that x stays sparse.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

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
        return LogSoftmax.apply(f, x)


class LogSoftmax(torch.autograd.Function):
    """sum_i x_i log softmax(f)_i; its gradient x - n softmax(f), n = sum_i x_i, is written over the softmax."""

    @staticmethod
    def forward(ctx: Any, f: Tensor, x: CSR) -> Tensor:
        softmax = torch.softmax(f, dim=1)
        ctx.x, ctx.softmax = x, [softmax]
        normalizer = f.amax(dim=1) - softmax.amax(dim=1).log()  # log sum_i exp f_i
        return own(f, x) - x.size * normalizer

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,), x, softmax = gradients, ctx.x, ctx.softmax.pop()
        of_f = softmax.mul_((-x.size * gradient)[:, None])
        return of_f.index_put_((x.row, x.col), gradient[x.row], accumulate=True), None


def own(values: Tensor, x: CSR) -> Tensor:
    """Sum ``values`` (B, I) over each user's own items: sum_i x_i values_i -> (B,)."""
    return values.new_zeros(len(x)).index_add(0, x.row, values[x.row, x.col])
