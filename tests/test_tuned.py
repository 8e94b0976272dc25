"""Runs with the options that a search chose, and on other splits."""

from __future__ import annotations

import pytest

from benchmark.cli import main
from benchmark.errors import UsageError
from benchmark.labels import flat
from benchmark.plan import choose, search
from benchmark.records import store
from benchmark.records.searched import searched
from benchmark.records.verify import verify
from tests.conftest import small_file
from tests.inline import inline

SMALL = ["--set", "batch=20", "mult-dae.epochs=4"]


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """A folder with a search of three trials of each model, and words that name data and folder."""
    folder = tmp_path_factory.mktemp("tuned")
    where = ["--datasets", small_file(folder), "--out", str(folder / "out"), "--jobs", "2", *SMALL]
    words = ["tune", "--models", "ease", "mult-dae", "--trials", "3"]
    with inline():
        assert main([*words, *where]) == 0
    return folder / "out", where


def best(folder, model: str) -> dict:
    """The options of the model's trial with the best validation score, by a plain loop."""
    found, score = {}, -1.0
    for record in store.read_all(folder):
        if record.spec.model == model and record.spec.stage == "validation":
            assert record.best_validation is not None
            if record.best_validation > score:
                found, score = record.spec.config, record.best_validation
    return found


def test_a_tuned_run_has_the_best_options_on_every_split_and_seed(tuned, capsys):
    folder, where = tuned
    words = ["--models", "ease", "mult-dae", "popularity", "--seeds", "0", "1"]
    words += ["--tuned", "--split-seeds", "98765", "7"]
    with inline():
        assert main([*words, *where]) == 0
    tested = [record for record in store.read_all(folder) if record.spec.stage == "test"]
    ran = {(r.spec.model, r.data.options["split_seed"], r.spec.seed) for r in tested}
    splits = (98765, 7)
    assert ran == {("mult-dae", split, seed) for split in splits for seed in (0, 1)} | {
        (model, split, None) for split in splits for model in ("ease", "popularity")
    }
    for record in tested:
        if record.spec.model != "popularity":  # it has nothing to search
            assert record.spec.config == best(folder, record.spec.model)
        assert record.spec.patience is None
    assert len({record.spec.split_hash for record in tested}) == 2
    assert verify(folder).faults == []
    capsys.readouterr()
    assert main([*words, *where, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "(--tuned)" in said
    assert "file:small[split_seed=7]" in said
    assert said.endswith("0 trials to run, in about 0.0 h\n")


def test_what_is_set_by_hand_stays(tuned):
    folder, (_, path, *_) = tuned
    asked = choose.plan([path], ["mult-dae"], [0], ["latent=33", "epochs=4", "batch=20"])
    made = search.tuned(asked, store.read_all(folder))
    (model,) = made.lineups[0].models
    options = flat(model.config)
    assert options["latent"] == 33
    assert model.origins["dropout"] == "--tuned"
    assert options["dropout"] == best(folder, "mult-dae")["dropout"]


def test_without_a_search_the_sentence_says_what_to_run(tuned, capsys):
    _, where = tuned
    assert main(["--models", "mult-vae", "--tuned", *where[:4]]) == 2
    assert "there is no trial yet of the search of mult-vae on file:small" in (
        capsys.readouterr().err
    )


def test_trials_of_other_code_choose_nothing_and_failures_are_never_chosen(tuned):
    folder, (_, path, *_) = tuned
    records = [r for r in store.read_all(folder) if r.spec.model == "ease"]
    plan = choose.plan([path], ["ease"], [0])
    old = [
        r.model_copy(update={"spec": r.spec.model_copy(update={"code": "0" * 16})}) for r in records
    ]
    with pytest.raises(UsageError, match="there is no trial yet"):
        search.tuned(plan, old)
    failed = [r.model_copy(update={"status": "failed", "best_validation": None}) for r in records]
    with pytest.raises(UsageError, match="every trial failed"):
        search.tuned(plan, failed)
    (one,) = searched([*failed[:2], records[2]]).values()
    assert len(one.attempts) == 3
    assert one.chosen == records[2].spec.config


def test_a_split_without_a_seed_takes_none(tmp_path, capsys):
    words = [
        "--datasets",
        f"file:{tmp_path}",
        "--models",
        "ease",
        "--split-seeds",
        "1",
        "--dry-run",
    ]
    assert main(words) == 2
    assert "split_seed = 1 will not do" in capsys.readouterr().err
