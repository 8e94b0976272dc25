"""A person's own data: every form against a plain transcription, its options, and what is said when
they do not fit.
"""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pytest
from pyarrow import parquet

from benchmark.cli import main
from benchmark.conduct import prepare
from benchmark.plan import choose
from benchmark.records import store
from datasets import pro_sg
from datasets.errors import DataError
from tests.raw_files import rows, write_table
from tests.slow_split import slow_files, slow_filter

HELD_OUT = 4


def words(found: pd.DataFrame) -> pd.DataFrame:
    return found.assign(
        user=found["user"].map('Ann "{}", x'.format), item=found["item"].map("Zoë {}".format)
    )


def files_of(path: Path, *settings: str, name: str = "file:mine") -> dict[str, str]:
    """The six files of what is at ``path``."""
    given = [f"{name}.{setting}" for setting in (f"held_out={HELD_OUT}", *settings)]
    made = prepare(choose.data_set(f"file:{path}", given), Path("nowhere"))
    return {name: content.decode() for name, content in pro_sg.files(made.split)}


def expected(found: pd.DataFrame, min_rating: float | None = 4) -> dict[str, str]:
    return slow_files(slow_filter(found, min_rating, 0, 5), HELD_OUT, 98765)


def write(form: str, folder: Path, found: pd.DataFrame) -> Path:
    path = folder / f"mine.{form}"
    if form == "parquet":
        found.to_parquet(path)
    elif form == "inter":
        kinds = {"user": "user_id:token", "item": "item_id:token", "rating": "rating:float"}
        write_table(path, found.rename(columns=kinds), "\t")
    else:
        write_table(path, found, "," if form == "csv" else "\t", quoted=form == "tsv")
    return path


@pytest.mark.parametrize("form", ["csv", "tsv", "parquet", "inter"])
@pytest.mark.parametrize("ids", ["numbers", "words", "implicit"])
def test_every_form_equals_a_plain_transcription(form, ids, tmp_path):
    found = rows(half=True)
    if ids == "words":
        found = (
            words(found) if form != "inter" else found.assign(user=found["user"].map("u{}".format))
        )
    elif ids == "implicit":
        found = found[["item", "user"]]
    assert files_of(write(form, tmp_path, found)) == expected(found)


@pytest.mark.parametrize("change", ["\r\n", "\ufeff"])
def test_line_ends_and_byte_order_marks_change_nothing(change, tmp_path):
    found = words(rows())
    path = write("csv", tmp_path, found)
    text = path.read_text()
    path.write_bytes((change + text if change == "\ufeff" else text.replace("\n", change)).encode())
    assert files_of(path) == expected(found)


@pytest.mark.parametrize(
    ("user", "sorted_ids"),
    [
        ({8: "10", 15: "9"}, [b"9", b"10"]),
        ({8: "007", 15: "7"}, [b"007", b"7"]),
        ({8: "-1", 15: "3"}, [b"-1", b"3"]),
        ({8: "b", 15: "10"}, [b"10", b"b"]),
        ({8: "é", 15: "z"}, [b"z", "é".encode()]),
    ],
)
def test_ids_sort_as_numbers_only_if_all_are_numbers(user, sorted_ids, tmp_path):
    from datasets.own import entry

    write_table(tmp_path / "mine.csv", pd.DataFrame({"user": [user[8], user[15]], "item": [1, 2]}))
    made = entry(tmp_path / "mine.csv")
    found = made.dataset(made.config).read((tmp_path / "mine.csv",)).user_ids
    assert [i if isinstance(i, bytes) else b"%d" % i for i in found] == sorted_ids


def test_columns_are_found_by_name_or_told(tmp_path):
    found = rows()
    path = tmp_path / "mine.csv"
    for names in (
        ("userId", "movieId", "rating"),
        ("UID", "sid", "Stars"),
        ("user_id", "Item ID", "ratings"),
    ):
        write_table(path, found.set_axis(list(names), axis=1).assign(text='a, "b"\nc'))
        assert files_of(path) == expected(found)
    write_table(path, found.set_axis(["who", "what", "how"], axis=1))
    told = ["user_column=who", "item_column=what"]
    assert files_of(path, *told, "rating_column=how") == expected(found)
    assert files_of(path, *told) == expected(found, None)
    found.to_csv(path, index=False, header=False)
    told = ["header=false", "user_column=1", "item_column=2"]
    assert files_of(path, *told, "rating_column=3", "min_rating=3") == expected(found, 3)
    assert files_of(path, *told) == expected(found, None)


@pytest.mark.parametrize(
    ("content", "settings", "sentence"),
    [
        (
            "who,item\n1,2\n",
            [],
            r"who, item, of which none are usual names for the user, .*; "
            r"name it with --set file:mine.user_column=NAME",
        ),
        ("user,uid,item\n1,1,2\n", [], "of which 2 are usual names for the user"),
        ("user,item\n1,2\n", ["rating_column=stars"], "of which none are called stars"),
        ("user,item\n1,2\n", ["item_column=user"], "must be different columns"),
        ("1,2\n", ["header=false"], "has the columns 1, 2, of"),
        ("", [], "is empty"),
        ("user,item\n", [], "mine.csv, line 2: "),
        (
            "user,item,rating\n1,2,5\n1,2,good\n",
            [],
            "mine.csv, line 3: the rating 'good' is no number, in '1,2,good'; mend it$",
        ),
        ("user,item,rating\n1,2,5\n1,2,\n", [], "3: the rating is empty, in '1,2,'; mend it$"),
        ("user,item,rating\n1,2,5\n1,2,5 \n", [], "3: the rating '5 ' is no number, in "),
        ("user,item,rating\n1,2,5\n1,,5\n", [], "mine.csv, line 3: the item is empty, in "),
        ('user,item,rating\n1,2,5\n1,"",5\n', [], "mine.csv, line 3: the item is empty, in "),
        ("user,item,rating\n1,2,5\n1,2,5,6\n", [], "mine.csv, line 3: '1,2,5,6' is not user,it"),
        ("user,item,rating\n1,2,5\n1,2,nan\n", [], "line 3: the rating 'nan' is no number, in"),
        ("user,item,rating\n1,2,1e999\n", [], "line 2: the rating '1e999' is no number, in"),
        ('user,item,note\n1,2,"two\nlines"\n1\n', [], "mine.csv, line 4: '1' is not"),
        ('user,item\n1,2\n"1\n2",3\n', [], r"line 3: the user '1\\n2' has a line break in it, in"),
        ("user,item\n1,2\n\n3,4\n", [], "mine.csv, line 3: "),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(content, settings, sentence, tmp_path):
    (tmp_path / "mine.csv").write_text(content)
    with pytest.raises(DataError, match=sentence) as told:
        files_of(tmp_path / "mine.csv", *settings)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (
            {"user": [1, None], "item": [1, 2]},
            "cannot be read as Parquet .* double|cannot be read as Parquet",
        ),
        ({"user": ["a", None], "item": [1, 2]}, "the column user of .* has rows without a user"),
        ({"user": ["a", ""], "item": [1, 2]}, "the column user of .* has rows without a user"),
        ({"user": [1, 2], "item": [1, 2], "rating": [1.0, np.nan]}, "has rows without a rating"),
        ({"user": [1, 2], "item": [[1], [2]]}, "cannot be read as Parquet"),
        ({"who": [1, 2], "item": [1, 2]}, "has the columns who, item, of"),
        (
            {"user": ["a", "b\nc"], "item": [1, 2]},
            r"with the user 'b\\nc', which has a line break in",
        ),
        (
            {"user": ["a", "b\0"], "item": [1, 2]},
            r"with the user 'b\\x00', which has a zero byte in",
        ),
        (
            {"user": [1], "item": [1], "rating": [np.inf]},
            "with the rating 'inf', which is no number",
        ),
        ({"user": [1], "item": [1], "rating": [True]}, r"\(rating is bool\); write the file anew"),
        (
            {"user": [1], "item": [1], "rating": [{"a": 1}]},
            r"\(rating is struct<a: int64>\); write",
        ),
        ({"user": [1], "item": [1], "rating": [date(2020, 1, 1)]}, r"\(rating is date32\[day\]\)"),
        (
            {"user": [1], "item": [1], "rating": [datetime(2020, 1, 1)]},
            r"\(rating is timestamp\[us",
        ),
        ({"user": [1], "item": [1], "rating": [time(1)]}, r"\(rating is time64\[us\]\)"),
        ({"user": [1], "item": [1], "rating": [timedelta(1)]}, r"\(rating is duration\[us"),
        ({"user": [1], "item": [1], "rating": ["good"]}, "cannot be read as Parquet .*'?good"),
        ({"user": pd.Series(dtype=str), "item": pd.Series(dtype=int)}, "has no rows; name a file"),
    ],
)
def test_a_parquet_file_that_does_not_fit(frame, sentence, tmp_path):
    pd.DataFrame(frame).to_parquet(tmp_path / "mine.parquet")
    with pytest.raises(DataError, match=sentence):
        files_of(tmp_path / "mine.parquet")
    (tmp_path / "mine.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        files_of(tmp_path / "mine.parquet")


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_a_parquet_file_with_a_changed_byte_is_read_or_refused_in_a_sentence(
    compression, tmp_path, capfd
):
    """Polars' own reader prints Rust's backtraces for some of them, and aborts at others."""
    path = tmp_path / "mine.parquet"
    found = rows()[:20].assign(user=[f"Ann {n}" for n in range(20)])
    found.to_parquet(path, compression=compression)
    whole, data = path.read_bytes(), choose.data_set(f"file:{path}", [])
    told = []
    for at in [*range(0, len(whole) // 3), *range(len(whole) // 3, len(whole), 9)]:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        try:
            ratings = data.entry.dataset(data.config).read((path,))
            assert len(ratings.user) == len(ratings.item)
        except DataError as error:
            told.append(str(error))
    assert len(told) > 50
    assert not [sentence for sentence in told if "\n" in sentence]
    assert capfd.readouterr() == ("", "")


def test_text_of_a_parquet_file_that_is_not_utf_8_is_refused(tmp_path):
    damaged = pyarrow.array([b"caf\xe9", b"b"]).view(pyarrow.string())
    parquet.write_table(pyarrow.table({"user": damaged, "item": [1, 2]}), tmp_path / "mine.parquet")
    with pytest.raises(
        DataError, match=r"cannot be read as Parquet .*UTF-?8.*; write the file anew"
    ):
        files_of(tmp_path / "mine.parquet")


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        (pyarrow.int8(), [1, 2]),
        (pyarrow.uint64(), [1, 2**63 - 1]),
        (pyarrow.dictionary(pyarrow.int8(), pyarrow.int64()), [1, 2]),
        (pyarrow.string(), None),
        (pyarrow.large_string(), None),
        (pyarrow.string_view(), None),
        (pyarrow.dictionary(pyarrow.int8(), pyarrow.string()), None),
    ],
    ids=str,
)
def test_ids_of_a_parquet_file_are_exact_in_every_type(kind, numbers, tmp_path):
    ids, path = numbers or ["é", "z"], tmp_path / "mine[1].parquet"
    ratings = {"rating": pyarrow.array(["4", "5.5"]), "user.id": pyarrow.array([8, 9])}
    given = pyarrow.array(ids[::-1])
    dictionary = pyarrow.types.is_dictionary(kind)
    given = given.dictionary_encode() if dictionary else given.cast(kind)
    columns = {"item": given, "user": pyarrow.array([7, 3])}
    parquet.write_table(pyarrow.table(columns | ratings), path)
    data = choose.data_set(f"file:{path}", ["user_column=user"])
    found = data.entry.dataset(data.config).read((path,))
    want = numbers or [b"z", "é".encode()]
    assert found.item_ids[found.item].tolist() == (want[::-1] if numbers else want)
    assert found.user_ids[found.user].tolist() == [7, 3]
    assert found.rating.tolist() == [4, 5.5]


def test_missing_file_other_ending_and_equal_names(tmp_path, capsys):
    (tmp_path / "other").mkdir()
    for path in ("mine.xls", "a.csv", "other/a.tsv"):
        (tmp_path / path).write_text("user,item\n")
    out = ["--out", str(tmp_path / "out"), "--models", "popularity"]
    for asked, sentence in (
        ([f"file:{tmp_path}/no.csv"], "there is no file"),
        ([f"file:{tmp_path}/mine.xls"], "ends in none of .csv, .tsv, .inter, .txt, .dat (perhaps"),
        (
            [f"file:{tmp_path}/a.csv", f"file:{tmp_path}/other/a.tsv"],
            "would both be file:a; rename one of them",
        ),
    ):
        assert main(["--datasets", *asked, *out]) == 2
        assert sentence in capsys.readouterr().err
    assert len(choose.plan([f"file:{tmp_path}/a.csv"] * 2, []).lineups) == 1


def exported(tmp_path: Path) -> Path:
    write("csv", tmp_path, rows())
    words = ["--set", f"file:mine.held_out={HELD_OUT}"]
    assert main(["export-split", f"file:{tmp_path}/mine.csv", str(tmp_path / "six"), *words]) == 0
    return tmp_path / "six"


@pytest.mark.parametrize("told", [[], [f"held_out={HELD_OUT}"]])
def test_a_split_comes_back_with_the_same_six_hashes(told, tmp_path, capsys):
    folder = exported(tmp_path)
    settings = [word for setting in told for word in ("--set", f"file:six.{setting}")]
    assert main(["export-split", f"file:{folder}", str(tmp_path / "again"), *settings]) == 0
    assert {p.name: p.read_bytes() for p in (tmp_path / "again").iterdir()} == {
        p.name: p.read_bytes() for p in folder.iterdir()
    }
    first, second = (
        line for line in capsys.readouterr().out.splitlines() if line.startswith("split ")
    )
    assert first == second


def test_held_out_users_without_rows_are_counted_as_few_as_the_uids_allow(tmp_path):
    folder = exported(tmp_path)
    train = pd.read_csv(folder / "train.csv")["uid"].nunique()
    last = {"validation": train + HELD_OUT - 1, "test": train + 2 * HELD_OUT - 1}
    # the last user of each fold goes
    for name in (
        "validation_tr",
        "validation_te",
        "test_tr",
        "test_te",
    ):
        part = pd.read_csv(folder / f"{name}.csv")
        part[part["uid"] < last[name[:-3]]].to_csv(folder / f"{name}.csv", index=False)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    for told, size in (([], HELD_OUT), ([5], None), ([3], None)):
        if size is None:
            with pytest.raises(DataError, match="does not hold a split"):
                pro_sg.read(folder, told[0])
            continue
        split = pro_sg.read(folder)
        assert [len(p.user_ids) for p in split.parts.values()] == [train, *[size] * 4]
        assert dict(pro_sg.files(split)) == before


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("train.csv", "uid,sid\n0,0\n2,1\n", "the uids must be"),
        ("test_te.csv", "uid,sid\n3,0\n", "the uids must be"),
        ("train.csv", "uid,sid\n0,100000\n", "does not hold a split"),
        ("validation_te.csv", "uid,sid\n", "line 2: "),
        ("train.csv", "uid,sid\n0,x\n", "line 2: the sid 'x' is no whole number, in '0,x'"),
        ("train.csv", "uid,sid\n0,4294967297\n", "line 2: the sid '4294967297' is not from 0 to"),
        ("train.csv", "uid,sid\n0,1\n0,-4294967296\n", "train.csv, line 3: the sid '-4294967296'"),
        ("train.csv", "uid,sid\n0,1\n0,-1\n", "line 3: the sid '-1' is not from 0 to 2147483647"),
        ("train.csv", f"uid,sid\n0,{'9' * 5000}\n", "train.csv, line 2: the sid '9999"),
        ("test_te.csv", "uid,sid\n2000000,0\n", "the uids run to 2000000, but the files have"),
        ("test_te.csv", f"uid,sid\n{2**63 - 1},0\n", "the uid '9223372036854775807' is not from"),
        ("test_tr.csv", f"uid,sid\n{-(2**63)},0\n", "the uid '-9223372036854775808' is not from"),
        ("unique_sid.txt", "1\n1\n", "an item twice"),
        ("unique_sid.txt", "1\n\n2\n", "unique_sid.txt, line 2: the sid is empty"),
        (
            "unique_sid.txt",
            "1\n\ufeff2\n",
            "unique_sid.txt, line 2: the sid .* a byte-order mark in",
        ),
        ("unique_sid.txt", "1\n2\0\n", r"unique_sid.txt, line 2: '2\\x00' is not an item's id"),
        ("test_tr.csv", None, "has no test_tr.csv"),
    ],
)
def test_six_files_that_are_no_split(file, content, sentence, tmp_path):
    folder = exported(tmp_path)
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_text(content)
    with pytest.raises(DataError, match=sentence):
        files_of(folder, name="file:six")


@pytest.mark.parametrize("change", ["\r\n", "\ufeff", "\ufeff\ufeff", "\n\n"])
def test_what_editors_do_to_a_list_of_items_changes_nothing(change, tmp_path):
    path = exported(tmp_path) / "unique_sid.txt"
    before, text = pro_sg.read(path.parent), path.read_text()
    path.write_bytes(
        {"\r\n": text.replace("\n", change), "\n\n": text + "\n"}.get(
            change, change + text
        ).encode()
    )
    assert dict(pro_sg.files(pro_sg.read(path.parent))) == dict(pro_sg.files(before))


def test_items_of_which_only_some_are_whole_numbers_are_said(tmp_path):
    folder = exported(tmp_path)
    path, data = folder / "unique_sid.txt", choose.data_set(f"file:{folder}")
    notes = [prepare(data, Path("nowhere")).notes]
    path.write_text(path.read_text().replace("\n", " \n", 1))
    notes.append(prepare(data, Path("nowhere")).notes)
    assert [len(found) for found in notes] == [1, 2]
    first = path.read_text().partition("\n")[0]
    said = f"1 of 30 item ids are not plain whole numbers, as {first!r}: item ids are taken as text"
    assert notes[1][1] == said


def test_a_list_of_items_in_another_encoding_is_named_with_its_line(tmp_path):
    path = exported(tmp_path) / "unique_sid.txt"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\xe9\n", 3).replace(b"\xe9", b"", 1))
    with pytest.raises(DataError, match=r"unique_sid.txt, line 2: this is not UTF-8"):
        pro_sg.read(path.parent)


@pytest.mark.parametrize(
    "setting",
    [
        "min_rating=5",
        "min_users_per_item=1",
        "min_items_per_user=1",
        "split_seed=1",
        "user_column=x",
    ],
)
def test_a_split_takes_no_filters(setting, tmp_path, capsys):
    folder = exported(tmp_path)
    assert (
        main(
            ["export-split", f"file:{folder}", str(tmp_path / "x"), "--set", f"file:six.{setting}"]
        )
        == 2
    )
    assert f"file:six{'.' if 'column' not in setting else ' '}" in capsys.readouterr().err


def test_no_path_reaches_a_record(tmp_path):
    folder = tmp_path / "secret-place"
    folder.mkdir()
    path, out = write("csv", folder, rows()), tmp_path / "out"
    words = ["--set", f"file:mine.held_out={HELD_OUT}", "--models", "popularity", "--out", str(out)]
    assert main(["--datasets", f"file:{path}", *words]) == 0
    (record,) = store.read_all(out)
    assert (record.spec.dataset, record.label) == ("file:mine", "popularity")
    assert record.data_label == f"file:mine[held_out={HELD_OUT}]"
    text = json.dumps(record.model_dump(mode="json"))
    assert "secret-place" not in text
    assert "mine.csv" not in text


def test_list_tells_of_own_files(capsys):
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert "  file:PATH: Your own CSV" in said
    assert "    user_column = " in said
