"""The authors' procedure against known answers and a plain pandas transcription."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.paths import ROOT
from datasets import pro_sg
from datasets.errors import DataError
from datasets.movielens import ML1M
from datasets.preprocess import Ratings, preprocess
from datasets.registry import DATASETS
from datasets.strong_generalization import split
from tests.slow_split import slow_files, slow_filter


def encoded(user: np.ndarray, item: np.ndarray, rating: np.ndarray | None = None) -> Ratings:
    """Rows of raw ids."""
    (user_ids, users), (item_ids, items) = (
        np.unique(ids, return_inverse=True) for ids in (user, item)
    )
    return Ratings(users.astype(np.int32), items.astype(np.int32), user_ids, item_ids, rating)


def table(ratings: Ratings) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "user": ratings.user_ids[ratings.user],
            "item": ratings.item_ids[ratings.item],
            "rating": ratings.rating,
        }
    )


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    users=st.integers(12, 40),
    items=st.integers(8, 30),
    words=st.booleans(),
)
def test_split_equals_a_plain_transcription(seed, users, items, words):
    random = np.random.RandomState(seed)
    size = 20 * users
    user, item = random.randint(users, size=size) * 7 - 20, random.randint(items, size=size) * 3
    rating = random.randint(1, 6, size=size).astype(float)
    rows = encoded(user, item, rating)
    if words:
        rows = encoded(np.char.mod(b"u%d", user), np.char.mod(b"i%d", item), rating)
    kept, dropped = preprocess(rows, min_rating=3, min_users_per_item=0, min_items_per_user=5)
    expected = slow_filter(table(rows), 3, 0, 5)
    assert dropped.repeats == int(
        table(rows).query("rating >= 3").duplicated(["user", "item"]).sum()
    )
    pd.testing.assert_frame_equal(table(kept), expected.reset_index(drop=True))
    held_out = max(1, kept.shape[0] // 4)
    if words:  # ids as text, for the transcription only
        expected = expected.assign(
            user=expected["user"].str.decode("ascii"), item=expected["item"].str.decode("ascii")
        )
    want = slow_files(expected, held_out, seed)
    got = {name: content.decode() for name, content in pro_sg.files(split(kept, held_out, seed))}
    assert got == want


@pytest.mark.realdata
def test_ml1m_equals_the_known_answers(data_dir, tmp_path):
    from benchmark.cli import main

    assert main(["export-split", "ml1m", str(tmp_path / "six"), "--data-dir", str(data_dir)]) == 0
    got = {
        p.name: (sha(p), p.read_bytes().count(b"\n") - (p.suffix == ".csv"))
        for p in (tmp_path / "six").iterdir()
    }
    assert got == {
        "train.csv": ("658e41d411d4d9a2f402b8de442d6c1d1d94ae89f391d26828cfc664b170fcbe", 462_827),
        "validation_tr.csv": (
            "37ee0994f311bf47652a5ef7abf3d1d43f2cacd6b72b48927a850df9f0865ffa",
            46_146,
        ),
        "validation_te.csv": (
            "e19fa6381f0d0e5f7797bf661f5f2eb4f8c6f89873773bb18b8618fe4cd5e99c",
            11_228,
        ),
        "test_tr.csv": ("61b773b20ea76b5362d04da48403469168a8c1ddb4e8565403f9315ad91290bb", 44_266),
        "test_te.csv": ("8a8668ba7065b16a86a1bc12179949e55740c1baf39c08b7a77efb642fed1fbd", 10_761),
        "unique_sid.txt": (
            "0ed54e6d4d118ffd935059903a3cae8a144e4ac544ee6898ea8719b51ade4a20",
            3_497,
        ),
    }


def sha(path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.realdata
def test_ml1m_counts_after_the_filter(data_dir):
    raw = ML1M(DATASETS["ml1m"].config).read((data_dir / "ml-1m" / "ratings.dat",))
    kept, dropped = preprocess(raw, min_rating=4, min_users_per_item=0, min_items_per_user=5)
    assert (len(kept), *kept.shape, dropped.repeats) == (575_272, 6_034, 3_533, 0)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "folder", "held_out"), [("ml20m", "ml-20m-layout", 200), ("ml-latest-small", "", 50)]
)
def test_real_half_stars_equal_a_plain_transcription(name, folder, held_out, data_dir):
    entry = DATASETS[name]
    dataset = entry.dataset(entry.config.model_copy(update={"held_out": held_out}))
    raw = dataset.find(data_dir / folder)
    made, _ = dataset.split(raw)
    rows = pd.read_csv(raw[0]).set_axis(["user", "item", "rating", "timestamp"], axis=1)
    want = slow_files(slow_filter(rows, 4, 0, 5), held_out, 98765)
    assert {name: content.decode() for name, content in pro_sg.files(made)} == want


@pytest.mark.realdata
def test_held_out_users_may_be_told(data_dir, tmp_path):
    from benchmark.cli import main

    words = ["--data-dir", str(data_dir), "--set", "movielens-1m.held_out=300"]
    assert main(["export-split", "ml-1m", str(tmp_path), *words]) == 0
    test = pd.concat([pd.read_csv(tmp_path / f"{name}.csv") for name in ("test_tr", "test_te")])
    assert (test["uid"].min(), test["uid"].max()) == (6_034 - 300, 6_034 - 1)


def test_rare_items_go_before_users_are_counted():
    user = np.array([1, 1, 1, 2, 2, 2, 3, 3, 3])
    item = np.array([1, 2, 9, 1, 2, 3, 1, 2, 3])
    kept, _ = preprocess(
        encoded(user, item), min_rating=None, min_users_per_item=2, min_items_per_user=3
    )
    assert kept.user_ids[kept.user].tolist() == [2, 2, 2, 3, 3, 3]


def test_a_held_out_user_with_few_known_items_keeps_the_position_and_has_no_target(small_split):
    from benchmark.evaluation.ranking import evaluate

    fold = small_split.test
    sizes = np.diff((fold.history.matrix + fold.target.matrix).indptr)
    found = np.diff(fold.target.matrix.indptr)
    assert (found == np.where(sizes >= 5, (0.2 * sizes).astype(int), 0)).all()
    import torch

    ranking = evaluate(lambda history, users: torch.rand(history.shape), fold)
    assert ranking.user.tolist() == np.flatnonzero(found).tolist()


@pytest.mark.parametrize(
    ("held_out", "sentence"), [(20, "takes 40 of the 30 users"), (15, "takes 30 of the 30")]
)
def test_more_held_out_users_than_users(held_out, sentence):
    user, item = np.divmod(np.arange(300), 10)
    with pytest.raises(DataError, match=sentence):
        split(encoded(user, item), held_out)


def test_nothing_to_find_is_said():
    user, item = np.divmod(np.arange(90), 3)
    with pytest.raises(DataError, match="nothing to find"):
        split(encoded(user, item), 5)


def test_check_notices_what_a_split_must_not_have(small_split):
    from dataclasses import replace

    fold = small_split.test
    leak = replace(small_split, validation=fold)
    with pytest.raises(ValueError, match="two parts"):
        leak.check()
    with pytest.raises(ValueError, match="an item twice"):
        replace(small_split, test=replace(fold, target=fold.history)).check()
    train = small_split.train
    twice = replace(train, user=np.tile(train.user, 2), item=np.tile(train.item, 2))
    with pytest.raises(ValueError, match="a pair twice"):
        replace(small_split, train=twice).check()


def test_split_hash_is_what_sha256sum_gives(small_split, tmp_path):
    import hashlib

    paths = pro_sg.write(small_split, tmp_path)
    lines = "".join(f"{sha(p)}  {p.name}\n" for p in sorted(paths))
    assert (
        pro_sg.split_hash(pro_sg.hashes(small_split)) == hashlib.sha256(lines.encode()).hexdigest()
    )
    paths[1].unlink()
    assert pro_sg.write(small_split, tmp_path) == paths  # what is missing is added
    paths[1].write_text("uid,sid\n")
    with pytest.raises(DataError, match=f"{paths[1].name} exists already, with other content"):
        pro_sg.write(small_split, tmp_path)


def test_a_split_appears_whole_or_not_at_all(small_split, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(
        pro_sg.atomic, "sync", lambda path: (_ for _ in ()).throw(OSError("disk full"))
    )
    for folder in (tmp_path / "missing", tmp_path / "empty"):
        with pytest.raises(DataError, match="disk full"):
            pro_sg.write(small_split, folder)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_export_killed_at_any_call_is_whole_or_absent_and_goes_on(tmp_path):
    command = [sys.executable, "-m", "tests.kill_points", str(tmp_path)]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert int(made.stdout.split()[0]) > 100
