"""A person's own text files: what is read of them, what is refused, and what is said about them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pyarrow
import pytest

from benchmark.cli import main
from benchmark.errors import UsageError
from benchmark.plan import choose
from datasets import archive
from datasets.base import counted
from datasets.errors import DataError
from tests.inline import inline
from tests.raw_files import rows, write_table


def read(path: Path, *settings: str) -> list[tuple]:
    """The rows of a file as a run reads them: user, item and, if there is one, rating."""
    data = choose.data_set(f"file:{path}", settings)
    found = data.entry.dataset(data.config).read((path,))
    ids = [
        [i.decode() if isinstance(i, bytes) else int(i) for i in known[places]]
        for known, places in ((found.user_ids, found.user), (found.item_ids, found.item))
    ]
    return list(zip(*ids, *([] if found.rating is None else [found.rating.tolist()]), strict=True))


def written(folder: Path, content: str | bytes, name: str = "mine.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("mine.csv", "user,title,item,rating\n1,Lion, The,2,5\n", 2),
        ("mine.csv", "user,item,rating,title\n1,2,5,x\n1,2,5\n", 3),
        ("mine.csv", "user,item,title\n1,2,x,y\n1,2\n", 2),
        ("mine.tsv", "user\titem\tt\n1\t2\t\n1\t2\t\t\n", 3),
        ("mine.inter", "user_id:token\titem_id:token\tt:float\n1\t2\t3\n1\t2\n", 3),
        ("mine.csv", 'user,item,t\n1,2,x\n1,3,12" pipe\n1,4,y\n1,5,"z"\n', 3),
        ("mine.tsv", 'user\titem\tt\n1\t2\t"12 inch\n1\t3\tx\n', 2),
        ("mine.csv", 'user,item\n"20","7"\n"21","1234', 3),
        ("mine.csv", 'user,item\n1,"04"+1\n', 2),
        ("mine.csv", 'user,item,t\n1,2,"a\nb"\n1,2,"c', 4),
    ],
)
def test_a_row_of_other_fields_is_refused_with_its_line(name, content, line, tmp_path):
    with pytest.raises(DataError, match=rf"{name}, line {line}: .*; mend it, or set file:mine"):
        read(written(tmp_path, content, name))


def test_quotation_marks_may_be_plain_characters(tmp_path):
    content = 'user,item,t\n1,2",x\n1,"3,12" pipe\n'
    assert read(written(tmp_path, content), "file:mine.quoted=false") == [(1, '2"'), (1, '"3')]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("user,item,größe\n1,2,3\n".encode("latin-1"), 1),
        (("user,item,t\n" + "1,2,x\n" * 20 + "1,2,é\n" + "1,2,x\n" * 27).encode("latin-1"), 22),
        ('user,item,t\n1,2,"x\né"\n'.encode("latin-1"), 3),
        ("user,item\n1,2\n".encode("utf-16"), 1),
        ("user,item\n1,2\n".encode("utf-16-le"), 1),
    ],
)
def test_text_in_another_encoding_is_named_with_its_line(content, line, tmp_path):
    with pytest.raises(DataError, match=rf"mine.csv, line {line}: this is not UTF-8; .* as UTF-8$"):
        read(written(tmp_path, content))


@pytest.mark.parametrize(
    ("name", "content", "settings"),
    [
        ("mine.CSV", "user,item\n1,2\n", []),
        ("mine.txt", "user item\n1 2\n", []),
        ("mine.txt", "user\titem id\n1\t2\n", []),
        ("mine.dat", "user;item;a, b\n1;2;3\n", []),
        ("mine.dat", "1::2::978\n", ["header=false", "user_column=1", "item_column=2"]),
        ("mine.csv", "user;item\n1;2\n", ["separator=;"]),
        ("mine.csv", "user\titem\n1\t2\n", ["separator=tab"]),
        ("mine.csv", "user,item,x,x\n1,2,a,b\n", []),
        ("mine.csv", "user,item\n1,2\n\n", []),
        ("mine.csv", "user,item\r\n1,2\r\n\r\n", []),
        ("mine.csv.gz", gzip.compress(b"user,item\n1,2\n", mtime=0), []),
        ("mine.TSV.GZ", gzip.compress(b"user\titem\n1\t2\n", mtime=0), []),
        ("my[1].csv", "user,item\n1,2\n", []),
    ],
)
def test_other_forms_are_read(name, content, settings, tmp_path):
    path = written(tmp_path, content, name)
    settings = [f"file:{name.partition('.')[0]}.{setting}" for setting in settings]
    assert read(path, *settings) == [(1, 2)]


def test_zstandard_is_read_and_a_cut_or_too_large_file_refused(tmp_path, monkeypatch):
    path = tmp_path / "mine.csv.zst"
    with pyarrow.output_stream(path, "zstd") as file:
        file.write(b"user,item\n1,2\n")
    assert read(path) == [(1, 2)]
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    with pytest.raises(DataError, match="is not a whole zstd file"):
        read(path)
    path.write_bytes(whole)
    monkeypatch.setattr(archive, "LIMIT", 10)
    with pytest.raises(DataError, match="unpacks to more than 10 bytes"):
        read(path)


@pytest.mark.parametrize(
    ("content", "settings", "sentence"),
    [
        (
            "who,what\na,b\n",
            [],
            "none are usual names for the user and none are usual names for the item, .* --set "
            "file:mine.user_column=NAME file:mine.item_column=NAME$",
        ),
        ("user;item\n1;2\n", [], r"has one column only, 'user;item': is it separated by ';'\? .*"),
        ("user\titem\n1\t2\n", [], r"--set 'file:mine.separator=tab'$"),
        ("1;2\n", ["header=false"], r"--set 'file:mine.separator=;'$"),
        ("1,2,5\n1,3,5\n", [], "has it no header.*file:mine.header=false file:mine.user_column=1"),
        ("user,item,user\n1,2,3\n", [], "of which 2 are usual names for the user"),
        ("user,item\n1,2\n\n\n", [], "line 3: "),
    ],
)
def test_what_may_be_meant_is_suggested(content, settings, sentence, tmp_path):
    path = written(tmp_path, content)
    with pytest.raises(DataError, match=sentence):
        read(path, *(f"file:mine.{setting}" for setting in settings))


@pytest.mark.parametrize("separator", ["", "ab", '"', "é", "::::"])
def test_what_cannot_separate_columns_is_refused(separator, tmp_path):
    with pytest.raises(UsageError, match="it should be one character, :: or tab"):
        read(written(tmp_path, "user,item\n"), f"file:mine.separator={separator}")


def test_a_file_may_be_named_by_its_path_or_not_at_all_where_an_option_is_set(tmp_path):
    path = written(tmp_path, "who,item\n1,2\n")
    for name in ("file:mine.", "file:mine.csv.", "mine.csv.", f"{path}.", f"file:{path}.", ""):
        assert read(path, f"{name}user_column=who") == [(1, 2)]
    with pytest.raises(UsageError, match="no chosen model and no data set has an option 'user_col"):
        read(path, "user_columm=who")
    written(tmp_path, "who,item\n1,2\n", "ease.csv")
    asked = choose.plan([f"file:{tmp_path}/ease.csv"], ["ease"], settings=["ease.l2=7"])
    assert asked.lineups[0].models[0].config.model_dump()["l2"] == 7


def test_ids_beyond_64_bits_are_the_same_in_parquet_and_in_text(tmp_path):
    large = pd.DataFrame({"user": pd.Series([1, 2**63 + 5], dtype="uint64"), "item": [3, 4]})
    large.to_parquet(tmp_path / "r[1].parquet")
    write_table(tmp_path / "mine.csv", large)
    found = read(tmp_path / "r[1].parquet")
    assert found == read(tmp_path / "mine.csv") == [("1", 3), (str(2**63 + 5), 4)]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        (
            "mine.csv",
            "user,item\na,b\nuser,item\nc,d\n",
            "line 3: here is the header again, in 'user,item'; mend it$",
        ),
        ("mine.csv", 'user,t,item\na,"\n",b\nuser,t,"item"\n', "line 4: here is the header again"),
        ("mine.csv", "user,item,rating\n1,2,3\nuser,item,rating\n", "line 3: here is the header"),
        ("mine.inter", "user:token\titem:token\na\tb\nuser:token\titem:token\n", "line 3: here is"),
        (
            "mine.csv",
            "user,item\na,b\n\ufeffc,d\n",
            r"line 3: the user '\\ufeffc' has a byte-order mark in it, in ",
        ),
        (
            "mine.csv",
            "user,item\na,b\nc,d\ufeff\n",
            "line 3: the item .* has a byte-order mark in it",
        ),
        ("mine.csv", "user,item\na,b\n\ufeffuser,item\nc,d\n", "line 3: the user .* a byte-order"),
    ],
)
def test_files_joined_to_one_are_refused_where_the_second_begins(name, content, sentence, tmp_path):
    with pytest.raises(DataError, match=sentence):
        read(written(tmp_path, content, name))


@pytest.mark.parametrize(
    ("number", "what", "told"),
    [
        (1, "users with fewer", "1 user with fewer"),
        (2, "users with fewer", "2 users with fewer"),
        (1, "repeats", "1 repeat"),
        (1234, "rows rated below", "1,234 rows rated below"),
    ],
)
def test_one_is_no_plural(number, what, told):
    assert counted(number, what) == told


def test_a_user_may_have_the_name_of_the_column(tmp_path):
    assert read(written(tmp_path, "user,item\nuser,b\na,item\n")) == [("user", "b"), ("a", "item")]


def run(path: Path, tmp_path: Path, *settings: str) -> int:
    words = ["--set", f"file:{path.stem}.held_out=4", *settings]
    out = ["--models", "popularity", "--out", str(tmp_path / "out")]
    with inline():
        return main(["--datasets", f"file:{path}", *words, *out])


def test_what_the_filters_did_is_said_when_the_file_is_read(tmp_path, capsys):
    found = rows().assign(time=0)
    write_table(tmp_path / "mine.csv", found)
    kept = found[found["rating"] >= 4]
    low, repeats = len(found) - len(kept), int(kept.duplicated(["user", "item"]).sum())
    assert run(tmp_path / "mine.csv", tmp_path) == 0
    said = capsys.readouterr().out
    assert (
        f"mine.csv: 900 rows read, {len(kept) - repeats} kept "
        f"({(len(kept) - repeats) / 900:.0%}), of 40 users and 30 items; left out: "
        f"{low} rows rated below min_rating = 4, {repeats} repeats\n"
    ) in said
    assert "mine.csv: not used: time; the split is by user, not by time\n" in said
    assert run(tmp_path / "mine.csv", tmp_path) == 0
    assert "rows read" not in capsys.readouterr().out
    assert run(tmp_path / "mine.csv", tmp_path, "min_items_per_user=11", "min_rating=none") == 0
    one = found.drop_duplicates(["user", "item"])
    few = int((one.groupby("user").size() < 11).sum())
    fewer = counted(few, "users with fewer than min_items_per_user = 11 items")
    assert (fewer in capsys.readouterr().out) == (few > 0)


@pytest.mark.parametrize(
    ("item", "asked"),
    [
        ("{}", None),
        ("b{}", None),
        (
            " {}",
            "1 of 31 item ids are not plain whole numbers, as ' 3': item ids are sorted as text",
        ),
        (
            "0{}",
            "1 of 31 item ids are not plain whole numbers, as '03': item ids are sorted as text",
        ),
    ],
)
def test_ids_of_which_only_some_are_whole_numbers_are_said(item, asked, tmp_path, capsys):
    found = rows().astype({"item": str})
    some = found["item"] == "3" if asked else slice(None)
    found.loc[some, "item"] = found.loc[some, "item"].map(item.format)
    found.loc[len(found)] = [8, "3" if asked else item.format(3), 5.0]
    write_table(tmp_path / "mine.csv", found)
    assert run(tmp_path / "mine.csv", tmp_path) == 0
    said = capsys.readouterr().out
    assert ("whole numbers" in said) == bool(asked)
    assert (asked or "") in said


def test_ratings_of_another_scale_are_said_unless_min_rating_is_set(tmp_path, capsys):
    found = rows()
    for factor, settings, asked in ((1, [], 0), (2, [], 1), (2, ["min_rating=4"], 0)):
        write_table(tmp_path / "mine.csv", found.assign(rating=found["rating"] * factor))
        assert run(tmp_path / "mine.csv", tmp_path, *settings) == 0
        said = capsys.readouterr().out
        share = (found["rating"] * factor >= 4).mean()
        line = (
            f"mine.csv: min_rating = 4 keeps {share:.0%} of the rows, but ratings run to 10: say "
            "with --set file:mine.min_rating=NUMBER which of them count, or with =none that all do"
        )
        assert said.count(line) == asked
