"""BPR: matrix factorisation that ranks each user's own items above others.

Objective: min over W, Y, b of the mean, over own items i and other items j of users u, of
-log sigma(x_ui - x_uj) + regularization / 2 (||w_u||^2 + ||y_i||^2 + ||y_j||^2 + b_i^2 + b_j^2), where
x_ui = w_u'y_i + b_i; by stochastic gradient descent. A new user's w is the minimiser, Y and b fixed, of the mean of
-log sigma(x_i - x_j) over pairs (i, j) plus fold_in_regularization / 2 ||w||^2: i runs over her items, j over the
negatives of i, which are sampled once for each item. Scores: w'y_i + b_i.

Rendle, Freudenthaler, Gantner, Schmidt-Thieme 2009, "BPR: Bayesian Personalized Ranking from Implicit Feedback",
UAI 2009. Training is done by the library implicit.

Differences from the paper:
1. j is drawn in proportion to its number of training users, not uniformly; an own item as j is skipped.
2. An epoch is as many draws as there are interactions. Its seed is drawn anew: implicit's stream restarts.
3. Items have a bias b, kept as the last column of their factors, where a user's entry is 1.
4. The paper ranks for its training users only; the fold-in is ours, and has a regularization of its own: a new
   user's w is fitted to the end, a training user's is not.
5. One thread and no GPU: implicit's threads race for the factors, and its GPU kernel changes the users' fixed 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import torch
from pydantic import PositiveFloat, PositiveInt
from scipy.sparse import csr_matrix
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from models.base import Compute, Config, Log, Recommender, Search
from models.batches import CSR
from models.registry import register

TOLERANCE = 1e-6
"""Largest norm of the fold-in's gradient for any user; the loss is a mean over pairs."""
STEPS = 200
"""Of Newton's method, which takes about ten."""
NUMBERS = 2**22
"""In a block of differences of factors (32 MiB) that the fold-in works on at a time."""
NEGATIVES_SEED = 0
"""Of the fold-in's negatives; the same for every trial."""


class BPRConfig(Config):
    """Options of BPR."""

    factors: Annotated[PositiveInt, Search(32, 256, log=True)] = 128
    """K, numbers per user and item, besides the item's bias (tuned on ml1m validation)."""
    learning_rate: Annotated[PositiveFloat, Search(0.005, 0.2, log=True)] = 0.02
    """Of stochastic gradient descent, one pair at a time (tuned on ml1m validation)."""
    regularization: Annotated[PositiveFloat, Search(0.001, 0.1, log=True)] = 0.01
    """Weight of the squared norms of a drawn pair in training (implicit: 0.01; tuned on ml1m validation)."""
    epochs: PositiveInt = 150
    """Times as many draws as there are interactions (tuned on ml1m validation)."""
    negatives: PositiveInt = 3
    """Sampled for each item, for the fold-in (ours; more change little)."""
    fold_in_regularization: Annotated[PositiveFloat, Search(0.05, 1, log=True)] = 0.25
    """Weight of half a new user's squared norm, beside the mean over her pairs (ours; tuned on ml1m validation)."""


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
        best, checkpoint = (
            2,
            2,
        )  # the best factors and their successor; what a checkpoint is written from
        fold_in = 8 * items * (config.factors + 1) + 3 * 8 * NUMBERS
        return learned * (1 + best + checkpoint) + fold_in

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
        """Each user's w, and 1 for the bias: (B, K + 1) float64; w is 0 for an empty history."""
        user = torch.ones(len(x), self.config.factors + 1, dtype=torch.float64)
        most = NUMBERS // (self.config.negatives * (self.config.factors + 1))
        for block in blocks(x.size, most):
            difference, weight = self.pairs(x.take(block))
            user[block, :-1] = minimiser(difference, weight, self.config.fold_in_regularization)
        return user

    def pairs(self, x: CSR) -> tuple[Tensor, Tensor]:
        """What the fold-in is of, for each user and pair (i, j), padded to P pairs with weights 0.

        Returns the differences of factors and biases, y_i - y_j (B, P, K + 1), and the weights (B, P): one over the
        number of a user's pairs, 0 where j is her own.
        """
        item, other = self.net["item"].double(), self.net["negatives"][x.col]
        own = torch.zeros(len(x), x.items, dtype=torch.bool)
        own[x.row, x.col] = True
        pieces = (item[x.col, None] - item[other], (~own[x.row[:, None], other]).double())
        difference, kept = (
            pad_sequence(list(piece.split(x.size.tolist())), batch_first=True).flatten(1, 2)
            for piece in pieces
        )
        return difference, kept / kept.sum(dim=1, keepdim=True).clamp(min=1)


def negatives(train: csr_matrix, count: int) -> Tensor:
    """``count`` items for each item, drawn in proportion to their training users: (I, count) int64."""
    random = np.random.RandomState(NEGATIVES_SEED)
    return torch.from_numpy(random.choice(train.indices, (train.shape[1], count)).astype(np.int64))


def blocks(size: Tensor, most: int) -> Iterator[Tensor]:
    """Every user once, with others of about the same ``size`` (B,); at most ``most`` entries a block when padded."""
    order = size.argsort(stable=True)
    while len(order):
        padded = size[order] * torch.arange(1, len(order) + 1)
        users = max(1, int((padded <= most).sum()))
        yield order[:users]
        order = order[users:]


def minimiser(difference: Tensor, weight: Tensor, l2: float) -> Tensor:
    """argmin_w of sum_p weight_p log(1 + exp(-d_p'w - b_p)) + l2 / 2 ||w||^2 for each user, by Newton's method.

    ``difference`` (B, P, K + 1) holds d and, last, b; ``weight`` is (B, P) -> (B, K), with gradients below TOLERANCE.
    A step that changes some d_p'w by c is shortened by log(1 + c) / c, so that the loss falls at every step (it is
    self-concordant: Sun, Tran-Dinh 2019). Gradients are float64, Hessians float32, which only costs steps.

    Raises ArithmeticError if that takes more than STEPS steps.
    """
    d, x = difference[:, :, :-1], difference[:, :, -1].clone()
    short = d.float()
    w = d.new_zeros(len(d), d.shape[2])
    for _ in range(STEPS):
        wrong = torch.sigmoid(-x)
        gradient = l2 * w - torch.bmm((weight * wrong)[:, None], d)[:, 0]
        if float(gradient.norm(dim=1).max()) <= TOLERANCE:
            return w
        hessian = short.mT @ (short * (weight * wrong * (1 - wrong)).float()[:, :, None])
        hessian.diagonal(dim1=1, dim2=2).add_(l2)
        newton = torch.cholesky_solve(
            gradient.float()[:, :, None], torch.linalg.cholesky(hessian)
        ).double()
        change = torch.bmm(d, newton)[:, :, 0]
        largest = change.abs().amax(dim=1, keepdim=True).clamp(min=1e-12)
        length = largest.log1p() / largest
        w -= length * newton[:, :, 0]
        x -= length * change
    raise ArithmeticError(
        f"the fold-in has not converged in {STEPS} steps; use a larger fold_in_regularization"
    )
