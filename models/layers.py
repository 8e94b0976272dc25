"""A fully connected layer, as the paper initialises it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.base import Precision


class Dense(nn.Module):
    """x W + b with a (in, out) matrix, so that x may be a sparse CSR tensor."""

    def __init__(self, inputs: int, outputs: int, precision: Precision = "fp32") -> None:
        """Weights Glorot uniform; biases normal with standard deviation 0.001, cut at two of them.

        ``precision`` is that of the product while gradients are recorded; scores are always float32 products.
        """
        super().__init__()
        self.precision = precision
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(inputs, outputs)))
        self.bias = nn.Parameter(nn.init.trunc_normal_(torch.empty(outputs), std=0.001, a=-0.002, b=0.002))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in) dense or sparse -> (B, out) float32."""
        if self.precision == "bf16" and torch.is_grad_enabled():
            return (x.bfloat16() @ self.weight.bfloat16()).float() + self.bias
        return torch.addmm(self.bias, x, self.weight)
