"""Weights that were kept score as the model did; what is no such file is one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch
from safetensors.torch import save

from benchmark.evaluation.ranking import evaluate
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.run import weights
from benchmark.run.training import scorer
from datasets.errors import DataError
from datasets.synthetic import Synthetic, SyntheticConfig

REFUSED = "is not a weights file that this checkout can read"
SPLIT = Synthetic(SyntheticConfig(users=240, items=60, density=0.15)).split()[0]


def kept(finished: Path) -> list[Record]:
    return [r for r in store.read_all(finished) if r.curve]


def test_they_score_the_test_users_as_the_trial_did(finished):
    assert len(kept(finished)) == 10
    for record in kept(finished):
        found = weights.load(finished / f"{record.id}.safetensors")
        assert np.array_equal(found.item_ids, SPLIT.train.item_ids)
        assert found.spec == record.spec
        ranking = evaluate(scorer(found.model, known=False), SPLIT.test)
        assert np.array_equal(ranking.hit, store.hits(finished, record)[0])


def altered(finished: Path, path: Path, model: str = "ease", **header: str) -> Path:
    """A copy of a model's weights with another ``header``."""
    record = next(r for r in kept(finished) if r.spec.model == model)
    with safetensors.safe_open(finished / f"{record.id}.safetensors", framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        path.write_bytes(save(tensors, file.metadata() | header))
    return path


def spec_of(finished: Path, of: str = "ease", **changes: object) -> str:
    """The spec of a model in ``finished`` with other fields."""
    record = next(r for r in kept(finished) if r.spec.model == of)
    return json.dumps(record.spec.model_dump(mode="json") | changes)


def test_text_ids_come_back_as_text(finished, tmp_path):
    ids = [f"film é {n}" for n in range(60)]
    told = json.dumps([i.encode().decode("latin-1") for i in ids])
    path = altered(finished, tmp_path / "text.safetensors", item_ids=told)
    assert weights.load(path).item_ids.tolist() == ids


@pytest.mark.parametrize("fault", ["\u0416", "caf\u00e9"])  # above Latin-1, and broken UTF-8
def test_ids_that_are_no_bytes_of_text_are_a_sentence(fault, finished, tmp_path):
    path = altered(finished, tmp_path / "x.safetensors", item_ids=json.dumps([fault] * 60))
    with pytest.raises(DataError, match=REFUSED):
        weights.load(path)


@pytest.mark.parametrize("fault", ["missing", "cut", "long header", "foreign"])
def test_what_cannot_be_read_is_a_sentence(fault, finished, tmp_path):
    path = tmp_path / "x.safetensors"
    content = (finished / f"{kept(finished)[0].id}.safetensors").read_bytes()
    if fault == "cut":
        path.write_bytes(content[:100])
    elif fault == "foreign":
        path.write_bytes(save({"a": torch.zeros(1)}))
    elif fault == "long header":
        path.write_bytes((2**62).to_bytes(8, "little") + content[8:])
    with pytest.raises(DataError, match=REFUSED):
        weights.load(path)


def test_other_code_an_unknown_model_and_another_shape_are_sentences(finished, tmp_path):
    def refused(sentence: str, model: str = "ease", **header: str) -> None:
        path = altered(finished, tmp_path / "x.safetensors", model, **header)
        with pytest.raises(DataError, match=sentence):
            weights.load(path)

    refused("is of other code for ease than", spec=spec_of(finished, code="0" * 16))
    refused("or another protocol version than 1", spec=spec_of(finished, protocol=7))
    refused(
        "is of the model 'mine', which is not known here; .* with --plugin",
        spec=spec_of(finished, model="mine"),
    )
    for model in ("ease", "mult-vae", "popularity", "als"):
        other = {"shape": "[180, 59]", "item_ids": json.dumps(list(range(59)))}
        refused(f"(?s){REFUSED}", model, **other)
    config = json.loads(spec_of(finished, "mult-dae"))["config"] | {"latent": 10**9}
    refused(
        r"a model of its options takes [\d,.]+ GB",
        "mult-dae",
        spec=spec_of(finished, "mult-dae", config=config),
    )


def test_a_tensor_that_gives_no_finite_score_is_a_sentence(finished, tmp_path):
    record = next(r for r in kept(finished) if r.spec.model == "ease")
    path = tmp_path / "x.safetensors"
    with safetensors.safe_open(finished / f"{record.id}.safetensors", framework="pt") as file:
        path.write_bytes(save({"B": file.get_tensor("B") * torch.nan}, file.metadata()))
    with pytest.raises(DataError, match=r"ScoreError: 60 scores are not finite"):
        weights.load(path)


@pytest.mark.parametrize("key", ["spec", "shape", "item_ids"])
@pytest.mark.parametrize(
    "value", ["5", "null", "[[1], 2]", '{"a": 1}', "[1.5, 2]", '"x"', "[-1, 3]", "[" * 10**5]
)
def test_json_of_another_type_in_them_is_a_sentence(key, value, finished, tmp_path):
    path = altered(finished, tmp_path / "x.safetensors", **{key: value})
    with pytest.raises(DataError, match=REFUSED):
        weights.load(path)


def test_they_are_kept_only_where_that_is_asked(tmp_path):
    from tests.conftest import run_tiny, small_file

    assert run_tiny(tmp_path, "--datasets", small_file(tmp_path), "--models", "popularity") == 0
    assert not list(tmp_path.glob("*.safetensors"))
