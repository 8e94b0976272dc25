"""ALS: matrix factorisation of the user-item matrix p in {0, 1}, with more weight on its ones.

Objective: min_{X, Y} sum_ui c_ui (p_ui - x_u'y_i)^2 + regularization (sum_u ||x_u||^2 + sum_i ||y_i||^2), where
c_ui = alpha if p_ui = 1, else 1; over all users and items, X and Y in turn. A new user's factors are the minimiser
for her history h with Y fixed: (Y'C Y + regularization I)^-1 Y'C h. Scores: x'Y'.

Hu, Koren, Volinsky 2008, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008. The work is done by
the library implicit.

Differences from the paper:
1. alpha is the weight on ones itself; the paper's, for play counts r, is 1 + alpha r.
2. In training, each least-squares problem gets three conjugate-gradient steps from the last epoch's solution
   (Takacs, Pilaszy, Tikk 2011), which is implicit's default. The fold-in of a new user is solved exactly.
3. On a GPU, which takes implicit's GPU build and the package rmm, the fold-in is by conjugate gradients too.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import PositiveFloat, PositiveInt
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits
from torch import Tensor

from models.base import Compute, Config, Log, Recommender, Search
from models.registry import register


class ALSConfig(Config):
    """Options of ALS."""

    factors: Annotated[PositiveInt, Search(32, 512, log=True)] = 256
    """K, numbers per user and item (tuned on ml1m validation)."""
    alpha: Annotated[PositiveFloat, Search(1, 50, log=True)] = 5.0
    """Weight of a one, where a zero weighs 1 (tuned on ml1m validation; no published value)."""
    regularization: Annotated[PositiveFloat, Search(0.1, 200, log=True)] = 50.0
    """Weight of the squared norms, the same for every user and item (tuned on ml1m validation; no published value).

    Where users and items have fewer interactions less is better; too much leaves all factors at 0.
    """
    epochs: PositiveInt = 15
    """Times that both X and Y are solved for (implicit: 15)."""


@register(
    "als",
    ALSConfig(),
    paper="Hu, Koren, Volinsky, Collaborative Filtering for Implicit Feedback Datasets, ICDM 2008",
    devices=("cpu", "cuda")
    if find_spec("rmm")
    else ("cpu",),  # implicit's GPU build does not load without it
)
class ALS(Recommender[ALSConfig]):
    """Weighted matrix factorisation by alternating least squares."""

    net: dict[str, Tensor]

    def __init__(self, config: ALSConfig, shape: tuple[int, int], compute: Compute) -> None:
        super().__init__(config, shape, compute)
        self.net = {}

    @classmethod
    def memory(cls, config: ALSConfig, shape: tuple[int, int]) -> int:
        factors = 4 * config.factors * sum(shape)
        best, checkpoint = (
            2,
            2,
        )  # the best factors and their successor; what a checkpoint is written from
        return factors * (1 + best + checkpoint)

    def weighted(self, matrix: csr_matrix) -> csr_matrix:
        """c where ``matrix`` has ones; implicit's own alpha is left at 1, for its GPU build forgets it in training."""
        return (self.config.alpha * matrix).astype(np.float32)

    def prepare(self, train: csr_matrix) -> csr_matrix:
        return self.weighted(train)

    def train_epoch(self, data: csr_matrix) -> Log:
        losses = []
        # implicit's threads call BLAS, each for a user of its own
        with threadpool_limits(1, "blas"):
            model = self.implicit()
            model.fit(
                data, show_progress=False, callback=lambda epoch, seconds, loss: losses.append(loss)
            )
        self.net = {
            "user": self.tensor(model.user_factors),
            "item": self.tensor(model.item_factors),
        }
        users, items = self.shape
        total = self.config.alpha * data.nnz + users * items - data.nnz
        return {"loss": float(losses[0]) * total / users}  # implicit divides by the sum of c

    @torch.no_grad()
    def score(self, history: csr_matrix, users: np.ndarray | None = None) -> Tensor:
        with threadpool_limits(1, "blas"):
            factors = self.implicit().recalculate_user(
                np.arange(history.shape[0]), self.weighted(history)
            )
        return self.tensor(factors) @ self.net["item"].T

    def implicit(self) -> Any:
        """implicit's model of one epoch, with the factors so far; the first epoch starts with random ones."""
        from implicit.als import AlternatingLeastSquares

        model = AlternatingLeastSquares(
            factors=self.config.factors,
            regularization=self.config.regularization,
            iterations=1,
            calculate_training_loss=True,
            use_gpu=self.compute.device == "cuda",
            num_threads=self.compute.threads,
            random_state=None if self.net else np.random.randint(2**31),
        )
        if self.net:
            model.user_factors, model.item_factors = self.factors("user"), self.factors("item")
        return model

    def factors(self, name: str) -> Any:
        """``net[name]`` as implicit takes it: its own array, or a matrix on the GPU."""
        array = self.net[name].cpu().numpy()
        if self.compute.device == "cpu":
            return array
        from implicit.gpu import Matrix  # pyright: ignore[reportAttributeAccessIssue]  (in its compiled part)

        return Matrix(array)

    def tensor(self, factors: Any) -> Tensor:
        """implicit's factors on the model's device."""
        array = factors if self.compute.device == "cpu" else factors.to_numpy()
        return torch.from_numpy(array).to(self.compute.device)
