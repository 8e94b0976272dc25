"""The evaluator against a slow NumPy transcription and ranx, its ties, its refusals, and its
memory.
"""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from benchmark.errors import UsageError
from benchmark.evaluation import ranking as module
from benchmark.evaluation.metrics import (
    HEADLINE,
    Metric,
    average_precision,
    mrr,
    ndcg,
    recall,
    standard_error,
)
from benchmark.evaluation.ranking import ScoreError, evaluate, mix, rank
from datasets.split import Fold, Interactions


def fold_of(history: np.ndarray, target: np.ndarray) -> Fold:
    """Return a fold made of two dense binary (users, I) arrays."""
    ids = np.arange(history.shape[0]), np.arange(history.shape[1])
    parts = (
        Interactions(*(p.astype(np.int32) for p in np.nonzero(dense)), *ids)
        for dense in (history, target)
    )
    return Fold(*parts)


def random_fold(random: np.random.RandomState, users: int, items: int) -> Fold:
    kind = random.choice(3, size=(users, items), p=[0.7, 0.2, 0.1])
    kind[0] = np.where(kind[0] == 2, 0, kind[0])  # one user has no target
    kind[1, :2] = 1, 2
    return fold_of(kind == 1, kind == 2)


def slow_hash(user: int, item: int) -> int:
    mask = 2**64 - 1
    x = (user * 2**32 + item + 0x9E3779B97F4A7C15) & mask
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
    x ^= x >> 31
    return x - 2**64 if x >= 2**63 else x


def slow_ranking(scores: np.ndarray, fold: Fold) -> dict[int, list[int]]:
    """Return, for each user with a target, all candidates sorted by (-score, hash)."""
    rankings = {}
    for user in range(len(scores)):
        seen = set(fold.history.matrix[user].indices)
        if fold.target.matrix[user].nnz:
            candidates = [i for i in range(scores.shape[1]) if i not in seen]
            rankings[user] = sorted(
                candidates, key=lambda i: (-scores[user, i], slow_hash(user, i))
            )[:100]
    return rankings


def slow_metrics(ranking: list[int], targets: set[int]) -> dict[str, float]:
    def dcg(hits: list[bool]) -> float:
        return sum(1 / math.log2(r + 1) for r, hit in enumerate(hits, start=1) if hit)

    hits = [i in targets for i in ranking]
    n = len(targets)
    first = next((r for r, hit in enumerate(hits[:10], start=1) if hit), None)
    return {
        "Recall@20": sum(hits[:20]) / min(20, n),
        "Recall@50": sum(hits[:50]) / min(50, n),
        "NDCG@100": dcg(hits[:100]) / dcg([True] * min(100, n)),
        "NDCG@10": dcg(hits[:10]) / dcg([True] * min(10, n)),
        "MRR@10": 1 / first if first else 0.0,
        "MAP@10": sum(sum(hits[:r]) / r for r in range(1, 11) if hits[r - 1 : r] == [True])
        / min(10, n),
        "Precision@10": sum(hits[:10]) / 10,
        "HR@10": float(any(hits[:10])),
    }


LEVELS = {
    "constant": lambda random, shape: np.zeros(shape),
    "three levels": lambda random, shape: random.randint(3, size=shape) - 5.0,
    "popularity": lambda random, shape: np.tile(random.randint(12, size=shape[1]), (shape[0], 1)),
    "distinct": lambda random, shape: random.standard_normal(shape),
    "all negative": lambda random, shape: -10 - random.random_sample(shape),
}


@pytest.mark.parametrize("levels", LEVELS)
@pytest.mark.parametrize(
    ("items", "batch_rows"), [(7, 1000), (100, 1), (101, 5), (102, 1000), (260, 5)]
)
def test_equals_a_slow_transcription(levels, items, batch_rows, random, monkeypatch):
    monkeypatch.setattr(module, "SCORE_BYTES", 4 * items * batch_rows)
    fold = random_fold(random, 11, items)
    scores = LEVELS[levels](random, (11, items)).astype(np.float32)
    table = torch.from_numpy(scores)
    ranking = evaluate(lambda history, users: table[users], fold)
    expected = slow_ranking(scores, fold)
    assert ranking.user.tolist() == list(expected)
    for k, (user, best) in enumerate(expected.items()):
        assert [i for i in ranking.top[k] if i >= 0] == best
        targets = set(fold.target.matrix[user].indices)
        want = slow_metrics(best, targets)
        got = {
            n: Metric.parse(n)(ranking.hit[k : k + 1], ranking.targets[k : k + 1])[0] for n in want
        }
        assert got == pytest.approx(want, rel=1e-12)
        assert ranking.history[k] == fold.history.matrix[user].nnz
    assert np.array_equal(table.numpy(), scores)  # the model's tensor is not written to
    assert ranking.tied == (
        0 if levels in ("distinct", "all negative") else pytest.approx(1, abs=0.5)
    )


@pytest.mark.filterwarnings("ignore")  # numba's, about ranx's own code
def test_agrees_with_ranx(random, monkeypatch):
    import numba

    # compiling ranx takes half a minute, running it as the Python that it is written in none
    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)
    from ranx import Qrels, Run
    from ranx import evaluate as ranx_evaluate

    fold = random_fold(random, 60, 300)
    scores = torch.from_numpy(random.permutation(60 * 300).reshape(60, 300).astype(np.float32))
    ranking = evaluate(lambda history, users: scores[users], fold)
    qrels, run = {}, {}
    for k, user in enumerate(ranking.user):
        qrels[str(user)] = {str(i): 1 for i in fold.target.matrix[user].indices}
        run[str(user)] = {str(i): 200.0 - r for r, i in enumerate(ranking.top[k]) if i >= 0}
    same = {"NDCG@100": "ndcg@100", "NDCG@10": "ndcg@10", "MRR@10": "mrr@10"}
    same |= {"Precision@10": "precision@10", "HR@10": "hit_rate@10"}
    same["MAP@100"] = "map@100"  # nobody here has more than 100 targets
    names = [*same.values(), "hits@20", "hits@50"]
    ranx_evaluate(Qrels(qrels), run := Run(run), names)
    want = {
        name: np.array([run.scores[name][str(user)] for user in ranking.user]) for name in names
    }
    for ours, theirs in same.items():
        got = Metric.parse(ours)(ranking.hit, ranking.targets)
        np.testing.assert_allclose(got, want[theirs], rtol=1e-12)
    for cutoff in (20, 50):  # ranx's recall divides by all targets, the paper's by min(R, targets)
        got = recall(ranking.hit, ranking.targets, cutoff)
        np.testing.assert_allclose(
            got, want[f"hits@{cutoff}"] / np.minimum(cutoff, ranking.targets)
        )


def test_history_is_masked_below_every_score(random):
    """Scores that are all negative: masking with 0 would put the history first."""
    fold = random_fold(random, 20, 40)
    scores = torch.from_numpy(-5 - random.random_sample((20, 40)).astype(np.float32))
    scores[torch.from_numpy(fold.history.matrix.toarray()) > 0] = -0.5
    ranking = evaluate(lambda history, users: scores[users], fold)
    for k, user in enumerate(ranking.user):
        assert not set(ranking.top[k]) & set(fold.history.matrix[user].indices)


def changed(history: csr_matrix) -> None:
    history.data[:] = 0
    history.eliminate_zeros()


def rotated(history: csr_matrix) -> None:
    history.indices[:] = (history.indices + 1) % history.shape[1]


def cut(history: csr_matrix) -> None:
    history.resize((1, 1))


@pytest.mark.parametrize("change", [changed, rotated, cut])
def test_a_model_that_changes_its_history_changes_no_mask(change, random):
    fold = random_fold(random, 20, 40)
    scores = torch.from_numpy(random.standard_normal((20, 40)).astype(np.float32))

    def score(history, users):
        change(history)
        return scores[users]

    plain, own = evaluate(lambda history, users: scores[users], fold), evaluate(score, fold)
    assert np.array_equal(own.top, plain.top)
    assert np.array_equal(own.hit, plain.hit)
    assert np.array_equal(own.history, plain.history)


def test_the_models_own_tensor_is_not_written_to(random):
    dense = random.choice(3, size=(8, 20), p=[0.6, 0.2, 0.2])
    dense[:, 0], dense[:, 1] = 1, 2
    fold = fold_of(dense == 1, dense == 2)
    own = torch.rand(8, 20)
    before = own.clone()
    evaluate(lambda history, users: own, fold)
    assert torch.equal(own, before)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))
def test_hash_equals_splitmix64(user, item):
    assert mix(torch.tensor(user), torch.tensor(item)).item() == slow_hash(user, item)


def test_ties_do_not_follow_the_item_number():
    top, tied = rank(torch.zeros(200, 1000), torch.arange(200))
    assert tied.all()
    assert top.double().mean().item() == pytest.approx(499.5, abs=10)


def test_a_tie_across_the_100th_place_is_seen():
    scores = -torch.arange(150.0).expand(64, -1).clone()
    scores[:, 100] = scores[:, 99]
    top, tied = rank(scores, torch.arange(64))
    assert tied.all()
    assert (top[:, :99] == torch.arange(99)).all()
    assert set(top[:, 99].tolist()) == {99, 100}


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from([recall, ndcg, average_precision]),
    st.integers(1, 100),
)
def test_metrics_are_shares(seed, metric, cutoff):
    random = np.random.RandomState(seed)
    targets = random.randint(1, 130, size=6)
    hit = np.zeros((6, 100), dtype=bool)
    for row, n in zip(hit, targets, strict=True):
        row[random.choice(100, size=random.randint(min(n, 100) + 1), replace=False)] = True
    values = metric(hit, targets, cutoff)
    assert ((values >= 0) & (values <= 1 + 1e-12)).all()
    perfect = np.arange(100) < targets[:, None]
    np.testing.assert_allclose(metric(perfect, targets, cutoff), 1)
    assert (metric(np.zeros_like(hit), targets, cutoff) == 0).all()
    if metric is ndcg and cutoff == 100:  # a hit moved up never hurts
        better = hit.copy()
        better[:, ::-1].sort(axis=1)
        assert (metric(better, targets, cutoff) >= values - 1e-12).all()


def test_mrr_and_standard_error_by_hand():
    hit = np.zeros((3, 100), dtype=bool)
    hit[0, [3, 5]] = hit[1, 12] = True
    assert mrr(hit, np.ones(3, int), 10).tolist() == [0.25, 0, 0]
    assert standard_error(np.array([1.0, 2.0, 3.0, 6.0])) == pytest.approx(math.sqrt(3.5) / 2)


@pytest.mark.parametrize(
    "wrong", ["NDGC@10", "NDCG", "NDCG@0", "NDCG@101", "NDCG@x", "Recall@-5", "NDCG@1.5"]
)
def test_a_metric_that_does_not_exist_is_refused(wrong):
    with pytest.raises(UsageError):
        Metric.parse(wrong)
    assert [str(m) for m in HEADLINE] == ["Recall@20", "Recall@50", "NDCG@100"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_refused(value, random):
    fold = random_fold(random, 8, 20)
    scores = torch.rand(8, 20)
    scores[3, 7] = value
    with pytest.raises(ScoreError, match=f"{value} for the user at position 3 and item 7"):
        evaluate(lambda history, users: scores[users], fold)


@pytest.mark.parametrize(
    "wrong", [torch.rand(8, 19), torch.rand(8, 20).double(), torch.rand(6, 20)]
)
def test_scores_of_another_form_are_refused(wrong, random):
    fold = random_fold(random, 8, 20)
    with pytest.raises(ScoreError, match="one for each user and item"):
        evaluate(lambda history, users: wrong, fold)


MEMORY = """
import numpy as np, torch
from benchmark.environment import process_peak_bytes
from benchmark.evaluation.ranking import evaluate
from datasets.split import Fold, Interactions
users, items = 10_000, 41_000
torch.set_num_threads(2)
ids = np.arange(users), np.arange(items)
row = np.repeat(np.arange(users, dtype=np.int32), 60)
col = (np.arange(len(row), dtype=np.int64) * 7919 % items).astype(np.int32)
target = np.arange(len(row)) % 5 == 0
history = Interactions(row[~target], col[~target], *ids)
fold = Fold(history, Interactions(row[target], col[target], *ids))
fold.history.matrix, fold.target.matrix
def score(history, users):
    constant = torch.zeros(items).expand(history.shape[0], -1)
    return torch.rand(history.shape) if KIND == "random" else constant
torch.rand(10, 10).topk(3)
before = process_peak_bytes()
evaluate(score, fold)
print(process_peak_bytes() - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["random", "constant"])
def test_memory_at_the_size_of_msd(kind):
    run = subprocess.run(
        [sys.executable, "-c", f"KIND = {kind!r}\n{MEMORY}"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 2**30


@pytest.mark.gpu
def test_gpu_ranks_like_the_cpu(random, gpu):
    fold = random_fold(random, 50, 300)
    scores = torch.from_numpy(random.randint(40, size=(50, 300)).astype(np.float32))
    on_gpu = scores.to(gpu)
    here, there = evaluate(lambda h, u: scores[u], fold), evaluate(lambda h, u: on_gpu[u], fold)
    assert np.array_equal(here.top, there.top)


def test_a_csr_matrix_is_what_models_get(random):
    fold = random_fold(random, 8, 20)

    def score(history, users):
        assert isinstance(history, csr_matrix)
        assert (history.toarray() == fold.history.matrix[users].toarray()).all()
        return torch.rand(history.shape)

    evaluate(score, fold)
