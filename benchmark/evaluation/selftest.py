"""Checks of the evaluator and the protocol that must hold for any data: ``run_all.py selftest``.

Each scorer here is so simple that its result is known beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_matrix, vstack
from torch import Tensor

from benchmark.evaluation.metrics import HEADLINE, SELECTION, Metric, standard_error
from benchmark.evaluation.ranking import Ranking, Score, evaluate, mix
from benchmark.text import say
from datasets.cache import Prepared
from datasets.split import Fold, Interactions
from models.base import Compute, Config, Log, Recommender
from models.registry import MODELS

POPULARITY = {"58dd2ec9ea16": (0.1760, 0.2372, 0.2234)}
"""Popularity's known headline metrics by the first digits of the split's hash: that of ml1m."""
TOLERANCE = 0.0002
"""The largest difference from the known metrics, whose computation broke ties in another way."""


@dataclass(frozen=True)
class Result:
    """The outcome of one check."""

    good: bool
    what: str


def examine(name: str, prepared: Prepared) -> int:
    """Run all checks on a data set and print their results; return 1 if one fails, else 0."""
    results = [result for check in CHECKS for result in check(prepared)]
    for result in results:
        say(f"{'ok   ' if result.good else 'WRONG'} {result.what}")
    wrong = sum(not result.good for result in results)
    say(f"{name}: {len(results) - wrong} of {len(results)} checks passed")
    return int(wrong > 0)


def perfect(prepared: Prepared) -> Iterator[Result]:
    """Check that a scorer that knows the targets gets the best value of every metric."""
    fold = prepared.split.test
    target = fold.target.matrix
    ranking = evaluate(lambda history, users: torch.from_numpy(target[users].toarray()), fold)
    for metric in HEADLINE:
        worst = float(metric(ranking.hit, ranking.targets).min())
        yield Result(
            abs(worst - 1) < 1e-12,
            f"perfect scorer: {metric} is 1 for every user (smallest {worst:.6f})",
        )


def constant(prepared: Prepared) -> Iterator[Result]:
    """Check that a constant scorer does as a random order does, also with items by popularity."""
    split = prepared.split
    counts = np.bincount(split.train.item, minlength=split.train.shape[1])
    by_popularity = np.empty(len(counts), dtype=np.int64)
    by_popularity[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    same_users = np.arange(split.test.target.shape[0])
    for order, fold in (
        ("", split.test),
        (", items by popularity", permuted(split.test, same_users, by_popularity)),
    ):
        items = fold.target.shape[1]
        ranking = evaluate(lambda history, users, items=items: torch.zeros(len(users), items), fold)
        for metric in HEADLINE:
            difference = metric(ranking.hit, ranking.targets) - chance(metric, ranking, items)
            away = float(difference.mean()) / standard_error(difference)
            yield Result(
                abs(away) <= 3,
                f"constant scorer{order}: {metric} is {away:+.1f} standard errors from chance",
            )


def chance(metric: Metric, ranking: Ranking, items: int) -> np.ndarray:
    """Return the metric's expectation for a random order of the items outside the history: (N,)."""
    candidates = (items - ranking.history)[:, None]
    everywhere = np.arange(1, ranking.hit.shape[1] + 1) <= candidates
    # a hit is equally probable at every rank, and the headline metrics are linear in hits
    rate = ranking.targets / candidates[:, 0]
    return rate * metric(everywhere, ranking.targets)


def permutations(prepared: Prepared) -> Iterator[Result]:
    """Check that no hit changes if users and items are renumbered or scores transformed."""
    fold = prepared.split.test
    users, items = fold.target.shape
    random = np.random.RandomState(0)
    new_user, new_item = random.permutation(users), random.permutation(items)
    expected = evaluate(distinct(), fold).hit
    moved = evaluate(distinct(np.argsort(new_user), new_item), permuted(fold, new_user, new_item))
    back = np.argsort(np.argsort(new_user[evaluate(distinct(), fold).user]))
    yield Result(
        np.array_equal(moved.hit[back], expected),
        "users and items renumbered: the same hits at the same ranks",
    )
    transforms: dict[str, Callable[[Tensor], Tensor]] = {
        "2 x - 3 I, all negative": lambda x: 2 * x - 3 * items,
        "(x / I)^3": lambda x: (x / items) ** 3,
        "sqrt(x)": torch.sqrt,
    }
    for name, transform in transforms.items():
        hit = evaluate(lambda h, u, t=transform: t(distinct()(h, u)), fold).hit
        yield Result(
            np.array_equal(hit, expected), f"scores under {name}: the same hits at the same ranks"
        )


def distinct(old_user: np.ndarray | None = None, new_item: np.ndarray | None = None) -> Score:
    """Return a scorer that gives each user the scores 0, 1, ... I - 1 in an order of her own.

    ``old_user`` and ``new_item`` renumber users and items; each pair then keeps its score.
    """

    def score(history: csr_matrix, users: np.ndarray) -> Tensor:
        known = torch.from_numpy(users if old_user is None else old_user[users])
        scores = (
            mix(known[:, None], torch.arange(history.shape[1]))
            .argsort(dim=1)
            .argsort(dim=1)
            .float()
        )
        if new_item is not None:
            scores[:, new_item] = scores.clone()
        return scores

    return score


def permuted(fold: Fold, new_user: np.ndarray, new_item: np.ndarray) -> Fold:
    """Return the fold with user u at position ``new_user[u]`` and item i at ``new_item[i]``."""

    def move(part: Interactions) -> Interactions:
        user, item = new_user[part.user].astype(np.int32), new_item[part.item].astype(np.int32)
        return Interactions(
            user, item, part.user_ids[np.argsort(new_user)], part.item_ids[np.argsort(new_item)]
        )

    return Fold(move(fold.history), move(fold.target))


class Canary(Recommender[Config]):
    """A model that finds targets only if rows of held-out users are among the rows it is given.

    It remembers every row it is given, in training or as a history. For a history it takes the rows
    that contain all of it and whose other items are a fifth of the row, as a held-out user's
    targets are, and recommends these other items.
    """

    net: dict[str, Tensor]

    def __init__(self, items: int) -> None:
        super().__init__(Config(), (0, items), Compute())
        self.net = {}
        self.rows = csr_matrix((0, items), dtype=np.float32)

    def train_epoch(self, data: csr_matrix) -> Log:
        self.rows = csr_matrix(vstack([self.rows, data]))
        return {}

    def score(self, history: csr_matrix, users: np.ndarray | None = None) -> Tensor:
        size, seen = np.diff(self.rows.indptr), np.diff(history.indptr)
        overlap = (history @ self.rows.T).toarray()
        whole = (overlap == seen[:, None]) & (size - seen[:, None] == size // 5)
        scores = torch.from_numpy(csr_matrix(whole.astype(np.float32)) @ self.rows.toarray())
        self.rows = csr_matrix(vstack([self.rows, history]))
        return scores


def leak(prepared: Prepared) -> Iterator[Result]:
    """Check that the canary does far better if test users' rows are among the training rows."""
    split = prepared.split
    both = csr_matrix(split.test.history.matrix + split.test.target.matrix)
    found = {}
    for name, train in (
        ("as it is", split.train.matrix),
        ("leaking", csr_matrix(vstack([split.train.matrix, both]))),
    ):
        canary = Canary(train.shape[1])
        canary.train_epoch(canary.prepare(train))
        for fold in (split.validation, split.test):
            ranking = evaluate(lambda history, users, model=canary: model.score(history), fold)
        found[name] = float(SELECTION(ranking.hit, ranking.targets).mean())
    yield Result(
        found["as it is"] < 0.5 * found["leaking"],
        f"leak canary: {SELECTION} is {found['as it is']:.4f}, "
        f"and {found['leaking']:.4f} with test rows leaked to it",
    )


def popularity(prepared: Prepared) -> Iterator[Result]:
    """Check the model popularity against a plain computation, and against its known value."""
    split = prepared.split
    entry = MODELS["popularity"]
    model = entry.model(entry.config, split.train.shape, Compute())
    model.train_epoch(model.prepare(split.train.matrix))
    ranking = evaluate(lambda history, users: model.score(history), split.test)
    got = [float(metric(ranking.hit, ranking.targets).mean()) for metric in HEADLINE]
    known = POPULARITY.get(prepared.split_hash[:12])
    for source, values, tolerance in (
        ("a plain computation", plain_popularity(prepared), 1e-9),
        ("its known value", known, TOLERANCE),
    ):
        for metric, value, expected in zip(HEADLINE, got, values or (), strict=False):
            yield Result(
                abs(value - expected) <= tolerance,
                f"popularity: {metric} is {value:.4f}, by {source} {expected:.4f}",
            )


def plain_popularity(prepared: Prepared) -> tuple[float, ...]:
    """Return popularity's headline metrics in plain Python; only the hash is the evaluator's."""
    split = prepared.split
    items = split.train.shape[1]
    counts = np.bincount(split.train.item, minlength=items)
    history, target = split.test.history.matrix, split.test.target.matrix
    sums, users = np.zeros(len(HEADLINE)), 0
    for user in range(target.shape[0]):
        wanted = set(target.indices[target.indptr[user] : target.indptr[user + 1]].tolist())
        if not wanted:
            continue
        seen = set(history.indices[history.indptr[user] : history.indptr[user + 1]].tolist())
        by_hash = mix(torch.tensor([user]), torch.arange(items)).numpy()
        best = np.lexsort((by_hash, -counts)).tolist()
        hits = [item in wanted for item in best if item not in seen][:100]
        n, users = len(wanted), users + 1
        gain = sum(1 / np.log2(rank + 2) for rank, hit in enumerate(hits) if hit)
        ideal = sum(1 / np.log2(rank + 2) for rank in range(min(100, n)))
        sums += [sum(hits[:20]) / min(20, n), sum(hits[:50]) / min(50, n), gain / ideal]
    return tuple((sums / users).tolist())


CHECKS: tuple[Callable[[Prepared], Iterator[Result]], ...] = (
    perfect,
    constant,
    permutations,
    leak,
    popularity,
)
