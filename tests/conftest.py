"""Fixtures: where the real data is, and small splits made by the real procedure."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.cli import main
from benchmark.plan import study
from datasets.split import Split
from datasets.synthetic import Synthetic, SyntheticConfig


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Return the folder of real raw files; skip the test where $BENCH_DATA_DIR is not set."""
    if not (folder := os.environ.get("BENCH_DATA_DIR")):
        pytest.skip("$BENCH_DATA_DIR is not set, so there is no real data")
    return Path(folder)


@pytest.fixture
def gpu() -> str:
    """Return "cuda"; skip the test where there is no such device."""
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    return "cuda"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a cache of its own, so that none touches the cache of whoever runs it."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("BENCH_CACHE_DIR", str(folder))
    return folder


DATA = ["--set", "synthetic.users=240", "synthetic.items=60", "synthetic.density=0.15"]
NETWORKS = ["--set", "epochs=3", "batch=50", "latent=8"]


def run_tiny(out: Path, *more: str) -> int:
    """Run on 240 users, with three epochs if networks are among the models."""
    networks = "--models" not in more or any("mult" in word for word in more)
    return main(["--out", str(out), "--jobs", "2", *DATA, *(NETWORKS if networks else []), *more])


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """Return the folder of a tiny run of all models, with weights; tests must not write there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        out = tmp_path_factory.mktemp("finished")
        assert run_tiny(out, "--keep-weights") == 0
    return out


RISE = 6
"""Epochs in which the heuristic's first run reaches 1 in tests."""


@pytest.fixture(scope="session")
def sweep_folder(tmp_path_factory) -> Path:
    """Return the folder of a beta sweep and a beta heuristic; tests must not write there."""
    words = ["--models", "mult-vae", "--seeds", "0", "1", "--precision", "fp32"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(study, "RISE", RISE)
        out = tmp_path_factory.mktemp("swept")
        assert run_tiny(out, *words, "--beta-sweep", "0", "0.5", "1") == 0
        assert (
            run_tiny(out, *words, "--beta-heuristic", "--set", "epochs=9", "learning_rate=0.01")
            == 0
        )
    return out


@pytest.fixture(scope="session")
def small_split() -> Split:
    """Return a split with about 180 training users and 60 items."""
    config = SyntheticConfig(users=240, items=60, density=0.15, types=4, held_out=30)
    return Synthetic(config).split()[0]


@pytest.fixture
def random() -> np.random.RandomState:
    """Return a seeded generator; torch's global one is seeded too."""
    torch.manual_seed(0)
    return np.random.RandomState(0)
