"""A fully connected layer, as the paper initialises it, and the matrix product behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.base import Compute

Multiply = Callable[[Tensor, Tensor], Tensor]


class Dense(nn.Module):
    """x W + b with a (in, out) matrix, so that x may be a sparse CSR tensor."""

    def __init__(self, inputs: int, outputs: int, compute: Compute | None = None) -> None:
        """Weights Glorot uniform; biases normal with standard deviation 0.001, cut at two of them.

        ``compute`` says how a large layer multiplies a dense x: in its precision while gradients are recorded, for
        scores always in float32. Without it, torch multiplies in float32.
        """
        super().__init__()
        self.compute = compute or Compute()
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(inputs, outputs)))
        self.bias = nn.Parameter(
            nn.init.trunc_normal_(torch.empty(outputs), std=0.001, a=-0.002, b=0.002)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, in) dense or sparse -> (B, out) float32."""
        precision = self.compute.precision if torch.is_grad_enabled() else "fp32"
        multiply = by_numpy if precision in self.compute.by_numpy else torch.mm
        number = torch.bfloat16 if precision == "bf16" else torch.float32
        return Product.apply(x.to(number), self.weight.to(number), multiply).float().add_(self.bias)


class Product(torch.autograd.Function):
    """x W, it and its gradients by the same ``multiply``; torch's own gradient of a sparse product copies it twice."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, W: Tensor, multiply: Multiply) -> Tensor:
        ctx.save_for_backward(x, W)
        ctx.multiply = multiply
        return multiply(x, W)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, None]:
        (gradient,), (x, W) = gradients, ctx.saved_tensors
        if x.layout == torch.sparse_csr:  # without the copy of its result that torch.mm makes
            return None, torch.zeros_like(W).addmm_(x.t().to_sparse_csr(), gradient), None
        return (
            ctx.multiply(gradient, W.T) if ctx.needs_input_grad[0] else None,
            ctx.multiply(x.T, gradient),
            None,
        )


def by_numpy(a: Tensor, b: Tensor) -> Tensor:
    """a b by the library that NumPy uses; bfloat16 operands are multiplied, and summed, in float32."""
    return torch.from_numpy(np.matmul(a.float().numpy(), b.float().numpy())).to(a.dtype)
