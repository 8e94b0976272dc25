"""Names in paths: whatever a record, a plugin or a person calls a thing, its file stays in its
folder.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets import cache
from datasets.names import LONGEST, RESERVED, file_name
from datasets.synthetic import Synthetic, SyntheticConfig

NORMAL = ["curves-ml1m-58dd2ec9", "cost-ml-latest-small-55caa35d", "figure-1", "a_b.c", "données"]
ODD = [
    *("x/../../../../evil", "..", ".", "", "/etc/passwd", "\\\\server\\share", "C:\\x", ".hidden"),
    *(
        "file:ratings",
        "r[1]",
        "a=b",
        "a*",
        "a?",
        'a"b',
        "a<b",
        "a>b",
        "a|b",
        "a b",
        "a\nb",
        "\x1b[31m",
    ),
    *("con", "NUL", "nul.tar.gz", "com1", "LPT¹", "prn.", "a.", "a ", "a..b", "-rf", "~x", "$HOME"),
    *(
        "a" * 500,
        "é" * 200,
        "\ud800",
        "\u202egnp",
        "Ratings",
        "STRASSE",
        "straße",
        "e\u0301",
        "a--b",
    ),
]


@pytest.mark.parametrize("name", NORMAL)
def test_a_name_that_is_fit_for_a_file_stays(name):
    assert file_name(name) == name


@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_any_other_is_made_fit_and_marked_with_a_hash(name):
    made = file_name(name)
    assert re.fullmatch(r"[\w.-]+--[0-9a-f]{8}", made)
    assert made[0] not in ".-"
    assert ".." not in made
    assert not RESERVED.match(made)
    assert len(made.encode()) <= LONGEST


@given(st.sets(st.text(max_size=200) | st.text("aA./:-é", max_size=4), min_size=2, max_size=9))
def test_different_names_stay_different_where_capitals_are_small_letters(names):
    assert len({file_name(name).casefold() for name in names}) == len(names)


def test_no_name_is_taken_for_another_ones_with_its_hash():
    assert file_name(file_name("file:ratings")) != file_name("file:ratings")


@pytest.mark.parametrize("name", ["x/../../../../evil", "r[1]", "file:clicks", "nul"])
def test_the_split_of_a_data_set_of_any_name_is_in_the_cache_and_found_there(name, tmp_path):
    folder = tmp_path / "cache"
    config = SyntheticConfig(users=240, items=60, density=0.15, held_out=30)
    made = cache.prepare(name, Synthetic(config), tmp_path, folder, 1)
    assert made.folder.parent == folder
    assert re.fullmatch(r"[\w.-]+", made.folder.name)
    found = cache.at_hand(name, Synthetic(config), tmp_path, folder, 1)
    assert found is not None
    assert (found.folder, found.made) == (made.folder, False)
    assert cache._newest(folder, cache._identity(name, Synthetic(config), 1)) == made.folder
