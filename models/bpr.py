"""BPR: matrix factorisation that ranks each user's own items above others.

Objective: min over W, Y, b of the mean, over own items i and other items j of users u, of -log
sigma(x_ui - x_uj) + regularization / 2 (||w_u||^2 + ||y_i||^2 + ||y_j||^2 + b_i^2 + b_j^2), where
x_ui = w_u'y_i + b_i; by stochastic gradient descent. A new user's w is the minimiser, Y and b
fixed, of the mean of -log sigma(x_i - x_j) over pairs (i, j) plus fold_in_regularization / 2
||w||^2: i runs over her items, j over the negatives of i, which are sampled once for each item.
Scores: w'y_i + b_i.

Rendle, Freudenthaler, Gantner, Schmidt-Thieme 2009, "BPR: Bayesian Personalized Ranking from
Implicit Feedback", UAI 2009. Training is done by the library implicit.

Differences from the paper:
1. j is drawn in proportion to its number of training users, not uniformly; an own item is skipped.
2. An epoch is as many draws as there are interactions. Its seed is drawn anew, since implicit's
   random stream restarts.
3. Items have a bias b, kept as the last column of their factors, where a user's entry is 1.
4. The paper ranks for its training users only; the fold-in is ours, with a regularization of its
   own: a new user's w is fitted to the end, a training user's is not.
5. One thread and no GPU: implicit's threads race for the factors, and its GPU kernel changes the
   users' fixed 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import torch
from pydantic import PositiveFloat, PositiveInt
from scipy.sparse import csr_matrix
from torch import Tensor
from torch.nn.functional import embedding

from models.base import Compute, Config, Log, Recommender, Search
from models.batches import CSR
from models.registry import register

TOLERANCE = 1e-6
"""Largest norm of the fold-in's gradient for any user; the loss is a mean over pairs."""
PASSES = ((torch.float32, TOLERANCE / 2, 50), (torch.float64, TOLERANCE, 1000))
"""The precision of each descent of the fold-in, the norm of the gradient it ends at, and the most
steps it takes.

About ten steps in float32 are usually all; float64 then computes the gradient and takes what steps
are missing."""
NUMBERS = 2**20
"""Differences of factors that the fold-in works on at a time (4 MiB in float32, so that a cache
holds them)."""
TINY = 1e-30
"""The least divisor, for users whose gradient is 0."""
NEGATIVES_SEED = 0
"""The seed that draws the fold-in's negatives; it is the same for every trial."""


class BPRConfig(Config):
    """Options of BPR."""

    factors: Annotated[PositiveInt, Search(32, 256, log=True)] = 128
    """K, numbers per user and item, besides the item's bias (tuned on ml1m validation)."""
    learning_rate: Annotated[PositiveFloat, Search(0.005, 0.2, log=True)] = 0.02
    """Step of stochastic gradient descent, one pair at a time (tuned on ml1m validation)."""
    regularization: Annotated[PositiveFloat, Search(0.001, 0.1, log=True)] = 0.01
    """Weight of the squared norms of a drawn pair in training (implicit: 0.01; tuned on ml1m
    validation)."""
    epochs: PositiveInt = 150
    """Times as many draws as there are interactions (tuned on ml1m validation)."""
    negatives: PositiveInt = 3
    """Sampled for each item, for the fold-in (ours; more change little)."""
    fold_in_regularization: Annotated[PositiveFloat, Search(0.05, 1, log=True)] = 0.25
    """Weight of half a new user's squared norm, beside the mean over her pairs (ours; tuned on ml1m
    validation)."""


@register(
    "bpr",
    BPRConfig(),
    paper="Rendle, Freudenthaler, Gantner, Schmidt-Thieme, Bayesian Personalized Ranking, UAI 2009",
)
class BPR(Recommender[BPRConfig]):
    """Matrix factorisation trained on pairs of items."""

    net: dict[str, Tensor]

    def __init__(self, config: BPRConfig, shape: tuple[int, int], compute: Compute) -> None:
        super().__init__(config, shape, compute)
        self.net = {}

    @classmethod
    def memory(cls, config: BPRConfig, shape: tuple[int, int]) -> int:
        users, items = shape
        learned = 4 * (users + items) * (config.factors + 1) + 8 * items * config.negatives
        # the best factors and their successor; what a checkpoint is written from
        best, checkpoint = 2, 2
        # a block may be of one user, who has the whole catalogue, and the arrays of both
        # precisions exist at a time
        block = max(NUMBERS, items * (config.negatives * (config.factors + 1) + 1))
        return learned * (1 + best + checkpoint) + 32 * block

    def train_epoch(self, data: csr_matrix) -> Log:
        from implicit.bpr import BayesianPersonalizedRanking

        counts = []
        model = BayesianPersonalizedRanking(
            factors=self.config.factors,
            learning_rate=self.config.learning_rate,
            regularization=self.config.regularization,
            iterations=1,
            use_gpu=False,
            num_threads=1,
            random_state=np.random.randint(2**31),
        )
        if self.net:
            model.user_factors, model.item_factors = (
                self.net["user"].numpy(),
                self.net["item"].numpy(),
            )
        model.fit(data, show_progress=False, callback=lambda *told: counts.append(told[2:]))
        self.net = {
            "user": torch.from_numpy(model.user_factors),
            "item": torch.from_numpy(model.item_factors),
            "negatives": negatives(data, self.config.negatives),
        }
        ((correct, skipped),) = counts
        return {"auc": correct / max(1, data.nnz - skipped)}

    @torch.no_grad()
    def score(self, history: csr_matrix, users: np.ndarray | None = None) -> Tensor:
        return self.fold_in(CSR.of(history)).float() @ self.net["item"].T

    def fold_in(self, x: CSR) -> Tensor:
        """Return each user's w and a 1 for the bias: (B, K + 1) float64.

        w is 0 for an empty history.
        """
        user = torch.ones(len(x), self.config.factors + 1, dtype=torch.float64)
        differences = x.size * self.config.negatives * (self.config.factors + 1)
        # users with short histories take most for the mask of their own items
        for block in blocks(differences + x.items // 16, NUMBERS):
            pairs = self.pairs(x.take(block))
            user[block, :-1] = minimiser(*pairs, self.config.fold_in_regularization)
        return user

    def pairs(self, x: CSR) -> tuple[Tensor, Tensor, Tensor]:
        """Return factors, biases and weights of the pairs (i, j) that the fold-in learns from.

        Every user is padded to n items i, each with N negatives j. The result is the factors and
        biases of i, (B, n, 1, K + 1), those of j, (B, n, N, K + 1), and the pairs' weights
        (B, n N): one over the number of the user's pairs, and 0 for padding and where j is her own.
        """
        there = torch.arange(int(x.size.max())) < x.size[:, None]
        own = torch.zeros(there.shape, dtype=torch.int64)
        own[there] = x.col
        other = self.net["negatives"][own]
        hers = torch.zeros(len(x), x.items, dtype=torch.bool)
        hers[x.row, x.col] = True
        kept = there.repeat_interleave(other.shape[2], dim=1) & ~hers.gather(1, other.flatten(1))
        weight = kept / kept.sum(dim=1, keepdim=True, dtype=torch.float64).clamp(min=1)
        item = self.net["item"]
        return embedding(own[:, :, None], item), embedding(other, item), weight


def negatives(train: csr_matrix, count: int) -> Tensor:
    """Draw ``count`` items for each item, in proportion to their numbers of users: (I, count)."""
    random = np.random.RandomState(NEGATIVES_SEED)
    return torch.from_numpy(random.choice(train.indices, (train.shape[1], count)).astype(np.int64))


def blocks(cost: Tensor, most: int) -> Iterator[Tensor]:
    """Yield the users in blocks of about the same ``cost`` (B,) each, every user once.

    A block costs as many times its dearest user as it has users, since the others are padded. That
    is ``most`` at the most, unless a single user costs more.
    """
    order = cost.argsort(stable=True)
    while len(order):
        padded = cost[order] * torch.arange(1, len(order) + 1)
        users = max(1, int((padded <= most).sum()))
        yield order[:users]
        order = order[users:]


def minimiser(own: Tensor, other: Tensor, weight: Tensor, l2: float) -> Tensor:
    """Return each user's w (B, K) float64 that fits her pairs best.

    It minimises sum_p weight_p log(1 + exp(-x_p)) + l2 / 2 ||w||^2 over her P = n N pairs p, where
    x_p = (w, 1)'d_p. The differences d = ``own`` - ``other`` of factors and biases are (B, n, N,
    K + 1), and ``weight`` is (B, P). The norm of the gradient is at most TOLERANCE.

    Raises ArithmeticError if the last of PASSES does not get there.
    """
    user = torch.zeros(len(own), own.shape[3])
    user[:, -1], norm = 1, float("inf")
    for dtype, tolerance, steps in PASSES:
        difference = other.to(dtype, copy=True)
        # in place, since new memory takes longer than the differences
        torch.sub(own.to(dtype), difference, out=difference)
        start = weight.to(dtype), user.to(dtype)
        user, norm = descent(difference.flatten(1, 2), *start, l2, tolerance, steps)
    if not norm <= TOLERANCE:
        raise ArithmeticError(
            f"the fold-in has not converged in {PASSES[-1][2]} steps; "
            "use a larger fold_in_regularization"
        )
    return user[:, :-1]


def descent(
    d: Tensor, weight: Tensor, user: Tensor, l2: float, tolerance: float, steps: int
) -> tuple[Tensor, float]:
    """Descend by nonlinear conjugate gradients from ``user`` (B, K + 1); ``d`` is (B, P, K + 1).

    The last column of ``user`` stays 1.

    The directions are those of Polak and Ribiere (1969), started anew where their factor is
    negative (Gilbert, Nocedal 1992). The step along one is Newton's (Shewchuk 1994, section 14.1),
    and is known from the product with d that updates x anyway.

    Returns the users and the largest norm of a gradient, which is above ``tolerance`` if ``steps``
    ran out.
    """
    x = torch.bmm(user[:, None], d.mT)[:, 0]
    direction, before, norm = torch.zeros_like(user), torch.zeros_like(user), float("inf")
    for _ in range(steps):
        wrong = weight * torch.sigmoid(-x)
        gradient = l2 * user - torch.bmm(wrong[:, None], d)[:, 0]
        gradient[:, -1] = 0
        norm = float(gradient.norm(dim=1).max())
        if norm <= tolerance:
            break
        factor = dot(gradient, gradient - before) / dot(before, before).clamp(min=TINY)
        direction, before = factor.clamp(min=0) * direction - gradient, gradient
        change = torch.bmm(direction[:, None], d.mT)[:, 0]
        curvature = l2 * dot(direction, direction) + dot(wrong * torch.sigmoid(x), change.square())
        length = shortened(-dot(gradient, direction) / curvature.clamp(min=TINY), change)
        user = user + length * direction
        x += length * change
    return user, norm


def shortened(length: Tensor, change: Tensor) -> Tensor:
    """Return Newton's ``length`` (B, 1) of a step, shortened where the loss might not fall.

    The step changes x by ``length`` times ``change`` (B, P).

    The loss is self-concordant. So it falls if no x_p changes by more than 1, and a step that
    changes some x_p by c > 1 is multiplied by log(1 + c) / c, by which it surely falls the most
    (Sun, Tran-Dinh 2019).
    """
    largest = (length * change).abs().amax(dim=1, keepdim=True)
    return torch.where(largest <= 1, length, length * largest.log1p() / largest)


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Return the inner product of two vectors for each user: (B, K), (B, K) -> (B, 1)."""
    return torch.linalg.vecdot(a, b)[:, None]
