"""SLIM: sparse linear regression of every item on the others.

Objective: min_B ||X - X B||_F^2 / 2 + l2 ||B||_F^2 / 2 + l1 ||B||_1 with B >= 0 and diag(B) = 0.
Its columns are one problem each. Scores: history x B, for a user never seen too.

Ning, Karypis 2011, "SLIM: Sparse Linear Methods for Top-N Recommender Systems", ICDM 2011.

Differences from the paper: none in the mathematics. Only the solver is another. The paper descends
along one coordinate at a time. Here a column b with the Gram matrix G = X'X is solved for by active
sets (after Lawson, Hanson 1974, "Solving Least Squares Problems"), which is exact up to rounding:
1. The gradient is g = G b - G_j + l2 b + l1. The items outside of the support on which it is most
   negative enter the support; their number is that of the support at most, and START at least.
2. On the support, b solves a linear system in float64; items whose weight would not be positive
   leave until none does. The objective falls at each step, so no support comes twice.
This ends when the optimality conditions hold: the largest |g_i| where b_i > 0 and -g_i elsewhere is
at most TOLERANCE times what it is at b = 0, max(G_ij - l1). That scale is also the one of the
rounding errors, for G b is a sum of positive numbers, which the conditions bound by it.

An epoch solves for every n-th item, from another first one each time, so that all are solved for
after n epochs and no weight is ever far from its optimum. Items not yet solved for score 0.
"""

from __future__ import annotations

from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Annotated

import numpy as np
import torch
from pydantic import NonNegativeFloat, PositiveFloat
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits
from torch import Tensor

from models.base import Compute, Config, Log, Recommender, Search
from models.batches import CSR
from models.gram import BLOCK, gram
from models.registry import register

COLUMNS = 1024
"""The most items that an epoch solves for."""
TOLERANCE = 1e-5
"""The largest violation of the optimality conditions, as a share of that at b = 0."""
START = 32
"""The most items that enter an empty support."""
ROUNDS = 100
"""The most times that items enter; about ten are usual."""
DENSITY = 0.1
"""The share of weights that are not 0 in the forecast of memory."""


class SLIMConfig(Config):
    """Options of SLIM. Liang et al. 2018 tried 0.1, 0.5, 1 and 5 for both."""

    l1: Annotated[NonNegativeFloat, Search(0.1, 50, log=True)] = 2.4
    """The weight of ||B||_1, lambda in the paper (tuned on ml1m validation)."""
    l2: Annotated[PositiveFloat, Search(1, 5000, log=True)] = 239.0
    """The weight of ||B||_F^2 / 2, beta in the paper (tuned on ml1m validation)."""


@register(
    "slim",
    SLIMConfig(),
    paper="Ning, Karypis, SLIM: Sparse Linear Methods for Top-N Recommender Systems, ICDM 2011",
    deterministic=True,
)
class SLIM(Recommender[SLIMConfig]):
    """Sparse, nonnegative item-item regression, solved to a stated tolerance."""

    net: dict[str, Tensor]

    def __init__(self, config: SLIMConfig, shape: tuple[int, int], compute: Compute) -> None:
        super().__init__(config, shape, compute)
        self.keep(csr_matrix((shape[1], shape[1]), dtype=np.float32))

    @classmethod
    def memory(cls, config: SLIMConfig, shape: tuple[int, int]) -> int:
        items = shape[1]
        # a sparse weight is four bytes, and its place another four
        B = int(8 * DENSITY * items**2)
        # B and its successor; the best and the next best; what a checkpoint is written from
        held, best, checkpoint = 2, 2, 2
        # the parts of the Gram matrix, or the gradient, the product in it and G's rows
        work = 4 * 3 * max(BLOCK, COLUMNS) * items
        return 4 * items**2 + work + B * (held + best + checkpoint)

    @property
    def planned(self) -> int:
        return -(-self.shape[1] // COLUMNS)

    @property
    def B(self) -> csr_matrix:
        """The weights: (I, I), where column j scores item j."""
        crow, col, value = (self.net[name].numpy() for name in ("crow", "col", "value"))
        return csr_matrix((value, col, crow), shape=(self.shape[1], self.shape[1]))

    def keep(self, B: csr_matrix) -> None:
        """Set the weights to ``B``."""
        parts = {"crow": B.indptr, "col": B.indices, "value": B.data}
        self.net = {name: torch.from_numpy(part) for name, part in parts.items()}

    def prepare(self, train: csr_matrix) -> Tensor:
        # torch allocates aligned memory
        G = torch.empty(self.shape[1], self.shape[1])
        gram(train, out=G.numpy())
        return G

    def train_epoch(self, data: Tensor) -> Log:
        columns = Columns(data, range(self.epoch, len(data), self.planned), self.config)
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(self.compute.threads) as pool:
            optimality = columns.solve(pool)
        self.keep((self.B + columns.weights()).tocsr())
        return {
            "loss": self.loss(data.numpy()),
            "optimality": optimality,
            "density": self.B.nnz / len(data) ** 2,
            "rounds": columns.rounds,
        }

    def loss(self, G: np.ndarray) -> float:
        """Return the objective divided by the number of users.

        Where b solves its problem, ||x_j - X b||^2 + l2 ||b||^2 + 2 l1 sum(b) = n_j - b'(G_j - l1).
        """
        B = self.B.tocoo()
        explained = B.data @ (G[B.row, B.col] - self.config.l1).astype(np.float64)
        return float(G.diagonal().sum(dtype=np.float64) - explained) / 2 / self.shape[0]

    def score(self, history: csr_matrix, users: np.ndarray | None = None) -> Tensor:
        return torch.from_numpy(csr_matrix(history @ self.B).toarray())


class Columns:
    """Some columns b of B, numbered from 0, that are solved for side by side."""

    def __init__(self, G: Tensor, items: range, config: SLIMConfig) -> None:
        """Start at b = 0 for each of the ``items``; ``G`` is (I, I)."""
        self.G = G
        self.items = np.array(items)
        self.l2 = config.l2
        self.support = [np.empty(0, dtype=np.int64) for _ in items]
        self.weight = [np.empty(0) for _ in items]
        self.rounds = 0
        self.pull = (G[items.start :: items.step] - config.l1).numpy()
        """-g at b = 0, in the float32 that all gradients are computed in: (columns, I)."""
        self.pull[np.arange(len(items)), self.items] = 0.0

    def solve(self, pool: Executor) -> float:
        """Solve for all columns, and return their largest violation as a share of that at b = 0.

        Raises ArithmeticError if they are not within TOLERANCE after ROUNDS.
        """
        left = np.arange(len(self.items))
        scale = np.maximum(self.pull.max(axis=1), np.finfo(np.float32).tiny)
        share = np.ones(len(left), dtype=np.float32)
        for self.rounds in range(ROUNDS):
            violations = self.violations(left)
            share[left] = violations.max(axis=1) / scale[left]
            wrong = share[left] > TOLERANCE
            if not wrong.any():
                return float(share.max())
            left = left[wrong]
            list(pool.map(self.improve, left, violations[wrong]))
        raise ArithmeticError(
            f"SLIM has not met the optimality conditions after {ROUNDS} rounds; use a larger l2"
        )

    def rows(self, columns: np.ndarray) -> csr_matrix:
        """Return the weights of some columns, each as a row: (columns,) -> (columns, I) float32."""
        weight = np.concatenate([self.weight[column] for column in columns])
        support = np.concatenate([self.support[column] for column in columns])
        ends = np.cumsum([0, *(len(self.support[column]) for column in columns)])
        rows = csr_matrix((weight.astype(np.float32), support, ends), (len(columns), len(self.G)))
        rows.sort_indices()
        return rows

    def weights(self) -> csr_matrix:
        """Return a matrix B that has these columns, and zeros in all others: (I, I)."""
        rows = self.rows(np.arange(len(self.items))).tocoo()
        return csr_matrix((rows.data, (rows.col, self.items[rows.row])), self.G.shape)

    def violations(self, columns: np.ndarray) -> np.ndarray:
        """Return by how much each weight violates its condition: (columns,) -> (columns, I).

        That is |g_i| where b_i > 0, and -g_i elsewhere, which is a violation only if it is
        positive. For the item itself it is 0.
        """
        b = self.rows(columns)
        Gb = (CSR.of(b).sparse(torch.from_numpy(b.data)) @ self.G).numpy()
        found = np.subtract(self.pull[columns], Gb, out=Gb)
        row = np.repeat(np.arange(len(columns)), np.diff(b.indptr))
        found[row, b.indices] = np.abs(found[row, b.indices] - self.l2 * b.data)
        found[np.arange(len(columns)), self.items[columns]] = 0.0
        return found

    def improve(self, column: int, violations: np.ndarray) -> None:
        """Let the items with the largest ``violations`` (I,) enter a column's support; solve there.

        ``violations`` is overwritten.
        """
        old = self.support[column]
        violations[old] = 0.0
        entering = np.flatnonzero(violations > 0)
        if len(entering) > (most := max(START, len(old))):
            entering = entering[np.argpartition(-violations[entering], most)[:most]]
        support = np.concatenate([old, entering])
        A = self.G.numpy()[np.ix_(support, support)].astype(np.float64)
        A[np.diag_indices_from(A)] += self.l2
        q = self.pull[column, support].astype(np.float64)
        start = np.concatenate([self.weight[column], np.zeros(len(entering))])
        kept, self.weight[column] = nonnegative(A, q, start)
        self.support[column] = support[kept]


def nonnegative(A: np.ndarray, q: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Minimise x'Ax / 2 - q'x over x >= 0 from a start ``x`` where it is known to be positive or 0.

    Returns the indices that are not 0 at the end, and x there. The end is the minimum on these
    indices, and below the start, but others might still have to enter.
    """
    kept = np.arange(len(x))
    while True:
        z = cho_solve(cho_factor(A, check_finite=False), q, check_finite=False)
        if (z > 0).all():
            return kept, z
        x, stays = step(A, q, x, z)
        A, q, x, kept = A[np.ix_(stays, stays)], q[stays], x[stays], kept[stays]


def step(
    A: np.ndarray, q: np.ndarray, x: np.ndarray, z: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Go from ``x`` >= 0 towards the minimum ``z`` as far as no element becomes negative.

    Returns the new x and which elements may still change. If it lowers the objective, which it
    mostly does, all that are negative in z become 0 at once.
    """
    clipped = np.maximum(z, 0)
    if clipped @ (A @ clipped) / 2 - q @ clipped < x @ (A @ x) / 2 - q @ x:
        return clipped, clipped > 0
    # the objective falls on the whole way to z; an element of z that is not positive ends it
    reach = np.divide(x, x - z, out=np.zeros_like(x), where=x > z)
    reach[z > 0] = np.inf
    first = reach.min()
    return np.maximum(x + first * (z - x), 0), reach > first
