"""Lists made elsewhere get the metrics of the model that made them, or a sentence if malformed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmark.cli import main
from benchmark.records import store
from datasets import cache
from datasets.split import Split
from datasets.synthetic import Synthetic, SyntheticConfig
from tests.conftest import DATA

CONFIG = SyntheticConfig(users=240, items=60, density=0.15)


@pytest.fixture(scope="module")
def split() -> Split:
    return Synthetic(CONFIG).split()[0]


@pytest.fixture
def lists(finished, split, tmp_path) -> Path:
    """EASE's own top-100 lists, in raw ids and in another order of users."""
    (record,) = [r for r in store.read_all(finished) if r.spec.model == "ease"]
    top = pl.read_parquet(finished / f"{record.id}.top.parquet")
    ids = np.asarray(split.train.item_ids)
    items = [[int(ids[i]) for i in row if i >= 0] for row in top["items"].to_list()]
    path = tmp_path / "lists.parquet"
    pl.DataFrame({"user": top["user"], "items": items}).reverse().write_parquet(path)
    return path


def evaluate(path: Path, out: Path) -> int:
    words = ["--dataset", "synthetic", "--lists", str(path), "--name", "mine", "--out", str(out)]
    return main(["evaluate", *words, *DATA])


def test_a_models_own_lists_score_as_the_model(lists, finished, tmp_path, capsys):
    assert evaluate(lists, tmp_path / "out") == 0
    (record,) = store.read_all(tmp_path / "out")
    (own,) = [r for r in store.read_all(finished) if r.spec.model == "ease"]
    assert record.metrics == own.metrics
    assert record.per_user is not None
    assert own.per_user is not None
    assert record.per_user.sha256 == own.per_user.sha256
    assert record.spec.split_hash == own.spec.split_hash
    row = next(
        line
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("| mine (external) | -")
    )
    assert "**" not in row  # there is no other row to compare it with
    assert main(["verify", str(tmp_path / "out")]) == 0


def test_other_lists_of_the_same_name_replace_the_row(lists, tmp_path, capsys):
    out = tmp_path / "out"
    evaluate(lists, out)
    pl.read_parquet(lists).with_columns(pl.col("items").list.reverse()).write_parquet(lists)
    capsys.readouterr()
    assert evaluate(lists, out) == 0
    said = capsys.readouterr().out
    assert said.count("| mine (external)") == 1
    assert "Left out: 1 record of older code" in said


def test_an_empty_list_finds_nothing_and_a_short_one_its_own(lists, split, tmp_path):
    pl.read_parquet(lists).with_columns(
        pl.col("items").list.head(pl.col("user") % 2)
    ).write_parquet(lists)
    assert evaluate(lists, tmp_path / "out") == 0
    (record,) = store.read_all(tmp_path / "out")
    users, _, hit, _ = store.per_user(tmp_path / "out", record)
    assert not hit[users % 2 == 0].any()
    assert hit[users % 2 == 1].sum(axis=1).max() == 1


def items_of(change):
    def apply(table: pl.DataFrame, split: Split) -> pl.DataFrame:
        lists = table["items"].to_list()
        lists[0] = change(lists[0], split, int(table["user"][0]))
        return table.with_columns(pl.Series("items", lists))

    return apply


def seen(items, split, user):
    history = split.test.history
    return [int(history.item_ids[history.item[history.user == user][0]]), *items]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda table, _: table.rename({"user": "uid"}), "does not hold lists"),
        (lambda table, _: table.drop("items"), "does not hold lists"),
        (
            lambda table, _: table.with_columns(items=pl.lit(3)),
            "does not hold lists (the column items holds single numbers, not lists); it needs",
        ),
        (lambda table, _: table.with_columns(items=pl.lit("a")), "holds single values, not lists"),
        (
            items_of(lambda *_: None),
            "(the column items has no list in 1 row; give an empty list where nothing is recom",
        ),
        (
            lambda table, _: table.with_columns(user=pl.col("user") + 0.5),
            "must hold whole numbers, each once",
        ),
        (lambda table, _: pl.concat([table, table.head(1)]), "must hold whole numbers, each once"),
        (lambda table, _: table.tail(-2), "has no list for 2 of the"),
        (
            items_of(lambda items, split, user: [10**6, *items]),
            "the item 1000000 in the list of user",
        ),
        (items_of(lambda items, split, user: [*items[:3], items[0]]), "is named twice"),
        (items_of(seen), "is in that user's history"),
    ],
)
def test_lists_that_will_not_do_are_refused(change, sentence, lists, split, tmp_path, capsys):
    change(pl.read_parquet(lists), split).write_parquet(lists)
    assert evaluate(lists, tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (
            pl.String,
            "must hold lists of whole numbers, as the split's ids are (it has string)",
        ),
        (pl.Binary, "(it has binary)"),
        (pl.Float64, "(it has double)"),
        (pl.Date, "(it has date32[day])"),
        (pl.Boolean, "(it has bool)"),
        (pl.List(pl.Int64), "(it has list"),
        (None, "(it has empty ids)"),
    ],
)
def test_ids_of_another_type_are_refused(kind, sentence, lists, tmp_path, capsys):
    table = pl.read_parquet(lists)
    some = {"String": "a", "Boolean": True, "Binary": b"a", "Date": date(2020, 1, 1), "List": [1]}
    value = [None, 1] if kind is None else [some.get(str(kind).partition("(")[0], 1)]
    one = pl.Series("items", [value] * len(table), dtype=pl.List(kind or pl.Int64))
    table.with_columns(one).write_parquet(lists)
    assert evaluate(lists, tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert sentence in " ".join(said.replace("large_", "").split())
    assert len(said.strip().splitlines()) == 1


@pytest.mark.parametrize("kind", [pl.Int8, pl.UInt64])
def test_ids_of_any_whole_type_are_taken(kind, lists, tmp_path):
    table = pl.read_parquet(lists)
    table.with_columns(pl.col("items").cast(pl.List(kind))).write_parquet(lists)
    assert evaluate(lists, tmp_path / "out") == 0


@pytest.mark.parametrize("at", range(0, 100, 10))
def test_a_damaged_file_of_lists_is_refused_or_read(at, lists, tmp_path, capsys):
    content = bytearray(lists.read_bytes())
    start = len(content) * at // 100
    content[start : start + 40] = bytes(range(200, 240))
    lists.write_bytes(content)
    if evaluate(lists, tmp_path / "out"):
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_file_that_is_no_table_is_refused(tmp_path, capsys):
    (tmp_path / "lists.parquet").write_text("user,items\n")
    assert evaluate(tmp_path / "lists.parquet", tmp_path / "out") == 2
    assert "does not hold lists" in capsys.readouterr().err
    assert cache.default_folder().exists()
