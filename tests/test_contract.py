"""What every registered model promises; a new one is tested by registering it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from scipy.sparse import csr_matrix, save_npz

from benchmark.paths import ROOT
from benchmark.plan.options import configured, descriptions, flat, searches
from models.registry import MODELS
from tests.fit import checkerboard, make, score, train

pytestmark = [pytest.mark.contract, pytest.mark.parametrize("name", MODELS)]


@pytest.fixture
def matrix(small_split) -> csr_matrix:
    return small_split.train.matrix


def test_scores_are_float32_one_per_user_and_item_and_finite(name, matrix):
    scores = score(train(make(name, matrix.shape), matrix), matrix, slice(7))
    assert (scores.shape, scores.dtype) == ((7, matrix.shape[1]), torch.float32)
    assert torch.isfinite(scores).all()
    assert not scores.requires_grad


def test_a_user_is_scored_alone_as_in_a_batch(name, matrix):
    model = train(make(name, matrix.shape), matrix)
    together = score(model, matrix, slice(9))
    for user in range(9):
        alone = score(model, matrix, slice(user, user + 1))[0]
        np.testing.assert_allclose(alone, together[user], rtol=1e-4, atol=1e-5)


def test_scoring_changes_nothing(name, matrix):
    model = train(make(name, matrix.shape), matrix)
    before, history = {n: t.clone() for n, t in model.state().items()}, matrix[:9].copy()
    first, second = (score(model, matrix, slice(9)).clone() for _ in range(2))
    assert torch.equal(first, second)
    assert all(torch.equal(t, before[n]) for n, t in model.state().items())
    assert (history != matrix[:9]).nnz == 0


def test_an_empty_history_is_scored(name, matrix):
    model = train(make(name, matrix.shape), matrix)
    scores = score(model, csr_matrix((2, matrix.shape[1]), dtype=np.float32))
    assert scores.shape == (2, matrix.shape[1])
    assert torch.isfinite(scores).all()


def test_training_happens_in_epochs_only(name, matrix):
    model = make(name, matrix.shape)
    assert (model.epoch, model.planned >= 1) == (0, True)
    untrained = {n: t.clone() for n, t in model.weights.items()}
    data = model.prepare(matrix)
    assert all(torch.equal(t, untrained[n]) for n, t in model.weights.items())
    train(model, matrix, until=1)
    assert any(
        n not in untrained or not torch.equal(t, untrained[n]) for n, t in model.weights.items()
    )
    assert data is not None


def test_prepare_draws_no_random_numbers(name, matrix):
    model = make(name, matrix.shape)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    model.prepare(matrix)
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()


def test_the_same_seed_gives_the_same_bits(name, matrix):
    first, second = (score(train(make(name, matrix.shape), matrix), matrix) for _ in range(2))
    assert torch.equal(first, second)


def test_deterministic_means_no_seed_matters(name, matrix):
    first = score(train(make(name, matrix.shape), matrix), matrix)
    torch.manual_seed(1)
    np.random.seed(1)
    entry = MODELS[name]
    other = entry.model(
        make(name, matrix.shape).config, matrix.shape, make(name, matrix.shape).compute
    )
    data = other.prepare(matrix)
    while other.epoch < other.planned:
        torch.manual_seed(50 + other.epoch)
        other.train_epoch(data)
        other.epoch += 1
    assert torch.equal(first, score(other, matrix)) == entry.deterministic


@pytest.fixture(scope="module")
def resumed(request, small_split, tmp_path_factory) -> tuple[Path, str]:
    """Where the scores are of each model that was stopped here and resumed in a new process, and
    what that said.

    One process resumes all that are tested, since importing takes longer than any of it.
    """
    folder, matrix = tmp_path_factory.mktemp("resumed"), small_split.train.matrix
    save_npz(folder / "matrix.npz", matrix)
    tested = [item for item in request.session.items if "resumed" in item.fixturenames]
    for name in {item.callspec.params["name"] for item in tested}:
        with suppress(Exception):  # its own test says why
            model = make(name, matrix.shape)
            train(model, matrix, until=min(2, model.planned))
            state = {n: t.contiguous().clone() for n, t in model.state().items()}
            save_file(state, folder / f"{name}.state", {"epoch": str(model.epoch)})
    command = [sys.executable, "-m", "tests.fit", str(folder)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return folder, run.stderr


def test_stopped_and_resumed_in_a_new_process_gives_the_same_bits(name, matrix, resumed):
    straight = score(train(make(name, matrix.shape), matrix), matrix)
    folder, said = resumed
    assert (folder / f"{name}.scores").exists(), said
    assert torch.equal(load_file(folder / f"{name}.scores")["scores"], straight)


def test_state_is_flat_and_load_takes_the_weights_back(name, matrix):
    model = train(make(name, matrix.shape), matrix)
    assert all(
        isinstance(t, torch.Tensor) and n.split("/")[0] in ("net", "optimizer")
        for n, t in model.state().items()
    )
    other = make(name, matrix.shape)
    other.load({n: t.clone() for n, t in model.weights.items()})
    assert torch.equal(score(other, matrix), score(model, matrix))


def test_finds_the_missing_item_of_a_checkerboard(name):
    matrix = checkerboard(50, 20)
    scores = score(train(make(name, matrix.shape, epochs=60), matrix), matrix)
    seen = torch.from_numpy(matrix.toarray()) > 0
    best = scores.masked_fill(seen, -torch.inf).argmax(dim=1)
    own = torch.arange(50) % 2 == best % 2
    impersonal = torch.equal(scores, scores[:1].expand_as(scores))  # popularity looks at no history
    assert impersonal or own.double().mean() > 0.9


def test_options_are_frozen_documented_and_closed(name, matrix):
    config = MODELS[name].config
    assert all(descriptions(config).values())
    with pytest.raises(ValidationError):
        type(config)(no_such_option=1)
    for option in type(config).model_fields:
        with pytest.raises(ValidationError):
            setattr(config, option, 1)


def test_memory_is_a_number_that_the_weights_fit_in(name, matrix):
    model = train(make(name, matrix.shape), matrix)
    memory = model.memory(model.config, matrix.shape)
    assert memory is None or memory >= sum(tensor.nbytes for tensor in model.weights.values())


def test_an_options_search_range_holds_values_that_it_takes(name):
    entry = MODELS[name]
    for option, search in searches(entry.config).items():
        for value in (search.low, search.high) if search.low is not None else ():
            whole = isinstance(flat(entry.config)[option], int)
            configured(name, entry.config, {option: round(value) if whole else value})
        assert search.low is None or search.low < search.high
        assert search.low or not search.log


def test_the_file_says_objective_source_and_differences(name):
    text = sys.modules[MODELS[name].model.__module__].__doc__ or ""
    assert "Differences from the paper" in text
    assert MODELS[name].paper
