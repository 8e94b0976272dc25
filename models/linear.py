"""The linear item-item models: EASE, EDLAE, RLAE, RDLAE, LAE and DLAE, which are one closed form.

Objective: min_B ||X - X B||_F^2 + sum_i L_i ||B_i||^2, where B_i is row i of B, under a bound on
the diagonal of B. L_i = l2 + p / (1 - p) n_i, where n_i is the number of item i's training users;
its second term is what dropout of the input with probability p comes to on average. The bound is
diag(B) = 0 with xi = 0, diag(B) <= xi in between, and none with xi = 1.

With C = (X'X + diag(L))^-1 the minimiser is B = I - C diag(L + M), where M_j = (1 - xi) / C_jj -
L_j if 1 - L_j C_jj > xi, and 0 otherwise. Its diagonal is then set to 0, because no user is
recommended what she has. Scores: history x B.

| model | xi | p | source |
|---|---|---|---|
| EASE | 0 | 0 | Steck 2019 |
| EDLAE | 0 | > 0 | Steck 2020 |
| RLAE, RDLAE | between | 0, > 0 | Moon, Kim, Lee 2023 |
| LAE, DLAE | 1 | 0, > 0 | the same; LAE is ridge regression |

Steck 2019, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
Steck 2020, "Autoencoders that don't overfit towards the Identity", NeurIPS 2020.
Moon, Kim, Lee 2023, "It's Enough: Relaxing Diagonal Constraints in Linear Autoencoders for
Recommendation", SIGIR 2023.

Differences from the paper: none in the mathematics. Everything is float32 and happens in the memory
of one (I, I) matrix: the Gram matrix is written block by block, and LAPACK's spotrf and spotri
invert it in place.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from pydantic import Field, PositiveFloat
from scipy.sparse import csr_matrix
from torch import Tensor

from models.base import Compute, Config, Log, Recommender, Search
from models.batches import CSR
from models.gram import gram, inverse_bytes, invert
from models.registry import register

Dropout = Annotated[
    float,
    Field(
        ge=0,
        lt=1,
        description="The probability p of dropping an item of the input, of which the mean effect "
        "is added to l2 (EDLAE's paper).",
    ),
]
Bound = Annotated[
    float,
    Field(
        ge=0,
        le=1,
        description="The bound on the diagonal of B: 0 forces it to be 0, 1 leaves it free (RLAE's "
        "paper).",
    ),
]


class LinearConfig(Config):
    """The three numbers of the closed form; tuning searches those that a member leaves free."""

    l2: Annotated[PositiveFloat, Search(10, 50_000, log=True)] = 500.0
    """The weight of ||B||_F^2, lambda in the papers."""
    p: Dropout = 0.0
    xi: Bound = 0.0


class DenoisingConfig(LinearConfig):
    """Options of the members with dropout."""

    p: Annotated[Dropout, Search(0.05, 0.8)] = 0.3


class RelaxedConfig(LinearConfig):
    """Options of the member whose diagonal is bounded but not forced to be 0."""

    xi: Annotated[Bound, Search(0.05, 0.95)] = 0.3


class RelaxedDenoisingConfig(DenoisingConfig):
    """Options of the member with both."""

    xi: Annotated[Bound, Search(0.05, 0.95)] = 0.3


class Linear(Recommender[LinearConfig]):
    """Item-item regression in closed form, which is computed in a single epoch."""

    net: dict[str, Tensor]

    def __init__(self, config: LinearConfig, shape: tuple[int, int], compute: Compute) -> None:
        super().__init__(config, shape, compute)
        self.net = {}

    @classmethod
    def memory(cls, config: LinearConfig, shape: tuple[int, int]) -> int:
        return inverse_bytes(shape[1])

    def train_epoch(self, data: csr_matrix) -> Log:
        # torch allocates aligned memory, in which NumPy and LAPACK then work
        matrix = torch.empty(self.shape[1], self.shape[1])
        C = gram(data, out=matrix.numpy())
        L = self.penalty(C.diagonal().astype(np.float64))
        np.fill_diagonal(C, C.diagonal() + L)
        invert(C)
        # multiplies column j by -(L_j + M_j)
        C *= -self.scale(L, C.diagonal().astype(np.float64))
        np.fill_diagonal(C, 0.0)
        self.net = {"B": matrix}
        return {}

    def penalty(self, n: np.ndarray) -> np.ndarray:
        """Return L from the items' numbers of training users: (I,) -> (I,) float64."""
        return self.config.l2 + self.config.p / (1 - self.config.p) * n

    def scale(self, L: np.ndarray, c: np.ndarray) -> np.ndarray:
        """Return L + M from L and the diagonal c of C: (I,), (I,) -> (I,) float32."""
        bounded = 1 - L * c > self.config.xi
        return np.where(bounded, (1 - self.config.xi) / c, L).astype(np.float32)

    def score(self, history: csr_matrix, users: np.ndarray | None = None) -> Tensor:
        return CSR.of(history).sparse() @ self.net["B"]


EASE_PAPER = "Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019"
EDLAE_PAPER = "Steck, Autoencoders that don't overfit towards the Identity, NeurIPS 2020"
RELAXED_PAPER = "Moon, Kim, Lee, Relaxing Diagonal Constraints in Linear Autoencoders, SIGIR 2023"

# EASE has its authors' l2 for ML-20M; the others have the best of a grid on ml1m (docs/tuning.md)
for name, config, paper in (
    ("ease", LinearConfig(), EASE_PAPER),
    ("edlae", DenoisingConfig(l2=200.0, p=0.5), EDLAE_PAPER),
    ("rlae", RelaxedConfig(l2=1000.0, xi=0.3), RELAXED_PAPER),
    ("rdlae", RelaxedDenoisingConfig(l2=500.0, p=0.33, xi=0.3), RELAXED_PAPER),
    ("lae", LinearConfig(l2=1000.0, xi=1.0), RELAXED_PAPER),
    ("dlae", DenoisingConfig(l2=300.0, p=0.4, xi=1.0), RELAXED_PAPER),
):
    register(name, config, paper=paper, deterministic=True)(Linear)
