"""Archives: every form of a data set gives one split; what is damaged or unsafe is refused, and
nothing is unpacked.
"""

from __future__ import annotations

import io
import re
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from datasets import archive, netflix, pro_sg
from datasets.errors import DataError
from datasets.registry import DATASETS
from tests import raw_files
from tests.raw_files import rows, small


def tar(entries: list[tuple[str, bytes]], mode: str = "w") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as file:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return made.getvalue()


def movies(folder: Path) -> list[tuple[str, bytes]]:
    """The files of a training set, the last movie first, as an archive may have them."""
    paths = sorted((folder / "training_set").iterdir(), reverse=True)
    return [(f"training_set/{path.name}", path.read_bytes()) for path in paths]


def split_of(name: str, folder: Path) -> dict[str, str]:
    dataset = DATASETS[name].dataset(small(name))
    return pro_sg.hashes(dataset.split(dataset.find(folder))[0])


@pytest.fixture
def forms(tmp_path) -> dict[str, Path]:
    """Netflix's training set in a folder for each of its forms."""
    found = {form: tmp_path / form for form in ("folder", "loose", "combined", "inner", "outer")}
    raw_files.netflix(found["folder"], rows())
    for form in ("loose", "inner", "outer"):
        found[form].mkdir()
    raw_files.combined(found["combined"], rows())
    for name, content in movies(found["folder"]):
        (found["loose"] / Path(name).name).write_bytes(content)
    inner = tar(movies(found["folder"]))
    (found["inner"] / "training_set.tar").write_bytes(inner)
    others = [
        ("download/movie_titles.txt", b"1,2003,Dinosaur Planet\n"),
        ("download/probe.txt", b"1:\n30878\n"),
    ]
    outer = tar(
        [
            *others,
            ("download/training_set.tar", inner),
            ("download/qualifying.txt", b"1:\n2,2005-01-01\n"),
        ],
        "w:gz",
    )
    (found["outer"] / "nf_prize_dataset.tar.gz").write_bytes(outer)
    return found


@pytest.mark.parametrize("batch", [1, 300, 2**26])
def test_every_form_of_netflix_gives_one_split(forms, batch, monkeypatch):
    monkeypatch.setattr(netflix, "BATCH", batch)
    assert len({str(split_of("netflix", folder)) for folder in forms.values()}) == 1


def test_three_of_four_combined_files_are_not_taken_for_all(forms):
    (forms["combined"] / "combined_data_3.txt").unlink()
    assert DATASETS["netflix"].dataset(small("netflix")).find(forms["combined"]) == ()


@pytest.mark.parametrize(
    "line",
    [
        b"1488844,6,2005-09-06",
        b"1488844,3",
        b"x,3,2005-09-06",
        b":",
        b"40000:",
        b"17771:",
        b"1,2,3,4",
        b"+5,3,2005-09-06",
        b" 5,3,2005-09-06",
        b"-5,3,2005-09-06",
        b"5,3,2005-09-6",
        b"0,3,2005-09-06",
    ],
)
@pytest.mark.parametrize("form", ["folder", "combined"])
def test_a_malformed_line_in_the_middle_of_many_files_is_named(form, line, forms):
    path = sorted(path for path in forms[form].rglob("*.txt"))[2]
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*lines[:3], line, *lines[3:]]))
    shown = re.escape(f"{path.name}, line 4: '{line.decode()}' is not customer,rating,date after")
    with pytest.raises(DataError, match=shown):
        split_of("netflix", forms[form])


def test_a_file_without_its_movie_is_not_counted_to_the_one_before(forms):
    path = sorted((forms["folder"] / "training_set").iterdir())[2]
    path.write_bytes(path.read_bytes().split(b"\n", 1)[1])
    with pytest.raises(DataError, match=f"{path.name}, line 1: "):
        split_of("netflix", forms["folder"])


@pytest.mark.parametrize("form", ["folder", "combined"])
def test_a_missing_line_with_a_movie_is_told_by_a_repeated_customer(form, forms):
    path = sorted(path for path in forms[form].rglob("*.txt"))[2]
    lines = path.read_text().splitlines()
    # a customer's second rating follows in another movie's place
    lines.insert(5, lines[2].replace(",", ",0", 1))
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(
        DataError, match=rf"{path.name}, line 6: .* has rated that movie above; a m"
    ):
        split_of("netflix", forms[form])


@pytest.mark.parametrize("batch", [1, 2**26])
@pytest.mark.parametrize("form", ["folder", "combined"])
@pytest.mark.parametrize("line", [0, 4])
def test_a_movie_that_comes_twice_is_named_with_its_line(line, form, batch, forms, monkeypatch):
    monkeypatch.setattr(netflix, "BATCH", batch)
    first, second = sorted(path for path in forms[form].rglob("*.txt"))[1:3]
    movie = first.read_text().partition("\n")[0]
    lines = second.read_text().splitlines()
    lines[line : line + (line == 0)] = [movie]
    if form == "folder" and line == 0:
        second = second.rename(second.with_name(f"mv_{movie[:-1]}.txt"))
    second.write_text("\n".join(lines) + "\n")
    told = rf"line {line + 1}: '{movie}' is not customer.*: that movie's line is there already"
    with pytest.raises(DataError, match=told):
        split_of("netflix", forms[form])


def test_a_movie_that_comes_twice_within_one_file_is_named_with_its_line(forms):
    path = sorted(path for path in forms["combined"].iterdir())[1]
    movie = path.read_text().partition("\n")[0]
    path.write_text(f"{path.read_text()}0{movie}\n7,5,2005-09-06\n")
    number = path.read_text().count("\n") - 1
    with pytest.raises(
        DataError, match=rf"{path.name}, line {number}: '0{movie}' is not .* already"
    ):
        split_of("netflix", forms["combined"])


@pytest.mark.parametrize("form", ["folder", "loose", "inner"])
def test_a_file_that_begins_with_another_movie_than_its_name_has_is_refused(form, forms, tmp_path):
    if form == "inner":
        files = dict(movies(forms["folder"]))
        files["training_set/mv_0000003.txt"] = b"7:\n5,3,2005-09-06\n"
        (forms[form] / "training_set.tar").write_bytes(tar(list(files.items())))
    else:
        (path,) = forms[form].rglob("mv_0000003.txt")
        path.write_text(path.read_text().replace("3:", "7:", 1))
    said = "mv_0000003.txt, line 1: '7:' is not .*: the file's name is that of another movie; the"
    with pytest.raises(DataError, match=said):
        split_of("netflix", forms[form])


@pytest.mark.parametrize("outer", ["training_set.tar", "nf_prize_dataset.tar.gz"])
@pytest.mark.parametrize("fault", ["header", "no end", "text"])
def test_a_damaged_entry_does_not_end_an_archive_in_silence(fault, outer, forms, tmp_path):
    """The inner archive too: its files after the damage would be missing without a word."""
    inner = (forms["inner"] / "training_set.tar").read_bytes()
    offset = inner.index(b"mv_0000003.txt") // 512 * 512
    damage = {"header": b"\xff" * 512, "no end": b"", "text": b"no header".ljust(512)}[fault]
    rest = inner[offset + 512 :] if damage else b""
    content = inner[:offset] + damage + rest
    path = tmp_path / outer
    path.write_bytes(content)
    if outer.endswith(".gz"):
        path.write_bytes(tar([("download/training_set.tar", content)], "w:gz"))
    with pytest.raises(DataError, match=r"not a whole tar archive \(.*\); delete it"):
        split_of("netflix", tmp_path)


@pytest.mark.parametrize("error", [struct.error("x"), NotImplementedError("y"), ValueError("z")])
def test_whatever_a_damaged_zip_raises_is_one_sentence(error, tmp_path, monkeypatch):
    path = tmp_path / "ml-1m.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("ratings.dat", "1::2::5::900")
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda self, name: (_ for _ in ()).throw(error))
    with pytest.raises(DataError, match=rf"not a whole zip archive with .* \({error}\)"):
        archive.unzipped(path, "ratings.dat")


@pytest.mark.parametrize("fault", ["half", "no end", "another checksum"])
def test_a_damaged_tar_archive_is_refused(fault, forms):
    path = forms["outer"] / "nf_prize_dataset.tar.gz"
    whole = path.read_bytes()
    path.write_bytes(
        {
            "half": whole[: len(whole) // 2],
            "no end": whole[:-20],
            "another checksum": whole[:-8] + b"\0\0\0\0" + whole[-4:],
        }[fault]
    )
    with pytest.raises(
        DataError, match=r"not a whole tar archive \(.*\); delete it and get it again"
    ):
        split_of("netflix", forms["outer"])


def test_an_archive_of_something_else_is_refused(tmp_path):
    (tmp_path / "training_set.tar").write_bytes(tar([("readme.txt", b"hello")]))
    with pytest.raises(DataError, match=r"holds no file mv_\*.txt"):
        split_of("netflix", tmp_path)


@pytest.mark.parametrize("name", ["ml20m", "msd", "ml-latest-small"])
def test_zip_folder_and_file_give_one_split(name, tmp_path):
    entry, folder = DATASETS[name], tmp_path / "folder"
    raw_files.WRITERS[name](folder, rows())
    (path,) = (p for p in folder.rglob("*") if p.is_file())
    for form in ("loose", "zipped"):
        (tmp_path / form).mkdir()
    (tmp_path / "loose" / path.name).write_bytes(path.read_bytes())
    with zipfile.ZipFile(
        tmp_path / "zipped" / entry.dataset.source.files[0], "w", zipfile.ZIP_DEFLATED
    ) as file:
        file.write(path, f"{name}/{path.name}")
        file.writestr("__MACOSX/._ratings.csv", "x")
    assert (
        len({str(split_of(name, tmp_path / form)) for form in ("folder", "loose", "zipped")}) == 1
    )
    assert len(list((tmp_path / "zipped").iterdir())) == 1


def unsafe_zip(name: str, content: bytes, link: bool) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("ml-20m/ratings.csv", "userId,movieId,rating,timestamp\n")
        entry = zipfile.ZipInfo(name)
        entry.external_attr = (0o120777 if link else 0o100644) << 16
        file.writestr(entry, content)
    return made.getvalue()


def unsafe_tar(name: str, content: bytes, link: bool) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as file:
        entry = tarfile.TarInfo(name)
        if link:
            entry.type, entry.linkname = tarfile.SYMTYPE, content.decode()
        else:
            entry.size = len(content)
        file.addfile(entry, None if link else io.BytesIO(content))
    return made.getvalue()


UNSAFE = [
    ("../evil", b"x", False, "leads out of the archive"),
    ("ml-20m/../../evil", b"x", False, "leads out of the archive"),
    ("..\\evil", b"x", False, "leads out of the archive"),
    ("/evil", b"x", False, "leads out of the archive"),
    ("mv_0000001.txt", b"/etc/passwd", True, "is a link"),
    ("mv_0000001.txt", b"0" * 5000, False, "unpacks to more than 4000 bytes"),
]


@pytest.mark.parametrize(("entry", "content", "link", "why"), UNSAFE)
@pytest.mark.parametrize(
    ("name", "file", "make"),
    [("ml20m", "ml-20m.zip", unsafe_zip), ("netflix", "nf_prize_dataset.tar.gz", unsafe_tar)],
)
def test_an_unsafe_archive_is_refused_and_nothing_is_written(
    name, file, make, entry, content, link, why, tmp_path, monkeypatch
):
    monkeypatch.setattr(archive, "LIMIT", 4000)
    folder = tmp_path / "deep" / "data"
    folder.mkdir(parents=True)
    (folder / file).write_bytes(make(entry, content, link))
    with pytest.raises(DataError, match=f"is unsafe: .*{why}"):
        split_of(name, folder)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [folder / file]


def test_a_damaged_byte_in_a_zip_is_noticed(tmp_path):
    raw_files.WRITERS["ml20m"](tmp_path / "raw", rows())
    content = (tmp_path / "raw" / "ml-20m" / "ratings.csv").read_bytes()
    with zipfile.ZipFile(tmp_path / "ml-20m.zip", "w", zipfile.ZIP_STORED) as file:
        file.writestr("ml-20m/ratings.csv", content)
    whole = (tmp_path / "ml-20m.zip").read_bytes()
    (tmp_path / "ml-20m.zip").write_bytes(whole.replace(b",4.0,", b",5.0,", 1))
    with pytest.raises(DataError, match="not a whole zip archive"):
        split_of("ml20m", tmp_path)
