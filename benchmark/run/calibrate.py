"""Measures about how long a trial will take, by its first batches.

``python -m benchmark.run.calibrate SPEC.json`` does it in a process that computes as a trial does.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from benchmark.evaluation.ranking import evaluate
from benchmark.paths import ROOT
from benchmark.run import outcome
from benchmark.run.child import write_spec
from benchmark.run.clock import Clock
from benchmark.run.launch import surroundings
from benchmark.run.progress import Progress
from benchmark.run.training import Trial, build, scorer, train_epoch
from benchmark.run.trial import build_matrices, load
from benchmark.spec import Job
from benchmark.text import say

BATCHES = 10
"""The batches that are measured, after one that is not."""


def seconds(job: Job) -> float | None:
    """Return about how long a trial will take; None, and say why, if that cannot be measured."""
    with tempfile.TemporaryDirectory() as folder:
        spec = write_spec(job.model_copy(update={"out": Path(folder)}))
        ran = subprocess.run(
            [sys.executable, "-m", __name__, str(spec)],
            cwd=ROOT,
            env=surroundings(job.threads),
            capture_output=True,
            text=True,
        )
    *_, last = f"exit code {ran.returncode}\n{ran.stderr}{ran.stdout}".strip().splitlines()
    try:
        return json.loads(last)["seconds"]
    except (ValueError, TypeError, KeyError):
        say(f"    --calibrate: {job.spec.model} was not measured: {last}")
        return None


def measured(trial: Trial) -> float | None:
    """Return about how long a trial will take; None if its model does not train in batches.

    An epoch takes as long as BATCHES batches, in proportion to their share of the training users.
    """
    batch = getattr(trial.config, "batch", None)
    if batch is None or trial.entry is None:
        return None
    split, spec, clock = trial.split, trial.job.spec, Clock(trial.job.spec.device)
    build_matrices(trial)
    model = build(trial, trial.entry, Progress(clock))
    train = split.train.matrix
    some = train[: BATCHES * batch]
    train_epoch(model, model.prepare(train[:batch]), spec.seed)
    with clock("training"):
        train_epoch(model, model.prepare(some), spec.seed)
    with clock("validation"):
        evaluate(scorer(model, split.weak), split.validation)
    (training,), (validation,) = clock.laps["training"], clock.laps["validation"]
    epoch = training * train.shape[0] / some.shape[0] + validation
    data = trial.job.data
    test = validation * data.test_users / data.validation_users if spec.stage == "test" else 0.0
    return model.planned * epoch + test


def main(path: Path) -> None:
    """Say the seconds of the trial in a SPEC.json as JSON, or why they cannot be measured."""
    trial = load(path)
    torch.set_num_threads(trial.job.threads)
    with threadpool_limits(trial.job.threads):
        try:
            say(json.dumps({"seconds": measured(trial)}))
        except Exception as error:
            _, reason = outcome.failure(error, trial.files)
            say(reason)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
