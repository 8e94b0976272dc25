"""Trains a registered model as a trial does, in this process or in one that stops and resumes."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from scipy.sparse import csr_matrix, load_npz

from benchmark.plan.options import configured
from benchmark.run.training import seed_everything, train_epoch
from models.base import Compute, Recommender
from models.registry import MODELS

EPOCHS = 4
SMALL = {
    "als": {"regularization": 1.0},
    "neumf": {"batch": 500, "negatives": 1},
    "neumf-pretrained": {"batch": 500, "negatives": 1},
}
"""Options whose defaults are for thousands of users, or would make the tests long."""


def make(name: str, shape: tuple[int, int], **options: Any) -> Recommender[Any]:
    """Return a new, small model, initialised with seed 0; options that it lacks are ignored."""
    entry = MODELS[name]
    small = {
        "epochs": EPOCHS // (2 if "pretrained" in name else 1),
        "batch": 25,
        "hidden": 16,
        "latent": 8,
        "factors": 8,
        "learning_rate": 0.01,
    }
    wanted = small | SMALL.get(name, {}) | options
    known = {key: value for key, value in wanted.items() if key in type(entry.config).model_fields}
    seed_everything(0, 0)
    return entry.model(configured(name, entry.config, known), shape, Compute())


def train(
    model: Recommender[Any], matrix: csr_matrix, until: int | None = None
) -> Recommender[Any]:
    """Train up to and including epoch ``until``, or to the end, and return the model."""
    data = model.prepare(matrix)
    while model.epoch < (until or model.planned):
        train_epoch(model, data, seed=0)
    return model


def score(model: Recommender[Any], matrix: csr_matrix, rows: slice = slice(None)) -> torch.Tensor:
    """Return the scores of some rows of the training matrix, or of all.

    A model that can score other users gets their histories alone.
    """
    (unseen,) = {entry.unseen_users for entry in MODELS.values() if entry.model is type(model)}
    users = None if unseen else np.arange(len(matrix.indptr) - 1)[rows]
    return model.score(matrix[rows], users)


def check_first_adam_step(
    before: dict[str, np.ndarray],
    after: dict[str, np.ndarray],
    loss: Callable[[dict[str, np.ndarray]], float],
) -> None:
    """Assert that Adam's first step of 1e-3 led from ``before`` to ``after``, float64.

    The gradient is that of ``loss`` by finite differences.
    """
    for name, value in before.items():
        gradient = np.zeros_like(value)
        for place in np.ndindex(value.shape):
            low, high = ({**before, name: value.copy()} for _ in range(2))
            low[name][place] -= 1e-5
            high[name][place] += 1e-5
            gradient[place] = (loss(high) - loss(low)) / 2e-5
        # Adam's first step: both moments, corrected for their start at zero, are the gradient and
        # its square
        want = value - 1e-3 * gradient / (np.sqrt(gradient**2) + 1e-8)
        sure = np.abs(gradient) > 1e-4
        np.testing.assert_allclose(after[name][sure], want[sure], atol=2e-6)
        assert sure.mean() > 0.5


def checkerboard(users: int, items: int) -> csr_matrix:
    """Return a matrix where even users have even items and odd users odd ones, except one each."""
    dense = (np.arange(users)[:, None] % 2) == (np.arange(items)[None, :] % 2)
    dense[np.arange(users), np.arange(users) % items] = False
    return csr_matrix(dense.astype(np.float32))


def resume(folder: Path) -> None:
    """Restore each model of a folder, train it to the end, and write its scores; runs in a new
    process.

    What one raises is printed, and the others go on.
    """
    histories = csr_matrix(load_npz(folder / "matrix.npz"))
    torch.set_num_threads(1)
    for path in sorted(folder.glob("*.state")):
        try:
            with safe_open(path, framework="pt") as file:
                epoch = int(file.metadata()["epoch"])
            model = make(path.stem, histories.shape)
            seed_everything(99, 99)  # what the interrupted process drew must not matter
            model.restore(load_file(path), epoch)
            scores = score(train(model, histories), histories).contiguous()
            save_file({"scores": scores}, path.with_suffix(".scores"))
        except Exception:
            traceback.print_exc()


if __name__ == "__main__":
    resume(Path(sys.argv[1]))
