"""The README: its tables are those of the records, its commands exist, and no number stands outside the tables."""

from __future__ import annotations

import re

import pytest

from benchmark import verbs
from benchmark.cli import parser
from benchmark.report import readme
from tests.conftest import ROOT

TEXT = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("page", readme.PAGES)
def test_the_tables_equal_the_records(page):
    text = (ROOT / page).read_text()
    assert readme.rebuilt(text) == text, "run: make readme"


def test_every_part_that_can_be_made_is_on_a_page():
    assert set(readme.PARTS) == {
        name for page in readme.PAGES for name in re.findall(r"<!-- (\w+) -->", (ROOT / page).read_text())
    } - {"end", "example"}


def test_no_measured_number_stands_outside_the_generated_tables():
    prose = re.sub(r"<!-- \w+ -->\n.*?<!-- end -->", "", TEXT, flags=re.DOTALL)
    assert not re.findall(r"\d*\.\d{3,}|\d+ ?(?:ms|seconds|s|MB)\b|\d+ times", prose)


@pytest.mark.parametrize("command", re.findall(r"^python run_all.py(.*)$", TEXT, flags=re.MULTILINE))
def test_every_command_parses(command):
    words = command.split()
    if "--help" not in words:
        verb = parser().parse_args(words).verb
        assert verb == "doctor" or hasattr(verbs, verb)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:^|`)make ([a-z-]+)", TEXT, re.MULTILINE))))
def test_every_make_target_exists(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


def test_every_path_in_the_tree_exists():
    names = re.findall(r"\b(?:datasets|models|benchmark|results|tests|docs)/(?:[\w./-]*\w)?", TEXT)
    made_by_a_person = ("results/runs", "models/mine.py")
    assert [name for name in names if not name.startswith(made_by_a_person) and not (ROOT / name).exists()] == []
