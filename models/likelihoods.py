"""Likelihoods of a user's binary row x given the decoder's output f; each is a small frozen config.

Each is a sum over the user's own items plus at most one sum over all items, so that x stays sparse.
Three of them are exponential families with the natural parameter f: log p(x | f) = x . f - A(f),
and the gradient in f is x - E[x | f], where E[x | f] = dA/df.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Any, ClassVar, Literal, Self

import torch
import torch.nn.functional as F
from pydantic import PositiveFloat, model_validator
from torch import Tensor

from models.base import Config, Search
from models.batches import CSR

Start = Literal["paper", "item"]


class Likelihood(Config, ABC):
    """A likelihood p(x | f); its fields are its options."""

    output_bias: ClassVar[Start] = "paper"
    """The default of the option ``output_bias`` of the autoencoders with this likelihood."""

    @abstractmethod
    def log_prob(self, f: Tensor, x: CSR) -> Tensor:
        """Return log p(x | f) for each user, without terms free of f: (B, I), (B, I) -> (B,)."""

    @abstractmethod
    def start(self, p: Tensor) -> Tensor:
        """Return the f under which the expected x is ``p``, with 0 < p < 1: (I,) -> (I,)."""


class ExponentialFamily(Likelihood):
    """The likelihoods with log p(x | f) = sum_i x_i f_i - A(f)."""

    @abstractmethod
    def partition(self, f: Tensor, n: Tensor) -> tuple[Tensor, Tensor]:
        """Return A(f), (B,), and its gradient E[x | f], (B, I), in memory of its own.

        ``n``, (B,), is the number of items of each user.
        """

    def log_prob(self, f: Tensor, x: CSR) -> Tensor:
        return NaturalParameter.apply(f, x, self)


class NaturalParameter(torch.autograd.Function):
    """sum_i x_i f_i - A(f), whose gradient x - E[x | f] takes the memory of E[x | f]."""

    @staticmethod
    def forward(ctx: Any, f: Tensor, x: CSR, family: ExponentialFamily) -> Tensor:
        A, expected = family.partition(f, x.size)
        ctx.x, ctx.expected = x, [expected]
        return per_user(own(f, x), x) - A

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,), x, expected = gradients, ctx.x, ctx.expected.pop()
        of_f = expected.mul_(-gradient[:, None])
        return of_f.index_put_((x.row, x.col), gradient[x.row], accumulate=True), None, None


class Multinomial(ExponentialFamily):
    """log p(x | f) = sum_i x_i log softmax(f)_i (Liang et al. 2018, equation 2)."""

    def partition(self, f: Tensor, n: Tensor) -> tuple[Tensor, Tensor]:
        softmax = torch.softmax(f, dim=1)
        # log sum_i exp f_i
        normalizer = f.amax(dim=1) - softmax.amax(dim=1).log()
        return n * normalizer, softmax.mul_(n[:, None])

    def start(self, p: Tensor) -> Tensor:
        return p.log()


class Logistic(ExponentialFamily):
    """log p(x | f) = sum_i x_i log sigma(f_i) + (1 - x_i) log(1 - sigma(f_i)).

    This is equation 4 of Liang et al. 2018.
    """

    output_bias: ClassVar[Start] = "item"

    def partition(self, f: Tensor, n: Tensor) -> tuple[Tensor, Tensor]:
        return F.softplus(f).sum(dim=1), torch.sigmoid(f)

    def start(self, p: Tensor) -> Tensor:
        return p.logit()


class Poisson(ExponentialFamily):
    """log p(x | f) = sum_i x_i f_i - exp(f_i), for counts with mean exp(f_i) (not in the paper)."""

    output_bias: ClassVar[Start] = "item"

    def partition(self, f: Tensor, n: Tensor) -> tuple[Tensor, Tensor]:
        mean = f.exp()
        return mean.sum(dim=1), mean

    def start(self, p: Tensor) -> Tensor:
        return p.log()


class Gaussian(Likelihood):
    """log p(x | f) = -sum_i c_i / 2 (x_i - f_i)^2 (Liang et al. 2018, equation 3).

    c_i is c1 where x_i = 1, and c0 elsewhere.
    """

    c0: PositiveFloat = 1.0
    """The confidence in a zero (ours, as none is published). A factor on both c0 and c1 only
    changes the weight of the likelihood beside the other terms of the loss."""
    c1: Annotated[PositiveFloat, Search(1.2, 20, log=True)] = 2.0
    """The confidence in a one, which must be above c0 (in the models tuned on ml1m validation; no
    value is published)."""

    @model_validator(mode="after")
    def ones_above_zeros(self) -> Self:
        """Return the config; raise ValueError unless c1 > c0."""
        if self.c1 <= self.c0:
            raise ValueError("c1, the confidence in a one, must be above c0, that in a zero")
        return self

    def log_prob(self, f: Tensor, x: CSR) -> Tensor:
        ones = own(f, x)
        as_if_zeros = self.c0 * f.square().sum(dim=1)
        return (
            per_user(self.c0 * ones.square() - self.c1 * (1 - ones).square(), x) - as_if_zeros
        ) / 2

    def start(self, p: Tensor) -> Tensor:
        return p


def own(f: Tensor, x: CSR) -> Tensor:
    """Return f at the users' own items: (B, I) -> (entries,)."""
    return f[x.row, x.col]


def per_user(values: Tensor, x: CSR) -> Tensor:
    """Return the sum of ``values`` over each user's own items: (entries,) -> (B,)."""
    return values.new_zeros(len(x)).index_add(0, x.row, values)
