"""ALS: matrix factorisation of the user-item matrix p in {0, 1}, with more weight on its ones.

Objective: min_{X, Y} sum_ui c_ui (p_ui - x_u'y_i)^2
                      + regularization (sum_u ||x_u||^2 + sum_i ||y_i||^2),
where c_ui is alpha if p_ui = 1 and 1 otherwise, and the sums run over all users and items. X and Y
are solved for in turn. A new user with the history h gets the factors that minimise this while Y is
fixed, x = (Y'CY + regularization I)^-1 Y'C h. Scores: x'Y'.

Hu, Koren, Volinsky 2008, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008. The
library implicit does the computation.

Differences from the paper:
1. alpha itself is the weight of a one; the paper's weight of r plays is 1 + alpha r.
2. In training, each least-squares problem gets three conjugate-gradient steps from the last epoch's
   solution (Takacs, Pilaszy, Tikk 2011), as is implicit's default. The fold-in of a new user is
   solved exactly.
3. On a GPU, which needs implicit's GPU build and the package rmm, conjugate gradients solve the
   fold-in too.
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
    """K, the number of factors of a user and of an item (tuned on ml1m validation)."""
    alpha: Annotated[PositiveFloat, Search(1, 50, log=True)] = 5.0
    """The weight of a one; a zero weighs 1 (tuned on ml1m validation; no value is published)."""
    regularization: Annotated[PositiveFloat, Search(0.1, 200, log=True)] = 50.0
    """The weight of the squared norms (tuned on ml1m validation; no value is published). Sparser
    data need less; with too much, all factors are 0."""
    epochs: PositiveInt = 15
    """How many times both X and Y are solved for (implicit's default: 15)."""


@register(
    "als",
    ALSConfig(),
    paper="Hu, Koren, Volinsky, Collaborative Filtering for Implicit Feedback Datasets, ICDM 2008",
    # implicit's GPU build does not load without rmm
    devices=("cpu", "cuda") if find_spec("rmm") else ("cpu",),
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
        # the best factors and their successor; what a checkpoint is written from
        best, checkpoint = 2, 2
        return factors * (1 + best + checkpoint)

    def weighted(self, matrix: csr_matrix) -> csr_matrix:
        """Return the weights c at the ones of ``matrix``.

        implicit's own alpha is left at 1, because its GPU build ignores that in training.
        """
        return (self.config.alpha * matrix).astype(np.float32)

    def prepare(self, train: csr_matrix) -> csr_matrix:
        return self.weighted(train)

    def train_epoch(self, data: csr_matrix) -> Log:
        losses = []
        # implicit's own threads call BLAS, which would start more threads in each of them
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
        # implicit has divided the loss by the sum of c
        total = self.config.alpha * data.nnz + users * items - data.nnz
        return {"loss": float(losses[0]) * total / users}

    @torch.no_grad()
    def score(self, history: csr_matrix, users: np.ndarray | None = None) -> Tensor:
        with threadpool_limits(1, "blas"):
            factors = self.implicit().recalculate_user(
                np.arange(history.shape[0]), self.weighted(history)
            )
        return self.tensor(factors) @ self.net["item"].T

    def implicit(self) -> Any:
        """Return implicit's model for one epoch from the factors so far, at first random ones."""
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
        """Return ``net[name]`` as implicit takes it: a NumPy array, or its matrix on the GPU."""
        array = self.net[name].cpu().numpy()
        if self.compute.device == "cpu":
            return array
        # it is in the compiled part, which pyright cannot see
        from implicit.gpu import Matrix  # pyright: ignore[reportAttributeAccessIssue]

        return Matrix(array)

    def tensor(self, factors: Any) -> Tensor:
        """Return implicit's ``factors`` as a tensor on the model's device."""
        array = factors if self.compute.device == "cpu" else factors.to_numpy()
        return torch.from_numpy(array).to(self.compute.device)
