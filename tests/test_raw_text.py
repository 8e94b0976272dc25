"""Text tables are read whole, or refused with the number of the first wrong line."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest

from datasets import gowalla, movielens, msd, pro_sg, table, text
from datasets.errors import DataError
from datasets.table import Layout
from tests.slow_table import Wrong, slow_table, some_layout, some_table

FIXED = [
    movielens.STARS,
    movielens.ML1M.layout,
    msd.MSD.layout,
    gowalla.LAYOUT,
    pro_sg.PAIRS,
    pro_sg.IDS,
]
FILE = Path("some.csv")


@pytest.mark.parametrize(
    ("train", "line"),
    [
        (b"1 2 x\n", 1),
        (b"1 2\n1_0 3\n", 2),
        (b"1 2\n\n3 4\n", 2),
        (b"1 2\xe9\n", 1),
        (b"1 99999999999999999999\n", 1),
        (b"1 2\r3 4\n", 1),
        (b"1 2\n\n\n", 2),
    ],
)
def test_a_line_of_lightgcn_that_is_wrong_is_named(train, line, tmp_path):
    (tmp_path / "train.txt").write_bytes(train)
    with pytest.raises(DataError, match=rf"train.txt, line {line}: "):
        gowalla.pairs(tmp_path / "train.txt")


def test_lightgcn_ids_are_exact_and_a_user_may_have_no_items(tmp_path):
    (tmp_path / "train.txt").write_bytes(
        b"1 2 9007199254740993 \n2\n3 \r\n4 -9223372036854775808\n\n"
    )
    found = gowalla.pairs(tmp_path / "train.txt")
    assert found.tolist() == [[1, 1, 4], [2, 9007199254740993, -(2**63)]]


@pytest.mark.parametrize(
    ("count", "why"),
    [
        ("0", "'0' is not from 1 to"),
        ("-1", "'-1' is not from 1 to"),
        ("", "is empty"),
        ("1.5", "'1.5' is no whole number"),
        ("x", "'x' is no whole number"),
    ],
)
def test_plays_are_counted_from_one(count, why, tmp_path):
    path = tmp_path / "train_triplets.txt"
    path.write_text(f"u\ts\t1\nu\tt\t{count}\n")
    with pytest.raises(DataError, match=rf"train_triplets.txt, line 2: the count {why}"):
        msd.MSD(msd.OPTIONS).read((path,))


def fast_table(content: bytes, layout: Layout) -> list[tuple]:
    """What the project reads; raises Wrong with the line that it names."""
    try:
        rows = table.parse(content, FILE, layout)
    except DataError as error:
        (line,) = re.findall(r"^some.csv, line (\d+): ", str(error))
        raise Wrong(int(line)) from error
    for name, kind in layout.columns.items():
        rows = rows.cast({name: str}) if kind == "id" else rows
    return rows.rows()


def outcome(read, content: bytes, layout: Layout) -> list[tuple] | Wrong:
    try:
        return read(content, layout)
    except Wrong as wrong:
        return wrong


def compare(seeds: range, monkeypatch) -> float:
    """Compare the tables of these seeds with the slow reading; return the share that is read."""
    read = 0
    for seed in seeds:
        random = Random(seed)
        layout = some_layout(random, FIXED)
        content = some_table(random, layout)
        monkeypatch.setattr(text, "BLOCK", random.choice([1, 20, 2**24]))
        got, want = (outcome(one, content, layout) for one in (fast_table, slow_table))
        assert got == want, (seed, content, layout)
        read += isinstance(got, list)
    return read / len(seeds)


def test_tables_are_read_as_a_slow_reading_reads_them(monkeypatch):
    assert 0.2 < compare(range(2_000), monkeypatch) < 0.8


@pytest.mark.slow
def test_two_hundred_thousand_tables_are_read_as_a_slow_reading_reads_them(monkeypatch):
    assert 0.2 < compare(range(2_000, 202_000), monkeypatch) < 0.8
