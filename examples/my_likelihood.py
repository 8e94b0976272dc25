"""A likelihood: a one is a Poisson count above zero, so that P(x_i = 1) = 1 - exp(-exp(f_i))."""

from typing import ClassVar

import torch
from torch import Tensor

from models.batches import CSR
from models.likelihoods import Likelihood, Start, own, per_user
from models.variants import register_likelihood


@register_likelihood("clipped")
class Clipped(Likelihood):
    """A Poisson count of which only zero or more than zero is seen."""

    output_bias: ClassVar[Start] = "item"

    def log_prob(self, f: Tensor, x: CSR) -> Tensor:
        mean = own(f, x).exp()
        # log(exp(mean) - 1) without an exp that overflows: all items count as zeros below, and
        # this is what a one adds to that
        ones = mean + torch.log(-torch.expm1(-mean))
        return per_user(ones, x) - f.exp().sum(dim=1)

    def start(self, p: Tensor) -> Tensor:
        return (-torch.log1p(-p)).log()
