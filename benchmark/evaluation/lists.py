"""Metrics of recommended lists as such, whether or not their items are targets.

``top`` (N, R) holds the items recommended to N users, the best first, and -1 behind a list's end.
"""

from __future__ import annotations

import numpy as np


def coverage(top: np.ndarray, items: int) -> float:
    """Return the share of so many ``items`` that are in at least one list."""
    return len(np.unique(top[top >= 0])) / items


def novelty(top: np.ndarray, counts: np.ndarray, users: int) -> float:
    """Return the mean over users of the mean of -log2(share of training users) over their items.

    ``counts`` (items,) says how many of so many training ``users`` have each item; one that none
    has counts as if one had it. Users with an empty list do not count; nan if there is no other
    (Vargas, Castells 2011, "Rank and Relevance in Novelty and Diversity Metrics").
    """
    bits = -np.log2(np.maximum(counts, 1) / users)
    listed = top >= 0
    lengths = listed.sum(axis=1)
    sums = np.where(listed, bits[top], 0.0).sum(axis=1)
    return float((sums[lengths > 0] / lengths[lengths > 0]).mean()) if lengths.any() else np.nan
