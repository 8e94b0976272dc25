"""Weights that were kept score as the model did, also by the lines of the documentation."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch
from safetensors.torch import save

from benchmark.evaluation.ranking import evaluate
from benchmark.paths import ROOT
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.run import weights
from datasets.errors import DataError
from datasets.synthetic import Synthetic, SyntheticConfig

SPLIT = Synthetic(SyntheticConfig(users=240, items=60, density=0.15)).split()[0]


def kept(finished: Path) -> list[Record]:
    return [r for r in store.read_all(finished) if r.curve]


def test_they_score_the_test_users_as_the_trial_did(finished):
    assert len(kept(finished)) == 10
    for record in kept(finished):
        model, item_ids = weights.load(finished / f"{record.id}.safetensors")
        assert np.array_equal(item_ids, SPLIT.train.item_ids)
        ranking = evaluate(lambda history, users, model=model: model.score(history), SPLIT.test)
        assert np.array_equal(ranking.hit, store.hits(finished, record)[0])


def test_the_documented_lines_recommend_unseen_items(finished, capsys):
    (code,) = re.findall(
        r"```python\n(from benchmark.*?)```",
        (ROOT / "docs" / "records.md").read_text(),
        flags=re.DOTALL,
    )
    assert len(code.strip().splitlines()) <= 10
    record = next(r for r in kept(finished) if r.spec.model == "mult-vae")
    code = re.sub(
        r'"results/runs/\w+\.safetensors"', repr(str(finished / f"{record.id}.safetensors")), code
    )
    liked = [int(i) for i in SPLIT.train.item_ids[[3, 5, 8]]]
    code = re.sub(r"history\(\[.*?\]", f"history({liked}", code)
    space: dict = {}
    exec(code, space)
    shown = [int(text) for text in re.findall(r"\d+", capsys.readouterr().out)]
    assert len(shown) == 10
    assert set(shown) <= set(SPLIT.train.item_ids.tolist()) - set(liked)


def test_text_ids_come_back_as_text_and_unknown_ones_are_refused(finished, tmp_path):
    record = next(r for r in kept(finished) if r.spec.model == "ease")
    path, source = tmp_path / "text.safetensors", finished / f"{record.id}.safetensors"
    ids = [f"film é {n}" for n in range(60)]
    with safetensors.safe_open(source, framework="pt") as file:
        header = file.metadata() | {
            "item_ids": json.dumps([i.encode().decode("latin-1") for i in ids])
        }
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    path.write_bytes(save(tensors, header))
    _, item_ids = weights.load(path)
    assert item_ids.tolist() == ids
    history = weights.history([ids[7], ids[2], ids[7]], item_ids)
    assert (history.shape, history.indices.tolist(), history.data.tolist()) == (
        (1, 60),
        [2, 7],
        [1, 1],
    )
    assert history.dtype == np.float32
    with pytest.raises(DataError, match=r"no item 'film 3', 7; its 60 ids are text, as 'film é 0'"):
        weights.history(["film 3", ids[1], 7], item_ids)
    with pytest.raises(DataError, match=r"no item '5'; its 60 ids are whole numbers, as \d+"):
        weights.history(["5"], SPLIT.train.item_ids)


@pytest.mark.parametrize("fault", ["\u0416", "caf\u00e9"])  # above Latin-1, and broken UTF-8
def test_ids_that_are_no_bytes_of_text_are_a_sentence(fault, finished, tmp_path):
    record = next(r for r in kept(finished) if r.spec.model == "ease")
    path = tmp_path / "x.safetensors"
    with safetensors.safe_open(finished / f"{record.id}.safetensors", framework="pt") as file:
        header = file.metadata() | {"item_ids": json.dumps([fault] * 60)}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    path.write_bytes(save(tensors, header))
    with pytest.raises(DataError, match="is not a weights file that this checkout can read"):
        weights.load(path)


@pytest.mark.parametrize("fault", ["missing", "cut", "foreign", "unknown model"])
def test_what_cannot_be_read_is_a_sentence(fault, finished, tmp_path):
    path = tmp_path / "x.safetensors"
    content = (finished / f"{kept(finished)[0].id}.safetensors").read_bytes()
    if fault == "cut":
        path.write_bytes(content[:100])
    elif fault == "foreign":
        path.write_bytes(save({"a": torch.zeros(1)}))
    elif fault == "unknown model":
        path.write_bytes(content.replace(b'\\"model\\":\\"', b'\\"model\\":\\"'[:-1] + b"Q", 1))
    with pytest.raises(DataError, match="is not a weights file that this checkout can read"):
        weights.load(path)


@pytest.mark.parametrize("key", ["spec", "shape", "item_ids"])
@pytest.mark.parametrize(
    "value", ["5", "null", "[[1], 2]", '{"a": 1}', "[1.5, 2]", '"x"', "[-1, 3]", "[" * 10**5]
)
def test_json_of_another_type_in_them_is_a_sentence(key, value, finished, tmp_path):
    record = next(r for r in kept(finished) if r.spec.model == "ease")
    with safetensors.safe_open(finished / f"{record.id}.safetensors", framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = file.metadata() | {key: value}
    path = tmp_path / "x.safetensors"
    path.write_bytes(save(tensors, header))
    with pytest.raises(DataError, match="is not a weights file that this checkout can read"):
        weights.load(path)


def test_they_are_kept_only_where_that_is_asked(tmp_path):
    from tests.conftest import run_tiny, small_file

    assert run_tiny(tmp_path, "--datasets", small_file(tmp_path), "--models", "popularity") == 0
    assert not list(tmp_path.glob("*.safetensors"))
