"""Tuning: what a search tries, when it ends, and that no test user is scored."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from benchmark.cli import main
from benchmark.errors import UsageError
from benchmark.labels import flat
from benchmark.plan import choose, search
from benchmark.plan.options import searches
from benchmark.plan.samplers import TPE, Random, Tried
from benchmark.plan.search import Budget
from benchmark.records import store
from benchmark.records.verify import Verdict, verify
from models.registry import MODELS
from tests.conftest import small_file
from tests.inline import inline


def chosen(*names: str, settings=()):
    """The models of a plan on ml1m, and the plan."""
    plan = choose.plan(["ml1m"], names, [0], settings)
    return plan.lineups[0].models, plan


def answered(plan, score=lambda model: 0.5, status="ok", seconds=10.0):
    """What a run returns of a plan: a stand-in for the record of each trial."""
    return [
        SimpleNamespace(
            data_label=lineup.data_label,
            spec=SimpleNamespace(
                model=model.entry.name, config=model.config.model_dump(mode="json")
            ),
            status=status,
            best_validation=score(model) if status == "ok" else None,
            cost=SimpleNamespace(spent_seconds=seconds),
        )
        for lineup in plan.lineups
        for model in lineup.models
    ]


@pytest.mark.parametrize("name", MODELS)
def test_every_option_is_drawn_from_its_range(name):
    ((model,), _) = chosen(name)
    ranges = searches(model.config)
    for number in range(1, 40):
        values = flat(Random(seed=3).sample(model, number, []).config)
        assert values.keys() == flat(model.config).keys()
        for option, value in values.items():
            if option not in ranges:
                assert value == flat(model.config)[option]
            elif ranges[option].values:
                assert value in ranges[option].values
            else:
                low, high = ranges[option].bounds
                assert low <= value <= high
                assert type(value) is type(flat(model.config)[option])


def test_draws_are_uniform_on_the_scale_of_the_range():
    (mult_vae,), _ = chosen("mult-vae")
    drawn = [flat(Random(0).sample(mult_vae, n, []).config) for n in range(1, 1001)]
    middle = {"learning_rate": 1e-3, "dropout": 0.5, "beta_cap": 0.5, "latent": 141}
    for option, value in middle.items():
        assert 0.45 < np.mean([each[option] < value for each in drawn]) < 0.55
    assert 0.45 < np.mean([each["output_bias"] == "item" for each in drawn]) < 0.55


def test_the_first_trial_is_the_model_as_asked_for_and_models_share_their_draws():
    (mult, logistic), _ = chosen("mult-dae", "logistic-dae", settings=["mult-dae.latent=70"])
    sampler = Random(seed=1)
    assert sampler.sample(mult, 0, []) is mult
    for number in range(1, 5):
        one, other = (flat(sampler.sample(each, number, []).config) for each in (mult, logistic))
        assert {**other, "likelihood.c": None} == {**one, "likelihood.c": None}
    again, later = (flat(Random(seed).sample(mult, 1, []).config) for seed in (1, 2))
    assert again == flat(sampler.sample(mult, 1, []).config) != later


def test_a_random_search_of_some_trials_is_known_at_once():
    _, plan = chosen("ease", "popularity", "mult-dae")
    study = search.tune(plan, Random(0), Budget(trials=4))
    made = next(study)
    (lineup,) = made.lineups
    names = [model.entry.name for model in lineup.models]
    assert names == ["ease"] * 4 + ["popularity"] + ["mult-dae"] * 4
    assert made.stage == "validation"
    with pytest.raises(StopIteration):
        study.send(answered(made))


@pytest.mark.parametrize("status", ["ok", "failed"])
def test_a_budget_of_seconds_is_the_same_for_each_model_and_failures_count(status):
    _, plan = chosen("ease", "popularity", "mult-dae")
    study = search.tune(plan, Random(0), Budget(trials=None, seconds=25))
    rounds, made = [], next(study)
    with pytest.raises(StopIteration):
        while True:
            rounds.append([model.entry.name for model in made.lineups[0].models])
            made = study.send(answered(made, status=status))
    # three trials of ten seconds are the first that reach 25
    assert rounds == [
        ["ease", "popularity", "mult-dae"],
        ["ease", "mult-dae"],
        ["ease", "mult-dae"],
    ]


def test_tpe_draws_where_scores_were_high():
    (ease,), _ = chosen("ease")
    drawn = [Random(0).sample(ease, n, []) for n in range(30)]

    def near(best: float) -> list[float]:
        """The l2 of ten draws where the score falls with the distance from ``best``."""
        tried = [Tried(model, -abs(np.log(flat(model.config)["l2"] / best))) for model in drawn]
        tried[3] = Tried(drawn[3], None)  # one has failed
        return [flat(TPE(seed).sample(ease, 30, tried).config)["l2"] for seed in range(10)]

    assert np.median(near(30)) < 100
    assert np.median(near(20_000)) > 7_000
    assert near(30) == near(30)


def test_tpe_waits_for_each_score_and_takes_defaults_outside_their_range():
    _, plan = chosen("mult-vae")  # its l2 is 0, and the range of l2 is logarithmic
    study = search.tune(plan, TPE(0), Budget(trials=3))
    made = next(study)
    for _ in range(2):
        assert len(made.lineups[0].models) == 1
        made = study.send(answered(made))
    with pytest.raises(StopIteration):
        study.send(answered(made))


def test_without_optuna_tpe_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"pip install -r requirements-optuna\.txt"):
        TPE(0)


def test_a_search_scores_no_test_user_stops_early_and_is_not_run_twice(tmp_path, capsys):
    words = ["tune", "--models", "ease", "mult-dae", "--trials", "2", "--patience", "1"]
    words += ["--datasets", small_file(tmp_path), "--set", "mult-dae.epochs=12", "batch=20"]
    words += ["--jobs", "2", "--out", str(tmp_path / "out")]
    with inline():
        assert main(words) == 0
    found = store.read_all(tmp_path / "out")
    assert sorted(record.spec.model for record in found) == ["ease"] * 2 + ["mult-dae"] * 2
    for record in found:
        assert (record.status, record.metrics, record.per_user) == ("ok", None, None)
        assert record.spec.patience == 1
    assert min(len(r.curve) for r in found if r.spec.model == "mult-dae") < 12
    assert verify(tmp_path / "out") == Verdict(4, [], [])
    capsys.readouterr()
    assert main(words) == 0
    assert "trials: 4 done before, 0 to run" in capsys.readouterr().out
    assert main([*words, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "mult-dae[batch=20,epochs=12]: 2 trials, 0 of them to run\n" in said
    assert "latent: 50 to 400 on a log scale" in said
