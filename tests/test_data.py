"""Raw files, their faults and their archive; the cache; the generator."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from datasets import atomic, cache, fetch, pro_sg, raw_hashes
from datasets.base import DatasetConfig
from datasets.errors import DataError
from datasets.movielens import ML1M
from datasets.registry import DATASETS, register
from datasets.synthetic import Synthetic, SyntheticConfig, generate

SMALL = DatasetConfig(min_rating=4, held_out=2)

FORM = ".* is not user::item::rating::timestamp, all of them numbers"


def lines(users: int = 30, items: int = 12) -> bytes:
    """Rows as in ratings.dat; every user has eight items or more of four stars or more."""
    random = np.random.RandomState(0)
    rows = []
    for user in range(1, users + 1):
        for item in sorted(random.choice(items, size=9, replace=False)):
            rows.append(f"{user}::{item + 1}::{5 if item % 5 else 3}::{900 + item}\n")
    return "".join(rows).encode()


@pytest.fixture
def raw(tmp_path) -> Path:
    """A data folder with a ratings.dat."""
    path = tmp_path / "raw" / "ml-1m" / "ratings.dat"
    path.parent.mkdir(parents=True)
    path.write_bytes(lines())
    return path


def archive(folder: Path, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "ml-1m.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("ml-1m/ratings.dat", content)
    return folder / "ml-1m.zip"


def prepare(data_dir: Path, cache_dir: Path, config: DatasetConfig = SMALL) -> cache.Prepared:
    return cache.prepare("ml1m", ML1M(config), data_dir, cache_dir, protocol=1)


def test_reads_what_a_plain_parser_reads(raw):
    ratings = ML1M(SMALL).read((raw,))
    plain = [line.split("::") for line in raw.read_text().splitlines()]
    assert ratings.user_ids[ratings.user].tolist() == [int(fields[0]) for fields in plain]
    assert ratings.item_ids[ratings.item].tolist() == [int(fields[1]) for fields in plain]
    assert ratings.rating is not None
    assert ratings.rating.tolist() == [float(fields[2]) for fields in plain]


@pytest.mark.parametrize(
    ("line", "bad", "why"),
    [
        (3, b"1::x::5::900", "the item 'x' is no whole number"),
        (1, b"1::2::good::900", "the rating 'good' is no number"),
        (9, b"1::2::nan::900", "the rating 'nan' is no number"),
        (5, b"1::2::5", FORM),
        (2, b"1:0:2:0:5:0:900", FORM),
        (2, b"1::2::5::900::7", FORM),
        (4, b"", FORM),
        (7, b"1,2,5,900", FORM),
        (6, b"1::2::::900", "the rating is empty"),
        (
            8,
            b"99999999999999999999::2::5::900",
            "the user '9{20}' is not from -9223372036854775808",
        ),
    ],
)
def test_a_malformed_line_is_named(line, bad, why, raw):
    rows = raw.read_bytes().split(b"\n")
    rows[line - 1] = bad
    raw.write_bytes(b"\n".join(rows))
    with pytest.raises(DataError, match=rf"ratings.dat, line {line}: {why}.*; the file is damaged"):
        ML1M(SMALL).read((raw,))


def test_a_file_cut_in_the_middle_of_a_line_is_named(raw):
    content = raw.read_bytes()
    raw.write_bytes(content[:-7])
    number = content.count(b"\n")
    with pytest.raises(DataError, match=f"line {number}: "):
        ML1M(SMALL).read((raw,))


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe binary \n"])
def test_an_empty_or_binary_file_is_refused(content, raw):
    raw.write_bytes(content)
    with pytest.raises(DataError, match="line 1"):
        ML1M(SMALL).read((raw,))


def test_archive_folder_and_file_give_one_split(raw, tmp_path):
    zipped, loose = tmp_path / "zipped", tmp_path / "loose"
    archive(zipped, raw.read_bytes())
    loose.mkdir()
    (loose / "ratings.dat").write_bytes(raw.read_bytes())
    made = [prepare(folder, tmp_path / "cache") for folder in (raw.parent.parent, zipped, loose)]
    assert len({p.split_hash for p in made}) == 1
    assert all("unverified" in p.notes[0] for p in made)


@pytest.mark.parametrize("fault", ["cut", "no member", "not a zip"])
def test_a_damaged_archive_is_refused(fault, tmp_path):
    path = archive(tmp_path / "raw", lines())
    if fault == "cut":
        path.write_bytes(path.read_bytes()[:-30])
    elif fault == "not a zip":
        path.write_bytes(b"<html>")
    else:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("other", "x")
    with pytest.raises(DataError, match="not a whole zip archive"):
        prepare(tmp_path / "raw", tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("ml1m*"))


def test_the_archive_with_the_published_checksum_needs_no_note(tmp_path, monkeypatch):
    path = archive(tmp_path / "raw", lines())
    monkeypatch.setattr(
        ML1M,
        "source",
        dataclasses.replace(ML1M.source, checksums={"ml-1m.zip": f"sha256:{fetch.sha256(path)}"}),
    )
    assert prepare(tmp_path / "raw", tmp_path / "cache").notes == ()


class Downloads:
    """Stands where pooch's downloader does: the network, without one."""

    def __init__(self, content: bytes | None) -> None:
        self.content, self.asked = content, []

    def __call__(self, url, output_file, pooch) -> None:
        self.asked.append(url)
        if self.content is None:
            raise OSError("no network")
        Path(output_file).write_bytes(self.content)


@pytest.fixture
def network(monkeypatch):
    def use(content: bytes | None) -> Downloads:
        downloads = Downloads(content)
        monkeypatch.setattr("datasets.fetch.Resuming", lambda part: downloads)
        return downloads

    return use


def test_downloads_verifies_and_keeps_the_archive(tmp_path, network, monkeypatch):
    content = archive(tmp_path / "there", lines()).read_bytes()
    sha = fetch.sha256(tmp_path / "there" / "ml-1m.zip")
    monkeypatch.setattr(
        ML1M, "source", dataclasses.replace(ML1M.source, checksums={"ml-1m.zip": f"sha256:{sha}"})
    )
    downloads = network(content)
    first = prepare(tmp_path / "data", tmp_path / "cache")
    assert (tmp_path / "data" / "ml-1m.zip").read_bytes() == content
    assert first.notes == ()
    assert prepare(tmp_path / "data", tmp_path / "cache").split_hash == first.split_hash
    assert len(downloads.asked) == 1


@pytest.mark.parametrize("content", [None, b"a page that says no"])
def test_what_cannot_be_downloaded_says_what_to_do(content, tmp_path, network):
    network(content)
    with pytest.raises(
        DataError,
        match=r"put ml-1m.zip from https://.* into .*data, or ml-1m/ratings.dat, or ratings.dat",
    ):
        prepare(tmp_path / "data", tmp_path / "cache")
    assert list((tmp_path / "data").iterdir()) == []


def test_a_split_in_the_cache_needs_no_raw_file_and_no_network(raw, tmp_path, network):
    made = prepare(raw.parent.parent, tmp_path / "cache")
    network(None)
    again = prepare(tmp_path / "nothing", tmp_path / "cache")
    assert (again.split_hash, again.made) == (made.split_hash, False)
    with pytest.raises(DataError):
        prepare(tmp_path / "nothing", tmp_path / "cache", SMALL.model_copy(update={"held_out": 3}))


def test_a_raw_file_is_hashed_once_until_it_changes(raw, tmp_path, monkeypatch):
    hashed = []
    real = fetch.sha256

    def counted(path: Path) -> str:
        if path == raw:
            hashed.append(path.name)
        return real(path)

    monkeypatch.setattr(fetch, "sha256", counted)
    first = prepare(raw.parent.parent, tmp_path / "cache")
    assert prepare(raw.parent.parent, tmp_path / "cache").folder == first.folder
    assert hashed == ["ratings.dat"]
    raw.write_bytes(raw.read_bytes() + b"1::2::5::0\n")
    assert (
        prepare(raw.parent.parent, tmp_path / "cache").raw_sha256 == real(raw) != first.raw_sha256
    )
    (tmp_path / "cache" / raw_hashes.HASHES).write_text("damaged")
    assert prepare(raw.parent.parent, tmp_path / "cache").raw_sha256 == real(raw)
    assert hashed == ["ratings.dat"] * 3


def test_a_raw_file_changed_in_place_with_its_old_time_is_hashed_again(raw, tmp_path):
    first, before = prepare(raw.parent.parent, tmp_path / "cache"), raw.stat()
    raw.write_bytes(raw.read_bytes().replace(b"1::", b"3::", 1))
    os.utime(raw, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (raw.stat().st_size, raw.stat().st_ino) == (before.st_size, before.st_ino)
    again = prepare(raw.parent.parent, tmp_path / "cache")
    assert again.raw_sha256 == fetch.sha256(raw) != first.raw_sha256


def test_the_cache_gives_back_the_same_split_memory_mapped(raw, tmp_path):
    direct, _ = ML1M(SMALL).split((raw,))
    first, second = (prepare(raw.parent.parent, tmp_path / "cache") for _ in range(2))
    assert (first.made, second.made) == (True, False)
    assert dict(pro_sg.files(second.split)) == dict(pro_sg.files(direct))
    assert isinstance(second.split.train.user, np.memmap)
    assert second.split_hash == pro_sg.split_hash(pro_sg.hashes(direct))


@pytest.mark.parametrize("change", ["file", "option", "protocol"])
def test_the_cache_is_keyed_by_file_options_and_protocol(change, raw, tmp_path):
    folders = {prepare(raw.parent.parent, tmp_path / "cache").folder}
    if change == "file":
        raw.write_bytes(lines(users=31))
    config = SMALL.model_copy(update={"held_out": 3}) if change == "option" else SMALL
    protocol = 2 if change == "protocol" else 1
    folders.add(
        cache.prepare("ml1m", ML1M(config), raw.parent.parent, tmp_path / "cache", protocol).folder
    )
    assert len(folders) == 2


@pytest.mark.parametrize(
    "fault", ["cut header", "no header", "cut array", "no array", "other length"]
)
def test_an_unreadable_cache_says_what_to_delete(fault, raw, tmp_path):
    folder = prepare(raw.parent.parent, tmp_path / "cache").folder
    header, array = folder / "header.json", folder / "train.user.npy"
    if fault == "cut header":
        header.write_text(header.read_text()[:50])
    elif fault == "no header":
        header.unlink()
    elif fault == "cut array":
        array.write_bytes(array.read_bytes()[:40])
    elif fault == "no array":
        array.unlink()
    else:
        np.save(array, np.zeros(3, dtype=np.int32))
    with pytest.raises(DataError, match=f"{folder}.*delete that folder"):
        prepare(raw.parent.parent, tmp_path / "cache")


def test_a_changed_array_of_the_cache_is_noticed_by_a_run(raw, tmp_path):
    made = prepare(raw.parent.parent, tmp_path / "cache")
    array = made.folder / "train.item.npy"
    np.save(array, np.load(array)[::-1])
    with pytest.raises(DataError, match=r"train.item.npy: it changed after.*delete that folder"):
        prepare(raw.parent.parent, tmp_path / "cache")
    assert cache.read(made.folder).split_hash == made.split_hash  # a trial's process only maps it


def test_a_changed_split_hash_is_noticed(raw, tmp_path):
    made = prepare(raw.parent.parent, tmp_path / "cache")
    header = made.folder / "header.json"
    header.write_text(header.read_text().replace(made.split_hash, "0" * 64))
    with pytest.raises(DataError, match="contradict each other"):
        cache.read(made.folder)


@pytest.mark.parametrize(
    "text", ["[]", "3", '"x"', "null", '{"a": 3}', "[" * 10**5, '{"arrays": []}', '{"files": 3}']
)
def test_json_of_another_shape_in_the_cache_is_no_traceback(text, raw, tmp_path):
    made = prepare(raw.parent.parent, tmp_path / "cache")
    (tmp_path / "cache" / raw_hashes.HASHES).write_text(text)
    assert prepare(raw.parent.parent, tmp_path / "cache").split_hash == made.split_hash
    (made.folder / "header.json").write_text(text)
    with pytest.raises(DataError, match=r"header.json.*delete that folder"):
        prepare(raw.parent.parent, tmp_path / "cache")


def test_a_split_whose_raw_file_is_not_there_is_used_with_a_word(raw, tmp_path, capsys):
    made = prepare(raw.parent.parent, tmp_path / "cache")
    assert made.notice is None
    assert prepare(raw.parent.parent, tmp_path / "cache").notice is None
    again = prepare(tmp_path / "nothing", tmp_path / "cache")
    said = f"no raw file in {tmp_path / 'nothing'}; using the cached split {made.split_hash}"
    assert (again.notice, again.notes) == (said, made.notes)


def test_a_missing_file_of_several_is_named(raw, tmp_path, network, monkeypatch):
    source = dataclasses.replace(ML1M.source, others=(("ml-1m/ratings.dat", "users.dat"),))
    made = prepare(raw.parent.parent, tmp_path / "cache")
    monkeypatch.setattr(ML1M, "source", source)
    missing = f"{raw.parent.parent} has ml-1m/ratings.dat, but no users.dat"
    again = prepare(raw.parent.parent, tmp_path / "cache")
    assert again.notice == f"{missing}; using the cached split {made.split_hash}"
    network(None)
    with pytest.raises(DataError, match=f"could not be downloaded.*; {missing}$"):
        prepare(raw.parent.parent, tmp_path / "other cache")


def test_a_cache_of_another_format_is_made_again_or_refused_with_its_name(
    raw, tmp_path, network, monkeypatch
):
    with monkeypatch.context() as older:
        older.setattr(cache, "FORMAT", 2)
        old = prepare(raw.parent.parent, tmp_path / "cache")
    network(None)
    with pytest.raises(DataError, match=f"{old.folder} is of another cache format than 3"):
        prepare(tmp_path / "nothing", tmp_path / "cache")
    new = prepare(raw.parent.parent, tmp_path / "cache")
    assert (new.made, new.split_hash) == (True, old.split_hash)
    assert new.folder != old.folder


def test_what_a_killed_run_left_in_the_cache_goes(raw, tmp_path):
    made = prepare(raw.parent.parent, tmp_path / "cache")
    lock = atomic.lock_path(tmp_path / "cache", made.folder.name)
    for left in (lock, tmp_path / "cache" / ".x.1.new", atomic.lock_path(raw.parent, raw.name)):
        left.touch()
    prepare(raw.parent.parent, tmp_path / "cache")
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]


def test_empty_after_the_filters_is_said(raw, tmp_path):
    with pytest.raises(DataError, match=r"none of 270 rows is left with min_rating = 6.0"):
        prepare(raw.parent.parent, tmp_path / "cache", SMALL.model_copy(update={"min_rating": 6.0}))
    assert not list((tmp_path / "cache").glob("ml1m*"))


def test_repeats_are_reported(raw, tmp_path):
    raw.write_bytes(raw.read_bytes() + b"1::2::5::1\n1::2::4::1\n")
    assert any("repeats" in note for note in prepare(raw.parent.parent, tmp_path / "cache").notes)


def test_a_tenth_of_the_users_is_held_out_by_default(raw):
    split, _ = ML1M(DatasetConfig(min_rating=4)).split((raw,))
    assert [len(p.user_ids) for p in split.parts.values()] == [24, 3, 3, 3, 3]
    raw.write_bytes(lines(users=8))
    with pytest.raises(DataError, match="set held_out"):
        ML1M(DatasetConfig(min_rating=4)).split((raw,))


def test_ids_sort_as_numbers(tmp_path):
    """9 before 10: the order of users is part of the authors' procedure."""
    path = tmp_path / "ratings.dat"
    path.write_bytes(lines(users=12))
    split, _ = ML1M(SMALL).split((path,))
    permuted = np.arange(1, 13)[np.random.RandomState(98765).permutation(12)]
    assert split.train.user_ids.tolist() == permuted[:8].tolist()


def test_registering_a_name_twice_raises():
    with pytest.raises(ValueError, match="'ml1m' is taken"):
        register("ml1m", SMALL)(ML1M)
    assert DATASETS["ml1m"].about.startswith("MovieLens-1M")


def test_the_generator_keeps_its_promises():
    config = SyntheticConfig(users=4000, items=500, density=0.04)
    user, item = generate(config)
    assert len(user) == pytest.approx(0.04 * 4000 * 500, rel=0.08)
    assert (np.diff(user * 500 + item) > 0).all()  # sorted, no pair twice
    per_item = np.sort(np.bincount(item, minlength=500))[::-1]
    assert per_item[:50].sum() > 0.25 * per_item.sum()  # a long tail
    logs = np.log(np.maximum(np.bincount(user, minlength=4000), 1))
    assert logs.std() == pytest.approx(0.8, abs=0.15)
    assert abs(np.corrcoef(np.arange(500), np.bincount(item, minlength=500))[0, 1]) < 0.15


def test_the_generator_is_a_function_of_its_options(monkeypatch):
    config = SyntheticConfig(users=300, items=50, density=0.2)
    first = generate(config)
    assert all(np.array_equal(a, b) for a, b in zip(first, generate(config), strict=True))
    monkeypatch.setattr("datasets.synthetic.CHUNK", 50 * 7)
    assert all(np.array_equal(a, b) for a, b in zip(first, generate(config), strict=True))
    other = generate(config.model_copy(update={"seed": 1}))
    assert len(other[0]) != len(first[0]) or not np.array_equal(other[1], first[1])


def test_types_differ_in_taste():
    """Users of one type are more alike than the rest: the likest pairs stand out only where there
    are types.
    """

    def stand_out(types: int) -> float:
        split, _ = Synthetic(SyntheticConfig(types=types)).split()
        X = split.train.matrix.toarray()
        alike = np.corrcoef(X[X.sum(axis=1) > 20])
        return float(np.quantile(alike, 0.98) - np.quantile(alike, 0.5))

    assert 0.15 < stand_out(20) < 0.21
    assert stand_out(20) > 1.2 * stand_out(1)


def test_the_header_is_json_without_pickles(raw, tmp_path):
    folder = prepare(raw.parent.parent, tmp_path / "cache").folder
    header = json.loads((folder / "header.json").read_text())
    assert header["options"]["held_out"] == 2
    for path in folder.glob("*.npy"):
        np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
