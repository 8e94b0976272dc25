"""Item-kNN against slow, obvious float64 computations, and what it reaches."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.sparse import csr_matrix, random_array

from models import item_knn
from models.base import Compute
from models.item_knn import ItemKNN, ItemKNNConfig
from tests.conftest import reached_on_ml1m


@pytest.fixture
def x(random) -> csr_matrix:
    """Items with different counts; item 5 has no user, and items 7 and 8 have the same ones."""
    dense = random.random_sample((90, 37)) < np.linspace(0.02, 0.5, 37)
    dense[:, 5] = False
    dense[:, 8] = dense[:, 7]
    return csr_matrix(dense.astype(np.float32))


@pytest.fixture(params=[2**22, 100, 1])
def entries(request, monkeypatch) -> int:
    """Blocks of all items, of a few, and of one."""
    monkeypatch.setattr(item_knn, "ENTRIES", request.param)
    return request.param


def fitted(x: csr_matrix, **options) -> ItemKNN:
    model = ItemKNN(ItemKNNConfig(**options), x.shape, Compute())
    model.train_epoch(model.prepare(x))
    return model


def nearest(dense: np.ndarray, k: int, shrink: float) -> np.ndarray:
    """S, one pair of items at a time."""
    items = dense.shape[1]
    n = [dense[:, i].sum() for i in range(items)]
    S = np.zeros((items, items))
    for j in range(items):
        found = []
        for i in range(items):
            both = sum(row[i] * row[j] for row in dense)
            if i != j and both:
                found.append((-both / (np.sqrt(n[i] * n[j]) + shrink), i))
        for similarity, i in sorted(found)[:k]:
            S[i, j] = -similarity
    return S


def stored(model: ItemKNN) -> np.ndarray:
    parts = (model.net[name].numpy() for name in ("values", "col", "crow"))
    return csr_matrix(tuple(parts), shape=(model.shape[1],) * 2).toarray()


@pytest.mark.parametrize("shrink", [0.0, 10.0])
@pytest.mark.parametrize("k", [1, 6, 36, 1000])
def test_item_knn_equals_its_definition(x, entries, k, shrink):
    model, dense = fitted(x, k=k, shrink=shrink), x.toarray().astype(np.float64)
    S = nearest(dense, k, shrink)
    np.testing.assert_allclose(stored(model), S, rtol=1e-6)
    np.testing.assert_allclose(model.score(x[:9]).numpy(), dense[:9] @ S, rtol=1e-5)


def test_an_item_keeps_k_neighbours_of_its_own_and_never_itself(x):
    S = stored(fitted(x, k=4))
    assert set((S > 0).sum(axis=0)) == {0, 4}
    assert (S > 0).sum(axis=1).max() > 4
    assert (S.diagonal() == 0).all()


def test_of_equal_neighbours_those_with_the_smallest_numbers_are_kept(entries):
    """All items are alike; k of the others must be kept."""
    S = stored(fitted(csr_matrix(np.ones((8, 7), dtype=np.float32)), k=3, shrink=0.0))
    for j in range(7):
        assert np.flatnonzero(S[:, j]).tolist() == [i for i in range(7) if i != j][:3]


def test_without_shrink_the_similarity_is_the_cosine(x):
    dense = x.toarray().astype(np.float64)
    norm = np.linalg.norm(dense, axis=0)
    norm[5] = 1
    cosine = (dense.T @ dense) / np.outer(norm, norm)
    np.fill_diagonal(cosine, 0)
    S = stored(fitted(x, k=37, shrink=0.0))
    np.testing.assert_allclose(S, cosine, atol=1e-6)
    assert S[7, 8] == pytest.approx(1)


def test_a_block_is_no_larger_than_it_may_be(monkeypatch):
    """So that a catalogue with a million items fits, of which all counts do not."""
    monkeypatch.setattr(item_knn, "ENTRIES", 2**15)
    x = csr_matrix(random_array((2000, 5000), density=0.01, format="csr", rng=0), dtype=np.float32)
    x.data[:] = 1
    tracemalloc.start()
    try:
        model = fitted(x, k=10)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    data = 2 * 8 * x.nnz  # its transpose
    assert peak < model.memory(model.config, x.shape) + data
    assert (x.T @ x).nnz * 8 > 10 * peak


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.parametrize(
    ("options", "known"),
    [((100, 10), 0.3673), ((200, 10), 0.3624), ((100, 50), 0.3632)],
)
def test_what_it_reaches_on_ml1m(options, known, data_dir, tmp_path):
    """What a float64 computation by another hand reached; it draws no random numbers."""
    given = [f"item-knn.k={options[0]}", f"item-knn.shrink={options[1]}"]
    reached = reached_on_ml1m("item-knn", data_dir, tmp_path, "--set", *given)
    assert reached == pytest.approx(known, abs=0.0005)
