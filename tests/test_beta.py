"""Sweeps over beta and the paper's heuristic: which runs they are, and what is read from their
records.
"""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import fmean, stdev
from types import SimpleNamespace

import pytest

from benchmark.cli import main
from benchmark.errors import UsageError
from benchmark.plan import choose, study
from benchmark.plan.plan import Plan
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.report import figures, image, sweep
from tests.conftest import RISE


@pytest.fixture(scope="module")
def swept(sweep_folder) -> list[Record]:
    """Return the records of mult-vae, sorted by seed."""
    found = [record for record in store.read_all(sweep_folder) if record.spec.model == "mult-vae"]
    return sorted(found, key=lambda record: record.spec.seed or 0)


def heuristic(found: list[Record], first: bool) -> list[Record]:
    """Return the records of the heuristic's first or of its second runs."""
    steps = RISE * math.ceil(found[0].data.training_users / 50)
    mine = [r for r in found if r.spec.config["total_anneal_steps"] == steps]
    return [r for r in mine if (r.spec.config["beta_cap"] == 1) == first]


def asked(*models: str, **options) -> Plan:
    return choose.plan(["ml1m"], list(models), [0], **options)


def options_of(of: Plan) -> dict[str, tuple[float, int | None]]:
    (ml1m,) = of.lineups
    return {
        ml1m.label(model): (model.config.beta_cap, model.config.total_anneal_steps)
        for model in ml1m.models
        if study.is_vae(model)
    }


def swept_plan(plan: Plan, caps: dict[str, list[float]]) -> Plan:
    (made,) = study.beta_sweep(plan, caps)
    return made


def prepared(plan: Plan) -> Plan:
    """With a split of as many training users as ml1m has."""
    train = SimpleNamespace(shape=(4834, 3497))
    split = SimpleNamespace(split=SimpleNamespace(train=train), split_hash="0" * 64)
    return replace(plan, lineups=[replace(each, prepared=split) for each in plan.lineups])


def test_a_sweep_has_each_cap_annealed_by_the_rule_and_constant():
    made = swept_plan(asked("mult-vae", "ease"), {"mult-vae": [0, 0.2, 1]})
    assert options_of(made) == {
        "mult-vae": (0.2, None),
        "mult-vae[beta_cap=0.0]": (0, None),
        "mult-vae[beta_cap=1.0]": (1, None),
        "mult-vae[total_anneal_steps=0]": (0.2, 0),
        "mult-vae[beta_cap=1.0,total_anneal_steps=0]": (1, 0),
    }
    assert [made.lineups[0].label(model) for model in made.lineups[0].models][-1] == "ease"


def test_on_the_papers_data_sets_a_caps_slope_is_its_own():
    made = swept_plan(choose.plan(["ml20m"], ["mult-vae"], [0]), {"mult-vae": [0.2, 1]})
    (own, annealed, full, *_) = made.lineups[0].models
    assert [m.config.total_anneal_steps for m in (own, annealed, full)] == [200_000, None, None]
    assert annealed.origins["total_anneal_steps"] == "--beta-sweep"


def test_every_vae_that_is_chosen_is_swept():
    assert study.vaes(asked("gaussian-vae", "mult-dae", "mult-vae")) == ["gaussian-vae", "mult-vae"]
    with pytest.raises(UsageError, match="no chosen model has a beta; name a VAE"):
        study.vaes(asked("ease", "mult-dae"))
    with pytest.raises(UsageError, match="ease has no option 'beta_cap'"):
        swept_plan(asked("ease"), {"ease": [1]})


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--models", "ease", "--beta-sweep", "1"], "no chosen model has a beta"),
        (["--models", "mult-vae", "--beta-sweep", "-1"], "it must be a number from 0"),
        (["--models", "mult-vae", "--beta-heuristic", "--dry-run"], "leave --dry-run out"),
        (
            ["--models", "mult-vae", "--beta-heuristic", "--set", "epochs=79"],
            "mult-vae[epochs=79] has 79; set 80",
        ),
        (["--beta-sweep", "1", "--beta-heuristic"], "not allowed with argument"),
        (["--beta-sweep", "1", "--grid", "ease.l2=1,2"], "not allowed with argument"),
    ],
)
def test_what_cannot_be_swept_is_refused(arguments, sentence, capsys, tmp_path):
    try:
        code = main([*arguments, "--out", str(tmp_path)])
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert sentence in capsys.readouterr().err


def test_the_papers_suite_has_a_sweep(capsys):
    assert (
        main(
            [
                "--suite",
                "paper",
                "--datasets",
                "ml20m",
                "--models",
                "mult-vae",
                "gaussian-vae",
                "--dry-run",
            ]
        )
        == 0
    )
    said = capsys.readouterr().out
    assert said.count("mult-vae[") == 13
    assert said.count("gaussian-vae[") == 0
    assert main(["--datasets", "ml20m", "--models", "mult-vae", "--dry-run"]) == 0
    assert "mult-vae[" not in capsys.readouterr().out


def test_the_heuristics_first_run_reaches_1_at_epoch_80():
    plan = next(study.beta_heuristic(asked("mult-vae", "ease"), prepared))
    (first,) = plan.lineups[0].models
    assert (first.config.beta_cap, first.config.total_anneal_steps) == (1, 80 * 10)


def test_the_heuristics_second_run_stops_at_the_best_beta(swept):
    first = heuristic(swept, first=True)
    second = heuristic(swept, first=False)
    assert [len(first), len(second)] == [2, 2]
    mean = [
        fmean(p["validation"] for p in epoch)
        for epoch in zip(*(r.curve for r in first), strict=True)
    ]
    best = mean.index(max(mean))
    assert [r.spec.config["beta_cap"] for r in second] == [first[0].curve[best]["beta"]] * 2
    assert first[0].curve[RISE]["beta"] == 1
    # the same slope, so the same run up to there
    for one, other in zip(first, second, strict=True):
        assert [p["validation"] for p in one.curve[: best + 1]] == [
            p["validation"] for p in other.curve[: best + 1]
        ]


def test_without_a_first_run_there_is_no_second(swept):
    heuristic = study.beta_heuristic(asked("mult-vae"), prepared)
    next(heuristic)
    assert heuristic.send(swept).lineups[0].models == []


def test_the_table_of_a_sweep_is_of_the_epochs_that_were_selected(swept):
    (found,) = sweep.sweeps(swept)
    table = sweep.table(found)
    assert [list(map(str, row[:2])) for row in table.cells] == [
        ["annealed", "0"],
        ["annealed", "0.2"],
        ["annealed", "0.5"],
        ["annealed", "1"],
        ["constant", "0"],
        ["constant", "0.5"],
        ["constant", "1"],
    ]
    row = next(row for row in table.data if (row["mode"], row["cap"]) == ("annealed", 0.5))
    trials = [
        r
        for r in swept
        if (r.spec.config["beta_cap"], r.spec.config["total_anneal_steps"]) == (0.5, None)
    ]
    best = [r.curve[(r.best_epoch or 0) - 1] for r in trials]
    for quantity in ("beta", "validation", "kl", "active_units"):
        values = [epoch[quantity] for epoch in best]
        assert (row[f"{quantity}_mean"], row[f"{quantity}_sd"]) == (fmean(values), stdev(values))
    assert row["test_mean"] == fmean(r.metrics["NDCG@100"].mean for r in trials if r.metrics)
    constant = [row for row in table.data if row["mode"] == "constant"]
    assert [row["beta_mean"] for row in constant] == [0, 0.5, 1]  # in force at every epoch


def test_the_plot_of_a_sweep_has_both_modes_against_the_beta_in_force(swept):
    (found,) = sweep.sweeps(swept)
    scores, kl, units = sweep.draw(found).figure.axes
    assert [line.get_label() for line in scores.containers] == [
        "validation, annealed to its cap",
        "test, annealed to its cap",
        "validation, constant",
        "test, constant",
    ]
    x, _ = kl.containers[0][0].get_data()
    assert list(x) == [
        row["beta_mean"] for row in sweep.table(found).data if row["mode"] == "annealed"
    ]
    assert len(units.containers) == 2


def test_a_failure_is_a_row_of_the_sweep_with_its_reason(swept):
    lost = {
        "status": "diverged",
        "reason": "too far",
        "metrics": None,
        "per_user": None,
        "curve": [],
    }

    def fails(record: Record) -> bool:
        cap = record.spec.config["beta_cap"]
        return record.spec.config["total_anneal_steps"] is None and (
            cap == 1 or (cap, record.spec.seed) == (0.5, 1)
        )

    (found,) = sweep.sweeps([r.model_copy(update=lost) if fails(r) else r for r in swept])
    table = sweep.table(found)
    by_cap = {str(row[1]): row for row in table.cells if row[0] == "annealed"}
    assert by_cap["0.5"][2] == "1 of 2"
    assert by_cap["1"][2:] == ["0 of 2", *["failed"] * 5]
    assert table.notes[0].endswith(" seed 1: diverged: too far")
    assert len(table.notes) == 3
    scores, *_ = sweep.draw(found).figure.axes
    assert len(scores.containers[0][0].get_xdata()) == 3
    (none,) = sweep.sweeps([r.model_copy(update=lost) for r in swept])
    assert image.png(sweep.draw(none)).startswith(b"\x89PNG")  # and no warning of an empty legend


def test_figure_1_has_the_papers_three_lines(swept, tmp_path):
    (axes,) = figures.annealing([r for r in swept if len(r.curve) == 9], tmp_path).figure.axes
    labels = [str(line.get_label()) for line in axes.lines]
    assert labels[0] == "annealed to 1"
    assert labels[1].startswith("annealed to 0.")
    constant = [
        r.model_copy(
            update={"spec": r.spec.model_copy(update={"config": r.spec.config | CONSTANT})}
        )
        for r in swept
        if len(r.curve) == 9
    ][:2]
    drawn = figures.annealing([*[r for r in swept if len(r.curve) == 9], *constant], tmp_path)
    (axes,) = drawn.figure.axes
    labels = [str(line.get_label()) for line in axes.lines]
    assert labels[:2] == ["beta = 1, no annealing", "annealed to 1"]
    line = axes.lines[1].get_ydata()
    trials = heuristic(swept, first=True)
    assert list(line) == pytest.approx(
        [fmean(p["validation"] for p in e) for e in zip(*(r.curve for r in trials), strict=True)]
    )


CONSTANT = {"beta_cap": 1.0, "total_anneal_steps": 0}


def test_figure_1_without_its_runs_says_how_to_make_them(swept, tmp_path):
    points = [
        r.model_copy(update={"spec": r.spec.model_copy(update={"stage": "validation"})})
        for r in swept
    ]
    short = [r.model_copy(update={"curve": r.curve[:4]}) for r in swept]  # beta is not 1 yet
    for others in ([r for r in swept if not r.spec.config["total_anneal_steps"]], points, short):
        with pytest.raises(UsageError, match="--models mult-vae --beta-heuristic makes them"):
            figures.annealing(others, tmp_path)
