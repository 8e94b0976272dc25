"""A folder of records that was altered: every fault is found and named."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark.cli import main
from benchmark.records import store
from benchmark.records.record import checksum


@pytest.fixture
def folder(finished, tmp_path) -> Path:
    for path in finished.glob("*.*"):
        shutil.copy(path, tmp_path)
    return tmp_path


def change(path: Path, **fields) -> None:
    """Alter the record, and its checksum with it, as a forger would."""
    content = json.loads(path.read_text()) | fields
    path.write_text(json.dumps(content | {"checksum": checksum(content)}))


def network(folder: Path) -> Path:
    """The record of a model with a curve."""
    return next(
        p
        for p in sorted(folder.glob("*.json"))
        if json.loads(p.read_text())["spec"]["model"] == "mult-vae"
    )


def rehash(path: Path, parquet: Path) -> None:
    """Put the altered file's hash into the record, as a forger would."""
    per_user = {"file": parquet.name, "sha256": hashlib.sha256(parquet.read_bytes()).hexdigest()}
    change(path, per_user=per_user)


def altered(path: Path, **columns) -> None:
    """The per-user file with other columns, and a record that names it."""
    parquet = path.with_suffix(".parquet")
    table = pq.read_table(parquet)
    for name, make in columns.items():
        table = table.set_column(
            table.column_names.index(name), name, make(table[name].combine_chunks())
        )
    pq.write_table(table, parquet)
    rehash(path, parquet)


def metric(path: Path, **values) -> None:
    metrics = json.loads(path.read_text())["metrics"]
    metrics["NDCG@100"] |= values
    change(path, metrics=metrics)


def fewer(path: Path) -> None:
    parquet = path.with_suffix(".parquet")
    pq.write_table(pq.read_table(parquet).slice(1), parquet)
    rehash(path, parquet)


def spec(path: Path, **fields) -> None:
    change(path, spec=json.loads(path.read_text())["spec"] | fields)


FAULTS = {
    "a better mean": (lambda p: metric(p, mean=0.99), "NDCG@100 mean is 0.99, but "),
    "a smaller error": (lambda p: metric(p, stderr=0.0), "NDCG@100 stderr is 0.0, but "),
    "another seed": (lambda p: spec(p, seed=7), "the hash of its spec"),
    "another name": (lambda p: p.rename(p.with_name("0" * 16 + ".json")), "the file was renamed"),
    "not the best epoch": (
        lambda p: change(p, best_epoch=1, best_validation=0.0),
        "is not the first best of its curve",
    ),
    "a curve with a hole": (
        lambda p: change(p, curve=json.loads(p.read_text())["curve"][1:]),
        "are not 1, 2, 3",
    ),
    "a failure with numbers": (
        lambda p: change(p, status="failed"),
        "status failed does not go with metrics",
    ),
    "ok without numbers": (
        lambda p: change(p, metrics=None, per_user=None),
        "status ok does not go with",
    ),
    "an unknown field": (lambda p: change(p, note="x"), "is not a whole record"),
    "a changed number": (
        lambda p: p.write_text(p.read_text().replace('"resumed": false', '"resumed": true')),
        "was altered after it was written",
    ),
    "no checksum": (
        lambda p: p.write_text(re.sub(r',\s*"checksum": "\w+"', "", p.read_text())),
        "was altered after it was written",
    ),
    "a cut record": (lambda p: p.write_text(p.read_text()[:99]), "is not a record"),
    "no per-user file": (lambda p: p.with_suffix(".parquet").unlink(), "is missing"),
    "an altered per-user file": (
        lambda p: p.with_suffix(".parquet").write_bytes(b"PAR1"),
        "whose sha256",
    ),
    "a path out of the folder": (
        lambda p: change(p, per_user={"file": "../x.parquet", "sha256": "0"}),
        "its per-user file '../x.parquet' is not",
    ),
    "forged hits": (
        lambda p: altered(p, ranks=lambda old: pa.array([[1] for _ in old], old.type)),
        "mean is ",
    ),
    "ranks beyond 100": (
        lambda p: altered(p, ranks=lambda old: pa.array([[101] for _ in old], old.type)),
        "ranks from 101 to 101, and not from 1 to 100",
    ),
    "more hits than targets": (
        lambda p: altered(
            p, ranks=lambda old: pa.array([list(range(1, 60)) for _ in old], old.type)
        ),
        "more hits than targets",
    ),
    "no targets": (
        lambda p: altered(p, targets=lambda old: pa.array(np.zeros(len(old), np.int32))),
        "has no target",
    ),
    "a user less": (fewer, "users in"),
    "a user twice": (
        lambda p: altered(p, user=lambda old: pa.array(np.zeros(len(old), np.int32))),
        "not each of them once",
    ),
    "not a table": (
        lambda p: (
            p.with_suffix(".parquet").write_bytes(b"x"),
            rehash(p, p.with_suffix(".parquet")),
        ),
        "hold",
    ),
}


def test_what_a_run_wrote_is_whole(folder, capsys):
    assert main(["verify", str(folder)]) == 0
    assert capsys.readouterr().out == "12 records checked, 0 faults\n"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_named(fault, folder, capsys):
    path = network(folder)
    make, sentence = FAULTS[fault]
    make(path)
    assert main(["verify", str(folder)]) == 1
    said = capsys.readouterr().out
    assert sentence in said
    assert path.stem in said or "0" * 16 in said
    assert "12 records checked, 0 faults" not in said


def test_folders_within_are_checked_too(folder, capsys):
    within = folder / "sweep"
    within.mkdir()
    for path in [p for p in folder.iterdir() if p.is_file()]:
        path.rename(within / path.name)
    network(within).unlink()
    assert main(["verify", str(folder)]) == 1
    assert "11 records checked, 3 faults" in capsys.readouterr().out


def test_a_file_without_a_record_is_named(folder, capsys):
    path = network(folder)
    path.unlink()
    assert main(["verify", str(folder)]) == 1
    said = capsys.readouterr().out
    assert f"{path.stem}.parquet belongs to no record" in said
    assert "11 records checked, 3 faults" in said


def as_version_1(path: Path) -> None:
    """Write a record as older checkouts did: with labels and the best beta, without a checksum."""
    content = json.loads(path.read_text())
    record = store.read(path)
    best = record.curve[record.best_epoch - 1].get("beta") if record.best_epoch else None
    del content["checksum"], content["environment"]["precision_rule"]
    content["environment"] |= {"commit": "0" * 40, "dirty": False}
    content["data"] |= {"label": record.data_label}
    content["cost"] = {k: float(v) for k, v in content["cost"].items() if v is not None}
    content |= {"record_version": 1, "label": record.label, "best_beta": best}
    path.write_text(json.dumps(content))


def test_records_of_version_1_are_read_verified_and_tabulated_as_before(folder, capsys):
    assert main(["report", "--out", str(folder), "--to", str(folder / "new")]) == 0
    before = {path.stem: store.read(path) for path in folder.glob("*.json")}
    for path in folder.glob("*.json"):
        as_version_1(path)
    for path in folder.glob("*.json"):
        record, was = store.read(path), before[path.stem]
        assert (record.record_version, record.checksum) == (1, None)
        assert (record.label, record.data, record.cost) == (was.label, was.data, was.cost)
    capsys.readouterr()
    assert main(["verify", str(folder)]) == 0
    assert "12 records checked, 0 faults" in capsys.readouterr().out
    assert main(["report", "--out", str(folder), "--to", str(folder / "old")]) == 0
    new, old = (sorted((folder / name).iterdir()) for name in ("new", "old"))
    assert [path.name for path in new] == [path.name for path in old]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(new, old, strict=True))


@pytest.mark.parametrize("data", [None, "x", []])
def test_a_broken_record_of_version_1_is_a_sentence(data, folder, capsys):
    path = network(folder)
    as_version_1(path)
    content = json.loads(path.read_text()) | {"data": data}
    path.write_text(json.dumps(content))
    assert main(["report", "--out", str(folder)]) == 2
    assert "is not a whole record (data" in capsys.readouterr().err
