"""What a stopped trial goes on from, and what it does not."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmark import environment
from benchmark.records.record import Record
from benchmark.run import checkpoint, training, trial
from benchmark.run.clock import Clock
from benchmark.run.progress import News, Progress
from benchmark.run.training import Trial
from tests.fit import make
from tests.test_trial import Toy, ToyConfig, trial_of


@pytest.fixture
def toy(small_split, tmp_path) -> Trial:
    """Return a trial of four epochs, the second the best, with a checkpoint after each."""
    t = trial_of(Toy, ToyConfig(), small_split)
    return replace(t, job=t.job.model_copy(update={"out": tmp_path, "checkpoint_seconds": 0.0}))


def run_until(t: Trial, epoch: int) -> None:
    """Run the trial until the checkpoint of ``epoch`` is written, then stop it."""

    def stop(news: News) -> None:
        if news.epoch == epoch + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trial.run(t, stop)


def run(t: Trial) -> Record:
    result = trial.run(t, lambda *_: None)
    trial.write(t.job, result)
    return result.record


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_goes_on_with_all_it_knew(epoch, toy, tmp_path):
    whole = run(replace(toy, job=toy.job.model_copy(update={"out": tmp_path / "whole"})))
    run_until(toy, epoch)
    Toy.calls = []
    resumed = run(toy)
    assert len(Toy.calls) == 4 - epoch + 1  # the epochs that were left, and the test
    assert (resumed.resumed, whole.resumed) == (True, False)
    for field in ("curve", "best_epoch", "best_validation", "metrics"):
        assert getattr(resumed, field) == getattr(whole, field)
    assert (tmp_path / f"{resumed.id}.parquet").read_bytes() == (
        tmp_path / f"whole/{whole.id}.parquet"
    ).read_bytes()
    assert not checkpoint.path_of(toy.job).exists()


def test_clock_and_other_work_are_carried_on(toy, monkeypatch):
    monkeypatch.setattr(environment.OtherWork, "_now", staticmethod(lambda: (1.0, 3.0, 1.0)))
    run_until(toy, 2)
    found = checkpoint.read(toy.job)
    assert found is not None
    header = found[0]
    changed = header.model_copy(
        update={
            "laps": {"training": [100.0, 200.0], "validation": [1.0, 1.0], "construction": [5.0]},
            "wall_seconds": 1000.0,
            "other_seconds": 500.0,
            "peak_bytes": 2**50,
            "started": "2020-01-01T00:00:00+00:00",
        }
    )
    monkeypatch.setattr(checkpoint, "read", lambda job: (changed, found[1]))
    monkeypatch.setattr(environment.os, "cpu_count", lambda: 2)
    record = run(toy)
    assert record.cost.training_seconds == pytest.approx(300, abs=5)
    assert record.cost.first_epoch_seconds == 100
    assert record.cost.process_peak_bytes == 2**50
    assert (record.other_work, record.beside_others) == (0.25, True)
    assert record.started.startswith("2020")


FAULTS = ["cut", "empty", "tensor", "header", "fifo", "threads", "product", "id", "no header"]


@pytest.mark.parametrize("fault", FAULTS)
def test_one_that_will_not_do_is_not_taken(fault, toy, monkeypatch):
    run_until(toy, 2)
    path = checkpoint.path_of(toy.job)
    content = path.read_bytes()
    if fault in ("cut", "empty"):
        path.write_bytes(content[: len(content) // 2 if fault == "cut" else 0])
    elif fault == "tensor":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif fault == "header":
        changed = content.replace(rb'"epoch\":2', rb'"epoch\":1')
        assert changed != content
        path.write_bytes(changed)
    elif fault == "fifo":
        path.unlink()
        os.mkfifo(path)
    elif fault == "no header":
        from safetensors.torch import save

        path.write_bytes(save({"net/quality": torch.zeros(1)}))
    elif fault == "threads":
        toy = replace(toy, job=toy.job.model_copy(update={"threads": toy.job.threads + 1}))
    elif fault == "product":
        monkeypatch.setattr(environment, "matrix_product", lambda: "another library")
    else:
        other = toy.job.spec.model_copy(update={"seed": 4})
        path.rename(path.with_name(f".{other.id}.checkpoint"))
        toy = replace(toy, job=toy.job.model_copy(update={"spec": other}))
    Toy.calls = []
    record = run(toy)
    assert (record.status, record.resumed, len(Toy.calls)) == ("ok", False, 5)


def test_it_is_written_no_more_often_than_asked_and_not_after_the_last_epoch(toy, monkeypatch):
    written = []
    monkeypatch.setattr(
        checkpoint, "write", lambda job, model, progress: written.append(model.epoch)
    )
    run(toy)
    assert written == [1, 2, 3]
    written.clear()
    now = iter(range(0, 10_000, 25))
    monkeypatch.setattr(training.time, "monotonic", lambda: next(now))
    run(replace(toy, job=toy.job.model_copy(update={"checkpoint_seconds": 60.0})))
    assert written == [3]


def test_best_weights_are_stored_once(toy, small_split):
    """Apart from the current ones only where they differ."""
    sizes = {}
    for epoch in (1, 2, 3):
        run_until(toy, epoch)
        found = checkpoint.read(toy.job)
        assert found is not None
        sizes[epoch] = sorted(found[1])
        checkpoint.path_of(toy.job).unlink()
    best = run(toy).best_epoch or 0
    assert best in (1, 2)
    assert [len(sizes[epoch]) for epoch in range(best, 4)] == [1] + [2] * (3 - best)
    assert sizes[3] == ["best/quality", "net/quality"]


def test_a_networks_state_is_whole(toy, small_split, tmp_path):
    model = make("mult-vae", small_split.train.shape)
    data = model.prepare(small_split.train.matrix)
    for _ in range(2):
        training.train_epoch(model, data, seed=0)
    progress = Progress(Clock("cpu"), best_epoch=2, best_validation=0.5)
    checkpoint.write(toy.job, model, progress)
    other = make("mult-vae", small_split.train.shape)
    checkpoint.resume(toy.job, other, Progress(Clock("cpu")))
    assert other.epoch == 2
    assert model.state().keys() == other.state().keys()
    assert all(torch.equal(tensor, other.state()[name]) for name, tensor in model.state().items())


def test_a_failure_leaves_none(toy, small_split, tmp_path):
    class Fails(Toy):
        def train_epoch(self, data):
            if self.epoch == 2:
                raise ValueError("no such thing")
            return super().train_epoch(data)

    t = trial_of(Fails, ToyConfig(), small_split)
    record = run(replace(t, job=toy.job))
    assert record.status == "failed"
    assert [p.name for p in Path(tmp_path).iterdir()] == [f"{record.id}.json"]
