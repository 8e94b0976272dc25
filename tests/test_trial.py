"""A trial: seeding, the best epoch, the clock, failures, and what its record says."""

from __future__ import annotations

import json
import math
import random as python_random
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark import environment
from benchmark.evaluation.metrics import SELECTION
from benchmark.paths import ROOT
from benchmark.plan import choose, plan
from benchmark.plan.options import configured
from benchmark.records import store
from benchmark.run import training, trial
from benchmark.run.clock import Clock
from benchmark.run.facts import facts
from benchmark.run.progress import Progress, copy_of
from benchmark.run.training import Trial
from benchmark.spec import Data, Job, TrialSpec, code_hash
from datasets.cache import Prepared
from datasets.errors import DataError
from datasets.split import Fold, Interactions, Split
from models.base import Compute, Config, Recommender
from models.registry import MODELS, Entry


class ToyConfig(Config):
    """Options of a scripted model."""

    epochs: int = 4
    """Epochs."""


class Toy(Recommender[ToyConfig]):
    """Scores a mix of the truth and noise: the larger ``quality[epoch]``, the better."""

    quality = (0.2, 0.9, 0.9, 0.1)
    truth: np.ndarray
    calls: list[str]

    def __init__(self, config, shape, compute) -> None:
        super().__init__(config, shape, compute)
        self.net = {"quality": torch.zeros(1)}
        type(self).calls = []

    def train_epoch(self, data):
        self.net["quality"].fill_(self.quality[self.epoch])
        return {"loss": 1.0, "beta": 0.1 * (self.epoch + 1)}

    def score(self, history, users=None):
        type(self).calls.append(f"{self.net['quality'].item():.1f}")
        noise = torch.linspace(0, 1, history.shape[1]).flip(0).expand(*history.shape)
        counts = torch.linspace(0, 1, history.shape[1])
        return noise * (1 - self.net["quality"]) + counts * self.net["quality"]


@pytest.fixture
def toy(small_split) -> Trial:
    """Return a trial of Toy; the best order is by how many validation users have the target."""
    return trial_of(Toy, ToyConfig(), small_split)


def trial_of(model, config, split, devices=("cpu",), seed: int | None = 3) -> Trial:
    entry = Entry("toy", model, config, "none", False, devices, ("fp32",))
    spec = TrialSpec(
        protocol=1,
        model="toy",
        config=config.model_dump(),
        code="0" * 16,
        dataset="small",
        split_hash="0" * 64,
        seed=seed,
        device="cpu",
        precision="fp32",
    )
    data = Data(
        options={},
        users=split.train.shape[0] + 60,
        interactions=sum(map(len, split.parts.values())),
        training_users=split.train.shape[0],
        items=split.train.shape[1],
        training_interactions=len(split.train),
        validation_users=len(np.unique(split.validation.target.user)),
        test_users=len(np.unique(split.test.target.user)) if split.test else 0,
        raw_sha256=None,
        notes=(),
    )
    threads = torch.get_num_threads()
    job = Job(spec=spec, data=data, split=Path(), out=Path(), threads=threads)
    return Trial(job, entry, config, split)


def run(t: Trial, out: Path, **changes):
    job = t.job.model_copy(update={"out": out, **changes})
    result = trial.run(replace(t, job=job), lambda *_: None)
    trial.write(job, result)
    return result.record


def test_a_point_of_a_grid_is_scored_on_validation_users_and_knows_no_test_users(toy, tmp_path):
    blind = replace(toy, split=replace(toy.split, test=None))
    record = run(blind, tmp_path, spec=toy.job.spec.model_copy(update={"stage": "validation"}))
    assert (record.status, record.metrics, record.per_user, record.tied_rows) == (
        "ok",
        None,
        None,
        None,
    )
    assert record.best_validation == max(point["validation"] for point in record.curve)
    assert Toy.calls == ["0.2", "0.9", "0.9", "0.1"]
    assert record.cost.weights_bytes == 4
    assert record.cost.test_seconds is None
    assert run(blind, tmp_path).status == "failed"  # any other trial needs them


def test_the_first_epoch_with_the_maximum_is_tested_once(toy, tmp_path):
    record = run(toy, tmp_path)
    assert record.status == "ok"
    validation = [point["validation"] for point in record.curve]
    assert len(validation) == 4
    best = validation.index(max(validation))
    assert validation[1] == validation[2]
    assert (record.best_epoch, record.best_validation) == (best + 1, max(validation))
    expected = f"{Toy.quality[best]:.1f}"
    assert Toy.calls == ["0.2", "0.9", "0.9", "0.1", expected]  # four validations, then one test


def test_a_model_trains_on_all_training_users_and_is_chosen_on_validation_users(
    small_split, tmp_path
):
    seen: dict[str, list] = {"prepare": [], "score": []}

    class Watching(Toy):
        def prepare(self, train):
            seen["prepare"].append(train)
            return train

        def score(self, history, users=None):
            seen["score"].append(history)
            return super().score(history)

    run(trial_of(Watching, ToyConfig(), small_split), tmp_path)

    def with_target(fold):
        return fold.history.matrix[np.flatnonzero(np.diff(fold.target.matrix.indptr))]

    assert len(seen["prepare"]) == 1
    assert (seen["prepare"][0] != small_split.train.matrix).nnz == 0
    folds = [with_target(small_split.validation)] * 4 + [with_target(small_split.test)]
    assert [h.shape for h in seen["score"]] == [f.shape for f in folds]
    assert all((h != f).nnz == 0 for h, f in zip(seen["score"], folds, strict=True))


def test_selection_compares_unrounded_values(small_split, tmp_path, monkeypatch):
    values = iter([0.41230, 0.41234, 0.41233, 0.41231])
    monkeypatch.setattr(
        training, "selection", lambda task: lambda hit, targets: np.array([next(values)])
    )
    assert run(trial_of(Toy, ToyConfig(), small_split), tmp_path).best_epoch == 2


def test_the_record_equals_a_recomputation(toy, tmp_path):
    record = run(toy, tmp_path)
    hit, targets = store.hits(tmp_path, store.read(tmp_path / f"{record.id}.json"))
    assert record.metrics is not None
    per_user = SELECTION(hit, targets)
    assert record.metrics["NDCG@100"].mean == pytest.approx(per_user.mean(), rel=1e-12)
    assert record.metrics["NDCG@100"].stderr == pytest.approx(
        per_user.std() / math.sqrt(len(per_user)), rel=1e-12
    )


def test_seeds_come_from_seed_and_epoch():
    def draw(seed, epoch):
        training.seed_everything(seed, epoch)
        return python_random.random(), np.random.random_sample(), torch.rand(1).item()

    seen = {draw(seed, epoch) for seed in (0, 1, 2) for epoch in (0, 1, 2)}
    assert len(seen) == 9
    assert all(len({d[k] for d in seen}) == 9 for k in range(3))
    assert draw(None, 1) == draw(0, 1) == draw(0, 1)


def test_construction_and_each_epoch_are_seeded(small_split, tmp_path):
    draws: dict[int, list[float]] = {}

    class Drawing(Toy):
        def __init__(self, config, shape, compute) -> None:
            super().__init__(config, shape, compute)
            draws.setdefault(0, []).append(torch.rand(1).item())

        def train_epoch(self, data):
            draws.setdefault(self.epoch + 1, []).append(torch.rand(1).item())
            return super().train_epoch(data)

    t = trial_of(Drawing, ToyConfig(), small_split)
    run(t, tmp_path)
    torch.rand(17)
    run(t, tmp_path)
    assert set(draws) == {0, 1, 2, 3, 4}
    assert all(first == second for first, second in draws.values())
    assert len({pair[0] for pair in draws.values()}) == 5


class PanicError(BaseException):
    """What a library may raise that knows no Exception, as polars does."""


def raising(error):
    class Raising(Toy):
        def train_epoch(self, data):
            if self.epoch == 1:
                raise error
            return super().train_epoch(data)

    return Raising


class Exploding(Toy):
    def train_epoch(self, data):
        super().train_epoch(data)
        return {"loss": (2.0, 19.0, 21.0, 1.0)[self.epoch]}


class NotANumber(Toy):
    def train_epoch(self, data):
        return super().train_epoch(data) | {"loss": math.nan}


def logging(**log):
    class Logging(Toy):
        def train_epoch(self, data):
            return super().train_epoch(data) | log

    return Logging


class LogsNothing(Toy):
    def train_epoch(self, data):
        super().train_epoch(data)
        return


class BadScores(Toy):
    def score(self, history, users=None):
        return super().score(history) * (math.nan if self.epoch == 2 else 1)


def test_what_a_model_logs_may_be_any_kind_of_number(small_split, tmp_path):
    numbers = {"a": np.float32(1), "b": torch.tensor(2), "c": 3, "d": np.array(1)}
    record = run(trial_of(logging(**numbers), ToyConfig(), small_split), tmp_path)
    assert {name: record.curve[0][name] for name in "abcd"} == {"a": 1, "b": 2, "c": 3, "d": 1}


def test_a_name_in_the_log_may_be_no_utf_8(small_split, tmp_path):
    record = run(trial_of(logging(**{"caf\udce9": 1}), ToyConfig(), small_split), tmp_path)
    assert record.curve[0]["caf\\udce9"] == 1
    assert store.read(tmp_path / f"{record.id}.json") == record


class WrongShape(Toy):
    def score(self, history, users=None):
        return super().score(history)[:, 1:]


@pytest.mark.parametrize(
    ("model", "status", "reason", "epochs"),
    [
        (raising(ValueError("no such thing")), "failed", "no such thing", 1),
        (raising(MemoryError("10 GB")), "oom", "out of memory", 1),
        (raising(torch.OutOfMemoryError("CUDA out of memory")), "oom", "out of memory", 1),
        (raising(ValueError("no caf\udce9")), "failed", "ValueError: no caf\\udce9 (test_trial", 1),
        (raising(SystemExit(3)), "failed", "the model called sys.exit(3)", 1),
        (raising(DataError("no table")), "failed", "DataError: no table (test_trial.py, line ", 1),
        (raising(PanicError("two\nlines")), "failed", "PanicError: two lines (test_trial.py, ", 1),
        (logging(loss="low"), "failed", "loss in the log of epoch 1 is 'low', and no number", 0),
        (
            logging(kl=np.str_("0.5")),
            "failed",
            "kl in the log of epoch 1 is np.str_('0.5'), and ",
            0,
        ),
        (logging(kl=True), "failed", "kl in the log of epoch 1 is True, and no number", 0),
        (logging(kl=np.bool_(1)), "failed", "kl in the log of epoch 1 is np.True_, and no num", 0),
        (logging(kl=np.ones(2)), "failed", "kl in the log of epoch 1 is array", 0),
        (logging(epoch=7), "failed", "the log of epoch 1 has the name 'epoch'; choose another", 0),
        (logging(validation=1), "failed", "has the name 'validation'; choose another", 0),
        (logging(kl=math.nan), "diverged", "kl of epoch 1 is nan", 0),
        (LogsNothing, "failed", "train_epoch returned None; it must return a dict of numbers", 0),
        (Exploding, "diverged", "the loss of epoch 3 is 21", 2),
        (NotANumber, "diverged", "not finite", 0),
        (BadScores, "failed", "not finite, the first nan", 1),
        (WrongShape, "failed", "one for each user and item", 0),
    ],
)
def test_a_failure_is_a_row_without_numbers(model, status, reason, epochs, small_split, tmp_path):
    record = run(trial_of(model, ToyConfig(), small_split), tmp_path)
    assert (record.status, len(record.curve)) == (status, epochs)
    assert reason in record.sentence
    assert (record.metrics, record.best_epoch, record.per_user, record.tied_rows) == (None,) * 4
    assert [p.name for p in tmp_path.iterdir()] == [f"{record.id}.json"]
    assert store.read(tmp_path / f"{record.id}.json") == record


def test_a_device_that_the_model_does_not_have_is_a_row(small_split, tmp_path):
    record = run(trial_of(Toy, ToyConfig(), small_split, devices=("cuda",)), tmp_path)
    assert (record.status, record.reason) == ("failed", "toy is not available on cpu, only on cuda")


def test_a_record_tells_the_size_of_its_data(small_split, tmp_path):
    prepared = Prepared(small_split, "0" * 64, (), None, tmp_path, made=False)
    data = choose.data_set("synthetic")
    told = plan.describe(data, prepared)
    users, items = small_split.train.shape
    everything = [len(small_split.train)]
    everything += [
        len(part)
        for fold in (small_split.validation, small_split.test)
        for part in (fold.history, fold.target)
    ]
    assert (told.users, told.training_users, told.items) == (users + 60, users, items)
    assert (told.interactions, told.training_interactions) == (sum(everything), everything[0])
    assert told.validation_users <= 30 >= told.test_users


def test_an_interrupt_passes_and_leaves_nothing(small_split, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(trial_of(raising(KeyboardInterrupt()), ToyConfig(), small_split), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_clock_runs_around_the_models_work_only(toy, tmp_path, monkeypatch):
    class Slow(Toy):
        def train_epoch(self, data):
            ticks[0] += 10
            return super().train_epoch(data)

        def score(self, history, users=None):
            ticks[0] += 1000
            return super().score(history)

        def prepare(self, train):
            ticks[0] += 7
            return train

    ticks = [0.0]
    monkeypatch.setattr("benchmark.run.clock.time.perf_counter", lambda: ticks[0])
    monkeypatch.setattr(environment.OtherWork, "share", lambda self: 0.0)
    record = run(trial_of(Slow, ToyConfig(), toy.split), tmp_path)
    assert (record.best_epoch, len(record.curve)) == (1, 4)
    cost = record.cost
    assert cost.to_best_seconds == 7 + 10
    want = {
        "preparation": 7,
        "training": 40,
        "validation": 4000,
        "test": 1000,
        "first_epoch": 10,
        "median_epoch": 10,
    }
    assert {name: getattr(cost, f"{name}_seconds") for name in want} == want


def test_the_clock_does_not_see_the_matrices_being_built(toy, tmp_path, monkeypatch):
    class SlowPart(Interactions):
        @property
        def matrix(self):
            if "built" not in vars(self):
                ticks[0] += 1000
                vars(self)["built"] = Interactions(**columns(self)).matrix
            return vars(self)["built"]

    def columns(part):
        return {name: getattr(part, name) for name in ("user", "item", "user_ids", "item_ids")}

    def slow(fold):
        return Fold(SlowPart(**columns(fold.history)), SlowPart(**columns(fold.target)))

    ticks = [0.0]
    monkeypatch.setattr("benchmark.run.clock.time.perf_counter", lambda: ticks[0])
    split = Split(
        SlowPart(**columns(toy.split.train)), slow(toy.split.validation), slow(toy.split.test)
    )
    record = run(trial_of(Toy, ToyConfig(), split), tmp_path)
    assert ticks == [5 * 1000]
    assert record.cost.total_seconds == 0


def test_a_gpu_trial_tells_the_memory_that_tensors_took(monkeypatch):
    monkeypatch.setattr("torch.cuda.max_memory_allocated", lambda: 123)
    assert Progress(Clock("cuda")).cost().gpu_peak_bytes == 123
    assert Progress(Clock("cpu")).cost().gpu_peak_bytes is None


def test_clock_leaves_out_a_block_that_raises():
    clock = Clock("cpu")
    with pytest.raises(ValueError, match="x"), clock("training"):
        raise ValueError("x")
    assert clock.seconds() == {}


@pytest.mark.parametrize(("share", "marked"), [(0.05, False), (0.1, False), (0.11, True)])
def test_a_trial_beside_others_is_marked(share, marked, toy, tmp_path, monkeypatch):
    monkeypatch.setattr(environment.OtherWork, "share", lambda self: share)
    record = run(toy, tmp_path)
    assert (record.other_work, record.beside_others) == (share, marked)


def test_a_trial_of_several_at_once_is_marked(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(environment.OtherWork, "share", lambda self: 0.0)
    assert run(toy, tmp_path, alone=False).beside_others


def test_a_failure_takes_the_place_of_a_result(toy, tmp_path):
    run(toy, tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
    record = run(trial_of(WrongShape, ToyConfig(), toy.split), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [f"{record.id}.json"]


def test_other_work_is_what_other_processes_did(monkeypatch):
    times = iter([(0.0, 100.0, 5.0), (10.0, 112.0, 11.0)])
    monkeypatch.setattr(environment.OtherWork, "_now", staticmethod(lambda: next(times)))
    monkeypatch.setattr(environment.os, "cpu_count", lambda: 2)
    assert environment.OtherWork().share() == pytest.approx((12 - 6) / 20)


@pytest.mark.parametrize(
    ("mkl", "cpu", "device", "expected"),
    [
        (True, {"vendor_id": "AuthenticAMD", "flags": "fma avx2"}, "cpu", {"fp32", "bf16"}),
        (True, {"vendor_id": "AuthenticAMD", "flags": "avx512_bf16 fma"}, "cpu", {"fp32"}),
        (True, {"vendor_id": "GenuineIntel", "flags": "fma amx_bf16"}, "cpu", set()),
        (True, {"vendor_id": "GenuineIntel", "flags": "avx512f"}, "cpu", {"bf16"}),
        (False, {"Features": "asimd bf16"}, "cpu", set()),
        (False, {}, "cpu", {"bf16"}),
        (True, {}, "cpu", {"bf16"}),
        (True, {"vendor_id": "AuthenticAMD", "flags": "fma"}, "cuda", set()),
    ],
)
def test_which_library_multiplies_is_a_rule(mkl, cpu, device, expected, monkeypatch):
    monkeypatch.setattr("torch.backends.mkl.is_available", lambda: mkl)
    monkeypatch.setattr(environment, "cpuinfo", lambda: cpu)
    assert environment.by_numpy(device) == expected


def test_tf32_ends_where_training_does():
    usual = torch.backends.cuda.matmul.fp32_precision
    with training.tf32(True):
        assert torch.backends.cuda.matmul.fp32_precision == "tf32"
    assert torch.backends.cuda.matmul.fp32_precision == usual
    with training.tf32(False):
        assert torch.backends.cuda.matmul.fp32_precision == usual


@pytest.mark.parametrize(
    ("vendor", "family", "flags", "precision"),
    [
        ("GenuineIntel", "6", "avx512_bf16 amx_bf16", "bf16"),
        ("GenuineIntel", "6", "avx512_bf16", "fp32"),  # has the instructions, and they are slow
        ("AuthenticAMD", "25", "avx512_bf16", "bf16"),
        ("AuthenticAMD", "25", "avx2", "fp32"),
        ("AuthenticAMD", "26", "avx512_bf16", "bf16"),
        ("AuthenticAMD", "24", "avx512_bf16", "fp32"),
        ("SomeoneElse", "99", "bf16", "fp32"),
        (None, None, None, "fp32"),
    ],
)
def test_which_precision_auto_means_is_a_rule(vendor, family, flags, precision, monkeypatch):
    known = {"vendor_id": vendor, "cpu family": family, "flags": flags} if vendor else {}
    monkeypatch.setattr(environment, "cpuinfo", lambda: known)
    meant, rule = environment.auto_precision()
    assert meant == precision
    assert rule.startswith(f"{precision}: ")


def test_a_record_names_the_commit_at_which_its_process_began(tmp_path, monkeypatch, finished):
    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        ran = subprocess.run(
            ["git", *who, *words], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        return ran.stdout.strip()

    git("init")
    git("commit", "--allow-empty", "--message=first")
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "git", cache(environment.git.__wrapped__))
    trial.load(next((finished / store.SPECS).glob("*.json")))
    git("commit", "--allow-empty", "--message=second")
    told = facts("cpu", 1).commit
    assert told == git("rev-parse", "HEAD~1")


def test_facts_are_there_and_are_json():
    told = facts("cpu", torch.get_num_threads())
    json.dumps(told.model_dump(mode="json"))
    assert told.threads == torch.get_num_threads()
    assert told.matrix_product.startswith("torch 2")
    assert told.precision_rule == environment.auto_precision()[1]


PEAK = "from benchmark.environment import process_peak_bytes; print(process_peak_bytes())"
LARGE = f"""
import subprocess, sys
block = bytearray(2**30)
block[::4096] = bytes(len(block[::4096]))
subprocess.run([sys.executable, "-c", {PEAK!r}], check=True)
"""


def test_the_peak_of_a_process_is_not_that_of_the_one_that_started_it():
    run = subprocess.run([sys.executable, "-c", LARGE], cwd=ROOT, stdout=subprocess.PIPE)
    assert run.returncode == 0
    assert 2**25 < int(run.stdout) < 2**30


def test_the_id_holds_everything_that_numbers_depend_on(toy):
    spec = toy.job.spec
    changes = {
        "protocol": 2,
        "model": "x",
        "config": {"epochs": 5},
        "code": "1",
        "dataset": "x",
        "split_hash": "1",
        "seed": 4,
        "device": "cuda",
        "precision": "bf16",
        "stage": "external",
        "patience": 3,
    }
    assert set(changes) == set(TrialSpec.model_fields)
    ids = {spec.model_copy(update={key: value}).id for key, value in changes.items()}
    assert len(ids | {spec.id}) == len(changes) + 1
    assert TrialSpec.model_validate(json.loads(spec.model_dump_json())).id == spec.id


def test_the_code_hash_sees_code_and_not_comments(tmp_path):
    def of(text):
        path = tmp_path / "m.py"
        path.write_text(text)
        return code_hash(path)

    base = of('"""A."""\nclass C:\n    """D."""\n    x: int = 1\n    """E."""\n')
    assert of('class C:\n    """Other."""\n    x: int   =  1  # why\n') == base
    assert of("class C:\n    x: int = 2\n") != base
    assert of('class C:\n    """Only words."""\n') == of("class C:\n    pass\n")


def test_real_models_keep_copies_of_their_best_weights(small_split):
    model = MODELS["mult-dae"].model(
        configured("mult-dae", MODELS["mult-dae"].config, {"latent": 4}), (9, 9), Compute()
    )
    copy = copy_of(model.weights)
    before = {name: tensor.clone() for name, tensor in copy.items()}
    for tensor in model.net.parameters():
        tensor.data.add_(1)
    assert all(torch.equal(copy[name], before[name]) for name in copy)
