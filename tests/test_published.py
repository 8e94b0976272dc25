"""Counts and hashes that others got: asserted of a verified archive, said of any other file."""

from __future__ import annotations

import dataclasses
import zipfile

import pytest

from datasets import cache, fetch, pro_sg
from datasets.errors import DataError
from datasets.movielens import ML20M
from datasets.msd import MSD
from datasets.netflix import Netflix
from datasets.registry import DATASETS
from tests import raw_files
from tests.raw_files import rows, small

OPTIONS = small("ml20m")


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A small ml-20m.zip without repeats, the checksum and the numbers of which are the published
    ones.
    """
    found = rows().drop_duplicates(["user", "item"])
    return publish(found, tmp_path, monkeypatch)


def publish(found, tmp_path, monkeypatch):
    raw_files.WRITERS["ml20m"](tmp_path / "raw", found)
    (tmp_path / "data").mkdir()
    with zipfile.ZipFile(path := tmp_path / "data" / "ml-20m.zip", "w") as file:
        file.write(tmp_path / "raw" / "ml-20m" / "ratings.csv", "ml-20m/ratings.csv")
    checksums = {"ml-20m.zip": f"sha256:{fetch.sha256(path)}"}
    monkeypatch.setattr(ML20M, "source", dataclasses.replace(ML20M.source, checksums=checksums))
    kept = found[found["rating"] >= 4]
    kept = kept[kept.groupby("user")["item"].transform("size") >= 5]
    monkeypatch.setattr(ML20M, "published", None)
    split, _ = ML20M(OPTIONS).split((path,))
    published = dataclasses.replace(
        DATASETS["ml20m"].dataset.published or PUBLISHED,
        options=OPTIONS,
        interactions=len(kept),
        users=kept["user"].nunique(),
        items=kept["item"].nunique(),
        training_items=split.train.shape[1],
        files={name: sha for name, sha in pro_sg.hashes(split).items() if name in PUBLISHED.files},
    )
    monkeypatch.setattr(ML20M, "published", published)
    return path


PUBLISHED = ML20M.published


def prepare(data_dir, tmp_path, options=OPTIONS) -> tuple[str, ...]:
    return cache.prepare("ml20m", ML20M(options), data_dir, tmp_path / "cache", protocol=1).notes


def test_the_published_archive_is_said_to_be_the_authors(archive, tmp_path):
    assert prepare(archive.parent, tmp_path) == ("identical to the authors' split",)


@pytest.mark.parametrize("count", ["interactions", "users", "items", "training_items"])
@pytest.mark.parametrize("by", [-1, 1])
def test_a_count_off_by_one_is_an_error_in_the_published_archive(
    count, by, archive, tmp_path, monkeypatch
):
    wrong = dataclasses.replace(ML20M.published, **{count: getattr(ML20M.published, count) + by})
    monkeypatch.setattr(ML20M, "published", wrong)
    with pytest.raises(
        DataError,
        match=r"ml-20m.zip has its published checksum, but its data differ .*"
        rf"[(][\d,]+ {count.split('_')[-1]}",
    ):
        prepare(archive.parent, tmp_path)


@pytest.mark.parametrize("count", ["interactions", "users", "items", "training_items"])
def test_a_count_off_by_one_is_a_note_and_stored_for_another_file(
    count, archive, tmp_path, monkeypatch
):
    wrong = dataclasses.replace(ML20M.published, **{count: getattr(ML20M.published, count) + 1})
    monkeypatch.setattr(ML20M, "published", wrong)
    unverified, difference, likeness = prepare(tmp_path / "raw", tmp_path)
    assert unverified == "ratings.csv is not the published ml-20m.zip with its checksum: unverified"
    assert f"instead of the {getattr(wrong, count):,} published" in difference
    assert likeness == "identical to the authors' split"


def test_which_of_the_authors_files_differs_is_said(archive, tmp_path, monkeypatch):
    files = ML20M.published.files | {"test_te.csv": "0" * 64}
    monkeypatch.setattr(ML20M, "published", dataclasses.replace(ML20M.published, files=files))
    assert prepare(archive.parent, tmp_path) == ("not the authors' split: test_te.csv differ",)


def test_with_other_options_nothing_is_compared(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(ML20M, "published", dataclasses.replace(ML20M.published, users=1))
    for other in ({"held_out": 3}, {"min_rating": 3.5}, {"split_seed": 1}):
        assert prepare(archive.parent, tmp_path, OPTIONS.model_copy(update=other)) == ()


def test_repeats_are_an_error_in_the_published_archive(tmp_path, monkeypatch):
    path = publish(rows(), tmp_path, monkeypatch)
    with pytest.raises(DataError, match=r"but its data differ .* repeats of a"):
        prepare(path.parent, tmp_path)


def test_what_is_published():
    known = {
        kind: (p.interactions, p.users, p.items, p.training_items)
        for kind in (ML20M, Netflix, MSD)
        if (p := kind.published)
    }
    assert known == {
        ML20M: (9_990_682, 136_677, 20_720, 20_108),
        Netflix: (56_880_037, 463_435, 17_769, None),
        MSD: (33_633_450, 571_355, 41_140, None),
    }
    for name in ("ml20m", "netflix", "msd", "gowalla"):
        entry = DATASETS[name]
        assert entry.dataset.published.options == entry.config
    assert sorted(ML20M.published.files) == ["test_te.csv", "unique_sid.txt", "validation_te.csv"]
    assert DATASETS["msd"].dataset.source.checksums == {}


@pytest.mark.realdata
def test_gowalla_is_the_published_one(data_dir, tmp_path):
    entry = DATASETS["gowalla"]
    made = cache.prepare("gowalla", entry.dataset(entry.config), data_dir, tmp_path, protocol=1)
    assert made.notes == (
        "interactions.csv: archive unverified, as no checksum of gowalla/train.txt and "
        "gowalla/test.txt is published",
    )
    assert len(made.split.test.history.user_ids) == 3_000
