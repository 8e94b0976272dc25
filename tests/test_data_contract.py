"""What every registered data set promises; a new one is tested by registering it, and adding a raw
file of it.
"""

from __future__ import annotations

import codecs
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from benchmark.catalog import data_sets
from benchmark.paths import ROOT
from benchmark.plan import choose
from benchmark.plan.options import descriptions
from datasets import cache, fetch, pro_sg
from datasets.errors import DataError
from datasets.registry import ALIASES, DATASETS
from datasets.task import LEAVE_ONE_OUT
from tests.raw_files import HALF_STARS, OTHER_FORMS, WRITERS, rows, small
from tests.slow_split import slow_files, slow_filter, slow_leave_one_out

OURS = [
    name for name, entry in DATASETS.items() if entry.dataset.__module__.startswith("datasets.")
]
FORMS = [(name, WRITERS[name]) for name in OURS] + OTHER_FORMS
READ = [(name, write) for name, write in FORMS if DATASETS[name].dataset.source]
named = {"ids": lambda value: getattr(value, "__name__", value)}


def expected(name: str, found: pd.DataFrame) -> dict[str, str]:
    config = small(name)
    if DATASETS[name].dataset.task == LEAVE_ONE_OUT:
        return slow_leave_one_out(found, config.split_seed)
    kept = slow_filter(
        found, config.min_rating, config.min_users_per_item, config.min_items_per_user
    )
    return slow_files(kept, config.held_out or 0, config.split_seed)


def made(name: str, folder) -> tuple[dict[str, str], list[str]]:
    dataset = DATASETS[name].dataset(small(name))
    split, notes = dataset.split(dataset.find(folder))
    return {name: content.decode() for name, content in pro_sg.files(split)}, notes


@pytest.mark.parametrize(("name", "write"), FORMS, **named)
@pytest.mark.parametrize("seed", range(3))
def test_the_split_equals_a_plain_transcription(name, write, seed, tmp_path):
    found = write(tmp_path, rows(seed, half=name in HALF_STARS))
    files, notes = made(name, tmp_path)
    assert files == expected(name, found)
    assert any("repeats" in note for note in notes) == (name not in ("synthetic", "netflix"))


@pytest.mark.parametrize(("name", "write"), READ, **named)
@pytest.mark.parametrize(
    "change", ["CRLF", "byte-order mark", "two marks", "no last line end", "blank last line"]
)
def test_what_editors_do_to_files_changes_nothing(name, write, change, tmp_path):
    found = write(tmp_path, rows())
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        content = path.read_bytes()
        path.write_bytes(
            {
                "CRLF": content.replace(b"\n", b"\r\n"),
                "byte-order mark": codecs.BOM_UTF8 + content,
                "two marks": codecs.BOM_UTF8 * 2 + content,
                "no last line end": content.removesuffix(b"\n"),
                "blank last line": content + b"\n",
            }[change]
        )
    assert made(name, tmp_path)[0] == expected(name, found)


@pytest.mark.parametrize(("name", "write"), READ, **named)
@pytest.mark.parametrize("line", [b"what is this?", b"\n", b"1,2,3,4,5,6,7,8,9", b"\xff\xfe\x00"])
def test_a_malformed_line_is_named_with_its_number(name, write, line, tmp_path):
    write(tmp_path, rows())
    path = max(p for p in tmp_path.rglob("*") if p.is_file())
    number = path.read_bytes().count(b"\n") + 1
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(DataError, match=rf"{path.name}, line {number}: ") as told:
        made(name, tmp_path)
    assert str(path) in str(told.value)


@pytest.mark.parametrize(("name", "write"), FORMS, **named)
def test_rows_are_positions_in_sorted_ids(name, write, tmp_path):
    found = write(tmp_path, rows())
    dataset = DATASETS[name].dataset(small(name))
    ratings = dataset.read(dataset.find(tmp_path))
    for positions, ids, raw in (
        (ratings.user, ratings.user_ids, found["user"]),
        (ratings.item, ratings.item_ids, found["item"]),
    ):
        assert positions.dtype == np.int32
        assert (ids[1:] > ids[:-1]).all()
        assert ids[positions].tolist() == [i.encode() if isinstance(i, str) else i for i in raw]


@pytest.mark.contract
@pytest.mark.parametrize("name", DATASETS)
def test_what_is_read_again_is_the_same_split(name, tmp_path):
    """From small raw files; those of a plugin are a person's own, in $BENCH_DATA_DIR."""
    entry, folder, config = DATASETS[name], tmp_path, DATASETS[name].config
    if name in OURS:
        WRITERS[name](tmp_path, rows())
        config = small(name)
    else:
        folder = Path(os.environ.get("BENCH_DATA_DIR") or ROOT / "data")
    dataset = entry.dataset(config)
    raw = dataset.find(folder)
    if dataset.source and not raw:
        pytest.skip(dataset.source.by_hand(folder))
    found = dataset.read(raw)
    for positions, ids in ((found.user, found.user_ids), (found.item, found.item_ids)):
        assert (len(positions), positions.dtype) == (len(found), np.int32)
        assert 0 <= positions.min() <= positions.max() < len(ids)
        assert (ids[1:] > ids[:-1]).all()
    assert found.rating is None or len(found.rating) == len(found)
    first, second = (dict(pro_sg.files(dataset.split(raw)[0])) for _ in range(2))
    assert first == second


@pytest.mark.contract
@pytest.mark.parametrize("name", DATASETS)
def test_options_are_documented_frozen_and_closed(name):
    config = DATASETS[name].config
    assert all(descriptions(config).values())
    with pytest.raises(ValidationError):
        type(config)(no_such_option=1)
    with pytest.raises(ValidationError):
        config.held_out = 1


@pytest.mark.contract
@pytest.mark.parametrize("name", DATASETS)
def test_its_first_sentence_says_what_it_is(name):
    assert re.fullmatch(r"[A-Z].{20,110}\.", DATASETS[name].about)


@pytest.mark.contract
@pytest.mark.parametrize("name", [name for name, entry in DATASETS.items() if entry.dataset.source])
def test_without_network_a_person_is_told_what_to_get_from_where_and_where_to_put_it(
    name, tmp_path, monkeypatch, capsys
):
    def no_network(part):
        def download(*_):
            raise OSError("no network")

        return download

    monkeypatch.setattr(fetch, "Resuming", no_network)
    entry = DATASETS[name]
    source = entry.dataset.source
    with pytest.raises(DataError) as told:
        cache.prepare(
            name, entry.dataset(entry.config), tmp_path / "data", tmp_path / "cache", protocol=1
        )
    said = capsys.readouterr().out
    assert source.licence in said
    assert source.citation in said
    assert f"put {' and '.join(source.files)} from {source.url}" in str(told.value)
    assert f" into {tmp_path / 'data'}" in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("alias", ALIASES)
def test_aliases_are_the_data_set(alias):
    assert list(data_sets([alias, ALIASES[alias]])) == [ALIASES[alias]]


def test_known_aliases():
    asked = [
        "ml-1m",
        "movielens-1m",
        "ml-20m",
        "movielens-20m",
        "netflix-prize",
        "million-song-dataset",
    ]
    assert list(data_sets(asked)) == ["ml1m", "ml20m", "netflix", "msd"]


def test_an_option_may_be_set_by_an_alias():
    for key in ("ml1m", "ml-1m", "movielens-1m"):
        data = choose.data_set("ml-1m", [f"{key}.held_out=300"])
        assert data.config.held_out == 300


def test_defaults_are_the_papers():
    names = ("min_rating", "min_users_per_item", "min_items_per_user", "held_out")
    usual = {
        name: tuple(getattr(DATASETS[name].config, option) for option in names) for name in DATASETS
    }
    assert usual == {
        "synthetic": (None, 0, 5, None),
        "ml100k": (4, 0, 5, None),
        "ml1m": (4, 0, 5, 600),
        "ml10m": (4, 0, 5, None),
        "ml20m": (4, 0, 5, 10_000),
        "ml25m": (4, 0, 5, None),
        "ml32m": (4, 0, 5, None),
        "ml-latest-small": (4, 0, 5, None),
        "netflix": (4, 0, 5, 40_000),
        "msd": (None, 200, 20, 50_000),
        "gowalla": (None, 0, 5, 3_000),
        "ncf-ml1m": (None, 0, 0, None),
        "ncf-pinterest": (None, 0, 0, None),
        "lastfm-2k": (None, 0, 5, None),
    }
    assert all(entry.config.split_seed == 98765 for entry in DATASETS.values())
