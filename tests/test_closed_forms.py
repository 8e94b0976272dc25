"""The linear models and popularity against slow, obvious float64 computations."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from benchmark.paths import ROOT
from benchmark.plan.options import searches
from models import gram
from models.base import Compute
from models.linear import Linear, LinearConfig
from models.popularity import Popularity, PopularityConfig
from models.registry import MODELS


@pytest.fixture
def x(random) -> csr_matrix:
    return csr_matrix((random.random_sample((90, 37)) < 0.2).astype(np.float32))


@pytest.fixture(params=[1024, 10, 37, 1])
def block(request, monkeypatch) -> int:
    monkeypatch.setattr(gram, "BLOCK", request.param)
    return request.param


MEMBERS = {
    "ease": (3.0, 0.0, 0.0),
    "edlae": (3.0, 0.33, 0.0),
    "rlae": (3.0, 0.0, 0.3),
    "rdlae": (3.0, 0.2, 0.3),
    "lae": (3.0, 0.0, 1.0),
    "dlae": (3.0, 0.4, 1.0),
}
"""Numbers (l2, p, xi) of each member of the linear family."""
members = pytest.mark.parametrize("member", MEMBERS)


def fitted(x: csr_matrix, l2: float, p: float, xi: float) -> Linear:
    model = Linear(LinearConfig(l2=l2, p=p, xi=xi), x.shape, Compute())
    model.train_epoch(model.prepare(x))
    return model


@members
def test_a_linear_model_equals_its_closed_form(x, block, member):
    l2, p, xi = MEMBERS[member]
    model, dense = fitted(x, l2, p, xi), x.toarray().astype(np.float64)
    B = np.zeros((37, 37))
    G = dense.T @ dense
    L = [l2 + p / (1 - p) * G[j, j] for j in range(37)]
    C = np.linalg.inv(G + np.diag(L))
    for j in range(37):
        M = (1 - xi) / C[j, j] - L[j] if 1 - L[j] * C[j, j] > xi else 0.0
        for i in range(37):
            B[i, j] = 0.0 if i == j else -C[i, j] * (L[j] + M)
    np.testing.assert_allclose(model.net["B"].numpy(), B, atol=2e-6)
    np.testing.assert_allclose(model.score(x[:5]).numpy(), dense[:5] @ B, atol=1e-5)


def column(x: np.ndarray, l2: float, p: float, xi: float, j: int) -> np.ndarray:
    """Return the weights for item j that solve the objective, by regressions on the users: (I,).

    Dropout is in it as data: the expected squared error over all inputs in which each item is left
    out with probability p and weighs 1 / (1 - p) otherwise.
    """
    variance = p / (1 - p) * (x**2).sum(axis=0)
    rows = np.vstack([x, np.diag(np.sqrt(l2 + variance))])
    target = np.append(x[:, j], np.zeros(x.shape[1]))
    free = np.linalg.lstsq(rows, target)[0]
    if free[j] <= xi:
        return free
    # the bound holds with equality: the others explain what is left of the column
    others = np.delete(np.arange(x.shape[1]), j)
    left = np.append(x[:, j] * (1 - xi), np.zeros(x.shape[1]))
    bound = np.full(x.shape[1], xi)
    bound[others] = np.linalg.lstsq(rows[:, others], left)[0]
    return bound


@members
def test_each_column_of_a_linear_model_solves_its_bounded_regression(x, member):
    weights = fitted(x, *MEMBERS[member]).net["B"].numpy()
    dense = x.toarray().astype(np.float64)
    for j in range(0, 37, 5):
        want = column(dense, *MEMBERS[member], j)
        np.testing.assert_allclose(np.delete(weights[:, j], j), np.delete(want, j), atol=2e-6)


def test_the_bound_of_a_relaxed_model_binds_some_items_and_not_others(x):
    """Otherwise one of the two cases of the closed form would not have been tested."""
    dense = x.toarray().astype(np.float64)
    free = [column(dense, 3.0, 0.2, 1.0, j)[j] for j in range(37)]
    l2, p, xi = MEMBERS["rdlae"]
    assert (l2, p) == (3.0, 0.2)
    assert min(free) < max(free)
    assert xi < max(free)


@pytest.mark.parametrize(
    ("general", "special"),
    [
        ((3.0, 0.0, 1e-9), "ease"),
        ((3.0, 1e-9, 0.0), "ease"),
        ((3.0, 0.33, 1e-9), "edlae"),
        ((3.0, 1e-9, 0.3), "rlae"),
        ((3.0, 1e-9, 1.0), "lae"),
        ((3.0, 0.4, 1 - 1e-9), "dlae"),
    ],
)
def test_at_its_limits_a_linear_model_is_another_of_the_family(x, general, special):
    want = fitted(x, *MEMBERS[special]).net["B"]
    np.testing.assert_allclose(fitted(x, *general).net["B"], want, atol=1e-6)


def test_the_linear_models_differ_and_have_a_diagonal_of_zeros(x):
    made = [fitted(x, *numbers).net["B"] for numbers in MEMBERS.values()]
    assert all((B.diagonal() == 0).all() for B in made)
    assert all((one - other).abs().max() > 1e-3 for one, other in itertools.combinations(made, 2))


def test_tuning_searches_the_numbers_that_a_member_leaves_free():
    free = {name: set(searches(MODELS[name].config)) for name in MEMBERS}
    assert free == {
        "ease": {"l2"},
        "edlae": {"l2", "p"},
        "rlae": {"l2", "xi"},
        "rdlae": {"l2", "p", "xi"},
        "lae": {"l2"},
        "dlae": {"l2", "p"},
    }
    for name, (_, p, xi) in MEMBERS.items():
        config = MODELS[name].config
        assert isinstance(config, LinearConfig)
        assert (config.p > 0, config.xi > 0) == (p > 0, xi > 0)


@pytest.mark.parametrize("block_size", [1024, 5])
@pytest.mark.parametrize("largest", [33, 17, 8, 1])
def test_a_large_matrix_is_inverted_by_quarters(largest, block_size, random, monkeypatch):
    monkeypatch.setattr(gram, "LARGEST", largest)
    monkeypatch.setattr(gram, "BLOCK", block_size)
    X = random.random_sample((50, 33))
    A = (X.T @ X + np.eye(33)).astype(np.float32)
    want = np.linalg.inv(A.astype(np.float64))
    gram.invert(A)
    np.testing.assert_allclose(A, want, atol=5e-6)
    np.testing.assert_allclose(A, A.T, atol=5e-6)


def test_a_gram_matrix_that_float32_cannot_invert_is_said():
    x = csr_matrix(np.ones((50, 4), dtype=np.float32))
    with pytest.raises(np.linalg.LinAlgError, match="larger l2"):
        fitted(x, 1e-9, 0.0, 0.0)


def test_popularity_counts_training_users(x):
    model = Popularity(PopularityConfig(), x.shape, Compute())
    model.train_epoch(x)
    want = [sum(row[i] for row in x.toarray()) for i in range(37)]
    assert model.score(x[:3]).tolist() == [want] * 3
    assert torch.equal(model.score(x[:1]), model.score(x[1:2]))


MEMORY = """
import sys
import numpy as np
from scipy.sparse import random_array, csr_matrix
from benchmark.environment import process_peak_bytes
from models import gram
from models.base import Compute
from models.linear import Linear, LinearConfig
items, gram.LARGEST = 8_000, int(sys.argv[1])
x = csr_matrix(random_array((20_000, items), density=0.002, format="csr", dtype=np.float32, rng=0))
x.data[:] = 1
model = Linear(LinearConfig(), x.shape, Compute())
before = process_peak_bytes()
model.train_epoch(x)
print(process_peak_bytes() - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("largest", [8_000, 4_000])
def test_a_linear_model_needs_the_memory_that_it_says(largest, monkeypatch):
    """So 41,140 items, 6.8 GB a matrix, fit in 16 GB."""
    command = [sys.executable, "-c", MEMORY, str(largest)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    monkeypatch.setattr(gram, "LARGEST", largest)
    assert int(run.stdout) < Linear.memory(LinearConfig(), (20_000, 8_000))
    monkeypatch.undo()
    assert Linear.memory(LinearConfig(), (571_355, 41_140)) < 10e9
