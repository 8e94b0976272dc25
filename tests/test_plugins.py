"""Code of one's own: the README's example, a likelihood, a data set; from a file and from an installed package."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys

import pytest

from benchmark.paths import ROOT
from benchmark.records import store
from tests.conftest import DATA

EXAMPLES = ROOT / "examples"
PLUGINS = [EXAMPLES / f"my_{kind}.py" for kind in ("model", "likelihood", "data_set")]
EXAMPLE = PLUGINS[0].read_text()
DATASET = '''
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


def test_the_readmes_example_is_short_and_that_of_the_examples():
    assert f"<!-- example -->\n\n```python\n{EXAMPLE}```" in (ROOT / "README.md").read_text()
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


@pytest.fixture
def reviews(tmp_path, monkeypatch):
    """The raw file of the example's data set, where it is looked for."""
    lines = [
        {"reader": f"r{user}", "book": f"b{(user * 7 + 3 * n) % 50}", "stars": 3 + n % 3}
        for user in range(60)
        for n in range(16)
    ]
    (tmp_path / "reviews.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    monkeypatch.setenv("BENCH_DATA_DIR", str(tmp_path))


def test_the_examples_keep_the_contract_and_a_model_that_breaks_it_is_told_so(tmp_path, reviews):
    """All in one run, so that the tests are collected once."""
    broken = EXAMPLE.replace('"cooccurrence"', '"broken"').replace(
        "return CSR", "self.net['similarity'] += 1\n        return CSR"
    )
    (tmp_path / "broken.py").write_text(broken)
    files = [*map(str, PLUGINS), str(tmp_path / "broken.py")]
    (tmp_path / "all.py").write_text(
        f"from pathlib import Path\nfrom benchmark import plugins\nplugins.load(map(Path, {files}))\n"
    )
    made = run("contract", str(tmp_path / "all.py"))
    assert made.returncode == 1
    names = "broken, clipped, clipped-dae, clipped-vae, cooccurrence, reviews"
    assert f"all.py registers {names}\n" in made.stdout
    failed = set(re.findall(r"^FAILED \S+::(\S+)", made.stdout, re.MULTILINE))
    assert "test_scoring_changes_nothing[broken]" in failed
    assert {name for name in failed if not name.endswith("[broken]")} == set()
    assert "SKIPPED" not in made.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("plugin", "tests"), [*zip(PLUGINS, (13, 30, 4), strict=True)])
def test_each_example_keeps_the_contract(plugin, tests, reviews):
    made = run("contract", str(plugin))
    assert made.returncode == 0, made.stdout
    assert int(re.findall(r"(\d+) passed", made.stdout)[0]) >= tests


def test_the_example_from_python_ranks_and_reads_records(capsys):
    runpy.run_path(str(EXAMPLES / "from_python.py"))
    said = capsys.readouterr().out
    assert re.search(r"^NDCG@100: 0\.2\d{3}$", said, re.MULTILINE)
    (items,) = re.findall(r"^recommended: (.*)$", said, re.MULTILINE)
    assert len(set(items.split())) == 10
    assert "mult-vae" in said


def test_list_tells_what_comes_from_where():
    told = run("list", "--plugin", *map(str, PLUGINS)).stdout
    assert re.search(r"  reviews: Reviews of books .*\. \(from my_data_set.py\)\n", told)
    assert re.search(r"  clipped-vae: .* \(from my_likelihood.py\)\n", told)
    assert re.search(r"  clipped: A Poisson count .*\. \(from my_likelihood.py\)\n", told)
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
