"""Suites: what a run trains unless it is told otherwise, and where each setting comes from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmark import suite
from benchmark.cli import main
from benchmark.conduct import prepared
from benchmark.errors import UsageError
from benchmark.paths import ROOT
from benchmark.plan import choose, plan
from benchmark.plan.plan import Lineup, Plan
from benchmark.suite import Suite
from models.registry import MODELS

OWN = """
about = "Mine."
datasets = ["ml1m"]
models = ["ease", "mult-vae"]
seeds = [3, 4]

[[settings]]
datasets = ["ml1m"]
options = { held_out = 300 }
source = "half as many as usual"

[[settings]]
datasets = ["ml1m"]
models = ["mult-vae"]
options = { latent = 50, epochs = 20 }
source = "a small one"
"""


@pytest.fixture
def own(tmp_path) -> Suite:
    (tmp_path / "own.toml").write_text(OWN)
    return suite.load(str(tmp_path / "own.toml"))


def lineup(asked: Plan, dataset: str) -> Lineup:
    (found,) = [lineup for lineup in asked.lineups if lineup.dataset == dataset]
    return found


def options_of(asked: Plan, dataset: str, model: str) -> dict:
    (found,) = [one for one in lineup(asked, dataset).models if one.entry.name == model]
    return found.config.model_dump()


def test_every_suite_here_can_be_resolved():
    names = [path.stem for path in (ROOT / "suites").glob("*.toml")]
    assert sorted(names) == ["demo", "paper"]
    for name in names:
        asked = choose.plan(asked=suite.load(name))
        assert asked.lineups
        assert all(lineup.models for lineup in asked.lineups)


def test_published_settings_are_those_of_the_papers():
    published = {
        ("ml20m", "mult-vae"): {"epochs": 200, "beta_cap": 0.2, "total_anneal_steps": 200_000},
        ("netflix", "mult-vae"): {"epochs": 100, "beta_cap": 0.2, "total_anneal_steps": 200_000},
        ("msd", "mult-vae"): {"epochs": 100, "beta_cap": 0.2, "total_anneal_steps": 200_000},
        ("ml20m", "mult-dae"): {"epochs": 200, "l2": 2e-5},
        ("netflix", "mult-dae"): {"epochs": 100, "l2": 2e-5},
        ("msd", "mult-dae"): {"epochs": 100, "l2": 2e-5},
        ("ml20m", "ease"): {"l2": 500},
        ("netflix", "ease"): {"l2": 1000},
        ("msd", "ease"): {"l2": 200},
        ("ml20m", "edlae"): {"l2": 300, "p": 0.33, "xi": 0},
        ("netflix", "edlae"): {"l2": 500, "p": 0.33, "xi": 0},
        ("msd", "edlae"): {"l2": 70, "p": 0.25, "xi": 0},
        ("ml20m", "rlae"): {"l2": 1000, "p": 0, "xi": 0.6},
        ("netflix", "rlae"): {"l2": 2000, "p": 0, "xi": 0.5},
        ("msd", "rlae"): {"l2": 100, "p": 0, "xi": 0.5},
        ("ml20m", "rdlae"): {"l2": 1000, "p": 0.2, "xi": 0.6},
        ("netflix", "rdlae"): {"l2": 700, "p": 0.3, "xi": 0.4},
        ("msd", "rdlae"): {"l2": 80, "p": 0.2, "xi": 0.4},
        ("ml20m", "lae"): {"l2": 10_000, "p": 0, "xi": 1},
        ("netflix", "lae"): {"l2": 40_000, "p": 0, "xi": 1},
        ("msd", "lae"): {"l2": 4_000, "p": 0, "xi": 1},
        ("ml20m", "dlae"): {"l2": 1000, "p": 0.3, "xi": 1},
        ("netflix", "dlae"): {"l2": 900, "p": 0.4, "xi": 1},
        ("msd", "dlae"): {"l2": 30, "p": 0.4, "xi": 1},
        ("ml20m", "ials"): {"factors": 2048, "l2": 0.003, "alpha0": 0.1, "epochs": 16, "nu": 1},
        ("msd", "ials"): {"factors": 8192, "l2": 0.002, "alpha0": 0.02, "epochs": 16, "nu": 1},
        ("ncf-ml1m", "ials"): {"factors": 192, "l2": 0.007, "alpha0": 0.3, "epochs": 12, "nu": 1},
        ("ml20m", "recvae"): {"gamma": 0.005, "epochs": 50, "learning_rate": 5e-4},
        ("netflix", "recvae"): {"gamma": 0.0035, "epochs": 50},
        ("msd", "recvae"): {"gamma": 0.01, "epochs": 100},
    }
    asked = choose.plan(["ml20m", "netflix", "msd", "ncf-ml1m"])
    assert asked.seeds == [0, 1, 2]
    for (dataset, model), want in published.items():
        got = options_of(asked, dataset, model)
        assert {option: got[option] for option in want} == want, (dataset, model)
    for each in asked.lineups:
        for model in each.models:
            assert each.label(model) == model.entry.name  # what was published is no deviation


def test_they_hold_in_every_suite_and_elsewhere_defaults_do():
    demo = suite.load("demo")
    assert options_of(choose.plan(["msd"], asked=demo), "msd", "ease")["l2"] == 200
    assert (
        options_of(choose.plan(["ml1m"], asked=demo), "ml1m", "mult-vae")["total_anneal_steps"]
        is None
    )


def test_what_a_person_says_comes_before_the_suite_and_that_before_what_was_published(own):
    asked = choose.plan(settings=["mult-vae.epochs=5"], asked=own)
    (ml1m,) = asked.lineups
    vae = ml1m.models[1]
    assert (ml1m.data_label, asked.seeds) == ("ml1m[held_out=300]", [3, 4])
    assert (vae.config.latent, vae.config.epochs, vae.config.hidden) == (50, 5, 600)
    assert (vae.origins["latent"], vae.origins["epochs"], vae.origins.get("hidden")) == (
        "a small one",
        "--set",
        None,
    )
    assert ml1m.label(vae) == "mult-vae[latent=50,epochs=5]"
    chosen = choose.plan(["synthetic"], ["popularity"], asked=own)
    assert [m.entry.name for m in lineup(chosen, "synthetic").models] == ["popularity"]


def test_a_suite_sets_the_options_of_a_likelihood():
    text = OWN.replace("mult-vae", "gaussian-vae").replace("latent = 50", '"likelihood.c1" = 7')
    path_free = suite.parse("own", text)
    assert lineup(choose.plan(asked=path_free), "ml1m").models[1].config.likelihood.c1 == 7


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("about = ", "--suite x: it is not TOML"),
        (OWN.replace("seeds = [3, 4]", ""), "--suite x: seeds: Field required"),
        (OWN.replace("seeds =", "sedes ="), "--suite x: seeds: Field required"),
        (OWN + "typo = 1", "--suite x: settings.1.typo: Extra inputs are not permitted"),
        (OWN.replace("[3, 4]", "[]"), "--suite x: seeds: List should have at least 1 item"),
    ],
)
def test_a_file_that_is_no_suite_is_refused(text, sentence):
    with pytest.raises(UsageError, match="mend it") as refused:
        suite.parse("x", text)
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize("marks", [1, 2])
def test_byte_order_marks_at_the_start_of_a_suite_are_left_out(marks, tmp_path):
    path = tmp_path / "own.toml"
    path.write_bytes(b"\xef\xbb\xbf" * marks + OWN.encode())
    assert suite.load(str(path)).datasets == ["ml1m"]


def test_a_suite_in_another_encoding_is_refused(tmp_path, capsys):
    path = tmp_path / "own.toml"
    text = OWN.replace("half as many", "hälfte as many")
    path.write_text(text, "latin-1")
    assert main(["--suite", str(path), "--dry-run"]) == 2
    assert f"{path}, line 10: this is not UTF-8; open" in capsys.readouterr().err
    path.write_text(text, "utf-16")
    assert main(["--suite", str(path), "--dry-run"]) == 2
    assert f"{path}, line 1: this is not UTF-8; open" in capsys.readouterr().err


def test_a_suite_that_names_what_is_not_there_is_refused(tmp_path, capsys):
    (tmp_path / "own.toml").write_text(OWN.replace("latent = 50", "latnt = 50"))
    assert main(["--suite", str(tmp_path / "own.toml"), "--dry-run"]) == 2
    assert "mult-vae has no option 'latnt', did you mean 'latent'?" in capsys.readouterr().err
    assert main(["--suite", "papre", "--dry-run"]) == 2
    assert "--suite papre: there is no such suite, did you mean 'paper'?" in capsys.readouterr().err


def test_without_options_a_run_is_the_demo_and_with_data_sets_the_paper(capsys):
    assert main(["--dry-run"]) == 0
    demo = capsys.readouterr().out
    assert demo.startswith("synthetic: not split yet")
    assert "  mult-vae[epochs=40]: 2 trials, " in demo
    assert "    seed 0, " in demo
    assert "seed 2" not in demo
    assert main(["--datasets", "ml20m", "netflix", "--dry-run"]) == 0
    paper = capsys.readouterr().out
    assert all(f"\n  {name}: " in paper for name, entry in MODELS.items() if entry.unseen_users)
    assert "neumf" not in paper  # it scores only users whom it has trained on
    assert "seed 2" in paper
    assert "total_anneal_steps = 200000  (the authors' notebook" in paper
    assert "total_anneal_steps = 200000  (not published for this data set" in paper


def test_two_splits_of_a_data_set_fit_in_one_plan(tmp_path):
    small = ["synthetic.users=240", "synthetic.items=60", "synthetic.density=0.15"]
    asked = choose.plan(["synthetic"], ["popularity"], [0], settings=small)
    (one,) = asked.lineups
    data = choose.data_set("synthetic", [*small, "synthetic.split_seed=1"])
    both = prepared(replace(asked, lineups=[one, replace(one, data=data)]), tmp_path, [])
    jobs = [job for job in plan.jobs(both, plan.Process(tmp_path, 1)) if job.spec.config == {}]
    models = [job for job in jobs if job.spec.model == "popularity"]
    assert [job.data.options["split_seed"] for job in models] == [98765, 1]
    assert len({job.spec.split_hash for job in models}) == len({job.spec.id for job in models}) == 2
