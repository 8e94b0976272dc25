"""Popularity: every user is offered the items that most training users have.

Objective: none. It ignores the history, so every other model should beat it. It is deterministic,
so its published results test an evaluator (Rendle, Zhang, Koren 2019, "On the Difficulty of
Evaluating Baselines").

Differences from the paper: none.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from models.base import Compute, Config, Log, Recommender
from models.registry import register


class PopularityConfig(Config):
    """The options of popularity: it has none."""


@register(
    "popularity",
    PopularityConfig(),
    paper="Rendle, Zhang, Koren, On the Difficulty of Evaluating Baselines, 2019",
    deterministic=True,
    devices=("cpu", "cuda"),
)
class Popularity(Recommender[PopularityConfig]):
    """An item's score is the number of training users who have it."""

    net: dict[str, Tensor]

    def __init__(self, config: PopularityConfig, shape: tuple[int, int], compute: Compute) -> None:
        super().__init__(config, shape, compute)
        self.net = {"count": torch.zeros(shape[1], device=compute.device)}

    @classmethod
    def memory(cls, config: PopularityConfig, shape: tuple[int, int]) -> int:
        # the counts, as whole numbers and as scores
        return 2 * 4 * shape[1]

    def train_epoch(self, data: csr_matrix) -> Log:
        count = np.bincount(data.indices, minlength=self.shape[1]).astype(np.float32)
        self.net["count"] = torch.from_numpy(count).to(self.compute.device)
        return {}

    def score(self, history: csr_matrix, users: np.ndarray | None = None) -> Tensor:
        return self.net["count"].expand(history.shape[0], -1)
