"""Coverage and novelty of recommended lists, and the file of every user's metrics."""

from __future__ import annotations

import math
import shutil

import numpy as np
import pandas as pd
import pytest

from benchmark.cli import main
from benchmark.evaluation.lists import coverage, novelty
from benchmark.evaluation.metrics import Metric
from benchmark.records import store
from benchmark.records.record import Record
from datasets import cache
from tests.test_cli import model_of, table_of

LISTS = np.array([[3, 1, 0], [1, 4, -1], [-1, -1, -1]])


def test_coverage_counts_each_listed_item_once():
    assert coverage(LISTS, 8) == 4 / 8
    assert coverage(LISTS[:, :1], 8) == 2 / 8


def test_novelty_is_a_mean_over_users_of_the_bits_of_their_items():
    counts = np.array([8, 4, 16, 2, 0, 1, 1, 1])
    first = (math.log2(16 / 2) + math.log2(16 / 4) + math.log2(16 / 8)) / 3
    second = (math.log2(16 / 4) + math.log2(16 / 1)) / 2  # nobody has the item 4
    assert novelty(LISTS, counts, 16) == pytest.approx((first + second) / 2, rel=1e-12)
    assert math.isnan(novelty(LISTS[2:], counts, 16))


def cells_of(out: str, column: int) -> dict[str, str]:
    """Return the cells of a column of the first table, counted after the number of seeds."""
    return {model_of(line): line.split("|")[5 + column].strip() for line in table_of(out)[2:]}


def slow_novelty(top: np.ndarray, record: Record) -> float:
    made = cache.of_hash(record.spec.split_hash, cache.default_folder())
    assert made is not None
    train = made.split.train.matrix
    share = [max(train[:, [item]].sum(), 1) / train.shape[0] for item in range(train.shape[1])]
    return float(np.mean([np.mean([-math.log2(share[i]) for i in user]) for user in top.tolist()]))


def test_the_report_has_both_where_the_lists_are(finished, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE_DIR", str(finished.with_name("finished.cache")))
    words = ["--metrics", "Coverage@5", "Novelty@5", "NDCG@100"]
    assert main(["report", "--out", str(finished), *words]) == 0
    said = capsys.readouterr().out
    record = next(r for r in store.read_all(finished) if r.spec.model == "ease")
    top = store.top_of(finished, record, store.per_user(finished, record))
    assert top is not None
    shown = f"{len(set(top[:, :5].ravel())) / record.data.items:.4f} ± - (-)"
    assert cells_of(said, 0)["ease"] == shown
    assert cells_of(said, 1)["ease"] == f"{slow_novelty(top[:, :5], record):.4f} ± - (-)"
    assert "Coverage@5: the best" not in said

    without = tmp_path / "without"
    shutil.copytree(finished, without, ignore=shutil.ignore_patterns("*.top.parquet"))
    assert main(["report", "--out", str(without), *words]) == 0
    said = capsys.readouterr().out
    assert set(cells_of(said, 0).values()) == set(cells_of(said, 1).values()) == {"-"}


def test_a_failure_stays_one_in_a_column_of_lists(finished, tmp_path, capsys):
    whole = next(r for r in store.read_all(finished) if r.spec.model == "ease")
    gone = {"metrics": None, "tied_rows": None, "best_epoch": None, "best_validation": None}
    gone |= {"status": "failed", "reason": "it broke", "per_user": None, "curve": []}
    store.write(tmp_path, store.Result(whole.model_copy(update=gone).sealed(), {}))
    assert main(["report", "--out", str(tmp_path), "--metrics", "Coverage@5"]) == 0
    assert cells_of(capsys.readouterr().out, 0) == {"ease": "failed"}


def test_novelty_needs_the_split(finished, capsys):
    assert main(["report", "--out", str(finished), "--metrics", "Coverage@5", "Novelty@5"]) == 0
    said = capsys.readouterr().out
    assert "-" not in cells_of(said, 0).values()
    assert set(cells_of(said, 1).values()) == {"-"}


def test_per_user_csv_has_every_trial_and_user(finished, tmp_path, capsys):
    words = ["--metrics", "Recall@10", "Coverage@10", "--to", str(tmp_path), "--per-user"]
    assert main(["report", "--out", str(finished), *words]) == 0
    capsys.readouterr()
    frame = pd.read_csv(tmp_path / "per-user.csv")
    records = store.read_all(finished)
    assert len(frame) == sum(r.data.test_users for r in records)
    assert "Coverage@10" not in frame
    for record in records:
        mine = frame[(frame.model == record.label) & (frame.seed.fillna(-1) == seed_of(record))]
        results = store.per_user(finished, record)
        assert mine.user.tolist() == results.user.tolist()
        want = Metric("Recall", 10)(results.hit, results.targets)
        np.testing.assert_allclose(mine["Recall@10"], want, rtol=1e-12)


def seed_of(record: Record) -> int:
    return -1 if record.spec.seed is None else record.spec.seed


def test_per_user_needs_a_folder(finished, capsys):
    assert main(["report", "--out", str(finished), "--per-user"]) == 2
    assert "--per-user writes a file; say into which folder, with --to" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["--table", "2", "--contest"],
        ["--figure", "3", "--compare", "."],
        ["--contest", "--compare", "."],
    ],
)
def test_what_is_shown_instead_of_the_usual_tables_is_one_thing(finished, words, capsys):
    assert main(["report", "--out", str(finished), *words]) == 2
    assert "a report shows one of these; give a command for each" in capsys.readouterr().err
