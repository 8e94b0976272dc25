"""Fixtures: where the real data is, and small splits made by the real procedure."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.cli import main
from benchmark.evaluation.metrics import Metric
from benchmark.plan import study
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.report.cells import Table
from benchmark.report.report import Report
from datasets import atomic
from datasets.registry import ALIASES, DATASETS
from datasets.split import Split
from datasets.synthetic import Synthetic, SyntheticConfig, generate
from models.registry import MODELS
from models.variants import LIKELIHOODS
from tests.inline import inline

torch.set_num_threads(1)  # matrices are small here, and another worker may have the other core


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
    """Run on 240 users, with three epochs if networks are among the models, in this process."""
    networks = "--models" not in more or any("mult" in word for word in more)
    data = [] if "--datasets" in more else DATA
    with inline():
        return main(
            ["--out", str(out), "--jobs", "2", *data, *(NETWORKS if networks else []), *more]
        )


def small_file(folder: Path) -> str:
    """The name of a data set of 240 users in a file of ``folder``; it has no truth, whose rows take
    two processes.
    """
    path = folder / "small.csv"
    if not path.exists():
        user, item = generate(SyntheticConfig(users=240, items=60, density=0.15))
        rows = (f"{u},{i}\n" for u, i in zip(user, item, strict=True))
        path.write_text("".join(["user,item\n", *rows]))
    return f"file:{path}"


def reached_on_ml1m(model: str, data_dir: Path, out: Path, *more: str) -> float:
    """Return the test NDCG@100 of one trial of a model on ml1m, with seed 0 if it takes one."""
    words = ["--datasets", "ml1m", "--data-dir", str(data_dir), "--models", model, "--seeds", "0"]
    assert main([*words, "--out", str(out), *more]) == 0
    (record,) = store.read_all(out)
    assert record.tested is not None
    return record.tested


def results(
    records: Sequence[Record], folder: Path, metrics: Sequence[Metric] | None = None
) -> list[Table]:
    """The result tables of records whose files are in ``folder``."""
    return Report(records, folder, metrics).results


def made_once(request: pytest.FixtureRequest, name: str, make: Callable[[Path], str]) -> Path:
    """A folder that the first worker of pytest-xdist to need it makes for all; nobody writes there
    after.

    What ``make`` returns lies beside it, in NAME.said, and its cache in NAME.cache.
    """
    base = request.getfixturevalue("tmp_path_factory").getbasetemp()
    base = base.parent if hasattr(request.config, "workerinput") else base  # that all workers share
    out, said = base / name, base / f"{name}.said"
    with atomic.lock(base, name, wait=True), pytest.MonkeyPatch.context() as patch:
        if not said.exists():
            patch.setenv("BENCH_CACHE_DIR", str(base / f"{name}.cache"))
            said.write_text(make(out))
    return out


@pytest.fixture(scope="session")
def finished(request) -> Path:
    """The records of a tiny run of everything, with weights."""

    def make(out: Path) -> str:
        with redirect_stdout(io.StringIO()) as said:
            assert run_tiny(out, "--keep-weights", "--verbose") == 0
        return said.getvalue()

    return made_once(request, "finished", make)


RISE = 6
"""Epochs in which the heuristic's first run reaches 1 in tests."""


@pytest.fixture(scope="session")
def sweep_folder(request) -> Path:
    """The records of a sweep over beta and of the heuristic."""
    words = ["--models", "mult-vae", "--seeds", "0", "1", "--precision", "fp32"]
    other = ["--beta-heuristic", "--set", "epochs=9", "learning_rate=0.01"]

    def make(out: Path) -> str:
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as said:
            patch.setattr(study, "RISE", RISE)
            assert run_tiny(out, *words, "--beta-sweep", "0", "0.5", "1") == 0
            assert run_tiny(out, *words, *other) == 0
        assert "beta_cap=" in said.getvalue()
        return said.getvalue()

    return made_once(request, "swept", make)


CONTEST = {"searched": ["ease", "item-knn", "edlae", "mult-dae"], "splits": ["98765", "7", "8"]}
"""The models and splits of a small contest."""


@pytest.fixture(scope="session")
def contest_folder(request) -> Path:
    """The records of a small contest, in which als was searched only, and popularity tested only.

    The data are in small.csv beside it.
    """
    models = CONTEST["searched"]
    words = ["--set", "mult-dae.epochs=3", "batch=20", "held_out=40", "--jobs", "2"]
    final = [*models, "popularity", "--tuned", "--seeds", "0", "1"]

    def make(out: Path) -> str:
        on = ["--datasets", small_file(out.parent), "--out", str(out), *words]
        with redirect_stdout(io.StringIO()) as said, inline():
            assert main(["tune", "--models", *models, "als", "--trials", "3", *on]) == 0
            assert main(["--models", *final, "--split-seeds", *CONTEST["splits"], *on]) == 0
            assert main(["--models", *models, "--seeds", "0", *on]) == 0
        return said.getvalue()

    return made_once(request, "contest", make)


@pytest.fixture
def registries() -> Iterator[None]:
    """What a test registers, as by --plugin, is gone after it."""
    before = [(registry, dict(registry)) for registry in (DATASETS, ALIASES, MODELS, LIKELIHOODS)]
    modules = set(sys.modules)
    yield
    for registry, entries in before:
        registry.clear()
        registry.update(entries)
    for name in set(sys.modules) - modules:
        if name.startswith("plugin_"):
            del sys.modules[name]


@pytest.fixture(scope="session")
def small_split() -> Split:
    """Return a split with about 180 training users and 60 items."""
    config = SyntheticConfig(users=240, items=60, density=0.15, types=4, held_out=30)
    return Synthetic(config).split()[0]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Give torch one thread again after each test, whatever a trial in it has set."""
    yield
    torch.set_num_threads(1)


@pytest.fixture
def random() -> np.random.RandomState:
    """Return a seeded generator; torch's global one is seeded too."""
    torch.manual_seed(0)
    return np.random.RandomState(0)
