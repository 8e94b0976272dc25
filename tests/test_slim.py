"""SLIM against scikit-learn, and against its optimality conditions in float64."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn import linear_model

from benchmark.paths import ROOT
from benchmark.plan.options import searches
from datasets.synthetic import SyntheticConfig, generate
from models import gram, slim
from models.base import Compute
from models.registry import MODELS
from models.slim import SLIM, TOLERANCE, SLIMConfig, nonnegative, step
from tests.conftest import reached_on_ml1m

settings = pytest.mark.parametrize(("l1", "l2"), [(0.1, 0.1), (2.0, 5.0), (5.0, 0.5), (9.0, 300.0)])


def generated(**options: float) -> csr_matrix:
    config = SyntheticConfig.model_validate(options)
    user, item = generate(config)
    dense = np.zeros((config.users, config.items), dtype=np.float32)
    dense[user, item] = 1
    return csr_matrix(dense)


@pytest.fixture(scope="module")
def x() -> csr_matrix:
    """Return 240 users; items 7 and 60 have the same ones, and item 61 has none."""
    dense = np.zeros((240, 62), dtype=np.float32)
    dense[:, :60] = generated(users=240, items=60, density=0.15, types=4).toarray()
    dense[:, 60] = dense[:, 7]
    return csr_matrix(dense)


def fitted(x: csr_matrix, l1: float, l2: float) -> tuple[SLIM, dict[str, float]]:
    model = SLIM(SLIMConfig(l1=l1, l2=l2), x.shape, Compute())
    return model, model.train_epoch(model.prepare(x))


def violations(x: csr_matrix, B: np.ndarray, l1: float, l2: float) -> list[float]:
    """Return the largest violation of each column's conditions, as a share of that at b = 0."""
    dense, found = x.toarray().astype(np.float64), []
    for j in range(len(B)):
        others = [i for i in range(len(B)) if i != j]
        at_zero = max(0.0, *(dense[:, others].T @ dense[:, j] - l1))
        slope = dense.T @ (dense @ B[:, j] - dense[:, j]) + l2 * B[:, j] + l1
        worst = max(abs(slope[i]) if B[i, j] > 0 else -slope[i] for i in others)
        found.append(max(0.0, worst) / at_zero if at_zero else worst)
    return found


@settings
def test_slim_equals_scikit_learns_elastic_net(x, l1, l2):
    """That divides its squared error by the number of users, and so alpha by it too."""
    dense, users = x.toarray().astype(np.float64), x.shape[0]
    oracle = linear_model.ElasticNet(
        alpha=(l1 + l2) / users,
        l1_ratio=l1 / (l1 + l2),
        positive=True,
        fit_intercept=False,
        tol=1e-12,
        max_iter=100_000,
    )
    B = fitted(x, l1, l2)[0].B.toarray()
    for j in range(x.shape[1]):
        want = oracle.fit(np.delete(dense, j, axis=1), dense[:, j]).coef_
        np.testing.assert_allclose(np.delete(B[:, j], j), want, atol=2e-5)


@pytest.mark.parametrize("block", [1024, 62, 10, 1])
@pytest.mark.parametrize(("l1", "l2"), [(0.1, 0.1), (2.0, 5.0), (0.0, 3.0), (1e6, 1.0)])
def test_the_weights_of_slim_meet_the_optimality_conditions(x, l1, l2, block, monkeypatch):
    monkeypatch.setattr(gram, "BLOCK", block)
    model, log = fitted(x, l1, l2)
    B = model.B.toarray().astype(np.float64)
    assert (B >= 0).all()
    assert not B.diagonal().any()
    assert max(violations(x, B, l1, l2)) <= 1.1 * TOLERANCE
    assert log["density"] == np.count_nonzero(B) / 62**2
    assert B.any() == (l1 < 1e6)


def test_the_conditions_hold_on_more_items_than_users():
    x = generated(users=300, items=800, density=0.03)
    model, log = fitted(x, 2.4, 20.0)
    assert max(violations(x, model.B.toarray(), 2.4, 20.0)) <= 1.1 * TOLERANCE
    assert 0 < log["optimality"] <= TOLERANCE
    assert 2 < log["rounds"] < 20


@settings
def test_the_loss_of_slim_is_its_objective_per_user(x, l1, l2):
    model, log = fitted(x, l1, l2)
    dense, B = x.toarray().astype(np.float64), model.B.toarray().astype(np.float64)
    squares = sum((dense[u, j] - dense[u] @ B[:, j]) ** 2 for u in range(240) for j in range(62))
    objective = squares / 2 + l2 / 2 * sum(b**2 for b in B.flat) + l1 * sum(map(abs, B.flat))
    assert log["loss"] == pytest.approx(objective / 240, rel=1e-6)


def test_slim_scores_by_the_sum_of_the_weights_of_a_history(x):
    model = fitted(x, 2.0, 5.0)[0]
    B = model.B.toarray().astype(np.float64)
    want = [sum(B[i, j] for i in x[u].indices) for u in range(5) for j in range(62)]
    np.testing.assert_allclose(model.score(x[:5]).numpy().flatten(), want, atol=1e-6)


@pytest.mark.parametrize("start", [1, 3, 1000])
def test_how_many_items_enter_at_a_time_does_not_matter(x, start, monkeypatch):
    want = fitted(x, 0.5, 2.0)[0].B.toarray()
    monkeypatch.setattr(slim, "START", start)
    np.testing.assert_allclose(fitted(x, 0.5, 2.0)[0].B.toarray(), want, atol=1e-5)


def test_what_is_not_solved_in_time_is_said(x, monkeypatch):
    monkeypatch.setattr(slim, "ROUNDS", 1)
    with pytest.raises(ArithmeticError, match="after 1 rounds"):
        fitted(x, 0.1, 0.1)


def test_an_active_set_lowers_the_objective_to_a_minimum_on_what_it_keeps(random):
    """Elements that depend on each other much make the shorter step needed, which is rare."""

    def objective(A: np.ndarray, q: np.ndarray, x: np.ndarray) -> float:
        return float(x @ A @ x / 2 - q @ x)

    shorter = 0
    for _ in range(300):
        rows = random.normal(size=(9, 8)) + 2 * random.normal(size=(9, 1))
        A, q = rows.T @ rows + 0.1 * np.eye(8), rows.T @ random.normal(size=9)
        # a start is a minimum of some elements, or 0
        x = np.zeros(8)
        kept, x[kept] = nonnegative(A[:4, :4], q[:4], x[:4])
        kept, end = nonnegative(A, q, x)
        assert (end > 0).all()
        np.testing.assert_allclose(A[np.ix_(kept, kept)] @ end, q[kept], atol=1e-8)
        got = np.zeros(8)
        got[kept] = end
        assert objective(A, q, got) <= objective(A, q, x) + 1e-9
        z = np.linalg.solve(A, q)
        if (z <= 0).any():
            after, _ = step(A, q, x, z)
            assert objective(A, q, after) <= objective(A, q, x) + 1e-9
            shorter += bool((after != np.maximum(z, 0)).any())
    assert shorter > 10


def test_tuning_slim_searches_both_of_its_options_by_their_logarithms():
    found = searches(MODELS["slim"].config)
    assert {name: search.log for name, search in found.items()} == {"l1": True, "l2": True}


MEMORY = """
import numpy as np
from scipy.sparse import csr_matrix, random_array
from benchmark.environment import process_peak_bytes
from models.base import Compute
from models.slim import SLIM, SLIMConfig
x = csr_matrix(random_array((20_000, 5_000), density=0.002, format="csr", dtype=np.float32, rng=0))
x.data[:] = 1
SLIM(SLIMConfig(), (20_000, 50), Compute()).train_epoch(x[:, :50])
model = SLIM(SLIMConfig(l1=1.5), x.shape, Compute())
before = process_peak_bytes()
model.train_epoch(x)
print(process_peak_bytes() - before)
"""


@pytest.mark.slow
def test_slim_needs_the_memory_that_it_says():
    command = [sys.executable, "-c", MEMORY]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    said = SLIM.memory(SLIMConfig(), (20_000, 5_000))
    assert int(run.stdout) < said
    # G, and three times a number and a place for a fifth of as many weights
    assert SLIM.memory(SLIMConfig(), (20_000, 100_000)) > (4 + 3 * 8 * 0.2) * 100_000**2


@pytest.mark.slow
@pytest.mark.realdata
def test_what_slim_reaches_on_ml1m(data_dir, tmp_path):
    assert 0.412 <= reached_on_ml1m("slim", data_dir, tmp_path) <= 0.424
