"""iALS: matrix factorisation with every pair weighted, as tuned anew by Rendle and others in 2022.

Objective: min_{X, Y} sum over observed pairs of (x_u'y_i - 1)^2 + alpha0 sum over all pairs of
(x_u'y_i)^2 + l2 (sum_u w_u ||x_u||^2 + sum_i w_i ||y_i||^2), with w_u = (n_u + alpha0 I)^nu and
w_i = (n_i + alpha0 U)^nu for a user of n_u items and an item of n_i users. The second sum has the
observed pairs too: such a pair weighs 1 + alpha0, and 1 / (1 + alpha0) would fit it best.

An epoch solves for X, then for Y. A new user with the history h gets the factors that minimise this
while Y is fixed, x = (alpha0 Y'Y + sum_h y_i y_i' + l2 w_u I)^-1 sum_h y_i. Scores: x'Y'.

Rendle, Krichene, Zhang, Koren 2022, "Revisiting the Performance of iALS on Item Recommendation
Benchmarks", RecSys 2022.

Differences from the paper:
1. Conjugate gradients solve each least-squares problem, from 0 and to a relative residual of 1e-6,
   as exactly as float32 can. The authors use Cholesky. The library implicit takes three steps.
2. After each solve the factors are rotated so that Y'Y, or X'X, is diagonal. That changes neither
   scores nor objective, and makes the part that all users share a diagonal preconditioner, with
   which the condition number is at most 1 + 1 / alpha0.
3. The starting values of X are not drawn, since X is solved for first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import torch
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from scipy.sparse import csr_matrix
from torch import Tensor
from torch.nn.functional import embedding

from models.base import Compute, Config, Device, Log, Recommender, Search
from models.batches import CSR
from models.registry import register

START = 0.1
"""The standard deviation of an item's starting factors, times sqrt(K) (paper)."""
TOLERANCE = 1e-6
"""The norm of a solution's residual over that of 0, both in the metric of the preconditioner."""
NEGLIGIBLE = 1e-30
"""A square of such a norm that is as good as 0, since it bounds what the objective could gain."""
STEPS = 1000
"""The most steps of conjugate gradients; with alpha0 = 0.1 there are about 13."""
NUMBERS: dict[Device, int] = {"cpu": 2**19, "cuda": 2**26}
"""The numbers in a block of gathered factors; on a CPU its cache holds them (2 MiB)."""
VECTORS = 8
"""The arrays (B, K) that conjugate gradients have in memory at a time."""
ROWS = 4096
"""The number of rows that are rotated at a time."""


class IALSConfig(Config):
    """Options of iALS."""

    factors: Annotated[PositiveInt, Search(32, 2048, log=True)] = 256
    """K, the number of factors (ours: 512 are hardly better on ml1m validation; paper: 2048 on
    ML-20M, 8192 on MSD)."""
    alpha0: Annotated[PositiveFloat, Search(0.01, 10, log=True)] = 0.3
    """The weight of every pair (tuned on ml1m validation; paper: 0.1 on ML-20M, 0.02 on MSD)."""
    l2: Annotated[PositiveFloat, Search(0.0003, 0.1, log=True)] = 0.007
    """The weight of squared norms (tuned on ml1m; paper: 0.003 on ML-20M, 0.002 on MSD)."""
    nu: NonNegativeFloat = 1.0
    """The exponent of the weights w of the squared norms (paper: 1); with 0, all of them are 1."""
    epochs: PositiveInt = 16
    """How many times both X and Y are solved for (paper: 16)."""


@register(
    "ials",
    IALSConfig(),
    paper="Rendle, Krichene, Zhang, Koren, Revisiting the Performance of iALS, RecSys 2022",
    devices=("cpu", "cuda"),
)
class IALS(Recommender[IALSConfig]):
    """Weighted matrix factorisation with frequency-scaled regularisation and exact solves."""

    net: dict[str, Tensor]

    def __init__(self, config: IALSConfig, shape: tuple[int, int], compute: Compute) -> None:
        super().__init__(config, shape, compute)
        start = torch.randn(shape[1], config.factors) * START / config.factors**0.5
        self.net = {"item": rotate(start.to(compute.device))}

    @classmethod
    def memory(cls, config: IALSConfig, shape: tuple[int, int]) -> int:
        users, items = shape
        # the item factors and their successors; the best and theirs; a checkpoint's copies
        factors = users + items * (2 + 2 + 2)
        # a block may be of one row, which has all the columns
        block = max(max(NUMBERS.values()), config.factors * (max(shape) + VECTORS))
        # float64: X'X, its eigenvectors and what LAPACK works in; the rows that are rotated
        rotation = 2 * config.factors * (5 * config.factors + 2 * ROWS)
        return 4 * (config.factors * factors + block + rotation)

    def prepare(self, train: csr_matrix) -> tuple[CSR, CSR]:
        device = self.compute.device
        return CSR.of(train, device), CSR.of(train.T.tocsr(), device)

    def train_epoch(self, data: tuple[CSR, CSR]) -> Log:
        users, items = data
        X, _ = self.solve(users, self.net["item"])
        norms = self.penalty(users) @ X.square().sum(dim=1)
        Y, gain = self.solve(items, rotate(X))
        self.net = {"item": rotate(Y)}
        # Y = 0 would leave a loss of 1 for each observed pair
        loss = len(users.col) - gain.sum(dtype=torch.float64) + norms
        return {"loss": float(loss) / len(users)}

    def score(self, history: csr_matrix, users: np.ndarray | None = None) -> Tensor:
        X, _ = self.solve(CSR.of(history, self.compute.device), self.net["item"])
        return X @ self.net["item"].T

    def penalty(self, x: CSR) -> Tensor:
        """Return l2 w for each user, or for each item if ``x`` has the items as rows: (B,)."""
        return self.config.l2 * (x.size + self.config.alpha0 * x.items) ** self.config.nu

    def solve(self, x: CSR, fixed: Tensor) -> tuple[Tensor, Tensor]:
        """Return the factors that fit the rows of ``x`` best: (B, N), (N, K) -> (B, K).

        The columns of the factors ``fixed`` on the other side are orthogonal, as ``rotate`` makes
        them. The second result (B,) is by how much each row's factors lower the objective.
        """
        shared, penalty = self.config.alpha0 * fixed.square().sum(dim=0), self.penalty(x)
        solution, gain = fixed.new_zeros(len(x), fixed.shape[1]), fixed.new_zeros(len(x))
        for block in blocks(x.size, fixed.shape[1], NUMBERS[self.compute.device]):
            there, own = padded(x.take(block))
            diagonal = shared + penalty[block, None]
            solution[block], gain[block] = minimiser(embedding(own, fixed), there, diagonal)
        return solution, gain


def rotate(factors: Tensor) -> Tensor:
    """Rotate ``factors`` (N, K) in place, so that their columns are orthogonal; return them.

    This is done in float64, since float32 would leave columns of very different lengths askew.
    """
    size = factors.shape[1]
    gram = factors.new_zeros(size, size, dtype=torch.float64)
    for rows in factors.split(ROWS):
        gram.addmm_(rows.double().T, rows.double())
    basis = torch.linalg.eigh(gram).eigenvectors
    for rows in factors.split(ROWS):
        rows.copy_(rows.double() @ basis)
    return factors


def blocks(size: Tensor, factors: int, most: int) -> Iterator[Tensor]:
    """Yield blocks of rows of about the same ``size`` (B,), each row once.

    A block takes at most ``most`` numbers, padding included, unless it is a single row.
    """
    longest_first = size.argsort(stable=True, descending=True)
    sizes, start = size[longest_first].tolist(), 0
    while start < len(sizes):
        rows = max(1, most // (factors * (sizes[start] + VECTORS)))
        yield longest_first[start : start + rows]
        start += rows


def padded(x: CSR) -> tuple[Tensor, Tensor]:
    """Return ones where rows have an item, and the items, with 0 for padding: two (B, n)."""
    there = torch.arange(int(x.size.max()), device=x.size.device) < x.size[:, None]
    own = torch.zeros(there.shape, dtype=torch.int64, device=x.size.device)
    own[there] = x.col
    return there.float(), own


def minimiser(Y: Tensor, there: Tensor, diagonal: Tensor) -> tuple[Tensor, Tensor]:
    """Return (D + sum y y')^-1 b with b = sum y for each row, by conjugate gradients: (B, K).

    ``Y`` (B, n, K) has a row's factors y, which count where ``there`` (B, n) is 1; ``diagonal``
    (B, K) is D, which also preconditions. The second result is b'(D + sum y y')^-1 b: (B,).

    Raises ArithmeticError if STEPS do not reach TOLERANCE.
    """
    b = torch.bmm(there[:, None], Y)[:, 0]
    x, r, p = torch.zeros_like(b), b, b / diagonal
    square = dot(r, p)
    enough = (TOLERANCE**2 * square).clamp(min=NEGLIGIBLE)
    for _ in range(STEPS):
        # a row that has converged stays as it is, so that it does not depend on others
        going = square > enough
        if not going.any():
            return x, dot(b, x)[:, 0]
        predicted = there * torch.bmm(p[:, None], Y.mT)[:, 0]
        Ap = diagonal * p + torch.bmm(predicted[:, None], Y)[:, 0]
        step = torch.where(going, square / dot(p, Ap), 0.0)
        x, r = x + step * p, r - step * Ap
        before, square = square, dot(r, r / diagonal)
        p = r / diagonal + torch.where(going, square / before, 0.0) * p
    raise ArithmeticError(
        f"conjugate gradients have not converged in {STEPS} steps; use a larger alpha0 or l2"
    )


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Return the inner product of two vectors for each row: (B, K), (B, K) -> (B, 1)."""
    return torch.linalg.vecdot(a, b)[:, None]
