"""EASE and popularity against slow, obvious float64 computations."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from benchmark.paths import ROOT
from models import ease
from models.base import Compute
from models.ease import EASE, EASEConfig
from models.popularity import Popularity, PopularityConfig


@pytest.fixture
def x(random) -> csr_matrix:
    return csr_matrix((random.random_sample((90, 37)) < 0.2).astype(np.float32))


@pytest.fixture(params=[1024, 10, 37, 1])
def block(request, monkeypatch) -> int:
    monkeypatch.setattr(ease, "BLOCK", request.param)
    return request.param


def test_ease_equals_the_closed_form(x, block):
    model = EASE(EASEConfig(l2=3.0), x.shape, Compute())
    model.train_epoch(model.prepare(x))
    dense = x.toarray().astype(np.float64)
    P = np.linalg.inv(dense.T @ dense + 3.0 * np.eye(37))
    B = np.array([[0.0 if i == j else -P[i, j] / P[j, j] for j in range(37)] for i in range(37)])
    np.testing.assert_allclose(model.net["B"].numpy(), B, atol=2e-6)
    np.testing.assert_allclose(model.score(x[:5]).numpy(), dense[:5] @ B, atol=1e-5)


def test_each_column_of_ease_is_a_ridge_regression_on_the_other_items(x):
    model = EASE(EASEConfig(l2=3.0), x.shape, Compute())
    model.train_epoch(model.prepare(x))
    dense = x.toarray().astype(np.float64)
    for j in range(0, 37, 5):
        others = np.delete(dense, j, axis=1)
        b = np.linalg.solve(others.T @ others + 3.0 * np.eye(36), others.T @ dense[:, j])
        np.testing.assert_allclose(np.delete(model.net["B"].numpy()[:, j], j), b, atol=2e-6)


@pytest.mark.parametrize("largest", [33, 17, 8, 1])
def test_a_large_matrix_is_inverted_by_quarters(largest, random, monkeypatch):
    monkeypatch.setattr(ease, "LARGEST", largest)
    X = random.random_sample((50, 33))
    A = (X.T @ X + np.eye(33)).astype(np.float32)
    want = np.linalg.inv(A.astype(np.float64))
    ease.invert(A)
    np.testing.assert_allclose(A, want, atol=5e-6)
    np.testing.assert_allclose(A, A.T, atol=5e-6)


def test_a_gram_matrix_that_float32_cannot_invert_is_said():
    x = csr_matrix(np.ones((50, 4), dtype=np.float32))
    model = EASE(EASEConfig(l2=1e-9), x.shape, Compute())
    with pytest.raises(np.linalg.LinAlgError, match="larger l2"):
        model.train_epoch(x)


def test_popularity_counts_training_users(x):
    model = Popularity(PopularityConfig(), x.shape, Compute())
    model.train_epoch(x)
    want = [sum(row[i] for row in x.toarray()) for i in range(37)]
    assert model.score(x[:3]).tolist() == [want] * 3
    assert torch.equal(model.score(x[:1]), model.score(x[1:2]))


MEMORY = """
import resource, numpy as np
from scipy.sparse import random_array, csr_matrix
from models.base import Compute
from models.ease import EASE, EASEConfig
items = 8_000
x = csr_matrix(random_array((20_000, items), density=0.002, format="csr", dtype=np.float32, rng=0))
x.data[:] = 1
model = EASE(EASEConfig(), x.shape, Compute())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
model.train_epoch(x)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / (4 * items**2))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux only")
def test_ease_needs_one_item_matrix_and_half():
    """So 41,000 items, 6.7 GB a matrix, fit in 16 GB."""
    run = subprocess.run([sys.executable, "-c", MEMORY], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) < 1.5
