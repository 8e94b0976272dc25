"""What must come out, whatever the data: checks of the evaluator and the protocol, for who doubts a table.

``run_all.py selftest`` prints each; the scorers here are simple enough to know their results.
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
from datasets.cache import Prepared
from datasets.split import Fold, Interactions
from models.base import Compute, Config, Log, Recommender
from models.registry import MODELS

POPULARITY = {"58dd2ec9ea16": (0.1760, 0.2372, 0.2234)}
"""Headline metrics by the first digits of the split's hash: made with the authors' procedure on ml1m."""
TOLERANCE = 0.0002
"""Of these metrics: ties, broken in another way there, decide the fourth decimal."""


@dataclass(frozen=True)
class Result:
    """One check."""

    good: bool
    what: str


def examine(name: str, prepared: Prepared) -> int:
    """Print what came out on a data set; 1 if anything did otherwise than it must."""
    results = [result for check in CHECKS for result in check(prepared)]
    for result in results:
        print(f"{'ok   ' if result.good else 'WRONG'} {result.what}")
    wrong = sum(not result.good for result in results)
    print(f"{name}: {len(results) - wrong} of {len(results)} checks passed")
    return int(wrong > 0)


def perfect(prepared: Prepared) -> Iterator[Result]:
    """A scorer that knows the targets."""
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
    """A scorer that cannot tell items apart, in the given order of items and in that of their popularity."""
    split = prepared.split
    popularity = np.bincount(split.train.item, minlength=split.train.shape[1])
    by_popularity = np.empty(len(popularity), dtype=np.int64)
    by_popularity[np.argsort(-popularity, kind="stable")] = np.arange(len(popularity))
    for order, fold in (
        ("", split.test),
        (
            ", items by popularity",
            permuted(split.test, np.arange(split.test.target.shape[0]), by_popularity),
        ),
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
    """What a random order of each user's candidates gives in expectation: (N,)."""
    candidates = (items - ranking.history)[:, None]
    everywhere = np.arange(1, ranking.hit.shape[1] + 1) <= candidates
    # of a hit at any rank; both metrics are linear in hits
    rate = ranking.targets / candidates[:, 0]
    return rate * metric(everywhere, ranking.targets)


def permutations(prepared: Prepared) -> Iterator[Result]:
    """Distinct scores, with users and items renumbered, and under increasing transforms."""
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
    """Scores 0, 1, ... I - 1 in an order of each user's own; of renumbered users and items, the same."""

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
    """The fold with user u at position ``new_user[u]`` and item i at ``new_item[i]``."""

    def move(part: Interactions) -> Interactions:
        user, item = new_user[part.user].astype(np.int32), new_item[part.item].astype(np.int32)
        return Interactions(
            user, item, part.user_ids[np.argsort(new_user)], part.item_ids[np.argsort(new_item)]
        )

    return Fold(move(fold.history), move(fold.target))


class Canary(Recommender[Config]):
    """Remembers every row it was ever given, and recommends what a row has that the history lacks.

    It takes rows that hold the whole history and a fifth more: what a held-out user's row would be. It sings
    only if such rows were among what a model may see.
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
    """A canary on the split as it is, and on one that has the test users' rows among the training rows."""
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
        f"leak canary: {SELECTION} is {found['as it is']:.4f}, and {found['leaking']:.4f} with test rows leaked to it",
    )


def popularity(prepared: Prepared) -> Iterator[Result]:
    """The model popularity against a plain computation, and against its known value where there is one."""
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
    """Headline metrics, user by user, in plain Python but for the hash that orders equally popular items."""
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
