"""Tuning: every combination of a grid, scored on the validation users and on nobody else."""

from __future__ import annotations

import pytest

from benchmark.cli import main
from benchmark.plan import choose, options, study
from benchmark.records import store
from benchmark.records.verify import Verdict, verify
from benchmark.report.tuning import tunings
from tests.conftest import run_tiny

GRID = ("--models", "ease", "popularity", "--grid", "ease.l2=1,100,10000")


@pytest.fixture
def tuned(tmp_path):
    assert run_tiny(tmp_path, *GRID) == 0
    return tmp_path


def test_every_combination_is_a_point():
    assert list(options.points({})) == [{}]
    assert list(options.points({"a": "1,2", "b": "x,none"})) == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": None},
        {"a": 2, "b": "x"},
        {"a": 2, "b": None},
    ]
    asked = choose.plan(["ml1m"], ["ease", "gaussian-vae"], settings=["epochs=3"])
    (made,) = study.grid(asked, ["likelihood.c1=2,3,2.0", "ease.l2=5"])
    (ml1m,) = made.lineups
    assert [ml1m.label(model) for model in ml1m.models] == [
        "ease[l2=5.0]",
        "gaussian-vae[likelihood.c1=2.0,epochs=3]",
        "gaussian-vae[likelihood.c1=3.0,epochs=3]",
    ]
    assert ml1m.models[1].origins == {"epochs": "--set", "likelihood.c1": "--grid"}
    assert made.stage == "validation"


def test_its_records_hold_no_test_users_results(tuned):
    found = store.read_all(tuned)
    assert sorted(r.spec.model for r in found) == ["ease", "ease", "ease", "popularity"]
    assert {r.spec.stage for r in found} == {"validation"}
    for record in found:
        assert (record.status, record.metrics, record.per_user) == ("ok", None, None)
        assert record.cost.test_seconds is None
        assert record.best_validation == record.curve[0]["validation"]
    assert not list(tuned.glob("*.parquet"))
    assert verify(tuned) == Verdict(4, [], [])


def test_it_is_its_own_trial_and_its_own_table(tuned, capsys):
    capsys.readouterr()
    assert run_tiny(tuned, "--models", "ease", "--set", "ease.l2=100") == 0
    said = capsys.readouterr().out
    # the same options, and the bounds, for the test users
    assert "trials: 0 done before, 3 to run" in said
    assert run_tiny(tuned, *GRID) == 0
    again = capsys.readouterr().out
    assert "trials: 4 done before, 0 to run" in again
    assert main(["report", "--out", str(tuned)]) == 0
    report = capsys.readouterr().out
    (table,) = tunings(store.read_all(tuned))
    result, tuning = report.split("tuning:")[:2]
    tuning = tuning.split("\nCost on ")[0]
    assert "| ease[l2=100.0] " in result
    assert "ease[l2=10000" not in result
    assert tuning.count("ease[l2=") == 3
    assert "Budget: 4 trials" in tuning
    scores = [row["mean"] for row in table.data if row["model"] == "ease"]
    assert scores == sorted(scores, reverse=True)
    assert [row[3].bold for row in table.cells if "ease" in str(row[0])] == [True, False, False]


def test_a_value_it_cannot_take_is_refused(tmp_path, capsys):
    assert main(["--models", "ease", "--grid", "ease.l2=1,-2", "--out", str(tmp_path / "out")]) == 2
    assert "ease.l2 = -2 will not do" in capsys.readouterr().err
    assert main(["--models", "ease", "--grid", "ease.l3=1,2", "--out", str(tmp_path / "out")]) == 2
    assert "ease has no option 'l3'" in capsys.readouterr().err
    assert (
        main(
            ["--models", "ease", "--grid", "synthetic.items=50,60", "--out", str(tmp_path / "out")]
        )
        == 2
    )
    assert "--grid synthetic.items=50,60: " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
