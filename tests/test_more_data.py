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
    "lastfm-2k": ("hetrec2011-lastfm-2k.zip", "", "user_artists.dat"),
}
"""The archive of each, its folder inside that archive, and the file there."""
BESIDE = ("u1.base", "movies.dat", "ml-100k.dat", "README", "xuser_artists.dat", "xratings.csv")
CONTENT = {
    "ml100k": "7\t10\t3\t881250949\n5\t302\t4\t891717742\n7\t2\t5\t0\n",
    "ml1m": "7::10::3::978300760\n5::302::4::978302109\n7::2::5::0\n",
    "ml10m": "7::10::3.5::838985046\n5::302::4::838983525\n7::2::0.5::0\n",
    "ml25m": "userId,movieId,rating,timestamp\n7,10,3.5,1147880044\n5,302,4.0,0\n7,2,0.5,0\n",
    "lastfm-2k": "userID\tartistID\tweight\n7\t10\t13883\n5\t302\t1\n7\t2\t352698\n",
}
STARS = {
    "ml100k": [3, 4, 5],
    "ml1m": [3, 4, 5],
    "ml10m": [3.5, 4, 0.5],
    "ml25m": [3.5, 4, 0.5],
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
    (tmp_path / "data").mkdir()
    with pytest.raises(DataError, match=rf"checksum (sha256|md5):\w+; put {archive} from https:.*"):
        fetch.download(source, tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []
    path = packed(tmp_path / "own" / archive, name, CONTENT[name].encode())
    assert fetch.find(source, tmp_path / "own") == (path,)
    assert not fetch.verified(source, (path,))
    said = f"{archive} is not the published {archive} with its checksum: unverified"
    assert fetch.unverified(source, (path,)) == said


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
        "lastfm-2k": [("hetrec2011-lastfm-2k.zip", f"sha256:{lastfm}")],
    }


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("movielens-100k", "ml100k"),
        ("ml-10m", "ml10m"),
        ("movielens-25m", "ml25m"),
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
