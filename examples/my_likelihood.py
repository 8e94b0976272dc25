"""A likelihood where x_i is 1 if a Poisson count is above 0: P(x_i = 1) = 1 - exp(-exp(f_i))."""

from typing import ClassVar

import torch
from torch import Tensor

from models.batches import CSR
from models.likelihoods import Likelihood, Start, own, per_user
from models.variants import register_likelihood


@register_likelihood("clipped")
class Clipped(Likelihood):
    """A Poisson count of which x tells only whether it is above zero."""

    output_bias: ClassVar[Start] = "item"

    def log_prob(self, f: Tensor, x: CSR) -> Tensor:
        mean = own(f, x).exp()
        # the sum below counts every item as a zero; this is what a one adds to it, written so that
        # no exp overflows: log(exp(mean) - 1)
        ones = mean + torch.log(-torch.expm1(-mean))
        return per_user(ones, x) - f.exp().sum(dim=1)

    def start(self, p: Tensor) -> Tensor:
        return (-torch.log1p(-p)).log()
