"""A stranger's folder: each alteration of its records is noticed by ``verify``, in a sentence that
names the file, and ``report`` ends well or in a sentence, never in a traceback.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from benchmark.cli import main
from benchmark.errors import UsageError
from benchmark.records import costs, store
from benchmark.records.store import SUFFIXES
from benchmark.report import figures, image
from datasets.own import FileConfig
from tests.alterations import ALTERATIONS, OF_VERSION_1, both, copied, field, of, put, renamed
from tests.test_verify import as_version_1


@pytest.fixture
def folder(finished, tmp_path) -> Path:
    """A copy of a small run's folder."""
    there = tmp_path / "run"
    shutil.copytree(finished, there, ignore=shutil.ignore_patterns("report", ".*"))
    return there


def test_the_folder_is_whole_before(folder, capsys):
    assert main(["verify", str(folder)]) == 0
    assert capsys.readouterr().out == "12 records checked, 0 faults\n"


def not_drawn(monkeypatch) -> None:
    """Figures are made, but no file of them, which takes long."""
    for drawing in ("png", "vector"):
        monkeypatch.setattr(image, drawing, lambda *_: b"")


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_an_alteration_is_noticed_and_kills_nothing(
    alteration, folder, tmp_path, capsys, monkeypatch
):
    not_drawn(monkeypatch)  # names are drawn below
    names = {path.stem for path in folder.rglob("*.*")}
    alter, sentence = ALTERATIONS[alteration]
    alter(folder)
    assert main(["verify", str(folder)]) == 1
    *told, count = capsys.readouterr().out.splitlines()
    faults = [line for line in told if not line.startswith("no fault: ")]
    assert any(sentence in fault for fault in faults), faults
    assert f" {len(faults)} faults" in count
    names |= {path.stem for path in folder.rglob("*.*")}
    for fault in faults:
        assert any(name in fault for name in names)
    code = main(["report", "--out", str(folder), "--to", str(tmp_path / "to")])
    said = capsys.readouterr()
    assert (code, said.err) == (0, "") or (code == 2 and len(said.err.splitlines()) == 1)


@pytest.mark.parametrize(
    ("alteration", "sentence"),
    [
        ("a better mean", ".json: NDCG@100 mean is 0.99, but "),
        ("a smaller error", ".json: Recall@20 stderr is 0.0, but "),
        ("forged hits", " mean is "),
        ("other users", "but the column user of their per-user files differs; run verify"),
        ("other targets", "but the column targets of their per-user files differs; run verify"),
        ("other histories", "but the column history of their per-user files differs; run verify"),
        ("other sizes of the split", ", but of other sizes of it, "),
    ],
)
@pytest.mark.parametrize("alone", [True, False], ids=["a row of one record", "a row of two"])
def test_report_refuses_results_that_contradict(alone, alteration, sentence, folder, capsys):
    if alone:
        second = of(folder, seed=1)
        for suffix in SUFFIXES:
            second.with_suffix(suffix).unlink()
    alter, _ = ALTERATIONS[alteration]
    alter(folder)
    assert main(["report", "--out", str(folder)]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert of(folder, seed=0).stem in said
    assert len(said.splitlines()) == 1


def test_closed_forms_of_one_file_may_give_the_same_results(folder, capsys):
    """As rlae and lae do where no item reaches the bound that tells them apart."""
    lae = both(field("spec", "model", to="lae"), field("spec", "config", "xi", to=1.0))
    copied(lae, "ease")(folder)
    assert main(["verify", str(folder)]) == 0
    assert capsys.readouterr().out == "13 records checked, 0 faults\n"


def test_weights_that_only_the_gpu_has_room_for_are_no_fault(folder):
    record = store.read(of(folder))
    large = record.cost.process_peak_bytes + 2**30
    used = {"weights_bytes": large, "gpu_peak_bytes": large}
    on_gpu = {
        "spec": record.spec.model_copy(update={"device": "cuda"}),
        "environment": record.environment.model_copy(update={"gpu": "a GPU"}),
        "cost": record.cost.model_copy(update=used),
    }
    assert list(costs.of_record(record.model_copy(update=on_gpu))) == []


def test_a_trial_that_went_on_may_have_begun_on_a_larger_machine(folder):
    record = store.read(of(folder))
    smaller = {"memory_bytes": record.cost.process_peak_bytes - 1}
    moved = {"resumed": True, "environment": record.environment.model_copy(update=smaller)}
    assert list(costs.of_record(record.model_copy(update=moved))) == []


@pytest.fixture
def old(folder) -> Path:
    """The same records, as version 1 had them."""
    for path in folder.glob("*.json"):
        as_version_1(path)
    return folder


@pytest.mark.parametrize("alteration", OF_VERSION_1)
def test_an_alteration_of_version_1_is_noticed_too(alteration, old, tmp_path, capsys, monkeypatch):
    not_drawn(monkeypatch)
    assert main(["verify", str(old)]) == 0
    capsys.readouterr()
    alter, sentence = OF_VERSION_1[alteration]
    alter(old)
    assert main(["verify", str(old)]) == 1
    assert sentence in capsys.readouterr().out
    code = main(["report", "--out", str(old), "--to", str(tmp_path / "to")])
    said = capsys.readouterr()
    assert (code, said.err) == (0, "") or (code == 2 and len(said.err.splitlines()) == 1)


def test_specs_without_a_record_are_told_and_no_fault(folder, capsys):
    path = of(folder)
    for suffix in SUFFIXES:
        path.with_suffix(suffix).unlink()
    assert main(["verify", str(folder)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("no fault: 1 specs have no record, as a run leaves them")
    assert path.stem in said[0]
    assert said[1] == "11 records checked, 0 faults"


def named(folder: Path, name: str) -> None:
    """Give all records of a folder another data set, some also another model, of this name, and
    their right ids.
    """
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text())
        content["spec"]["dataset"] = name
        if name.startswith("file:"):
            content["data"]["options"] = FileConfig().model_dump(mode="json")
        if content["spec"]["model"] in ("mult-vae", "ease"):
            content["spec"] |= {"model": name + content["spec"]["model"], "code": "0" * 16}
        renamed(path, content)
    shutil.rmtree(folder / "specs")


ODD = [
    "x/../../../../evil",
    "file:r[1]",
    "$x$",
    "_x",
    "<script>a|b",
    "\x1b[2J\u202e",
    "a" * 300,
    "CON",
]


@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_any_name_is_reported_inside_its_folder(name, folder, tmp_path, capsys):
    named(folder, name)
    assert main(["verify", str(folder)]) == 0
    before = {path for path in tmp_path.rglob("*") if "to" not in path.relative_to(tmp_path).parts}
    to = tmp_path / "a" / "b" / "c" / "to"
    assert main(["report", "--out", str(folder), "--to", str(to)]) == 0
    said = capsys.readouterr()
    assert not set(said.out + said.err) & {"\x1b", "\u202e"}
    made = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert {path.parent for path in made} == {to}
    assert any(path.name.startswith("curves-") for path in made)
    assert all(len(path.name.encode()) < 200 for path in made)
    assert "<script>" not in (to / "results.md").read_text()
    figure = ["--figure", "3", "--table", "2", "--to", str(to)]
    assert main(["report", "--out", str(folder), *figure]) == 0


def test_a_record_that_was_read_names_a_file_beside_it(folder):
    for path in folder.glob("*.json"):
        record = store.read(path)
        assert record.per_user is not None
        assert record.per_user.file == f"{path.stem}.parquet"


@pytest.mark.parametrize("value", [1e308, -1e308, float("inf"), float("nan"), 0.0])
def test_whatever_a_model_has_logged_is_drawn(value, folder, tmp_path, monkeypatch):
    """Two seeds, whose mean would be past all bounds, and a VAE's curve without its beta."""
    not_drawn(monkeypatch)
    for path in (of(folder), of(folder, seed=1)):
        content = json.loads(path.read_text())
        for point in content["curve"]:
            point |= {"loss": value, "kl": -value}
            del point["beta"]
        put(path, content)
    code = main(["report", "--out", str(folder), "--to", str(tmp_path / "to"), "--verbose"])
    assert code == 0
    with pytest.raises(UsageError, match="figure 1 needs runs"):
        figures.annealing(store.read_all(folder), folder)
