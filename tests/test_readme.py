"""README and docs: tables are those of the records, commands do what they say, no number stands
outside a table.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from string import Template

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from benchmark.cli import main
from benchmark.paths import ROOT
from benchmark.run import calibrate
from docs import build
from tests.test_plugins import EXAMPLE

TEXT = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PROSE = "\n".join(page.read_text() for page in PAGES)
VARIABLES = dict(re.findall(r'^([A-Z]+)="(.*)"$', PROSE, flags=re.MULTILINE))
"""What a page has its reader set in the shell."""
COMMANDS = [
    Template(command).substitute(VARIABLES)
    for command in dict.fromkeys(re.findall(r"^python run_all.py(.*)$", PROSE, flags=re.MULTILINE))
]


@pytest.mark.parametrize("page", build.PAGES)
def test_the_tables_equal_the_records(page):
    text = (ROOT / page).read_text()
    assert build.rebuilt(text) == text, "run: make readme"


def test_every_part_that_can_be_made_is_on_a_page():
    assert set(build.PARTS) == {
        name
        for page in build.PAGES
        for name in re.findall(r"<!-- (\w+) -->", (ROOT / page).read_text())
    } - {"end", "example"}


def test_the_readme_is_short():
    """The table grows with the models."""
    assert len([line for line in TEXT.splitlines() if not line.startswith("| ")]) < 210


@pytest.mark.parametrize(
    "page", ["README.md", "docs/protocol.md", "docs/running.md", "docs/data.md", "docs/results.md"]
)
def test_no_measured_number_stands_outside_the_generated_tables(page):
    prose = re.sub(r"<!-- \w+ -->\n.*?<!-- end -->", "", (ROOT / page).read_text(), flags=re.DOTALL)
    assert not re.findall(r"\d*\.\d{3,}|\d+ ?(?:ms|seconds|s|MB)\b|\d+ times", prose)


@pytest.mark.parametrize("words", [c for c in COMMANDS if re.match(r" (tune|--(?!plugin))", c)])
def test_commands_that_train_say_what_they_would_do(
    words, tmp_path, monkeypatch, capsys, finished, ratings
):
    monkeypatch.chdir(tmp_path)
    given = shlex.split(words)
    if "file:six-files" in given:
        assert main(["export-split", "file:ratings.csv", "six-files"]) == 0
    if "cuda" in given and not torch.cuda.is_available():
        assert main(given) == 2
        assert "torch finds no CUDA device" in capsys.readouterr().err
    elif (
        "--beta-heuristic" in given
    ):  # its second run depends on the first; sweep_folder is such a run
        assert main([*given, "--dry-run"]) == 2
        assert "leave --dry-run out" in capsys.readouterr().err
    elif "--tuned" in given:  # contest_folder is such a run
        assert main([*given, "--dry-run", "--out", str(tmp_path)]) == 2
        assert "there is no trial yet of the search" in capsys.readouterr().err
    elif "--calibrate" in given:  # test_forecast measures
        monkeypatch.setattr(calibrate, "seconds", lambda job: 90.0)
        assert main([*given, "--out", str(tmp_path)]) == 0
        assert "to run, about 1.5 min and " in capsys.readouterr().out
    else:
        assert main([*given, "--dry-run", "--out", str(tmp_path)]) == 0
        assert " to run" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [c for c in COMMANDS if c.startswith((" report", " verify", " show"))]
)
def test_commands_on_records_print_and_write_what_they_say(
    words, tmp_path, finished, sweep_folder, contest_folder, capsys
):
    given = shlex.split(words)
    if "--to" in given:
        given[given.index("--to") + 1] = str(tmp_path / "report")
    if given[0] == "report":
        where = (
            contest_folder
            if "--contest" in given
            else build.REFERENCE
            if "--out" in given
            else sweep_folder
            if given[1:3] == ["--figure", "1"]
            else finished
        )
        shutil.copytree(
            where, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("report")
        )
        given += ["--out", str(tmp_path)]
    if "--compare" in given:
        given[given.index("--compare") + 1] = str(build.REFERENCE)
    assert main(given) == 0
    assert capsys.readouterr().out
    writes = bool({"--to", "--figure", "--contest", "--html"} & set(given))
    assert writes == (tmp_path / "report").exists()


@pytest.mark.parametrize(
    "words",
    [
        c
        for c in COMMANDS
        if re.match(r" (list|export-split|doctor|selftest|evaluate|recommend|prepare|merge)", c)
    ],
)
def test_other_commands_end_well(words, tmp_path, ratings, registries, monkeypatch, finished):
    monkeypatch.chdir(tmp_path)
    for part in re.findall(r"part-\d", words):
        shutil.copytree(finished, tmp_path / "results" / "runs" / part)
    (tmp_path / "my_model.py").write_text(EXAMPLE)
    (weights, *_) = sorted(finished.glob("*.safetensors"))
    (tmp_path / "results" / "runs").mkdir(parents=True, exist_ok=True)
    shutil.copy(weights, tmp_path / "results" / "runs" / "ID.safetensors")
    shutil.copy(ratings, tmp_path / "histories.csv")
    lists = {"user": list(range(1000)), "items": [[0]] + [[]] * 999}
    pq.write_table(pa.table(lists), tmp_path / "top100.parquet")
    words = words.replace("ml1m", "synthetic")
    words += f" --out {tmp_path}" if words.startswith(" evaluate") else ""
    allowed = (0, 1) if words == " doctor" else (0,)  # which finds the data sets that are not here
    assert main(shlex.split(words)) in allowed


def test_every_command_is_run_by_a_test():
    elsewhere = [
        " contract my_model.py",
        " --plugin my_model.py --datasets ml1m --models cooccurrence ease",
        " rerun 924730d385f7a9b0 --out results/reference",  # it would train for hours
    ]
    plugins = (ROOT / "tests" / "test_plugins.py").read_text()
    assert all(word in plugins for word in ('"contract"', '"--plugin"', '"cooccurrence"'))
    assert '"rerun"' in (ROOT / "tests" / "test_changes.py").read_text()
    verbs = "tune|report|verify|show|list|export-split|doctor|selftest|evaluate|recommend|prepare"
    known = re.compile(rf" --(?!plugin)| ({verbs}|merge)")
    assert [command for command in COMMANDS if not known.match(command)] == elsewhere


@pytest.fixture
def ratings(tmp_path) -> Path:
    """A person's own file, where commands look for it."""
    lines = [
        "user,item,rating",
        *(f"{u},{(u * 7 + 3 * n) % 50},{3 + n % 3}" for u in range(1000) for n in range(16)),
    ]
    (tmp_path / "ratings.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "ratings.csv"


@pytest.mark.parametrize(
    "target", sorted(set(re.findall(r"(?:^|`)make ([a-z-]+)", PROSE, re.MULTILINE)))
)
def test_every_make_target_exists(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_that_is_named_exists(page):
    text = page.read_text()
    names = re.findall(
        r"\b(?:datasets|models|benchmark|results|tests|docs|suites)/(?:[\w./-]*\w)?", text
    )
    made_by_a_person = ("results/runs", "models/mine.py")
    assert [
        name
        for name in names
        if not name.startswith(made_by_a_person) and not (ROOT / name).exists()
    ] == []
    links = re.findall(r"\]\(([\w./-]+)\)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []
