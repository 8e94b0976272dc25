"""Random interactions of the size of a published data set.

The popularity of items has a long tail, and the activity of users is log-normal; there is no other
structure.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from datasets.split import Fold, Interactions

ML20M = (116_677, 20_108)
"""The numbers of training users and items after the paper's filters."""
ITEMS_PER_USER = 73
"""The mean number of items of a training user of ML-20M."""


def interactions(
    users: int, items: int, per_user: float = ITEMS_PER_USER, seed: int = 0
) -> csr_matrix:
    """Return a binary matrix (users, items) with about ``per_user`` items for each user.

    Items are drawn in proportion to their popularity.
    """
    random = np.random.RandomState(seed)
    activity = np.exp(random.standard_normal(users))
    # a few more draws than items, since an item that is drawn twice counts once
    counts = np.maximum(5, random.poisson(per_user * 1.04 * activity / activity.mean()))
    popularity = (np.arange(items) + 100.0) ** -0.9
    cumulative = (popularity / popularity.sum()).cumsum()
    item = np.searchsorted(cumulative, random.random_sample(int(counts.sum()))).clip(max=items - 1)
    user = np.repeat(np.arange(users), counts)
    matrix = csr_matrix((np.ones(len(user), dtype=np.float32), (user, item)), shape=(users, items))
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def fold(users: int, items: int) -> Fold:
    """Return a fold whose targets are each user's first item and about a fifth of the others."""
    matrix = interactions(users, items)
    pairs = matrix.tocoo()
    target = np.random.RandomState(1).random_sample(pairs.nnz) < 0.2
    target[matrix.indptr[:-1]] = True
    ids = np.arange(users), np.arange(items)
    return Fold(
        *(
            Interactions(pairs.row[part].astype(np.int32), pairs.col[part].astype(np.int32), *ids)
            for part in (~target, target)
        )
    )
