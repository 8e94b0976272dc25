"""Which package may import which, and what importing costs."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from benchmark.paths import ROOT

OURS = ("benchmark", "datasets", "models")
ARROWS = {"datasets": {"datasets"}, "models": {"models"}, "benchmark": set(OURS)}
SHARED = (
    "catalog",
    "doctor",
    "environment",
    "errors",
    "interrupt",
    "labels",
    "paths",
    "plugins",
    "spec",
    "stats",
    "suite",
    "text",
)
"""Files of benchmark/ that its folders may import: they import no folder."""
FLOORS = {
    "evaluation": set(),
    "records": {"evaluation"},
    "plan": {"evaluation", "records"},
    "run": {"evaluation", "records"},
    "report": {"evaluation", "records"},
    "api": {"arguments", "evaluation", "records", "plan", "run", "conduct"},
    "conduct": {"evaluation", "records", "plan", "run"},
    "listing": {"plan"},
    "request": {"plan", "records"},
    "again": {"evaluation", "records", "plan", "run", "conduct"},
    "contract": set(),
    "verbs": {
        *("evaluation", "records", "plan", "run", "report"),
        *("again", "conduct", "contract", "listing", "request"),
    },
    "arguments": set(),
    "verb_parsers": {"arguments"},
    "parser": {"arguments", "verb_parsers"},
    "cli": {"parser", "verbs", "run"},
    "trial": {"run"},
} | {name: set() for name in SHARED}
"""What each folder, and each other file, of benchmark/ may import besides itself and the shared
files."""


def modules(path) -> set[str]:
    """The dotted names of all that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imports(path) -> set[str]:
    return {name.split(".")[0] for name in modules(path)}


@pytest.mark.parametrize("package", OURS)
def test_arrows(package):
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        assert imports(path) & set(OURS) <= ARROWS[package], path


def floor_of(path) -> str:
    """The folder of benchmark/ that a file is in, or its own name if it is in none."""
    return path.relative_to(ROOT / "benchmark").parts[0].removesuffix(".py")


@pytest.mark.parametrize("floor", FLOORS)
def test_no_arrow_of_the_house_runs_back(floor):
    files = [path for path in (ROOT / "benchmark").rglob("*.py") if floor_of(path) == floor]
    assert files
    for path in files:
        names = {name for name in modules(path) if name.startswith("benchmark.")}
        for name in names:
            assert name.split(".")[1] in {*FLOORS[floor], *SHARED, floor}, f"{path} imports {name}"


def test_every_file_of_the_house_has_a_floor():
    files = (ROOT / "benchmark").rglob("*.py")
    assert {floor_of(path) for path in files} == {*FLOORS, "__init__"}


def test_run_all_calls_the_command_line_and_nothing_else():
    assert imports(ROOT / "run_all.py") & set(OURS) == {"benchmark"}


def test_results_hold_no_python():
    assert not list((ROOT / "results").rglob("*.py"))


def loaded(code: str) -> set[str]:
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return {name.split(".")[0] for name in run.stdout.split()}


def test_help_needs_neither_torch_nor_numpy():
    code = "from benchmark.cli import parser\nparser().format_help()"
    assert not loaded(code) & {"torch", "numpy", "pydantic", "scipy", "datasets"}


def test_training_imports_no_table_or_download_library():
    heavy = {"pandas", "polars", "pyarrow", "tabulate", "pooch", "matplotlib", "rich"}
    heavy |= {"jinja2", "vl_convert"}
    assert not loaded("import benchmark.trial, benchmark.run.local") & heavy


def test_a_foreign_datasets_package_is_named(tmp_path):
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "__init__.py").write_text("")
    code = (
        f"import sys, runpy; sys.path.insert(0, {str(tmp_path)!r}); "
        "runpy.run_path('run_all.py', run_name='__main__')"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode != 0
    assert str(tmp_path / "datasets" / "__init__.py") in run.stderr
