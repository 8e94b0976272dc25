"""What trials are forecast to need, compared with what they took; and what follows from it."""

from __future__ import annotations

import math
import re
from functools import cache
from statistics import median
from types import SimpleNamespace

import psutil
import pytest

from benchmark.cli import main
from benchmark.conduct import FEWEST_GIGABYTES, UNKNOWN_GIGABYTES, UNKNOWN_MINUTES, resources_by
from benchmark.environment import memory_limit
from benchmark.paths import ROOT
from benchmark.plan import forecast
from benchmark.records import store
from benchmark.run import calibrate, trial
from models import growth
from models.base import Config
from models.growth import Size
from models.registry import MODELS
from tests.conftest import inline, run_tiny, small_file


@cache
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
        known = forecast.trial_bytes(record.spec, record.data)
        assert known is not None
        assert megabytes == math.ceil(max(1000 * FEWEST_GIGABYTES, 1.5 * known / 1e6))


def test_memory_is_forecast_within_a_fifth_for_nine_of_ten_rows():
    """Rows are counted that were measured since the peak is that of the trial's process alone."""
    ratios: dict[tuple, list[float]] = {}
    for r in reference(""):
        if r.spec.dataset in ("ml1m", "ml-latest-small") and r.finished > "2026-11-27":
            known = forecast.trial_bytes(r.spec, r.data)
            assert known is not None
            row = r.spec.dataset, r.spec.model, r.spec.precision
            ratios.setdefault(row, []).append(known / r.cost.process_peak_bytes)
    within = [abs(median(found) - 1) <= 0.2 for found in ratios.values()]
    assert len(within) > 40
    assert sum(within) >= 0.9 * len(within)


def test_a_large_catalogue_needs_what_its_inverse_needs():
    (ease,) = [r for r in reference("") if (r.spec.dataset, r.spec.model) == ("gowalla", "ease")]
    size = forecast.trial_bytes(ease.spec, ease.data)
    assert size == pytest.approx(ease.cost.process_peak_bytes, rel=0.1)


def of_ml1m(model: str):
    return [r for r in reference("") if (r.spec.dataset, r.spec.model) == ("ml1m", model)]


def test_a_trial_gets_half_as_much_time_again_as_others_took():
    vae = of_ml1m("mult-vae")
    took = sorted(r.cost.spent_seconds for r in vae)
    middle = len(took) // 2
    usual = (took[middle] + took[~middle]) / 2
    assert forecast.trial_seconds(vae[0].spec, vae[0].data, vae) == usual
    expected = max(10, math.ceil(1.5 * usual / 60))
    assert resources_by(vae, None, None)(job_of(vae[0])).minutes == expected
    assert resources_by([], None, None)(job_of(vae[0])).minutes == UNKNOWN_MINUTES


@pytest.fixture
def trained(tmp_path):
    """The record of a mult-dae of three epochs, with as many test as validation users, said to
    have taken 300 s of training, 9 s for each of four scorings and 1 s more.
    """
    words = ("--datasets", small_file(tmp_path), "--models", "mult-dae", "--seeds", "0")
    assert run_tiny(tmp_path / "out", *words) == 0
    (record,) = store.read_all(tmp_path / "out")
    assert record.data.validation_users == record.data.test_users
    seconds = {"training_seconds": 300.0, "validation_seconds": 27.0, "test_seconds": 9.0}
    cost = record.cost.model_copy(update=seconds | {"preparation_seconds": 1.0})
    return record.model_copy(update={"cost": cost})


def but(record, **spec):
    """A record with another spec."""
    return record.model_copy(update={"spec": record.spec.model_copy(update=spec)})


def test_other_options_scale_what_a_trial_took_by_its_work(trained):
    spec, data = trained.spec, trained.data
    assert forecast.trial_seconds(spec, data, [trained]) == 300 + 27 + 9 + 1
    longer = but(trained, config=spec.config | {"epochs": 6}).spec
    assert forecast.trial_seconds(longer, data, [trained]) == pytest.approx(600 + 54 + 9)
    elsewhere = but(trained, dataset="other")
    assert forecast.trial_seconds(longer, data, [elsewhere]) == pytest.approx(600 + 54 + 9)
    assert forecast.trial_seconds(spec, data, [elsewhere]) == pytest.approx(300 + 27 + 9)
    # where the data are not known yet, or how a model grows, only its trials on them count
    assert forecast.trial_seconds(longer, None, [trained]) == 337
    assert forecast.trial_seconds(spec, None, [elsewhere]) is None
    assert forecast.trial_seconds(but(trained, model="mine").spec, data, [trained]) is None


def test_the_trial_with_the_most_similar_work_is_scaled(trained):
    config, data = trained.spec.config, trained.data
    wide = but(trained, config=config | {"latent": 4000})
    far = wide.model_copy(update={"cost": wide.cost.model_copy(update={"training_seconds": 1e9})})
    spec = but(trained, config=config | {"latent": 9}).spec
    alone = forecast.trial_seconds(spec, data, [trained])
    assert alone is not None
    assert 300 < alone < 500
    assert forecast.trial_seconds(spec, data, [far, trained]) == alone
    assert forecast.trial_seconds(spec, data, [far]) != alone
    # one in the same precision is preferred, however unlike
    rounded = but(trained, precision="bf16" if trained.spec.precision == "fp32" else "fp32")
    assert forecast.trial_seconds(spec, data, [rounded]) == alone
    assert forecast.trial_seconds(spec, data, [far, rounded]) != alone


def test_a_trial_on_other_data_is_forecast_by_how_work_grows():
    """From MovieLens' small data, with a fifth of the interactions and more items, to ml1m."""
    stored = [r for r in reference("") if r.finished > "2026-11-27" and not r.beside_others]
    ratios = {}
    for name, entry in MODELS.items():
        small, large = (
            [r for r in stored if (r.spec.dataset, r.spec.model) == (dataset, name)]
            for dataset in ("ml-latest-small", "ml1m")
        )
        if small and large and entry.unseen_users:
            to = large[0]
            told = forecast.trial_seconds(to.spec, to.data, small)
            ratios[name] = told / median(r.cost.spent_seconds for r in large)  # pyright: ignore
    assert len(ratios) > 20
    assert {name: ratio for name, ratio in ratios.items() if not 0.6 < ratio < 1.7} == {}
    assert sum(0.8 < ratio < 1.25 for ratio in ratios.values()) >= 0.75 * len(ratios)


def test_the_growth_of_every_model_is_known_and_that_of_a_persons_own_may_not_be():
    size = Size(1000, 500, 20_000)
    for entry in MODELS.values():
        if entry.unseen_users:
            assert (growth.training(entry.config, size) or 0) > 0, entry.name
            assert (growth.scoring(entry.config, size) or 0) > 0, entry.name
    assert growth.training(Config(), size) is growth.scoring(Config(), size) is None


def test_a_dry_run_says_how_long_trials_take_and_how_much_memory(tmp_path, capsys):
    words = ("--datasets", small_file(tmp_path), "--models", "ease", "--device", "cpu")
    assert run_tiny(tmp_path / "out", *words) == 0
    capsys.readouterr()
    assert run_tiny(tmp_path / "out", *words, "--set", "ease.l2=7", "--dry-run") == 0
    assert "\n    cpu, fp32: to run, about 0 s and 0.3 GB\n" in capsys.readouterr().out


def test_a_trial_that_cannot_fit_is_refused_before_it_starts_and_the_others_run(tmp_path, capsys):
    out, data = tmp_path / "out", ("--datasets", small_file(tmp_path))
    wide = ("--models", "mult-vae", "popularity", "--seeds", "0")
    wide += ("--set", f"mult-vae.hidden={10**10}")
    assert run_tiny(out, *data, *wide) == 1
    vae, popularity = sorted(store.read_all(out), key=lambda r: r.status, reverse=True)
    assert (vae.status, popularity.status) == ("oom", "ok")
    there = f"{psutil.virtual_memory().total / 1e9:,.1f}"
    assert vae.sentence.startswith("it needs about ")
    assert vae.sentence.endswith(
        "here; run it on a larger machine, or say with --gigabytes that it needs less"
    )
    assert vae.curve == []
    capsys.readouterr()
    assert run_tiny(out, *data, *wide, "--retry", "--dry-run") == 0
    assert f"GB, and there are {there} GB here\n" in capsys.readouterr().out
    assert run_tiny(out, *data, "--models", "popularity", "--gigabytes", "1e9", "--force") == 1
    assert "it needs about 1,000,000,000.0 GB of memory" in capsys.readouterr().out


def test_a_control_group_limits_the_memory(tmp_path):
    total = psutil.virtual_memory().total
    assert memory_limit(tmp_path) == total
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("3:cpu:/jobs\n2:memory:/jobs/7\n0::/slice/one\n")
    first, second = tmp_path / "sys/fs/cgroup/memory/jobs", tmp_path / "sys/fs/cgroup/slice/one"
    for folder in (first, second):
        folder.mkdir(parents=True)
    assert memory_limit(tmp_path) == total
    (second / "memory.max").write_text("max\n")
    (first / "memory.limit_in_bytes").write_text("5000000\n")
    assert memory_limit(tmp_path) == 5_000_000
    (second.parent / "memory.max").write_text("4000000\n")
    assert memory_limit(tmp_path) == 4_000_000


def test_ten_batches_are_measured(tmp_path, monkeypatch):
    out = tmp_path / "out"
    words = ("--datasets", small_file(tmp_path), "--models", "mult-dae", "ease", "--seeds", "0")
    assert run_tiny(out, *words, "--set", "mult-dae.batch=2", "mult-dae.epochs=2") == 0
    dae, ease = (
        trial.load(out / "specs" / f"{record.id}.json")
        for record in sorted(store.read_all(out), key=lambda r: r.spec.model, reverse=True)
    )
    rows, real = [], calibrate.train_epoch
    monkeypatch.setattr(
        calibrate, "train_epoch", lambda m, data, s: (rows.append(len(data)), real(m, data, s))
    )
    whole = calibrate.measured(dae)
    assert rows == [2, 20]
    assert whole is not None
    assert 0 < whole < 100
    assert calibrate.measured(ease) is None


@pytest.mark.parametrize("verb", [[], ["tune"]])
def test_calibrating_goes_with_a_dry_run(verb, capsys):
    assert main([*verb, "--models", "ease", "--calibrate"]) == 2
    assert "add --dry-run" in capsys.readouterr().err


def test_a_search_is_forecast_by_what_is_measured_and_then_by_its_own_trials(
    tmp_path, capsys, monkeypatch
):
    measured = []
    monkeypatch.setattr(calibrate, "seconds", lambda job: measured.append(job.spec) or 90.0)
    words = ["tune", "--models", "mult-dae", "--set", "epochs=2", "--jobs", "2"]
    words += ["--datasets", small_file(tmp_path), "--out", str(tmp_path / "out"), "--trials"]
    dry = ["--dry-run", "--calibrate"]
    assert main([*words, "2", *dry]) == 0
    assert "2 trials, 2 of them to run, in about 1.5 min" in capsys.readouterr().out
    assert [(spec.model, spec.stage) for spec in measured] == [("mult-dae", "validation")]
    with inline():
        assert main([*words, "1"]) == 0
    capsys.readouterr()
    assert main([*words, "3", *dry]) == 0
    assert "3 trials, 2 of them to run, in about 0.0 min" in capsys.readouterr().out
    assert len(measured) == 1


def test_a_search_on_new_data_is_forecast_by_trials_on_other_data(tmp_path, capsys):
    first, second = small_file(tmp_path), tmp_path / "fewer.csv"
    rows = (tmp_path / "small.csv").read_text().splitlines(keepends=True)
    second.write_text("".join(rows[:-50]))
    words = ["--models", "mult-dae", "--set", "epochs=2", "--out", str(tmp_path / "out")]
    with inline():
        assert main(["tune", *words, "--trials", "1", "--datasets", first]) == 0
        assert main(["prepare", "--datasets", f"file:{second}"]) == 0
    capsys.readouterr()
    assert main(["tune", *words, "--datasets", f"file:{second}", "--dry-run"]) == 0
    assert re.search(r"16 trials, 16 of them to run, in about \d\.\d min", capsys.readouterr().out)


@pytest.mark.slow
@pytest.mark.usefixtures("registries")
def test_a_dry_run_measures_each_model_once_and_says_what_could_not_be(tmp_path, capsys):
    plugin = tmp_path / "broken.py"
    plugin.write_text(BROKEN)
    words = ["--datasets", small_file(tmp_path), "--models", "mult-dae", "broken"]
    words += ["--seeds", "0", "1", "--plugin", str(plugin), "--out", str(tmp_path / "out")]
    assert main([*words, "--dry-run", "--calibrate"]) == 0
    said = capsys.readouterr().out
    assert said.count("--calibrate: broken was not measured: ValueError: no such thing") == 1
    assert (
        len(re.findall(r"    seed [01], cpu, \w+: to run, about \d+(\.\d)? (s|min) and", said)) == 2
    )
    assert not (tmp_path / "out").exists()


BROKEN = '''
"""A model that cannot train. Differences from the paper: none."""
from models.base import Config, Recommender
from models.registry import register


class BrokenConfig(Config):
    batch: int = 10


@register("broken", BrokenConfig(), paper="none")
class Broken(Recommender[BrokenConfig]):
    net = {}

    def train_epoch(self, data):
        raise ValueError("no such thing")

    def score(self, history, users=None):
        raise NotImplementedError
'''


def test_what_is_asked_for_counts():
    (record, *_) = reference("")
    assert resources_by([], 7, 2.5)(job_of(record)) == (7, 2500)


def test_of_an_unknown_model_nothing_is_known(monkeypatch):
    (record, *_) = [r for r in reference("") if r.spec.model == "ease"]
    monkeypatch.setattr(MODELS["ease"].model, "memory", lambda config, shape: None)
    assert resources_by([], None, None)(job_of(record)).megabytes == 1000 * UNKNOWN_GIGABYTES
