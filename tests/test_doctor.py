"""The doctor names what is wrong, with its cure, even where nothing else runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark import doctor
from benchmark.cli import main
from benchmark.paths import ROOT


def examine_here(capsys, *words: str) -> tuple[int, list[str]]:
    """In this process, where all that it looks at is as in one of its own."""
    code = main(["doctor", *words])
    return code, capsys.readouterr().out.splitlines()


def examine(*words: str, **environment: str) -> tuple[int, list[str]]:
    command = [sys.executable, "run_all.py", "doctor", *words]
    run = subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True
    )
    assert run.stderr == ""
    return run.returncode, run.stdout.splitlines()


def wrong(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("WRONG")]


def test_missing_data_is_named_with_where_to_get_it(tmp_path, capsys):
    code, lines = examine_here(capsys, "--data-dir", str(tmp_path))
    assert code == 1
    (line,) = [line for line in wrong(lines) if line.startswith("WRONG ml1m")]
    assert f"no raw file in {tmp_path}: a run will download https://files.grouplens.org" in line


def test_threads_in_the_environment_are_named(capsys, monkeypatch):
    more = str((os.cpu_count() or 1) + 1)
    monkeypatch.setenv("OMP_NUM_THREADS", more)
    code, lines = examine_here(capsys)
    assert code == 1
    assert f"threads in the environment: {{'OMP_NUM_THREADS': '{more}'}}" in "\n".join(wrong(lines))


@pytest.mark.parametrize("package", ["torch", "psutil", "polars"])
def test_a_missing_package_is_named(package, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.abc, sys\n"
        "class Missing(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] == '{package}':\n"
        "            raise ModuleNotFoundError(f'no module named {name}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
    )
    code, lines = examine(PYTHONPATH=str(tmp_path))
    if package == "torch":
        run = subprocess.run(
            [sys.executable, "run_all.py", "list"],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert run.returncode == 2
        assert run.stderr.startswith(
            f"run_all.py: {sys.executable} has no package torch; run .venv/bin/python"
        )
        assert any("torch does not import (no module named torch)" in line for line in wrong(lines))
        assert code == 1
    assert lines[-1]


def test_another_version_than_the_pinned_is_named(monkeypatch):
    monkeypatch.setattr(
        doctor, "version", lambda name: "0.0.1" if name == "torch" else doctor_version(name)
    )
    (finding,) = doctor.packages()
    assert not finding.good
    assert "torch 0.0.1 instead of " in finding.what


doctor_version = doctor.version


def test_a_foreign_datasets_package_is_named(tmp_path, monkeypatch):
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "__init__.py").write_text("")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from benchmark import doctor\n"
    code += "print(*[f.what for f in doctor.names() if not f.good], sep='\\n')"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout.strip() == f"the package datasets is {tmp_path / 'datasets' / '__init__.py'}"
    monkeypatch.setattr(
        doctor, "packages_distributions", lambda: {"datasets": ["datasets"], "torch": ["torch"]}
    )
    (finding,) = [f for f in doctor.names() if not f.good]
    assert finding.what == "the distribution datasets has installed a package datasets too"


def test_little_room_is_named(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 10**9})
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: usage)
    said = [f.what for f in doctor.places(tmp_path, Path("nowhere/at/all")) if not f.good]
    assert said[:2] == [
        f"raw files in {tmp_path}: 1.0 GB free",
        f"splits in {os.environ['BENCH_CACHE_DIR']}: 1.0 GB free",
    ]
    assert "records in nowhere/at/all: 1.0 GB free" in said


def test_all_is_well_in_an_environment_made_by_make(data_dir):
    code, lines = examine()
    assert wrong(lines) == []
    assert (code, lines[-1].startswith("all ")) == (0, True)
