"""Two folders of records beside each other, one record shown, and its trial run again."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmark.cli import main
from benchmark.evaluation.metrics import Metric
from benchmark.evaluation.ranking import Ranking
from benchmark.paths import ROOT
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.run import outcome
from benchmark.stats import difference, holm
from tests.conftest import run_tiny, small_file
from tests.test_cli import table_of


def cells_of(out: str) -> dict[str, list[str]]:
    """Return the cells of each row of the first table, by its model without options."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table_of(out)[2:]]
    return {row[0].partition("[")[0]: row for row in rows}


def of_model(folder: Path, model: str) -> list[Record]:
    return [record for record in store.read_all(folder) if record.spec.model == model]


def without_hits(record: Record, folder: Path) -> store.Result:
    """A record of ``folder`` whose model has found nothing on the test users."""
    found = store.per_user(folder, record)
    users, history, targets = (
        column.astype(np.int32) for column in (found.user, found.history, found.targets)
    )
    hit = np.zeros_like(found.hit)
    ranking = Ranking(users, history, targets, top=hit.astype(np.int32), hit=hit, tied=0.0)
    nothing = outcome.test_results(ranking, record.data.task)
    packed = store.packed(record.model_copy(update=nothing), ranking)
    return store.Result(packed.record, {".parquet": packed.files[".parquet"]})


@pytest.fixture
def other(finished, tmp_path) -> Path:
    """A folder with the same popularity, one seed of mult-dae, ease without a hit, and a failure of
    als.
    """
    to = tmp_path / "other"
    (popularity,) = of_model(finished, "popularity")
    (ease,) = of_model(finished, "ease")
    store.copy(finished, popularity.id, to)
    store.copy(finished, of_model(finished, "mult-dae")[0].id, to)
    store.write(to, without_hits(ease, finished))
    gone = {"metrics": None, "tied_rows": None, "best_epoch": None, "best_validation": None}
    gone |= {"status": "failed", "reason": "it broke", "per_user": None, "curve": []}
    store.write(to, store.Result(of_model(finished, "als")[0].model_copy(update=gone).sealed(), {}))
    return to


def compare(here: Path, there: Path, *more: str) -> int:
    return main(["report", "--out", str(here), "--compare", str(there), *more])


def test_each_row_is_compared(finished, other, capsys):
    assert compare(finished, other) == 0
    said = capsys.readouterr().out
    cells = cells_of(said)
    assert set(cells) == {"popularity", "ease", "mult-dae", "als"}
    assert cells["popularity"][5:] == ["-", "-", "the same bits", "-"]
    assert cells["ease"][7:] == ["above", "-"]
    assert cells["mult-dae"][7:] == ["not told apart", "seeds"]
    assert cells["als"][4:] == ["failed", "-", "-", "-", "seeds"]
    (alone,) = (line for line in said.splitlines() if line.startswith("Only here: "))
    assert [name.split("[")[0] for name in alone.split(": ")[1].strip(".").split("; ")] == [
        *("bayes", "bpr", "mult-vae", "oracle")
    ]
    assert "Only there" not in said


def test_the_numbers_are_those_of_the_users(finished, other, tmp_path, capsys):
    assert compare(finished, other, "--metrics", "Recall@10", "--to", str(tmp_path / "to")) == 0
    cells = cells_of(capsys.readouterr().out)
    metric = Metric("Recall", 10)
    values = {
        name: [
            np.array([metric(*store.hits(folder, r)) for r in of_model(folder, name)])
            for folder in (finished, other)
        ]
        for name in ("ease", "mult-dae")
    }
    found = {name: difference(*pair) for name, pair in values.items()}
    adjusted = holm([each.p for each in found.values()])
    text = (tmp_path / "to" / "changes.csv").read_text()
    by_model = {line["model"].partition("[")[0]: line for line in csv.DictReader(text.splitlines())}
    for (name, each), p in zip(found.items(), adjusted, strict=True):
        low, high = each.interval()
        assert cells[name][5] == f"{each.mean:+.4f} ({low:+.4f} to {high:+.4f})"
        assert cells[name][6] == f"{p:.2g}"
        assert float(by_model[name]["difference"]) == pytest.approx(each.mean, rel=1e-12)
        assert float(by_model[name]["p"]) == pytest.approx(p, rel=1e-12)


def test_a_folder_and_its_copy_have_the_same_bits(finished, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy, ignore=shutil.ignore_patterns("report", ".*"))
    assert compare(finished, copy) == 0
    assert {row[7] for row in cells_of(capsys.readouterr().out).values()} == {"the same bits"}


def test_splits_that_one_folder_has_are_named(finished, tmp_path, capsys):
    there = tmp_path / "there"
    words = ["--datasets", small_file(tmp_path), "--models", "popularity"]
    assert run_tiny(there, *words) == 0
    capsys.readouterr()
    assert compare(finished, there) == 0
    said = capsys.readouterr().out
    assert [line.split("|")[3].strip() for line in table_of(said)[2:]] == [
        "only there",
        "only here",
    ]


def test_other_users_are_refused(finished, other, tmp_path, capsys):
    (popularity,) = of_model(finished, "popularity")
    shutil.rmtree(other)
    results = store.per_user(finished, popularity)
    fewer = popularity.data.model_copy(update={"test_users": len(results.user) - 1})
    store.copy(finished, popularity.id, other)
    content = store.path_of(other, popularity.id)
    record = popularity.model_copy(update={"data": fewer}).sealed()
    content.write_text(record.model_dump_json())
    assert compare(finished, other) == 2
    assert "does not hold per-user results" in capsys.readouterr().err


def test_a_record_is_shown_with_the_command_that_runs_it_again(finished, capsys):
    record = of_model(finished, "mult-vae")[1]
    assert main(["show", record.id[:8], "--out", str(finished)]) == 0
    said = capsys.readouterr().out
    for part in (
        "mult-vae[",
        " seed 1: ok",
        record.spec.split_hash,
        record.environment.commit or "outside a repository",
        "latent = 8  (not the usual value)",
        "dropout = 0.5\n",
        f"tested: {record.best_epoch}, with the best validation NDCG@100",
        f"again      python run_all.py rerun {record.id} --out {finished}",
    ):
        assert part in said
    assert f"NDCG@100 {record.tested:.4f} ± " in said


@pytest.mark.parametrize(
    ("start", "sentence"),
    [("zz", "has no record whose id begins with 'zz'"), ("", "records in ")],
)
def test_an_id_that_is_not_one_is_refused(start, sentence, finished, capsys):
    assert main(["show", start, "--out", str(finished)]) == 2
    assert sentence in capsys.readouterr().err


def rerun(record: Record, out: Path, cache: Path, *more: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "run_all.py", "rerun", record.id, "--out", str(out), *more]
    environment = os.environ | {"BENCH_CACHE_DIR": str(cache)}
    return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_a_rerun_has_the_same_bits_though_its_split_and_spec_are_gone(finished, tmp_path):
    record = of_model(finished, "mult-dae")[0]
    out = tmp_path / "out"
    store.copy(finished, record.id, out)
    shutil.rmtree(out / store.SPECS)
    before = store.path_of(out, record.id).read_bytes()
    done = rerun(record, out, tmp_path / "empty-cache")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"the same bits as in {out / record.id}.json" in done.stdout
    assert store.path_of(out, record.id).read_bytes() == before


def test_a_rerun_with_other_results_says_in_what(finished, other):
    (ease,) = of_model(other, "ease")
    done = rerun(ease, other, finished.with_name("finished.cache"))
    assert done.returncode == 1
    assert "other than in" in done.stdout
    assert "metrics" in done.stdout


def test_a_rerun_of_other_code_is_refused(finished, tmp_path, capsys):
    (ease,) = of_model(finished, "ease")
    spec = ease.spec.model_copy(update={"code": "0" * 16})
    hits = ease.per_user and ease.per_user.model_copy(update={"file": f"{spec.id}.parquet"})
    older = ease.model_copy(update={"spec": spec, "id": spec.id, "per_user": hits})
    content = (finished / f"{ease.id}.parquet").read_bytes()
    store.write(tmp_path, store.Result(older.sealed(), {".parquet": content}))
    assert main(["rerun", spec.id, "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "is of other code for ease than this checkout has (or another" in said


def test_a_rerun_of_a_file_needs_its_split(tmp_path, capsys, monkeypatch):
    words = ["--datasets", small_file(tmp_path), "--models", "popularity"]
    assert run_tiny(tmp_path / "out", *words) == 0
    (record,) = store.read_all(tmp_path / "out")
    monkeypatch.setenv("BENCH_CACHE_DIR", str(tmp_path / "empty"))
    assert main(["rerun", record.id, "--out", str(tmp_path / "out")]) == 2
    assert "of file:small is not in the cache; make it with the verb prepare" in (
        capsys.readouterr().err
    )
