"""A full disk, at every place that writes: one sentence, exit code 2, nothing half-written and
nothing lost.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from benchmark import cli
from benchmark.paths import ROOT
from benchmark.report.page import library
from benchmark.run import node, slurm, trial
from benchmark.run.executor import Resources
from datasets import atomic, cache
from datasets.errors import DataError
from datasets.registry import DATASETS
from tests.conftest import DATA, run_tiny, small_file

SENTENCE = re.compile(
    r"could not be written \(No space left on device\); make room or name another folder$"
)


@pytest.fixture
def full(monkeypatch):
    """Makes the disk full for names that match a pattern."""

    def make(pattern: str) -> None:
        real = atomic.sync

        def sync(path: Path) -> None:
            if re.search(pattern, path.name):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(path)

        monkeypatch.setattr(atomic, "sync", sync)

    return make


def files(*folders: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for folder in folders for p in folder.rglob("*") if p.is_file()}


def told(capsys) -> None:
    said = capsys.readouterr().err.strip()
    assert SENTENCE.search(said), said
    assert "\n" not in said


def test_every_place_that_writes_is_here():
    """Every source file that writes through ``atomic`` must have a test below."""
    users = {
        str(path.relative_to(ROOT))
        for package in ("benchmark", "datasets", "models")
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"atomic\.(write|replace|folder)\(", path.read_text())
    }
    assert users == {
        "datasets/cache.py",
        "datasets/pro_sg.py",
        "datasets/raw_hashes.py",
        "benchmark/records/store.py",
        "benchmark/run/checkpoint.py",
        "benchmark/run/child.py",
        "benchmark/report/asked.py",
        "benchmark/report/files.py",
        "benchmark/report/page/library.py",
        "benchmark/verbs/others.py",
        "benchmark/run/slurm.py",
        "benchmark/run/node.py",
    }
    writers = {
        str(path.relative_to(ROOT))
        for package in ("benchmark", "datasets", "models")
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"\.write_(text|bytes)\(|open\([^)]*[\"'][wax]", path.read_text())
    }
    others = {"datasets/atomic.py", "datasets/fetch.py"}
    assert writers <= users | others  # what fetch.py writes is meant to stay: see test_download.py


def test_a_split(full, tmp_path, capsys, own_cache):
    full(r"^test_te\.item\.npy$")
    assert run_tiny(tmp_path) == 2
    told(capsys)
    assert files(tmp_path, own_cache) == {}


def test_the_hashes_of_raw_files(full, tmp_path, capsys, own_cache):
    full(r"^\.hashes\.json\.")
    assert run_tiny(tmp_path, "--datasets", small_file(tmp_path), "--models", "popularity") == 2
    told(capsys)
    assert files(own_cache) == {}


def test_a_spec(full, tmp_path, capsys):
    full(r"^\.[0-9a-f]{16}\.json\.")
    assert run_tiny(tmp_path, "--models", "popularity") == 2
    told(capsys)
    assert files(tmp_path) == {}


@pytest.mark.parametrize("suffix", ["json", "parquet", "top.parquet", "safetensors", "checkpoint"])
def test_a_trials_files(suffix, full, finished, tmp_path):
    """The disk is full in the trial's own process, where a record is there already."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    spec = next(p for p in (tmp_path / "specs").iterdir() if '"mult-dae"' in p.read_text())
    told_to = json.loads(spec.read_text()) | {"out": str(tmp_path), "checkpoint_seconds": 0.0}
    spec.write_text(json.dumps(told_to))
    before = files(tmp_path)
    full(rf"^\.{spec.stem}\.{re.escape(suffix)}\.")
    loaded = trial.load(spec)
    with pytest.raises(DataError, match=SENTENCE):
        trial.write(loaded.job, trial.run(loaded, lambda *_: None))
    left = files(tmp_path)
    assert {p: c for p, c in left.items() if not p.name.endswith(".checkpoint")} == before


def test_a_report(full, tmp_path, capsys):
    full(r"^\.timing\.tex\.")
    data = ("--datasets", small_file(tmp_path))
    assert run_tiny(tmp_path, *data, "--models", "popularity") == 2
    told(capsys)
    assert len(list(tmp_path.glob("*.json"))) == 1
    assert not list(tmp_path.rglob(".*"))


def test_the_script_of_the_page(full, tmp_path, monkeypatch):
    """It is only kept to save time."""
    monkeypatch.setattr(library, "ROOT", tmp_path)
    full(r"^\.vega-")
    assert "vegaEmbed" in library.javascript()
    assert files(tmp_path) == {}


def test_the_file_of_every_user(full, finished, tmp_path, capsys):
    full(r"^\.per-user\.csv\.")
    words = ["--out", str(finished), "--to", str(tmp_path), "--per-user"]
    assert cli.main(["report", *words]) == 2
    told(capsys)
    assert not list(tmp_path.rglob("*per-user*"))


def test_recommendations(full, finished, tmp_path, capsys):
    weights = next(path for path in finished.glob("*.safetensors"))
    histories = tmp_path / "histories.csv"
    histories.write_text("user,item\n" + "".join(f"1,{item}\n" for item in range(9)))
    full(r"^\.to\.csv\.")
    words = ["--weights", str(weights), "--histories", str(histories)]
    assert cli.main(["recommend", *words, "--to", str(tmp_path / "to.csv")]) == 2
    told(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["histories.csv"]


def test_the_six_files(full, tmp_path, capsys):
    (tmp_path / "six").mkdir()
    (tmp_path / "six" / "notes").write_text("mine")  # else the folder appears as a whole
    full(r"^\.test_te\.csv\.")
    assert cli.main(["export-split", "synthetic", str(tmp_path / "six"), *DATA]) == 2
    told(capsys)
    assert not list(tmp_path.rglob("*test_te*"))


def test_lists_made_elsewhere(full, tmp_path, capsys, own_cache):
    dataset = DATASETS["synthetic"]
    split = cache.prepare(
        "synthetic", dataset.dataset(dataset.config), tmp_path, own_cache, 1
    ).split
    users = sorted(set(split.test.target.user.tolist()))
    lists = tmp_path / "lists.parquet"
    pl.DataFrame(
        {"user": users, "items": [[] for _ in users]}, schema_overrides={"items": pl.List(pl.Int64)}
    ).write_parquet(lists)
    full(r"\.json\.")
    out = tmp_path / "out"
    words = ["--dataset", "synthetic", "--lists", str(lists), "--name", "mine", "--out", str(out)]
    assert cli.main(["evaluate", *words]) == 2
    told(capsys)
    assert files(out) == {}


def test_the_number_of_a_job(full, finished, tmp_path, monkeypatch):
    """The jobs are in the queue by then; given again, the command submits them a second time."""
    submitit = pytest.importorskip("submitit")
    made = SimpleNamespace(
        update_parameters=lambda **_: None,
        submit_array=lambda todo: [SimpleNamespace(job_id="7")] * len(todo),
    )
    monkeypatch.setattr(submitit.SlurmExecutor, "affinity", lambda: 1)
    job = trial.job_of(next((finished / "specs").glob("*.json")))
    job = job.model_copy(update={"out": tmp_path})
    cluster = slurm.Slurm(tmp_path, lambda job: Resources(1, 1), {})
    monkeypatch.setattr(submitit, "SlurmExecutor", lambda *_, **__: made)
    full(r"\.job")
    with pytest.raises(DataError, match=SENTENCE):
        cluster.submit(Resources(1, 1), [job], {job.spec.id: None})
    assert cluster.number_of(job) is None


def test_a_split_on_a_node(full, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    full("header")
    with pytest.raises(DataError, match=SENTENCE):
        node.unpacked({"header.json": b"{}"}, "1234")
    assert not files(tmp_path)
