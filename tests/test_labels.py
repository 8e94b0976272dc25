"""What models and data sets are called: the options that differ from what they start from."""

from __future__ import annotations

import pytest

from benchmark import labels
from benchmark.labels import dataset_label, model_label
from benchmark.plan import choose
from benchmark.spec import TrialSpec
from datasets.own import FileConfig, SplitConfig
from datasets.registry import DATASETS
from models.registry import MODELS


def spec(model: str, dataset: str = "ml1m", stage: str = "test", **changed) -> TrialSpec:
    """A trial with the registered defaults, but for the options ``changed``."""
    config = MODELS[model].config.model_dump(mode="json") if model in MODELS else {}
    return TrialSpec(
        protocol=1,
        model=model,
        config=config | changed,
        code="",
        dataset=dataset,
        split_hash="0" * 64,
        seed=None,
        stage=stage,
        device=None,
        precision=None,
    )


def test_options_that_were_changed_are_named_and_defaults_are_not():
    assert model_label(spec("mult-vae")) == "mult-vae"
    assert model_label(spec("mult-vae", latent=100, l2=1e-5)) == "mult-vae[latent=100,l2=1e-05]"


def test_an_option_inside_another_has_a_dotted_name():
    inner = MODELS["gaussian-vae"].config.model_dump(mode="json")["likelihood"]
    changed = spec("gaussian-vae", likelihood=inner | {"c1": 7.0})
    assert model_label(changed) == "gaussian-vae[likelihood.c1=7.0]"


@pytest.mark.parametrize("model", ["mult-vae", "mult-dae", "ease", "als"])
def test_published_settings_are_no_deviation_on_their_data_sets_and_are_elsewhere(model):
    (lineup,) = choose.plan(["ml20m"], [model], [0]).lineups
    (asked,) = lineup.models
    config = asked.config.model_dump(mode="json")
    assert model_label(spec(model, "ml20m", **config)) == model
    published = config != MODELS[model].config.model_dump(mode="json")
    assert (model_label(spec(model, "ml1m", **config)) != model) == published
    # and the defaults are a deviation there
    assert (model_label(spec(model, "ml20m")) != model) == published


def test_of_a_model_that_is_not_registered_every_option_is_told():
    assert model_label(spec("cooccurrence", power=2, prior={"a": 1})) == (
        "cooccurrence[power=2,prior.a=1]"
    )
    assert model_label(spec("oracle")) == "oracle"


def test_lists_made_elsewhere_are_marked():
    assert model_label(spec("mine", stage="external")) == "mine (external)"


def test_a_data_set_is_named_with_what_was_changed():
    options = DATASETS["ml1m"].config.model_dump(mode="json")
    assert dataset_label("ml1m", options) == "ml1m"
    assert dataset_label("ml1m", options | {"held_out": 300}) == "ml1m[held_out=300]"
    assert dataset_label("unknown", {"users": 3}) == "unknown[users=3]"


@pytest.mark.parametrize("config", [FileConfig, SplitConfig])
def test_a_file_and_a_split_of_ones_own_have_their_own_defaults(config):
    assert dataset_label("file:a", config().model_dump(mode="json")) == "file:a"
    changed = config(held_out=9).model_dump(mode="json")
    assert dataset_label("file:a", changed) == "file:a[held_out=9]"


def test_the_published_settings_are_read_once(monkeypatch):
    model_label(spec("ease", "ml20m"))
    monkeypatch.setattr(labels.suite, "load", lambda name: pytest.fail("read again"))
    assert model_label(spec("ease", "ml20m", l2=500.0)) == "ease"
