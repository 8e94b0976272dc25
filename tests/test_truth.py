"""The rows oracle and bayes: their scores, and the bounds that they are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from benchmark.cli import main
from benchmark.evaluation.metrics import SELECTION
from benchmark.evaluation.truth import ROWS, bayes, oracle
from benchmark.records import store
from datasets.split import Truth
from datasets.synthetic import Synthetic, SyntheticConfig


@pytest.fixture
def truth(random) -> Truth:
    return Truth(
        np.exp(random.standard_normal((3, 7))), np.array([0.1, 0.5, 2.0]), np.array([2, 0, 1, 1])
    )


def test_oracle_ranks_by_the_true_type(truth):
    scores = oracle(truth)(csr_matrix((2, 7)), np.array([3, 0])).numpy()
    np.testing.assert_allclose(scores, truth.q[[1, 2]], rtol=1e-6)


def slow_bayes(truth: Truth, history: set[int]) -> list[float]:
    """Return P(item i is a target | history) by a sum over types and activities."""
    weights, chances = [], []
    for q in truth.q.tolist():
        for activity in truth.activity.tolist():
            p = [1 - math.exp(-activity * v) for v in q]
            likelihood = 1.0
            for i, v in enumerate(p):
                likelihood *= 0.8 * v if i in history else 1 - 0.8 * v
            weights.append(likelihood)
            chances.append([0.2 * v / (1 - 0.8 * v) for v in p])
    total = sum(weights)
    return [
        sum(w * c[i] for w, c in zip(weights, chances, strict=True)) / total
        for i in range(len(truth.q[0]))
    ]


def test_bayes_equals_a_sum_over_types_and_activities(truth):
    histories = [{0, 3}, set(), {6}, {1, 2, 4, 5}]
    dense = np.array([[float(i in h) for i in range(7)] for h in histories])
    scores = bayes(truth)(csr_matrix(dense), np.arange(4)).numpy()
    np.testing.assert_allclose(scores, [slow_bayes(truth, h) for h in histories], rtol=1e-5)


def test_the_truth_of_a_split_is_that_of_its_users_and_items():
    split, _ = Synthetic(SyntheticConfig(users=1500, items=200, density=0.1, types=6)).split()
    truth = split.truth
    assert truth is not None
    rows = (split.test.history.matrix + split.test.target.matrix).toarray()
    activity = np.median(truth.activity)
    p = np.clip(1 - np.exp(-activity * truth.q), 1e-9, 1 - 1e-9)
    likelihood = rows @ np.log(p).T + (1 - rows) @ np.log(1 - p).T
    assert (likelihood.argmax(axis=1) == truth.test_type).mean() > 0.9
    assert (np.diff(truth.activity) > 0).all()
    assert len(truth.activity) == 15


@pytest.mark.slow
def test_every_model_is_between_popularity_and_the_bounds(tmp_path):
    """``make demo``: each model at its defaults, two seeds."""
    assert main(["--out", str(tmp_path)]) == 0
    found = {}
    for record in store.read_all(tmp_path):
        assert record.metrics is not None
        found.setdefault(record.spec.model, []).append(record.metrics[str(SELECTION)])
    mean = {model: np.mean([m.mean for m in metrics]) for model, metrics in found.items()}
    models = mean.keys() - ROWS.keys()
    assert models == {"popularity", "ease", "als", "bpr", "mult-vae", "mult-dae"}
    assert all(mean[model] <= mean["oracle"] + 3 * found["oracle"][0].stderr for model in models)
    assert max(mean[model] for model in models) < mean["bayes"] < mean["oracle"]
    assert mean["bayes"] >= 1.5 * mean["popularity"]
    assert all(mean[model] >= 1.2 * mean["popularity"] for model in models - {"popularity"})
