"""SLIM: sparse, nonnegative linear regression of every item on the others.

Objective: min_B ||X - X B||_F^2 / 2 + l2 ||B||_F^2 / 2 + l1 ||B||_1 with B >= 0 and diag(B) = 0.
Scores: history x B, for users never seen too.

Ning, Karypis 2011, "SLIM: Sparse Linear Methods for Top-N Recommender Systems", ICDM 2011.

Differences from the paper: none in the problem, which has one minimiser. The paper descends along
one coordinate at a time. Here a column b of B, of item j, is solved for in rounds, with an active
set (after Lawson, Hanson 1974, "Solving Least Squares Problems"). With G = X'X, the gradient of its
objective is g = G b - G_j + l2 b + l1. In a round,
1. of the items with b = 0 and g < 0, those with the smallest g enter: as many as b has weights, or
   START if that is more;
2. the weights of b and of these items are solved for in float64. Items whose weight would not be
   positive leave, until there are none. This lowers the objective, so no set of items comes twice.
It ends when the optimality conditions hold: neither |g_i| where b_i > 0, nor -g_i elsewhere, is
more than TOLERANCE times the largest -g at b = 0, max_i G_ij - l1. Float32 can meet that on any
data: G b is a sum of positive numbers, and at most this large where the conditions bind.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from pydantic import NonNegativeFloat, PositiveFloat
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix, vstack
from threadpoolctl import threadpool_limits
from torch import Tensor

from models.base import Compute, Config, Log, Recommender, Search
from models.batches import CSR
from models.gram import BLOCK, blocks, gram
from models.registry import register

TOLERANCE = 1e-5
"""The largest violation of an optimality condition, as a share of the column's largest at b = 0."""
START = 32
"""The most items that enter a column without weights."""
ROUNDS = 100
"""The most rounds; about ten are usual."""
DENSITY = 0.2
"""The share of weights not 0 in the forecast of memory; ml1m has .15 with l1 = .5, l2 = 800."""


class SLIMConfig(Config):
    """Options of SLIM. Liang et al. 2018 tried 0.1, 0.5, 1 and 5 for both."""

    l1: Annotated[NonNegativeFloat, Search(0.5, 20, log=True)] = 1.0
    """The weight of ||B||_1, lambda in the paper (tuned on ml1m validation; half of it scores .0002
    more there, with 1.6 times as many weights that are not 0)."""
    l2: Annotated[PositiveFloat, Search(10, 2000, log=True)] = 400.0
    """The weight of ||B||_F^2 / 2, beta in the paper (tuned on ml1m validation)."""


@register(
    "slim",
    SLIMConfig(),
    paper="Ning, Karypis, SLIM: Sparse Linear Methods for Top-N Recommender Systems, ICDM 2011",
    deterministic=True,
)
class SLIM(Recommender[SLIMConfig]):
    """Sparse, nonnegative item-item regression, solved to a tolerance in a single epoch."""

    net: dict[str, Tensor]

    def __init__(self, config: SLIMConfig, shape: tuple[int, int], compute: Compute) -> None:
        super().__init__(config, shape, compute)
        self.net = {}

    @classmethod
    def memory(cls, config: SLIMConfig, shape: tuple[int, int]) -> int:
        items = shape[1]
        # G, and blocks: first its parts, then pulls, violations and a copy
        dense = 4 * items**2 + 3 * 4 * min(BLOCK, items) * items
        # numbers and their places, in blocks, together and transposed
        return dense + 3 * 8 * int(DENSITY * items**2)

    @property
    def B(self) -> csr_matrix:
        """The weights, of which column j is for the scores of item j: (I, I) float32."""
        crow, col, value = (self.net[name].numpy() for name in ("crow", "col", "value"))
        return csr_matrix((value, col, crow), (self.shape[1], self.shape[1]))

    def train_epoch(self, data: csr_matrix) -> Log:
        G = gram(data, out=np.empty((self.shape[1], self.shape[1]), dtype=np.float32))
        # more threads would slow down the linear systems, which are small
        with threadpool_limits(1, "blas"):
            solved = [Columns(G, block, self.config).solve() for block in blocks(len(G))]
        rows, explained, shares, rounds = zip(*solved, strict=True)
        B = csr_matrix(vstack(rows).T)
        parts = {"crow": B.indptr, "col": B.indices, "value": B.data}
        self.net = {name: torch.from_numpy(part) for name, part in parts.items()}
        # a minimiser b has ||x_j - X b||^2 + l2 ||b||^2 + 2 l1 sum(b) = G_jj - b'(G_j - l1)
        loss = (float(G.diagonal().sum(dtype=np.float64)) - sum(explained)) / 2 / self.shape[0]
        solution = {"optimality": float(max(shares)), "rounds": max(rounds)}
        return {"loss": loss, "density": B.nnz / len(G) ** 2} | solution

    def score(self, history: csr_matrix, users: np.ndarray | None = None) -> Tensor:
        return torch.from_numpy(csr_matrix(history @ self.B).toarray())


class Columns:
    """A block of C columns b of B, which are solved for side by side."""

    def __init__(self, G: np.ndarray, block: slice, config: SLIMConfig) -> None:
        """Start at b = 0 for each item of the ``block``; ``G`` is (I, I)."""
        self.G = G
        self.l2 = config.l2
        self.item = np.arange(block.start, block.stop)
        self.support = [np.empty(0, dtype=np.int64)] * len(self.item)
        self.weight = [np.empty(0)] * len(self.item)
        self.pull = G[block] - np.float32(config.l1)
        """What -g is at b = 0; and 0 for the item itself: (C, I) float32."""
        self.pull[np.arange(len(self.item)), self.item] = 0.0

    def solve(self) -> tuple[csr_matrix, float, float, int]:
        """Return the columns as rows (C, I), the sum of b'(G_j - l1), a violation, and the rounds.

        It is the largest share of a column's at b = 0. Raises ArithmeticError after ROUNDS.
        """
        left = np.arange(len(self.item))
        scale = np.maximum(self.pull.max(axis=1), np.finfo(np.float32).tiny)
        share = np.ones(len(left), dtype=np.float32)
        for rounds in range(ROUNDS + 1):
            violation = self.violation(left)
            share[left] = violation.max(axis=1) / scale[left]
            wrong = share[left] > TOLERANCE
            if not wrong.any():
                return self.rows(np.arange(len(self.item))), self.explained, share.max(), rounds
            for row in np.flatnonzero(wrong):
                self.improve(left[row], violation[row])
            left = left[wrong]
            # otherwise it would be there beside the next one
            del violation
        raise ArithmeticError(f"SLIM is not solved after {ROUNDS} rounds; use a larger l2")

    @property
    def explained(self) -> float:
        """The sum of b'(G_j - l1) over the columns."""
        pulls = (pull[items] for pull, items in zip(self.pull, self.support, strict=True))
        return float(sum(b @ pull for b, pull in zip(self.weight, pulls, strict=True)))

    def rows(self, columns: np.ndarray) -> csr_matrix:
        """Return the weights of some columns as the rows of a matrix (columns, I) float32."""
        support = [self.support[column] for column in columns]
        weight = np.concatenate([self.weight[column] for column in columns]).astype(np.float32)
        ends = np.cumsum([0, *map(len, support)])
        rows = csr_matrix((weight, np.concatenate(support), ends), (len(columns), len(self.G)))
        rows.sort_indices()
        return rows

    def violation(self, columns: np.ndarray) -> np.ndarray:
        """Return |g_i| where b_i > 0, nothing positive for j itself, else -g_i: (columns, I)."""
        b = self.rows(columns)
        Gb = (CSR.of(b).sparse(torch.from_numpy(b.data)) @ torch.from_numpy(self.G)).numpy()
        found = np.subtract(self.pull[columns], Gb, out=Gb)
        row = np.repeat(np.arange(len(columns)), np.diff(b.indptr))
        found[row, b.indices] = np.abs(found[row, b.indices] - self.l2 * b.data)
        return found

    def improve(self, column: int, violation: np.ndarray) -> None:
        """Do a round for a column with this ``violation`` (I,), which is changed."""
        old = self.support[column]
        violation[old] = 0.0
        entering = np.flatnonzero(violation > 0)
        if len(entering) > (most := max(START, len(old))):
            entering = entering[np.argpartition(-violation[entering], most)[:most]]
        items = np.concatenate([old, entering])
        A = self.G[items[:, None], items].astype(np.float64)
        A.flat[:: len(A) + 1] += self.l2
        start = np.append(self.weight[column], np.zeros(len(entering)))
        kept, self.weight[column] = nonnegative(A, self.pull[column, items], start)
        self.support[column] = items[kept]


def nonnegative(A: np.ndarray, q: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return indices, and the positive values there that minimise x'Ax / 2 - q'x with 0 elsewhere.

    The search starts at ``x`` >= 0, and its objective falls from there: (n, n), (n,), (n,).
    """
    kept = np.arange(len(x))
    while True:
        z = cho_solve(cho_factor(A, check_finite=False), q, check_finite=False)
        if (z > 0).all():
            return kept, z
        x, stays = step(A, q, x, z)
        A, q, x, kept = A[stays][:, stays], q[stays], x[stays], kept[stays]


def step(
    A: np.ndarray, q: np.ndarray, x: np.ndarray, z: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return an x >= 0 between ``x`` and the minimum ``z``, and which of its elements may stay."""
    clipped = np.maximum(z, 0)
    if clipped @ (A @ clipped) / 2 - q @ clipped < x @ (A @ x) / 2 - q @ x:
        return clipped, clipped > 0
    # rarely: but up to where a first element becomes 0 the objective falls for certain
    reach = np.divide(x, x - z, out=np.zeros_like(x), where=x > z)
    reach[z > 0] = np.inf
    return np.maximum(x + reach.min() * (z - x), 0), reach > reach.min()
