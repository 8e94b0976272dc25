"""Numbers that may change only with the protocol version: loss and scores after three epochs of a
small training.

Every term of the losses matters under these options. To renew: raise PROTOCOL in benchmark/spec.py,
add a line to CHANGELOG.md, and run ``python -m tests.test_golden``.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from benchmark.paths import ROOT
from benchmark.run.training import train_epoch
from benchmark.spec import PROTOCOL
from models.registry import MODELS as REGISTERED
from tests.fit import make

PATH = ROOT / "tests" / "golden.json"
OPTIONS = {"beta_cap": 1.0, "total_anneal_steps": 4, "l2": 0.05, "learning_rate": 0.01, "batch": 25}
MODELS = tuple(sorted(json.loads(PATH.read_text()).keys() - {"protocol"}))
"""Those with reference records."""
BOUNDS = {"als": 2e-3, "ials": 1e-4}
"""Others than 1e-5: conjugate gradients in float32 end elsewhere with another CPU's
kernels."""


def numbers(name: str) -> dict[str, list]:
    random = np.random.RandomState(0)
    matrix = csr_matrix((random.random_sample((60, 40)) < 0.2).astype(np.float32))
    torch.set_num_threads(1)
    model = make(name, matrix.shape, **OPTIONS)
    data, losses = model.prepare(matrix), []
    for _ in range(min(3, model.planned)):
        losses.append(train_epoch(model, data, seed=0).get("loss", 0.0))
    users = None if REGISTERED[name].unseen_users else np.arange(3)
    return {"loss": losses, "scores": model.score(matrix[:3], users).tolist()}


@pytest.mark.parametrize("name", MODELS)
def test_numbers_have_not_changed(name):
    golden = json.loads(PATH.read_text())
    got = numbers(name)
    message = "numbers changed: raise the version, add a line to CHANGELOG"
    assert golden["protocol"] == PROTOCOL, message
    bound = BOUNDS.get(name, 1e-5)
    np.testing.assert_allclose(got["loss"], golden[name]["loss"], rtol=bound, err_msg=message)
    np.testing.assert_allclose(
        got["scores"], golden[name]["scores"], rtol=bound, atol=bound, err_msg=message
    )


if __name__ == "__main__":
    PATH.write_text(
        json.dumps({"protocol": PROTOCOL} | {name: numbers(name) for name in MODELS}, indent=1)
        + "\n"
    )
