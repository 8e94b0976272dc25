"""What a trial is given on a cluster, compared with what trials took."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from benchmark.conduct import FEWEST_GIGABYTES, UNKNOWN_GIGABYTES, UNKNOWN_MINUTES, resources_by
from benchmark.paths import ROOT
from benchmark.plan import forecast
from benchmark.records import store
from models.registry import MODELS


def reference(*folders: str):
    """The stored trials of models, which say how much memory they took."""
    found = [r for f in folders for r in store.read_all(ROOT / "results" / "reference" / f)]
    return [r for r in found if r.spec.model in MODELS and r.cost.process_peak_bytes]


def job_of(record) -> SimpleNamespace:
    return SimpleNamespace(spec=record.spec, data=record.data)


def test_no_stored_trial_took_more_memory_than_it_would_be_given():
    stored = reference("", "rehearsal", "output-bias", "sweep")
    given = resources_by(stored, None, None)
    for record in stored:
        megabytes = given(job_of(record)).megabytes
        assert megabytes >= record.cost.process_peak_bytes / 1e6, record.label
        known = forecast.trial_bytes(job_of(record))
        assert known is not None
        assert megabytes == math.ceil(max(1000 * FEWEST_GIGABYTES, 1.5 * known / 1e6))


def test_a_large_catalogue_needs_what_its_inverse_needs():
    (ease,) = [r for r in reference("") if (r.spec.dataset, r.spec.model) == ("gowalla", "ease")]
    size = forecast.trial_bytes(job_of(ease))
    assert size == pytest.approx(ease.cost.process_peak_bytes, rel=0.1)


def test_a_trial_gets_half_as_much_time_again_as_others_took():
    stored = [r for r in reference("") if r.spec.dataset == "ml1m"]
    vae = [r for r in stored if r.spec.model == "mult-vae"]
    took = sorted(r.cost.spent_seconds for r in vae)
    middle = len(took) // 2
    median = (took[middle] + took[~middle]) / 2
    assert forecast.trial_seconds(job_of(vae[0]), stored) == median
    expected = max(10, math.ceil(1.5 * median / 60))
    assert resources_by(stored, None, None)(job_of(vae[0])).minutes == expected
    assert resources_by([], None, None)(job_of(vae[0])).minutes == UNKNOWN_MINUTES


def test_what_is_asked_for_counts():
    (record, *_) = reference("")
    assert resources_by([], 7, 2.5)(job_of(record)) == (7, 2500)


def test_of_an_unknown_model_nothing_is_known(monkeypatch):
    (record, *_) = [r for r in reference("") if r.spec.model == "ease"]
    monkeypatch.setattr(MODELS["ease"].model, "memory", lambda config, shape: None)
    assert resources_by([], None, None)(job_of(record)).megabytes == 1000 * UNKNOWN_GIGABYTES
