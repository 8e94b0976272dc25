"""Ranks the items of each user of a fold and finds which of her top 100 items are targets.

This happens on the device of the scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from benchmark.evaluation.metrics import DEPTH
from datasets.split import Fold

Score = Callable[[csr_matrix, np.ndarray], Tensor]
"""A function of histories (B, I) and their users' positions in the fold (B,) that returns scores,
(B, I) float32; items of the history have scores too."""

SCORE_BYTES = 128 * 2**20
"""The most bytes in one batch of scores; a few more arrays of this size exist at a time."""


class ScoreError(Exception):
    """A model has returned something else than one finite score for each user and item."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """The ranking for the N users of a fold that have a target, in the order of the fold."""

    user: np.ndarray
    """(N,) int32 position of the user in the fold."""
    history: np.ndarray
    """(N,) int32 number of items in the user's history."""
    targets: np.ndarray
    """(N,) int32 number of the user's targets, at least 1."""
    top: np.ndarray
    """(N, 100) int32 items, best first; -1 where fewer than 100 items are ranked."""
    hit: np.ndarray
    """(N, 100) bool, whether the item at that rank is a target."""
    tied: float | None
    """The share of users whose top 100 depends on how ties are broken; None for lists made
    elsewhere."""


def evaluate(score: Score, fold: Fold) -> Ranking:
    """Rank the items outside the history for every user of ``fold`` who has a target.

    They are all such items or, in a fold with candidates, the user's candidates.

    Raises ScoreError if ``score`` returns a wrong shape or type, or a number that is not finite.
    """
    history, target = fold.history.matrix, fold.target.matrix
    users = with_items(target)
    parts = [_evaluate_batch(score, fold, batch) for batch in batches(users, target.shape[1])]
    top, hit, tied = (np.concatenate(column) for column in zip(*parts, strict=True))
    sizes = (np.diff(matrix.indptr)[users] for matrix in (history, target))
    return Ranking(users, *sizes, top=top, hit=hit, tied=float(tied.mean()))


def with_items(matrix: csr_matrix) -> np.ndarray:
    """Return the rows of a matrix (users, I) that have an entry, int32."""
    return np.flatnonzero(np.diff(matrix.indptr)).astype(np.int32)


def batches(users: np.ndarray, items: int) -> Iterator[np.ndarray]:
    """Yield ``users`` in parts whose scores of so many ``items`` take at most SCORE_BYTES."""
    size = max(1, SCORE_BYTES // (4 * items))
    for start in range(0, len(users), size):
        yield users[start : start + size]


def outside(score: Score, history: csr_matrix, users: np.ndarray) -> Tensor:
    """Return the scores of the items outside each history, and -inf for those in it: (B, I).

    Raises ScoreError as ``evaluate`` does.
    """
    # taken before, since a model may change its history in place
    (rows, items), shape = _entries(history), (len(users), history.shape[1])
    scores = _checked(score(history, users), shape, users)
    on = scores.device
    nothing = scores.new_tensor(-torch.inf)
    return scores.index_put((rows.to(on), items.to(on)), nothing)


def _evaluate_batch(
    score: Score, fold: Fold, users: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    target = fold.target.matrix[users]
    masked = outside(score, fold.history.matrix[users], users)
    on = masked.device
    if fold.candidates is not None:
        rows, items = (place.to(on) for place in _entries(fold.candidates.matrix[users]))
        masked = torch.full_like(masked, -torch.inf).index_put((rows, items), masked[rows, items])
    top, tied = rank(masked, torch.from_numpy(users).to(on))
    is_target = torch.zeros_like(masked, dtype=torch.bool)
    rows, items = _entries(target)
    is_target[rows.to(on), items.to(on)] = True
    hit = is_target.gather(1, top)
    top = torch.where(masked.gather(1, top) > -torch.inf, top, -1)
    missing = (0, DEPTH - top.shape[1])
    return (
        torch.nn.functional.pad(top, missing, value=-1).cpu().numpy().astype(np.int32),
        torch.nn.functional.pad(hit, missing, value=False).cpu().numpy(),
        tied.cpu().numpy(),
    )


def _entries(matrix: csr_matrix) -> tuple[Tensor, Tensor]:
    """Return the row and the column of each entry, int64, which share no memory with ``matrix``."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return torch.from_numpy(rows), torch.from_numpy(matrix.indices.astype(np.int64))


def _checked(scores: Tensor, shape: tuple[int, int], users: np.ndarray) -> Tensor:
    if tuple(scores.shape) != tuple(shape) or scores.dtype != torch.float32:
        raise ScoreError(
            f"scores are {tuple(scores.shape)} {scores.dtype}, but must be {tuple(shape)} "
            "torch.float32; return one for each user and item"
        )
    # if any score is NaN, so are the smallest and the largest
    if not torch.isfinite(torch.stack(scores.aminmax())).all():
        wrong = ~torch.isfinite(scores)
        row, item = wrong.nonzero()[0].tolist()
        raise ScoreError(
            f"{int(wrong.sum())} scores are not finite, the first {scores[row, item].item()} for "
            f"the user at position {users[row]} and item {item}; a score must be a finite number"
        )
    return scores


def rank(masked: Tensor, users: Tensor) -> tuple[Tensor, Tensor]:
    """Return the best 100 items of each row, best first, and which rows have a tie among them.

    The shapes are (B, I) -> (B, min(100, I)) and (B,). Items of equal scores are ordered by a hash
    of (position in the fold, item), never by their number: items are numbered by first appearance,
    and so almost by popularity.
    """
    depth = min(DEPTH, masked.shape[1])
    values, top = masked.topk(min(DEPTH + 1, masked.shape[1]))
    tied = ((values[:, 1:] == values[:, :-1]) & (values[:, 1:] > -torch.inf)).any(dim=1)
    top = top[:, :depth].contiguous()
    uncertain, step = tied.nonzero()[:, 0], max(1, len(masked) // 8)
    for start in range(0, len(uncertain), step):
        rows = uncertain[start : start + step]
        top[rows] = _untie(masked[rows], values[rows, depth - 1], users[rows])[:, :depth]
    return top, tied


def _untie(masked: Tensor, threshold: Tensor, users: Tensor) -> Tensor:
    """Return all items of each row whose scores are at least ``threshold``, by (-score, hash).

    Other items may follow them, so that all rows have the same length.
    """
    candidates = int((masked >= threshold[:, None]).sum(dim=1).max())
    values, items = masked.topk(candidates)
    by_hash = mix(users[:, None], items).argsort(dim=1)
    by_score = values.gather(1, by_hash).sort(dim=1, descending=True, stable=True).indices
    return items.gather(1, by_hash.gather(1, by_score))


def mix(users: Tensor, items: Tensor) -> Tensor:
    """Return a hash of each (user, item), int64; no two pairs have the same.

    This is splitmix64 (Steele, Lea, Flood 2014).
    """
    x = users.to(torch.int64) * 2**32 + items + -0x61C8864680B583EB
    x = (x ^ _shift(x, 30)) * -0x40A7B892E31B1A47
    x = (x ^ _shift(x, 27)) * -0x6B2FB644ECCEEE15
    return x ^ _shift(x, 31)


def _shift(x: Tensor, bits: int) -> Tensor:
    """Return ``x`` shifted to the right with zeros coming in; torch's own shift copies the sign."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)
