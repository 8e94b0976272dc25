"""Code of one's own: the README's example, a likelihood, a data set; from a file and from an
installed package.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from benchmark import plugins
from benchmark.cli import main
from benchmark.paths import ROOT
from benchmark.records import store
from datasets.errors import DataError
from datasets.movielens import MLLatestSmall
from models.batches import CSR
from models.variants import LIKELIHOODS
from tests.conftest import small_file

EXAMPLES = ROOT / "examples"
PLUGINS = [EXAMPLES / f"my_{kind}.py" for kind in ("model", "likelihood", "data_set")]
EXAMPLE = PLUGINS[0].read_text()
DATASET = '''
from datasets.base import Dataset
from datasets.registry import register
from datasets.synthetic import Synthetic, SyntheticConfig

@register("mine", SyntheticConfig(users=240, items=60, density=0.15, held_out=30))
class Mine(Synthetic):
    """Generated, but mine."""

    def split(self, raw=()):
        return Dataset.split(self, raw)  # without the rows of a truth, which are two processes
'''


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    command = [sys.executable, "run_all.py", *words]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True
    )


def test_the_readmes_example_is_short_and_that_of_the_examples():
    assert f"<!-- example -->\n\n```python\n{EXAMPLE}```" in (ROOT / "README.md").read_text()
    assert len([line for line in EXAMPLE.splitlines() if line.strip()]) <= 20


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A folder with the records and the cache of a run of the example, and what it said."""
    folder = tmp_path_factory.mktemp("ran")
    words = ("--datasets", small_file(folder), "--models", "cooccurrence", "popularity")
    words = ("--plugin", str(PLUGINS[0]), "--out", str(folder / "out"), *words)
    return folder, run(*words, BENCH_CACHE_DIR=str(folder / "cache"))


def test_the_readmes_example_runs_and_its_trial_is_repeated_by_hand(ran):
    out, made = ran[0] / "out", ran[1]
    assert made.returncode == 0, made.stderr
    assert "| cooccurrence " in made.stdout
    (record,) = [r for r in store.read_all(out) if r.spec.model == "cooccurrence"]
    hits = (out / f"{record.id}.parquet").read_bytes()
    command = [sys.executable, "-m", "benchmark.trial", str(out / "specs" / f"{record.id}.json")]
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (again.returncode, "the same bits as in" in again.stdout) == (0, True)
    assert (out / f"{record.id}.parquet").read_bytes() == hits


@pytest.mark.parametrize(("minimum", "state"), [(1, "done"), (2, "to run")])
def test_a_changed_plugin_is_another_trial(
    minimum, state, ran, tmp_path, registries, capsys, monkeypatch
):
    folder, _ = ran
    monkeypatch.setenv("BENCH_CACHE_DIR", str(folder / "cache"))
    plugin = tmp_path / "my_model.py"
    plugin.write_text(EXAMPLE.replace("clamp(min=1)", f"clamp(min={minimum})"))
    words = ("--datasets", small_file(folder), "--models", "cooccurrence", "--dry-run")
    assert main(["--plugin", str(plugin), "--out", str(folder / "out"), *words]) == 0
    said = capsys.readouterr().out
    assert "  cooccurrence: 1 trial, " in said
    assert f"\n    cpu, fp32: {state}" in said


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


@pytest.mark.slow
def test_the_examples_keep_the_contract_and_a_model_that_breaks_it_is_told_so(tmp_path, reviews):
    """All in one run, so that the tests are collected once."""
    broken = EXAMPLE.replace('"cooccurrence"', '"broken"').replace(
        "return CSR", "self.net['similarity'] += 1\n        return CSR"
    )
    (tmp_path / "broken.py").write_text(broken)
    files = [*map(str, PLUGINS), str(tmp_path / "broken.py")]
    (tmp_path / "all.py").write_text(
        "from pathlib import Path\nfrom benchmark import plugins\nplugins.load(map(Path, "
        f"{files}))\n"
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


def test_the_examples_likelihood_is_that_of_a_count_above_zero(registries, random):
    plugins.load([PLUGINS[1]])
    likelihood = LIKELIHOODS["clipped"]()
    dense = random.random_sample((5, 9)) < 0.4
    f = torch.from_numpy(random.standard_normal((5, 9)))
    p = 1 - np.exp(-np.exp(f.numpy()))
    got = likelihood.log_prob(f, CSR.of(csr_matrix(dense.astype(np.float32))))
    np.testing.assert_allclose(got, np.log(np.where(dense, p, 1 - p)).sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(likelihood.start(torch.from_numpy(p)), f, rtol=1e-9)


def test_list_tells_what_comes_from_where(registries, capsys):
    assert main(["list", "--plugin", *map(str, PLUGINS)]) == 0
    told = capsys.readouterr().out
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
        (
            "1\n1 / 0",
            "cannot be imported (ZeroDivisionError: division by zero (plugin.py, line 2)); mend it",
        ),
        ("raise SystemExit(3)", "cannot be imported (SystemExit: 3 (plugin.py, line 1)); mend it"),
        ("raise BaseException('a\\nb')", "cannot be imported (BaseException: a b (plugin.py, "),
        (
            EXAMPLE.replace('"cooccurrence"', '"ease"'),
            "the model name 'ease' is taken by models.linear",
        ),
        (None, "cannot be imported (FileNotFoundError: "),
        (EXAMPLE.replace('"cooccurrence"', "3"), "(ValueError: the model name 3 will not do: it"),
        (EXAMPLE.replace('"cooccurrence"', '""'), "the model name '' will not do: it must be"),
        (
            EXAMPLE.replace("CooccurrenceConfig(),", "None,"),
            "'cooccurrence' has the options None, ",
        ),
        (EXAMPLE.replace("Config(),", "Config,"), "CooccurrenceConfig'>, which are no Config; "),
        (DATASET.replace('"mine"', '"a/b c"'), "the data-set name 'a/b c' will not do: it must be"),
        (re.sub(r"Config\(.*\)", "Config)", DATASET), "Config'>, which are no DatasetConfig; "),
        (
            "from models.variants import register_likelihood\nregister_likelihood(None)",
            "the model name None will not do",
        ),
    ],
)
def test_a_plugin_that_cannot_be_had_is_one_sentence(tmp_path, text, sentence, registries, capsys):
    path = tmp_path / "plugin.py"
    if text:
        path.write_text(text)
    assert main(["--plugin", str(path), "--dry-run"]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert f"the plugin {path}" in said
    assert sentence in said


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("return 1 / 0", "ZeroDivisionError: division by zero (plugin.py, line 11)"),
        ("return None", "has no"),
        ("raise BaseException('polars\\npanics')", "polars panics (plugin.py, line 11)"),
        ("raise SystemExit(3)", "SystemExit: 3 (plugin.py, line 11)"),
    ],
)
def test_a_mistake_in_a_data_set_is_one_sentence(body, sentence, tmp_path, registries, capsys):
    path = tmp_path / "plugin.py"
    start, _, _ = DATASET.partition("    def split")
    path.write_text(
        f"{start}    def read(self, raw):\n        {body}\n\n    split = Dataset.split\n"
    )
    words = ["--plugin", str(path), "--datasets", "mine", "--models", "popularity"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert "the data set Mine of the plugin plugin.py went wrong (" in said
    assert sentence in said


def test_a_panic_of_polars_is_one_sentence_and_another_error_a_bug():
    class PanicException(BaseException):
        pass

    sentence = "MLLatestSmall cannot be read: polars says a b; check"
    with pytest.raises(DataError, match=sentence), plugins.blamed(MLLatestSmall):
        raise PanicException("a\nb")
    with pytest.raises(ValueError, match="bug"), plugins.blamed(MLLatestSmall):
        raise ValueError("bug")


def test_what_has_no_docstring_is_listed(tmp_path, registries, capsys):
    path = tmp_path / "plugin.py"
    path.write_text(DATASET.replace('"""Generated, but mine."""', "x = 1"))
    assert main(["list", "--plugin", str(path)]) == 0
    assert "  mine: " in capsys.readouterr().out


def test_a_file_without_anything_is_refused(tmp_path, registries, capsys):
    (tmp_path / "empty.py").write_text("x = 1\n")
    assert main(["contract", str(tmp_path / "empty.py")]) == 2
    assert "registers no model, likelihood or data set" in capsys.readouterr().err
