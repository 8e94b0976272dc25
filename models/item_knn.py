"""Item-kNN: an item's score adds up the similarities of its nearest neighbours in the history.

Objective: none; the model is counted. s_ij = G_ij / (sqrt(n_i n_j) + shrink), where G_ij is the
number of training users who have both items and n_i = G_ii. Without shrink this is the cosine of
two columns of the training matrix. S keeps, in each column j, the k largest s_ij with i != j; of
equal ones it keeps those with the smallest item numbers. A new user is nothing but her history h.
Scores: h S.

Deshpande, Karypis 2004, "Item-Based Top-N Recommendation Algorithms", ACM TOIS 22(1).
Bell, Koren 2007, "Improved Neighborhood-based Collaborative Filtering", KDD Cup 2007 (shrinkage).

Differences from the paper:
1. shrink is added to the denominator, which makes similarities from few users small, as is common.
   The first paper has no shrinkage. The second multiplies s_ij by G_ij / (G_ij + shrink).
2. The k neighbours are those of the item that is scored. In the first paper each item of the
   history adds to the scores of its own k neighbours.
3. Users are not weighted by their numbers of items, and the similarities of an item's neighbours
   are not scaled to a sum of 1; the first paper tries both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import torch
from pydantic import NonNegativeFloat, PositiveInt
from scipy.sparse import csc_matrix, csr_matrix
from torch import Tensor

from models.base import Compute, Config, Log, Recommender, Search
from models.registry import register

ENTRIES = 2**22
"""The most counts in a block of G; only one item's counts may be more."""
BYTES = 64
"""What a count takes, with its similarity and the arrays that it is computed from."""


class ItemKNNConfig(Config):
    """Options of item-kNN."""

    k: Annotated[PositiveInt, Search(10, 1000, log=True)] = 100
    """The number of neighbours that an item keeps (tuned on ml1m validation)."""
    shrink: Annotated[NonNegativeFloat, Search(1, 500, log=True)] = 20.0
    """The number of users that is added to the denominator (tuned on ml1m validation)."""


@register(
    "item-knn",
    ItemKNNConfig(),
    paper="Deshpande, Karypis, Item-Based Top-N Recommendation Algorithms, ACM TOIS 2004",
    deterministic=True,
)
class ItemKNN(Recommender[ItemKNNConfig]):
    """Nearest neighbours of items, by the cosine with shrinkage."""

    net: dict[str, Tensor]

    def __init__(self, config: ItemKNNConfig, shape: tuple[int, int], compute: Compute) -> None:
        super().__init__(config, shape, compute)
        self.net = {}

    @classmethod
    def memory(cls, config: ItemKNNConfig, shape: tuple[int, int]) -> int:
        items = shape[1]
        kept = items * min(config.k, items)
        # an item and a similarity: as found, put together, and as rows
        return 3 * 8 * kept + 8 * items + BYTES * max(ENTRIES, items)

    def train_epoch(self, data: csr_matrix) -> Log:
        similarity = self.nearest(data).tocsr()
        self.net = {
            "crow": torch.from_numpy(similarity.indptr),
            "col": torch.from_numpy(similarity.indices),
            "values": torch.from_numpy(similarity.data),
        }
        return {}

    def nearest(self, X: csr_matrix) -> csc_matrix:
        """Return S by its columns: (U, I) -> (I, I) float32."""
        items, values, size = [], [], [0]
        for item, others, similarity in similarities(X, self.config.shrink):
            kept = largest(similarity, others, self.config.k)
            items.append(others[kept])
            values.append(similarity[kept].astype(np.float32))
            size.append(len(items[item]))
        parts = np.concatenate(values), np.concatenate(items), np.cumsum(size)
        return csc_matrix(parts, shape=(X.shape[1], X.shape[1]))

    def score(self, history: csr_matrix, users: np.ndarray | None = None) -> Tensor:
        parts = (self.net[name].numpy() for name in ("values", "col", "crow"))
        similarity = csr_matrix(tuple(parts), shape=(self.shape[1], self.shape[1]))
        return torch.from_numpy(csr_matrix(history @ similarity).toarray()).float()


def similarities(X: csr_matrix, shrink: float) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield each item j, the items i != j that share a user with it, and their s_ij in float64."""
    Xt = X.T.tocsr()
    n = np.diff(Xt.indptr)
    for block in blocks(Xt, X):
        # rows of G, which are its columns too
        counts = Xt[block] @ X
        for item, start, stop in zip(
            range(block.start, block.stop), counts.indptr, counts.indptr[1:], strict=False
        ):
            others, count = counts.indices[start:stop], counts.data[start:stop]
            count, others = count[others != item], others[others != item]
            yield item, others, count / (np.sqrt(n[others] * float(n[item])) + shrink)


def blocks(Xt: csr_matrix, X: csr_matrix) -> Iterator[slice]:
    """Yield slices that cover the items; the block of G of each has at most ENTRIES counts."""
    # an item shares users with at most as many items as those users have in all
    most = np.minimum(Xt @ np.diff(X.indptr).astype(np.float64), X.shape[1])
    before, start = np.concatenate([[0], np.cumsum(most)]), 0
    while start < len(most):
        fits = np.searchsorted(before, before[start] + ENTRIES, side="right") - 1
        stop = max(start + 1, int(fits))
        yield slice(start, stop)
        start = stop


def largest(values: np.ndarray, items: np.ndarray, k: int) -> np.ndarray:
    """Return where the k largest ``values`` are; of equal ones, those of the smallest ``items``."""
    if len(values) <= k:
        return np.arange(len(values))
    least = np.partition(values, -k)[-k]
    above, tied = np.flatnonzero(values > least), np.flatnonzero(values == least)
    return np.concatenate([above, tied[items[tied].argsort()][: k - len(above)]])
