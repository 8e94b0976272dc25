"""The checks that others run, before a commit and in public, are those of the Makefile; and every
fault that `make mutants` plants has its place.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib

import pytest
import yaml

from benchmark.paths import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
(REPOSITORY,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
MUTANTS = tomllib.loads((ROOT / "tests" / "mutants.toml").read_text())["mutant"]
HOOKS = {hook["id"]: shlex.split(hook["entry"]) for hook in REPOSITORY["hooks"]}


def test_hooks_before_a_commit_run_the_tools_of_make_lint_and_pin_none():
    assert REPOSITORY["repo"] == "local"
    linted = re.findall(r"^\t\$\(BIN\)/(\S+(?: check| format)?)", MAKEFILE, re.MULTILINE)
    tools = [" ".join(entry).removeprefix(".venv/bin/") for entry in HOOKS.values()]
    for tool in ("ruff format", "ruff check", "pyright"):
        assert tool in linted
        assert any(entry.startswith(tool) for entry in tools)


@pytest.mark.parametrize(("size", "code"), [(500, 0), (501, 1)])
def test_a_large_file_stops_a_commit_and_is_named(size, code, tmp_path):
    small, other = tmp_path / "small.py", tmp_path / "a file.png"
    small.write_text("x = 1\n")
    other.write_bytes(bytes(size * 1024))
    run = subprocess.run(
        [*HOOKS["large-files"], str(small), str(other)], capture_output=True, text=True
    )
    assert (run.returncode, run.stdout.strip()) == (code, str(other) if code else "")


def test_no_file_is_so_large():
    """A file that was committed without the hook is found here."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is no clone, so what is committed is not known")
    tracked = [name for name in listed.stdout.splitlines() if (ROOT / name).exists()]
    assert len(tracked) > 100
    run = subprocess.run([*HOOKS["large-files"], *tracked], cwd=ROOT, capture_output=True)
    assert run.stdout.decode().split() == []


def test_the_public_workflow_runs_the_makefile_on_every_python_that_it_takes():
    (job,) = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"].values()
    assert job["strategy"]["matrix"]["python"] == re.findall(r"python(3\.\d+)", MAKEFILE)[::-1]
    commands = [step["run"].split()[:2] for step in job["steps"] if "run" in step]
    assert commands == [["make", "lint"], ["make", "test"]]


def test_who_reports_a_fault_is_asked_for_the_command_and_the_doctor():
    asked = (ROOT / ".github/ISSUE_TEMPLATE/bug.md").read_text()
    assert "python run_all.py doctor" in asked
    assert "The command" in asked


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant["fault"])
def test_a_fault_that_is_planted_has_its_place_and_its_test(mutant):
    assert (ROOT / mutant["file"]).read_text().count(mutant["find"]) == 1
    path, _, name = mutant["test"].partition("::")
    function = name.partition("[")[0].rpartition("::")[2]
    assert not name or f"def {function}(" in (ROOT / path).read_text()
