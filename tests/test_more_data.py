"""The data sets beside the paper's: each in its exact layout, its archive and its checksum."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datasets import cache, fetch, pro_sg
from datasets.errors import DataError
from datasets.registry import DATASETS
from tests import raw_files
from tests.raw_files import rows, small
from tests.slow_split import slow_files, slow_filter

FILES = {
    "ml100k": ("ml-100k.zip", "ml-100k/", "u.data"),
    "ml1m": ("ml-1m.zip", "ml-1m/", "ratings.dat"),
    "ml10m": ("ml-10m.zip", "ml-10M100K/", "ratings.dat"),
    "ml25m": ("ml-25m.zip", "ml-25m/", "ratings.csv"),
    "ml32m": ("ml-32m.zip", "ml-32m/", "ratings.csv"),
    "lastfm-2k": ("hetrec2011-lastfm-2k.zip", "", "user_artists.dat"),
}
"""The archive of each, its folder inside that archive, and the file there."""
BESIDE = ("u1.base", "movies.dat", "ml-100k.dat", "README", "xuser_artists.dat", "xratings.csv")
CONTENT = {
    "ml100k": "7\t10\t3\t881250949\n5\t302\t4\t891717742\n7\t2\t5\t0\n",
    "ml1m": "7::10::3::978300760\n5::302::4::978302109\n7::2::5::0\n",
    "ml10m": "7::10::3.5::838985046\n5::302::4::838983525\n7::2::0.5::0\n",
    "ml25m": "userId,movieId,rating,timestamp\n7,10,3.5,1147880044\n5,302,4.0,0\n7,2,0.5,0\n",
    "ml32m": "userId,movieId,rating,timestamp\n7,10,3.5,944249077\n5,302,4.0,0\n7,2,0.5,0\n",
    "lastfm-2k": "userID\tartistID\tweight\n7\t10\t13883\n5\t302\t1\n7\t2\t352698\n",
}
STARS = {
    "ml100k": [3, 4, 5],
    "ml1m": [3, 4, 5],
    "ml10m": [3.5, 4, 0.5],
    "ml25m": [3.5, 4, 0.5],
    "ml32m": [3.5, 4, 0.5],
    "lastfm-2k": None,
}


def write(folder: Path, name: str, content: str) -> Path:
    path = folder / FILES[name][2]
    path.write_bytes(content.encode())
    return path


def packed(path: Path, name: str, content: bytes) -> Path:
    """Write an archive as GroupLens has it: the file in its folder, among others."""
    _, inside, member = FILES[name]
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for other in BESIDE:
            file.writestr(f"{inside}{other}", "something else")
        file.writestr(f"{inside}{member}", content)
    return path


@pytest.mark.parametrize("name", FILES)
def test_its_lines_are_users_items_and_ratings_in_file_order(name, tmp_path):
    dataset = DATASETS[name].dataset(DATASETS[name].config)
    write(tmp_path, name, CONTENT[name])
    found = dataset.read(dataset.find(tmp_path))
    assert found.user_ids[found.user].tolist() == [7, 5, 7]
    assert found.item_ids[found.item].tolist() == [10, 302, 2]
    assert (None if found.rating is None else found.rating.tolist()) == STARS[name]


MALFORMED = [
    ("ml100k", "7::10::3::881250949"),
    ("ml100k", "7 10 3 881250949"),
    ("ml100k", "7\t10\t3"),
    ("ml100k", "7\t\t3\t881250949"),
    ("ml100k", "7\t10\tgood\t881250949"),
    ("ml10m", "7:10:3.5:838985046"),
    ("ml10m", "7::10::3,5::838985046"),
    ("ml25m", "7,10,3.5"),
    ("ml25m", "7\t10\t3.5\t1147880044"),
    ("lastfm-2k", "7\t10\t0"),
    ("lastfm-2k", "7\t10\t-3"),
    ("lastfm-2k", "7\t10\t2.5"),
    ("lastfm-2k", "7\t10"),
    ("lastfm-2k", "Radiohead\t10\t5"),
    ("lastfm-2k", "userID\tartistID\tweight"),
]


@pytest.mark.parametrize(("name", "line"), MALFORMED)
def test_a_line_of_another_form_is_named_with_its_number(name, line, tmp_path):
    path = write(tmp_path, name, CONTENT[name] + f"{line}\n" + CONTENT[name].splitlines()[1] + "\n")
    dataset = DATASETS[name].dataset(DATASETS[name].config)
    number = CONTENT[name].count("\n") + 1
    with pytest.raises(DataError, match=rf"{path.name}, line {number}: "):
        dataset.read((path,))


@pytest.mark.parametrize("name", ["ml25m", "lastfm-2k"])
def test_a_file_without_its_header_is_refused(name, tmp_path):
    path = write(tmp_path, name, CONTENT[name].split("\n", 1)[1])
    with pytest.raises(DataError, match="line 1: "):
        DATASETS[name].dataset(DATASETS[name].config).read((path,))


@pytest.mark.parametrize("name", FILES)
def test_archive_folder_and_file_give_one_split(name, tmp_path):
    archive, _, member = FILES[name]
    folder = tmp_path / "folder"
    raw_files.WRITERS[name](folder, rows())
    (path,) = (path for path in folder.rglob("*") if path.is_file())
    (tmp_path / "loose").mkdir()
    (tmp_path / "loose" / member).write_bytes(path.read_bytes())
    packed(tmp_path / "zipped" / archive, name, path.read_bytes())
    dataset, found = DATASETS[name].dataset(small(name)), set()
    for form in ("folder", "loose", "zipped"):
        (raw,) = dataset.find(tmp_path / form)
        found.add(str(pro_sg.hashes(dataset.split((raw,))[0])))
    assert len(found) == 1


class Site:
    """Stands where pooch's downloader does, and has the given files by name."""

    def __init__(self, **files: bytes) -> None:
        self.files, self.asked = files, []

    def __call__(self, url, output_file, pooch) -> None:
        self.asked.append(url)
        if (content := self.files.get(url.rsplit("/", 1)[1])) is None:
            raise OSError("not found")
        Path(output_file).write_bytes(content)


@pytest.fixture
def site(monkeypatch) -> Site:
    made = Site()
    monkeypatch.setattr("datasets.fetch.Resuming", lambda part: made)
    return made


@pytest.mark.parametrize("name", FILES)
def test_another_archive_than_the_published_is_refused_or_said_to_be_unverified(
    name, tmp_path, site
):
    archive = FILES[name][0]
    source = DATASETS[name].dataset.source
    site.files[archive] = b"another archive"
    site.files[f"{archive}.md5"] = b"0" * 32
    (tmp_path / "data").mkdir()
    with pytest.raises(DataError, match=rf"checksum (sha256|md5):\w+; put {archive} from https:.*"):
        fetch.download(source, tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []
    path = packed(tmp_path / "own" / archive, name, CONTENT[name].encode())
    if source.md5_beside:
        path.with_name(f"{archive}.md5").write_bytes(site.files[f"{archive}.md5"])
    assert fetch.find(source, tmp_path / "own") == (path,)
    assert not fetch.verified(source, (path,))
    said = f"{archive} is not the published {archive} with its checksum: unverified"
    assert fetch.unverified(source, (path,)) == said


WAYS = {"md5sum": "{}  ml-32m.zip\n", "BSD": "MD5 (ml-32m.zip) = {}\n", "alone": "{}"}
"""How programs write a checksum; GroupLens has files of the first two."""


def prepare_ml32m(data: Path, tmp_path: Path) -> tuple[str, ...]:
    dataset = DATASETS["ml32m"].dataset(small("ml32m"))
    return cache.prepare("ml32m", dataset, data, tmp_path / "cache", protocol=1).notes


@pytest.fixture
def ml32m(tmp_path) -> Path:
    """A small ml-32m.zip, without repeats."""
    found = rows(half=True).drop_duplicates(["user", "item"])
    raw_files.WRITERS["ml32m"](tmp_path / "raw", found)
    content = (tmp_path / "raw" / "ml-32m" / "ratings.csv").read_bytes()
    return packed(tmp_path / "own" / "ml-32m.zip", "ml32m", content)


def digest(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("upper", [False, True])
def test_ml32m_is_downloaded_and_verified_by_the_md5_file_beside_it(
    way, upper, ml32m, tmp_path, site
):
    said = digest(ml32m).upper() if upper else digest(ml32m)
    site.files |= {
        "ml-32m.zip": ml32m.read_bytes(),
        "ml-32m.zip.md5": WAYS[way].format(said).encode(),
    }
    assert prepare_ml32m(tmp_path / "data", tmp_path) == ()
    url = "https://files.grouplens.org/datasets/movielens/ml-32m.zip"
    assert site.asked == [f"{url}.md5", url]
    names = sorted(path.name for path in (tmp_path / "data").iterdir())
    assert names == ["ml-32m.zip", "ml-32m.zip.md5"]


def test_ml32m_with_another_checksum_than_its_md5_file_is_refused(ml32m, tmp_path, site):
    """Neither is kept, as the md5 file may be the wrong one: the same command gets both anew."""
    site.files |= {"ml-32m.zip": ml32m.read_bytes() + b"x", "ml-32m.zip.md5": b"0" * 32}
    for _ in range(2):
        with pytest.raises(DataError, match=r"published checksum md5:0{32}; put ml-32m.zip from"):
            prepare_ml32m(tmp_path / "data", tmp_path)
        assert list((tmp_path / "data").iterdir()) == []
    assert len(site.asked) == 4


@pytest.mark.parametrize("content", [None, b"<html>not found</html>", b"", b"0" * 40])
def test_without_its_md5_file_ml32m_is_not_downloaded(content, ml32m, tmp_path, site):
    site.files["ml-32m.zip"] = ml32m.read_bytes()
    if content is not None:
        site.files["ml-32m.zip.md5"] = content
    why = "could not be downloaded" if content is None else "holds no MD5 checksum"
    with pytest.raises(DataError, match=rf"ml-32m.zip.md5 .*{why}.* put ml-32m.zip from https:"):
        prepare_ml32m(tmp_path / "data", tmp_path)
    assert list((tmp_path / "data").iterdir()) == []
    assert [url.rsplit("/", 1)[1] for url in site.asked] == ["ml-32m.zip.md5"]


def test_an_own_ml32m_is_verified_where_its_md5_file_is_beside_it(ml32m, tmp_path, site):
    unverified = "archive unverified, as that needs ml-32m.zip with ml-32m.zip.md5 beside it"
    assert prepare_ml32m(tmp_path / "raw", tmp_path / "1") == (f"ratings.csv: {unverified}",)
    assert prepare_ml32m(ml32m.parent, tmp_path / "2") == (f"ml-32m.zip: {unverified}",)
    beside = ml32m.with_name("ml-32m.zip.md5")
    beside.write_text(f"{digest(ml32m)}  ml-32m.zip\n")
    assert prepare_ml32m(ml32m.parent, tmp_path / "3") == ()
    beside.write_text("no checksum")
    assert prepare_ml32m(ml32m.parent, tmp_path / "4") == (f"ml-32m.zip: {unverified}",)
    assert site.asked == []


def test_an_md5_file_counts_only_where_one_is_published(tmp_path):
    path = packed(tmp_path / "ml-25m.zip", "ml25m", CONTENT["ml25m"].encode())
    path.with_name("ml-25m.zip.md5").write_text(digest(path))
    assert not fetch.verified(DATASETS["ml25m"].dataset.source, (path,))


def test_the_published_checksums():
    known = {
        name: list(DATASETS[name].dataset.source.checksums.items())
        for name in FILES
        if name != "ml1m"
    }
    lastfm = "6738f48195667ff03caaab4d32ca9a3133d8cc026b7c3cdaf6ce1010e913c59c"
    assert known == {
        "ml100k": [("ml-100k.zip", "md5:0e33842e24a9c977be4e0107933c0723")],
        "ml10m": [("ml-10m.zip", "md5:ce571fd55effeba0271552578f2648bd")],
        "ml25m": [("ml-25m.zip", "md5:6b51fb2759a8657d3bfcbfc42b592ada")],
        "ml32m": [],
        "lastfm-2k": [("hetrec2011-lastfm-2k.zip", f"sha256:{lastfm}")],
    }


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("movielens-100k", "ml100k"),
        ("ml-10m", "ml10m"),
        ("movielens-25m", "ml25m"),
        ("movielens-32m", "ml32m"),
        ("hetrec2011-lastfm-2k", "lastfm-2k"),
    ],
)
def test_known_aliases(alias, name):
    from benchmark.catalog import data_sets

    assert list(data_sets([alias])) == [name]


@pytest.fixture
def plays(data_dir) -> pd.DataFrame:
    """Last.fm's rows as pandas reads them."""
    path = data_dir / "hetrec2011-lastfm-2k" / "user_artists.dat"
    if not path.exists():
        pytest.skip(f"there is no {path}")
    return pd.read_csv(path, sep="\t").set_axis(["user", "item", "plays"], axis=1)


@pytest.mark.realdata
def test_lastfm_equals_a_plain_transcription_and_its_known_answers(plays, data_dir, tmp_path):
    entry = DATASETS["lastfm-2k"]
    made = cache.prepare("lastfm-2k", entry.dataset(entry.config), data_dir, tmp_path, protocol=1)
    assert (len(plays), plays["user"].nunique(), plays["item"].nunique()) == (92_834, 1_892, 17_632)
    kept = slow_filter(plays, None, 0, 5)
    assert (len(kept), kept["user"].nunique(), kept["item"].nunique()) == (92_801, 1_877, 17_617)
    files = dict(pro_sg.files(made.split))
    assert {n: c.decode() for n, c in files.items()} == slow_files(kept, 187, 98765)
    # without unique_sid.txt: there are copies with other ids in the same order, as users' positions
    # and items' first appearances are theirs too
    assert {
        name: (hashlib.sha256(content).hexdigest()[:16], content.count(b"\n") - 1)
        for name, content in files.items()
        if name.endswith(".csv")
    } == {
        "train.csv": ("0fc2e7cdf2fd7d1a", 74_354),
        "validation_tr.csv": ("b020819f6e011005", 6_481),
        "validation_te.csv": ("01a961ef741d19d8", 1_526),
        "test_tr.csv": ("8e6aa410e42663f2", 6_562),
        "test_te.csv": ("448b9619de044cef", 1_541),
    }


@pytest.mark.realdata
def test_popularity_on_lastfm_equals_a_count_in_pandas(plays, data_dir, tmp_path):
    entry = DATASETS["lastfm-2k"]
    made = cache.prepare("lastfm-2k", entry.dataset(entry.config), data_dir, tmp_path, protocol=1)
    train = made.split.train
    listeners = plays[plays["user"].isin(train.user_ids[np.unique(train.user)])].groupby("item")
    expected = listeners.size().sort_index()
    found = pd.Series(train.item_ids[train.item]).value_counts().sort_index()
    assert found.to_dict() == expected.to_dict()
