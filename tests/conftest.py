"""Fixtures: where the real data is, and small splits made by the real procedure."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark import grid  # registers every model and data set
from datasets.split import Split
from datasets.synthetic import Synthetic, SyntheticConfig

ROOT = Path(__file__).resolve().parent.parent
assert grid.MODELS


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real raw files; a test that needs it is skipped where $BENCH_DATA_DIR is not set."""
    if not (folder := os.environ.get("BENCH_DATA_DIR")):
        pytest.skip("$BENCH_DATA_DIR is not set, so there is no real data")
    return Path(folder)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the splits of the person who runs it."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("BENCH_CACHE_DIR", str(folder))
    return folder


@pytest.fixture(scope="session")
def small_split() -> Split:
    """About 180 training users and 60 items."""
    config = SyntheticConfig(users=240, items=60, density=0.15, types=4, held_out=30)
    return Synthetic(config).split(None)[0]


@pytest.fixture
def random() -> np.random.RandomState:
    """Seeded, and torch with it."""
    torch.manual_seed(0)
    return np.random.RandomState(0)
