"""Code of one's own: the README's example, a likelihood, a data set; from a file and from an installed package."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from benchmark.paths import ROOT
from benchmark.records import store
from tests.conftest import DATA

EXAMPLE = re.search(
    r"<!-- example -->\n\n```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
)[1]
LIKELIHOOD = '''
"""A Poisson that saturates."""
import torch
from models.likelihoods import ExponentialFamily
from models.variants import register_likelihood

@register_likelihood("tempered")
class Tempered(ExponentialFamily):
    """A Poisson whose mean counts for less."""
    weight: float = 0.5
    """The factor on the mean."""

    def partition(self, f, n):
        mean = self.weight * f.exp()
        return mean.sum(dim=1), mean

    def start(self, p):
        return (p / self.weight).log()
'''
DATASET = '''
import numpy as np
from datasets.base import Dataset, DatasetConfig
from datasets.registry import register
from datasets.synthetic import Synthetic, SyntheticConfig

@register("mine", SyntheticConfig(users=240, items=60, density=0.15, held_out=30))
class Mine(Synthetic):
    """Generated, but mine."""
'''


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    command = [sys.executable, "run_all.py", *words]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True
    )


@pytest.fixture
def example(tmp_path):
    (tmp_path / "my_model.py").write_text(EXAMPLE)
    return tmp_path / "my_model.py"


def test_the_readmes_example_is_short():
    assert len([line for line in EXAMPLE.splitlines() if line.strip()]) <= 20


def test_the_readmes_example_runs_and_its_trial_is_repeated_by_hand(example, tmp_path):
    out = tmp_path / "out"
    made = run(
        "--plugin", str(example), "--out", str(out), "--models", "cooccurrence", "popularity", *DATA
    )
    assert made.returncode == 0, made.stderr
    assert "| cooccurrence " in made.stdout
    (record,) = [r for r in store.read_all(out) if r.label == "cooccurrence"]
    hits = (out / f"{record.id}.parquet").read_bytes()
    command = [sys.executable, "-m", "benchmark.trial", str(out / "specs" / f"{record.id}.json")]
    assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 0
    assert (out / f"{record.id}.parquet").read_bytes() == hits


def test_a_changed_plugin_is_another_trial(example, tmp_path):
    words = ("--out", str(tmp_path / "out"), "--models", "cooccurrence", *DATA)
    assert run("--plugin", str(example), *words).returncode == 0
    assert "3 done before, 0 to run" in run("--plugin", str(example), *words).stdout
    example.write_text(EXAMPLE.replace("clamp(min=1)", "clamp(min=2)"))
    assert "2 done before, 1 to run" in run("--plugin", str(example), *words).stdout


@pytest.mark.slow
def test_the_readmes_example_keeps_the_contract(example):
    made = run("contract", str(example))
    assert made.returncode == 0, made.stdout
    assert "registers cooccurrence" in made.stdout
    assert int(re.findall(r"(\d+) passed", made.stdout)[0]) >= 13


def test_a_model_that_breaks_the_contract_is_told_so(example):
    example.write_text(
        EXAMPLE.replace("return CSR", "self.net['similarity'] += 1\n        return CSR")
    )
    made = run("contract", str(example))
    assert made.returncode == 1
    assert "test_scoring_changes_nothing[cooccurrence]" in made.stdout


@pytest.mark.slow
def test_a_likelihood_gives_two_models_and_keeps_the_contract(tmp_path):
    (tmp_path / "tempered.py").write_text(LIKELIHOOD)
    made = run("contract", str(tmp_path / "tempered.py"))
    assert made.returncode == 0, made.stdout
    assert "registers tempered, tempered-dae, tempered-vae" in made.stdout


def test_list_tells_what_comes_from_where(tmp_path):
    for name, text in (("tempered.py", LIKELIHOOD), ("mine.py", DATASET)):
        (tmp_path / name).write_text(text)
    told = run("list", "--plugin", str(tmp_path / "tempered.py"), str(tmp_path / "mine.py")).stdout
    assert "  mine: Generated, but mine. (from mine.py)\n" in told
    assert re.search(r"  tempered-vae: .* \(from tempered.py\)\n", told)
    assert "  tempered: A Poisson whose mean counts for less. (from tempered.py)\n" in told
    assert re.search(r"  mult-vae: [^(]*\n", told)


def test_a_package_offers_its_own_by_an_entry_point(tmp_path):
    (tmp_path / "someones.py").write_text(DATASET)
    (tmp_path / "someones-1.0.dist-info").mkdir()
    (tmp_path / "someones-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: someones\nVersion: 1.0\n"
    )
    points = "[strong_generalization]\nanything = someones\n"
    (tmp_path / "someones-1.0.dist-info" / "entry_points.txt").write_text(points)
    assert (
        "  mine: Generated, but mine. (from someones.py)\n"
        in run("list", PYTHONPATH=str(tmp_path)).stdout
    )
    out = tmp_path / "out"
    made = run(
        "--datasets", "mine", "--models", "popularity", "--out", str(out), PYTHONPATH=str(tmp_path)
    )
    assert made.returncode == 0, made.stderr
    spec = json.loads(next((out / "specs").iterdir()).read_text())["spec"]
    assert spec["dataset"] == "mine"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1 / 0", "cannot be imported (ZeroDivisionError: division by zero); mend it"),
        ("raise SystemExit(3)", "cannot be imported (SystemExit: 3); mend it"),
        (
            EXAMPLE.replace('"cooccurrence"', '"ease"'),
            "the model name 'ease' is taken by models.ease",
        ),
        (None, "cannot be imported (FileNotFoundError: "),
    ],
)
def test_a_plugin_that_cannot_be_had_is_one_sentence(tmp_path, text, sentence):
    path = tmp_path / "plugin.py"
    if text:
        path.write_text(text)
    made = run("--plugin", str(path), "--dry-run")
    assert (made.returncode, len(made.stderr.splitlines())) == (2, 1)
    assert f"the plugin {path}" in made.stderr
    assert sentence in made.stderr


def test_a_file_without_anything_is_refused(tmp_path):
    (tmp_path / "empty.py").write_text("x = 1\n")
    made = run("contract", str(tmp_path / "empty.py"))
    assert made.returncode == 2
    assert "registers no model, likelihood or data set" in made.stderr
