"""A trial by hand: what is said of a SPEC.json or a folder that will not do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark.run import process
from tests.conftest import made_once, run_tiny, small_file


@pytest.fixture(scope="session")
def spec(request) -> Path:
    """The SPEC.json of a trial of popularity."""

    def make(out: Path) -> str:
        words = ["--datasets", small_file(out.parent), "--models", "popularity"]
        assert run_tiny(out, *words) == 0
        return ""

    (path,) = (made_once(request, "by-hand", make) / "specs").iterdir()
    return path


def altered(spec: Path, folder: Path, change: dict) -> Path:
    """A copy of a SPEC.json with other fields, those in ``spec`` by a dot."""
    content = json.loads(spec.read_text())
    for key, value in change.items():
        place, _, name = key.rpartition(".")
        (content[place] if place else content)[name] = value
    path = folder / "specs" / "altered.json"
    path.parent.mkdir()
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"threads": -1}, "(threads: input should be greater than 0, and it is -1); a run writes"),
        ({"checkpoint_seconds": -1}, "(checkpoint_seconds: input should be greater than or equal"),
        ({"alone": "x", "threads": "y"}, "(threads: input should be a valid integer, unable to"),
        ({"spec.config": {"l2": 1}}, "(l2: extra inputs are not permitted, and it is 1); a run"),
        ({"split": "/etc/passwd"}, "names /etc/passwd, which is no split that can be read ("),
    ],
)
def test_a_spec_that_will_not_do_is_one_sentence(change, sentence, spec, tmp_path, capsys):
    assert process.main([str(altered(spec, tmp_path, change))]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"trial: {tmp_path}")
    assert sentence in said
    assert len(said.splitlines()) == 1
    assert "https:" not in said
    assert "delete" not in said


def test_a_damaged_split_in_the_cache_may_be_deleted(spec, tmp_path, own_cache, capsys):
    split = own_cache / "small"
    split.mkdir()
    (split / "header.json").write_text("{}")
    assert process.main([str(altered(spec, tmp_path, {"split": str(split)}))]) == 2
    assert f"the cached split {split} cannot be read" in (said := capsys.readouterr().err)
    assert "delete that folder" in said


def test_a_folder_that_cannot_be_is_one_sentence(spec, tmp_path, capsys):
    out = tmp_path / ("x" * 300)
    assert process.main([str(spec), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"trial: {out}")
    assert said.endswith("File name too long; name another path, or mend that one\n")
