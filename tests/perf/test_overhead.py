"""Measures what a run takes besides the models' own work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.paths import ROOT
from benchmark.run.launch import surroundings
from datasets import cache
from datasets.base import Dataset, DatasetConfig
from datasets.split import Interactions, Split
from tests.perf.interactions import ML20M, fold, interactions

OVERHEAD = "Overhead"
FIRST, CACHED = "a run to the end of its first trial", "a split of ML-20M's size from the cache"
TRIAL = "a trial's process"
RUN = [
    sys.executable,
    "run_all.py",
    "--models",
    "mult-vae",
    "--seeds",
    "0",
    "--set",
    "epochs=1",
    "--force",
]
OWN = ("construction", "preparation", "training", "validation", "test")
"""The parts of a trial's cost that are the model's own work."""


def cost_of_vae(out: Path) -> dict[str, Any]:
    """Return the cost of mult-vae's trial from its record."""
    records = [json.loads(path.read_text()) for path in out.glob("*.json")]
    return next(record["cost"] for record in records if record["spec"]["model"] == "mult-vae")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return the folder of a finished run, whose split is in the cache."""
    subprocess.run([*RUN, "--out", str(tmp_path)], cwd=ROOT, check=True, capture_output=True)
    return tmp_path


def measure(benchmark: Any, name: str, work: Callable[[], object], rounds: int = 5) -> None:
    benchmark.group, benchmark.name = OVERHEAD, name
    benchmark.pedantic(work, rounds=rounds, warmup_rounds=1)


@pytest.mark.parametrize(
    ("name", "command"),
    [("run_all.py --help", ["run_all.py", "--help"]), ("import torch", ["-c", "import torch"])],
)
def test_command(name: str, command: list[str], benchmark: Any) -> None:
    measure(
        benchmark,
        name,
        lambda: subprocess.run(
            [sys.executable, *command], cwd=ROOT, check=True, capture_output=True
        ),
    )


def test_trial(out: Path, benchmark: Any) -> None:
    """Measure a trial's process, in a run's environment; in another it would start itself again."""
    spec = next(
        p
        for p in (out / "specs").iterdir()
        if json.loads(p.read_text())["spec"]["model"] == "mult-vae"
    )
    command, own = [sys.executable, "-m", "benchmark.trial", str(spec)], []

    def work() -> None:
        subprocess.run(
            command,
            cwd=ROOT,
            env=surroundings(os.cpu_count() or 1),
            check=True,
            capture_output=True,
        )
        own.append(sum(cost_of_vae(out)[f"{part}_seconds"] for part in OWN))

    measure(benchmark, TRIAL, work)
    benchmark.extra_info["own_seconds"] = float(np.median(own))


def test_start_to_first_update(out: Path, benchmark: Any) -> None:
    """Measure the time from the command to the end of the first trial, of one epoch."""
    own = []

    def work() -> None:
        with subprocess.Popen(
            [*RUN, "--out", str(out)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as run:
            assert run.stdout is not None
            assert any("mult-vae" in line for line in run.stdout), "the trial has no line"
            run.terminate()
        own.append(sum(cost_of_vae(out)[f"{part}_seconds"] for part in OWN[2:]))

    measure(benchmark, FIRST, work)
    benchmark.extra_info["own_seconds"] = float(np.median(own))


class Generated(Dataset[DatasetConfig]):
    """A generated data set whose split has the size of ML-20M's."""

    def read(self, path: Path | None) -> Any:
        raise NotImplementedError

    def split(self, path: Path | None) -> tuple[Split, list[str]]:
        pairs = interactions(*ML20M).tocoo()
        held_out = fold(10_000, ML20M[1])
        ids = np.arange(ML20M[0]), np.arange(ML20M[1])
        train = Interactions(pairs.row.astype(np.int32), pairs.col.astype(np.int32), *ids)
        return Split(train, held_out, held_out), []


def test_split_from_the_cache(tmp_path: Path, benchmark: Any) -> None:
    prepared = cache.prepare("generated", Generated(DatasetConfig()), tmp_path, tmp_path, 0)
    measure(benchmark, CACHED, lambda: cache.read(prepared.folder).split.train.matrix)
