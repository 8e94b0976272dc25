"""A fully connected layer, initialised as in the paper, its matrix product, and an embedding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.base import Compute

Multiply = Callable[[Tensor, Tensor], Tensor]


class Dense(nn.Module):
    """A layer x W + b, where x may be a sparse CSR tensor, since W is (in, out)."""

    def __init__(self, inputs: int, outputs: int, compute: Compute | None = None) -> None:
        """Draw the weights Glorot-uniformly and the biases normally.

        The biases have the standard deviation 0.001 and are cut off at twice that. ``compute`` is
        for large layers with a dense x: they multiply in its precision while gradients are
        recorded, and in float32 for scores. Without it, torch multiplies in float32.
        """
        super().__init__()
        self.compute = compute or Compute()
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(inputs, outputs)))
        self.bias = nn.Parameter(
            nn.init.trunc_normal_(torch.empty(outputs), std=0.001, a=-0.002, b=0.002)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return x W + b: dense or sparse (B, in) -> (B, out) float32."""
        precision = self.compute.precision if torch.is_grad_enabled() else "fp32"
        multiply = by_numpy if precision in self.compute.by_numpy else torch.mm
        number = torch.bfloat16 if precision == "bf16" else torch.float32
        return Product.apply(x.to(number), self.weight.to(number), multiply).float().add_(self.bias)


class TorchDense(Dense):
    """The same layer with the initial weights and biases of torch's ``nn.Linear``.

    All are uniform between plus and minus 1 / sqrt(inputs).
    """

    def __init__(self, inputs: int, outputs: int, compute: Compute | None = None) -> None:
        super().__init__(inputs, outputs, compute)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(inputs**-0.5), inputs**-0.5)


class Product(torch.autograd.Function):
    """The product x W, with ``multiply`` used for the product and for its gradients.

    The backward pass is written by hand because torch's own makes two copies of the gradient of W
    where x is sparse.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, W: Tensor, multiply: Multiply) -> Tensor:
        ctx.save_for_backward(x, W)
        ctx.multiply = multiply
        return multiply(x, W)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (gradient,), (x, W) = gradients, ctx.saved_tensors
        # addmm_ on zeros makes no copy of its result, as torch.mm does
        if x.layout == torch.sparse_csr:
            return None, torch.zeros_like(W).addmm_(x.t().to_sparse_csr(), gradient), None
        return (
            ctx.multiply(gradient, W.T) if ctx.needs_input_grad[0] else None,
            ctx.multiply(x.T, gradient) if ctx.needs_input_grad[1] else None,
            None,
        )


class Rows(torch.autograd.Function):
    """The rows of a table, whose gradient is added to the table's own array of gradients.

    torch's own embedding makes an array of zeros of the table's size for each batch.
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor, index: Tensor) -> Tensor:
        ctx.weight, ctx.index = weight, index
        return weight[index]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None]:
        if ctx.weight.grad is None:
            ctx.weight.grad = torch.zeros_like(ctx.weight)
        ctx.weight.grad.index_add_(0, ctx.index, gradients[0])
        return None, None


class Embedding(nn.Module):
    """A vector for each row number."""

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(rows, width))

    def forward(self, index: Tensor) -> Tensor:
        """Return the vectors of rows: (B,) -> (B, width)."""
        return Rows.apply(self.weight, index)

    def clear(self, index: Tensor) -> None:
        """Set the gradient of these rows to 0."""
        if self.weight.grad is not None:
            self.weight.grad[index] = 0


def by_numpy(a: Tensor, b: Tensor) -> Tensor:
    """Return a b, computed by NumPy's library; bfloat16 factors are multiplied in float32."""
    return torch.from_numpy(np.matmul(a.float().numpy(), b.float().numpy())).to(a.dtype)
