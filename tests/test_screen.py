"""What a terminal shows: tables, and what is under way, neither wider than it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from benchmark.cli import main
from benchmark.evaluation.metrics import HEADLINE
from benchmark.paths import ROOT
from benchmark.records import store
from benchmark.report import screen
from benchmark.report.cells import Number, Table
from benchmark.report.report import Report
from tests.conftest import DATA

WIDTH = 80


def on_a_terminal(width: int, *words: str) -> str:
    """Return what the command line shows on a terminal of ``width`` columns."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    command = [sys.executable, "run_all.py", *words]
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    pipes = {"stdin": follower, "stdout": follower, "stderr": follower}
    with subprocess.Popen(command, cwd=ROOT, env=environment, **pipes) as process:
        os.close(follower)
        shown = b""
        while True:
            try:
                block = os.read(leader, 2**16)
            except OSError:  # how Linux says that the other end is closed
                break
            if not block:
                break
            shown += block
    os.close(leader)
    assert process.returncode == 0, shown.decode()
    return shown.decode()


@pytest.mark.slow
@pytest.mark.parametrize("width", [40, WIDTH])
def test_a_run_fits_a_terminal(width, tmp_path):
    words = ["--models", "mult-vae", "popularity", "--seeds", "0", "--set", "mult-vae.epochs=300"]
    shown = on_a_terminal(width, *DATA, *words, "mult-vae.latent=8", "--out", str(tmp_path))
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", re.sub(r"\x1b\[\d?[AK]", "", shown))]
    progress = [line for line in lines if re.search(r"mult\S+ seed 0 +\d+/300 +0\.\d{4}", line)]
    assert progress
    whole = [line for line in lines if re.match(r"[0-3]/4 trials, \d+ %", line)]
    assert any(line.endswith(" left") for line in whole)
    assert any(progress[-1].endswith(end) for end in (" s left", " min left")) == (width == WIDTH)
    table = lines[next(n for n, line in enumerate(lines) if line.startswith("model")) :]
    assert max(map(len, [*whole, *progress, *table])) <= width
    assert lines.index(progress[-1]) < lines.index(table[0])


@pytest.fixture(scope="module")
def tables(finished) -> list[Table]:
    """Every table of a run of everything."""
    report = Report(store.read_all(finished), finished, HEADLINE)
    return [table for some in report.tables.values() for table in some]


@pytest.mark.parametrize("width", [WIDTH, 100, 132])
def test_every_table_fits_and_shows_each_cell_once_in_its_row(tables, width):
    assert any(len(table.head) > 8 for table in tables)
    for table in tables:
        shown = screen.fitted([table], width)
        assert max(map(len, shown.splitlines())) <= width
        heads = [line for line in shown.splitlines() if line.startswith(str(table.head[0]))]
        for name in table.head[1:]:
            moved = f"{name}: " in " ".join(shown.split())
            assert moved or any(name in head for head in heads)
        numbers = [str(c) for row in table.cells for c in row if isinstance(c, Number)]
        for number in set(numbers):
            assert shown.replace("*", "").count(number) >= numbers.count(number)


def test_a_column_that_says_one_thing_stands_in_the_title():
    cells = [
        ["als", "cpu", "5", Number(0.5), "-", "-"],
        ["bpr", "cpu", "4", Number(0.5), "-", "-"],
    ]
    head = ["model", "device", "seeds", "NDCG@100", "published", "published"]
    table = Table("ml1m", head, cells)
    shown = screen.without_constants(table)
    assert shown.title == "ml1m; device: cpu; published: -"
    assert shown.head == ["model", "seeds", "NDCG@100"]
    assert shown.cells == [[row[0], *row[2:4]] for row in cells]
    # of one row, every column says one thing
    one = Table("ml1m", table.head, cells[:1])
    assert screen.without_constants(one) == one


def test_each_part_of_a_wide_table_tells_its_rows_apart():
    cells = [["vae", "bf16", *map(Number, range(9))], ["vae", "fp32", *map(Number, range(9))]]
    head = ["model", "precision", *(f"metric {n}" for n in range(9))]
    shown = screen.fitted([Table("t", head, cells)], 60)
    parts = shown.split("\n\n")[1:]
    assert len(parts) > 1
    for part in parts:
        assert part.startswith("model")
        assert [line.split()[:2] for line in part.splitlines()[2:]] == [row[:2] for row in cells]
    numbers = [n for part in parts for n in re.findall(r"\d\.\d{4}", part.splitlines()[2])]
    assert numbers == [f"{n:.4f}" for n in range(9)]


def test_a_published_number_stands_beside_ours():
    head = ["model", *(name for n in range(3) for name in (f"metric {n}", "published"))]
    table = Table("t", head, [["vae", *map(Number, range(6))]])
    heads = [part.split("\n")[0].split() for part in screen.fitted([table], 40).split("\n\n")[1:]]
    assert heads == [["model", "metric", str(n), "published"] for n in range(3)]


def test_published_numbers_that_are_too_wide_beside_ours_stand_alone_and_are_broken():
    said = "0.395 ± 0.0012†, +0.0012, within sampling error"
    head = ["model", "device", "NDCG@100", "published", "Recall@20", "published"]
    rows = [[name, "cpu", "0.3950 ± 0.0012 (0.0023)", said, Number(0.5), said] for name in "ab"]
    for width in (40, 60, 80):
        shown = screen.fitted([Table("t", head, [*rows, ["c", "cpu", *"0-0-"]])], width)
        assert max(map(len, shown.splitlines())) <= width
        assert shown.count("0.395") == 4 + 2
        assert shown.count("sampling") == 4


def test_a_long_name_is_broken_at_its_commas():
    name = "bpr[factors=128,learning_rate=0.02,regularization=0.01,fold_in_regularization=0.25]"
    shown = screen.fitted([Table("t", ["model", "x"], [[name, Number(1)]])], WIDTH)
    assert max(map(len, shown.splitlines())) <= WIDTH
    said = "".join(line.split("  ")[0] for line in shown.splitlines()[4:])
    assert said.replace(" ", "") == name


def test_a_pipe_gets_markdown_of_any_width(finished, capsys):
    assert main(["report", "--out", str(finished)]) == 0
    assert "| model " in capsys.readouterr().out
