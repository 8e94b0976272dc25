"""From Python as from the command line: the same trials, bits and sentences; the notebook runs."""

from __future__ import annotations

import os
import re
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from benchmark import api
from benchmark.api import evaluate, load_split, recommend, train
from benchmark.cli import main
from benchmark.errors import UsageError
from benchmark.paths import ROOT
from benchmark.records import store
from benchmark.run import weights
from datasets.errors import DataError
from tests.conftest import small_file
from tests.inline import Inline
from tests.raw_files import WRITERS, rows

OPTIONS = {"epochs": 3, "batch": 50, "latent": 8}
NOTEBOOK = ROOT / "examples" / "from_python.ipynb"


@pytest.fixture
def tiny(monkeypatch) -> api.Data:
    """The split of ``run_tiny``; trials run in this process."""
    monkeypatch.setattr(api, "Local", Inline)
    return load_split("synthetic", users=240, items=60, density=0.15)


def test_a_trial_has_the_bits_of_the_command_lines_and_leaves_nothing(tmp_path, monkeypatch):
    """In processes of their own, as both have them."""
    (beside := tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(beside))
    options = [f"{name}={value}" for name, value in OPTIONS.items()]
    words = ["--datasets", small_file(tmp_path), "--models", "mult-vae", "--seeds", "7"]
    more = ["--threads", "1", "--out", str(tmp_path / "out"), "--set", *options]
    assert main([*words, *more]) == 0
    (record,) = store.read_all(tmp_path / "out")
    data = load_split(small_file(tmp_path))
    trained = train("mult-vae", data, seed=7, threads=1, **OPTIONS)
    assert trained.record.id == record.id
    assert trained.record.differs(record) == []
    assert evaluate(trained, data) == record.metrics
    assert not list(beside.glob("tmp*"))  # torch makes another folder there


def test_a_stored_trial_is_read_and_not_run_again(tiny, tmp_path):
    first = train("mult-dae", tiny, out=tmp_path, threads=1, **OPTIONS)
    assert {path.suffix for path in tmp_path.glob("*.*")} == {".json", ".parquet", ".safetensors"}
    again = train("mult-dae", tiny, out=tmp_path, threads=1, **OPTIONS)
    assert again.record == first.record
    other = train("mult-dae", tiny, out=tmp_path, threads=1, seed=1, **OPTIONS)
    assert other.record.metrics != first.record.metrics
    kept = weights.load(tmp_path / f"{first.record.id}.safetensors")
    assert evaluate(kept, tiny) == first.record.metrics


def test_published_settings_and_options_apply_as_in_a_run(tiny, tmp_path):
    trained = train("gaussian-dae", tiny, threads=1, **OPTIONS, **{"likelihood.c1": 7})
    assert trained.spec.config["likelihood"] == {"c0": 1.0, "c1": 7.0}
    model = api.choose.model("ease", "netflix")
    assert (model.config.model_dump()["l2"], model.origins["l2"][:5]) == (1000.0, "Steck")


def test_what_will_not_do_is_the_command_lines_sentence(tiny, tmp_path):
    trained = train("popularity", tiny)
    wrong = [
        (lambda: load_split("ml2m"), "there is no data set 'ml2m', did you mean 'ml32m'"),
        (lambda: load_split("synthetic", user=3), "synthetic has no option 'user', did you mean"),
        (lambda: load_split("file:no.csv"), "there is no file .*no.csv; name one that is there"),
        (lambda: train("mult", tiny), "there is no model 'mult'"),
        (lambda: train("ease", tiny, l3=5), "ease has no option 'l3'; its options: l2"),
        (lambda: train("ease", tiny, l2="x"), "ease.l2 = 'x' will not do: it should be a valid"),
        (lambda: train("ease", tiny, precision="tf32"), "only a CUDA device has such products"),
        (lambda: train("ease", tiny, device="gpu"), "there is no device 'gpu'"),
        (lambda: train("ease", tiny, out=Path(__file__)), "can be no folder"),
        (lambda: train("neumf", tiny), "neumf is not available under strong generalisation"),
        (
            lambda: evaluate(trained, load_split("synthetic")),
            "was trained on the split .* train it",
        ),
        (lambda: recommend(trained, pd.DataFrame({"user": [1]})), "no column item of whole"),
        (lambda: recommend(trained, frame([1.5])), "no column item of whole numbers or text"),
        (lambda: recommend(trained, frame([None])), "of the histories has rows without an item"),
        (
            lambda: recommend(trained, frame(["a", None])),
            "of the histories has rows without an item",
        ),
        (lambda: recommend(trained, frame(["a", "b"])), "none of 2 rows of the histories names"),
        (lambda: recommend(trained, frame([3]), top=0), "top = 0 will not do"),
    ]
    for call, sentence in wrong:
        with pytest.raises((DataError, UsageError), match=sentence):
            call()


def frame(items: list) -> pd.DataFrame:
    return pd.DataFrame({"user": ["ann"] * len(items), "item": items})


@pytest.mark.parametrize("kind", [str, int, "category", "string", "uint8", "object"])
def test_histories_may_have_ids_of_any_kind(kind, tiny):
    trained = train("ease", tiny)
    ids = trained.item_ids[[3, 5, 8, 8]]
    plain = recommend(trained, frame(ids.tolist()), top=60)
    assert set(plain["item"]) == set(trained.item_ids.tolist()) - set(ids.tolist())
    made = frame(ids.tolist())
    made["item"] = made["item"].astype(str).astype(kind)
    pd.testing.assert_frame_equal(recommend(trained, made, top=60), plain)


def test_a_model_of_a_plugin_is_trained_and_recommends(tiny, registries):
    trained = train("cooccurrence", tiny, plugin=[str(ROOT / "examples" / "my_model.py")])
    assert evaluate(trained, tiny) == trained.record.metrics
    assert len(recommend(trained, frame(trained.item_ids[:3].tolist()), top=7)) == 7


def test_under_leave_one_out_users_are_those_of_the_training(tmp_path, monkeypatch):
    monkeypatch.setattr(api, "Local", Inline)
    WRITERS["ncf-ml1m"](tmp_path, rows())
    data = load_split("ncf-ml1m", data_dir=tmp_path)
    trained = train("neumf", data, threads=1, epochs=1, factors=4)
    assert evaluate(trained, data) == trained.record.metrics


def programs() -> list[str]:
    """Those in the documentation that use the project from Python."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return re.findall(
        r"```python\n(from benchmark.*?)```", "\n".join(p.read_text() for p in pages), re.DOTALL
    )


def test_the_programs_in_the_documentation_run(tiny, monkeypatch, tmp_path, capsys):
    path = tmp_path / "results" / "runs"
    made = train("mult-dae", tiny, out=path, threads=1, **OPTIONS)
    os.rename(path / f"{made.record.id}.safetensors", path / "ID.safetensors")
    monkeypatch.chdir(tmp_path)
    assert programs()
    for code in programs():
        exec(code, {"histories": frame(made.item_ids[[3, 5, 8]].tolist())})
        assert "score" in capsys.readouterr().out


def test_the_notebook_has_no_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell for cell in cells if cell.outputs or cell.execution_count] == []


@pytest.mark.slow
def test_the_notebook_runs():
    """In a kernel, as with its reader, where standard output is no file and a loop runs already."""
    where = {"metadata": {"path": str(NOTEBOOK.parent)}}
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    done = NotebookClient(notebook, timeout=None, kernel_name="python3", resources=where).execute()
    shown = "\n".join(
        str(output.get("text") or output["data"]["text/plain"])
        for cell in done.cells
        for output in cell.get("outputs", [])
    )
    assert re.search(r"mult-dae +0\.\d+", shown)
    assert re.search(r"user\s+rank\s+item\s+score", shown)
