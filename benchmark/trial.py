"""One trial: train a model on a split, choose the best epoch, score the test users once, write the record.

``python -m benchmark.trial SPEC.json`` runs one by hand; a run does the same, each in a process of its own.

The only place that seeds: Python, NumPy and torch, from (seed, 0) before the model is made and from (seed, e)
before epoch e, counted from 1. So an epoch draws the same numbers whether or not the ones before it ran in
the same process.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor
from tqdm import tqdm

from benchmark import checkpoint, environment, outcome, plugins, records, truth, weights
from benchmark.catalog import UsageError
from benchmark.checkpoint import Progress, copy_of
from benchmark.evaluate import Ranking, evaluate
from benchmark.grid import code_of
from benchmark.launch import surroundings
from benchmark.metrics import SELECTION
from benchmark.outcome import Diverged, Unavailable
from benchmark.records import Record, Status
from benchmark.spec import PROTOCOL, Job
from benchmark.timing import Clock
from datasets import atomic, cache
from datasets.errors import DataError
from datasets.split import Split
from models.base import Compute, Config, Log, Recommender
from models.registry import MODELS, Entry

DIVERGED = 10.0
"""An epoch's loss above this many times the first epoch's ends a trial."""

Notify = Callable[[int, int, float], None]
"""Called after each epoch with its number, how many are planned, and the best validation score so far."""


@dataclass(frozen=True)
class Trial:
    """A job with the objects that it names."""

    job: Job
    entry: Entry | None
    """None for a row of the truth."""
    config: Config
    split: Split


def run(trial: Trial, notify: Notify) -> tuple[Record, list[Path]]:
    """Run ``trial`` and write its record, whatever happens to the model.

    Returns the record and the paths of the files written. What stops a person's program (KeyboardInterrupt)
    passes through and leaves no record; so does DataError, for a disk without room.
    """
    job, progress = trial.job, Progress(Clock(trial.job.spec.device))
    status: Status = "ok"
    reason, ranking, kept = None, None, None
    torch.set_num_threads(job.threads)
    with threadpool_limits(job.threads):
        try:
            if trial.entry is None:
                ranking = rank_by_truth(trial, progress)
            else:
                model = build(trial, trial.entry, progress)
                train(model, trial, progress, notify)
                progress.weights_bytes = sum(tensor.nbytes for tensor in model.weights.values())
                ranking = test(model, trial.split, progress) if job.spec.stage == "test" else None
                kept = weights.pack(model, job, trial.split) if job.keep_weights else None
        except DataError:
            raise
        except (Exception, SystemExit) as error:
            ranking, (status, reason) = None, outcome.failure(error)
    record = outcome.record_of(job, status, reason, ranking, progress)
    written = records.write(job.out, record, ranking, kept)
    checkpoint.path_of(job).unlink(missing_ok=True)
    return record, written


def rank_by_truth(trial: Trial, progress: Progress) -> Ranking:
    """A row that ranks by the generator's own probabilities."""
    assert trial.split.truth is not None, "only a generated split has such rows"
    with progress.clock("test"):
        return evaluate(truth.ROWS[trial.job.spec.model](trial.split.truth), trial.split.test)


def seed_everything(seed: int | None, epoch: int) -> None:
    """Seed every global generator from (seed, epoch); a deterministic model's seed, None, counts as 0."""
    python, numpy, pytorch = np.random.SeedSequence([seed or 0, epoch]).generate_state(3)
    random.seed(int(python))
    np.random.seed(numpy)
    torch.manual_seed(int(pytorch))


def build(trial: Trial, entry: Entry, progress: Progress) -> Recommender[Any]:
    """Make the model: freshly initialised, or as its checkpoint holds it.

    Raises Unavailable if it does not run on the trial's device: never a silent run elsewhere.
    """
    job, spec = trial.job, trial.job.spec
    if spec.device not in entry.devices:
        raise Unavailable(f"{spec.model} is not available on {spec.device}, only on {', '.join(entry.devices)}")
    compute = Compute(spec.device, spec.precision or "fp32", job.threads, environment.by_numpy(spec.device))
    seed_everything(spec.seed, 0)
    with progress.clock("construction"):
        model = entry.model(trial.config, trial.split.train.shape, compute)
    checkpoint.resume(job, model, progress)
    return model


def train_epoch(model: Recommender[Any], data: Any, seed: int | None) -> Log:
    """Seed and train the next epoch, and count it."""
    seed_everything(seed, model.epoch + 1)
    log = model.train_epoch(data)
    model.epoch += 1
    return log


def train(model: Recommender[Any], trial: Trial, progress: Progress, notify: Notify) -> None:
    """Run every planned epoch; after each, score the validation users and keep the best weights so far."""
    clock, saved = progress.clock, time.monotonic()
    with clock("preparation"):
        data = model.prepare(trial.split.train.matrix)
    while model.epoch < model.planned:
        with clock("training"), tf32(trial.job.spec.precision == "tf32"):
            log = train_epoch(model, data, trial.job.spec.seed)
        check_loss(log, progress.curve)
        with clock("validation"):
            ranking = evaluate(_score(model), trial.split.validation)
            validation = SELECTION(ranking.hit, ranking.targets).mean()
        progress.curve.append({"epoch": model.epoch, "validation": float(validation), **log})
        more_to_come = model.epoch < model.planned
        if validation > progress.best_validation:
            progress.best_epoch, progress.best_validation = model.epoch, float(validation)
            progress.best_weights = copy_of(model.weights) if more_to_come else None
        notify(model.epoch, model.planned, progress.best_validation)
        if more_to_come and time.monotonic() - saved >= trial.job.checkpoint_seconds:
            checkpoint.write(trial.job, model, progress)
            saved = time.monotonic()


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Let a GPU round the operands of float32 products to 10 bits inside the block, if ``allowed``."""
    products = torch.backends.cuda.matmul
    usual = products.fp32_precision
    products.fp32_precision = "tf32" if allowed else usual
    try:
        yield
    finally:
        products.fp32_precision = usual


def check_loss(log: Log, curve: list[dict[str, float]]) -> None:
    """Raises Diverged if the epoch's loss is not finite or far above the first epoch's."""
    loss = log.get("loss", 0.0)
    first = curve[0].get("loss", loss) if curve else loss
    if not math.isfinite(loss) or loss > DIVERGED * abs(first):
        raise Diverged(
            f"the loss of epoch {len(curve) + 1} is {loss:g}, more than {DIVERGED:g} times the first epoch's "
            f"({first:g}) or not finite; try a lower learning rate"
        )


def test(model: Recommender[Any], split: Split, progress: Progress) -> Ranking:
    """Score the test users, once, with the best epoch's weights."""
    if progress.best_weights is not None:
        model.load(progress.best_weights)
    with progress.clock("test"):
        return evaluate(_score(model), split.test)


def _score(model: Recommender[Any]) -> Callable[..., Tensor]:
    return lambda history, users: model.score(history)


def load(path: Path) -> Trial:
    """The trial of a SPEC.json.

    Raises DataError if the file is not one, if this checkout would compute other numbers than the spec names, or
    if the split is not in the cache.
    """
    job = job_of(path)
    spec = job.spec
    plugins.load(job.plugins)
    if (PROTOCOL, code_of(spec.model)) != (spec.protocol, spec.code):
        raise DataError(
            f"{path} is of other code for {spec.model} than this checkout has (or another protocol version than "
            f"{PROTOCOL}); check out the code that wrote it, or start the run again"
        )
    prepared = cache.read(job.split)
    if prepared.split_hash != spec.split_hash:
        raise DataError(f"{job.split} holds another split than {path} names; start the run again")
    entry = MODELS.get(spec.model)
    return Trial(job, entry, type(entry.config)(**spec.config) if entry else Config(), prepared.split)


def job_of(path: Path) -> Job:
    """What a SPEC.json says; raises DataError if it is not one."""
    try:
        return Job.model_validate_json(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not the spec of a trial ({error}); a run writes them to OUT/specs") from error


def settle(spec: Path) -> None:
    """Begin anew in the environment that a run gives its trials, if this is another: equal bits need equal kernels."""
    own = surroundings(job_of(spec).threads)
    if own != os.environ:
        os.execve(sys.executable, [sys.executable, "-m", "benchmark.trial", str(spec)], own)


def main(argv: list[str] | None = None) -> int:
    """Run the trial of a SPEC.json; 0 if it is ok, 1 if its record is a failure's, 2 if it cannot be run."""
    parser = argparse.ArgumentParser("python -m benchmark.trial", description="Run one trial and write its record.")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("spec", nargs="?", type=Path, metavar="SPEC.json", help="as a run writes it to OUT/specs")
    which.add_argument(
        "--with-parent",
        type=int,
        metavar="DESCRIPTOR",
        help="for the runner, which names the spec there: report on standard output, end with standard input",
    )
    arguments = parser.parse_args(argv)
    try:
        if arguments.spec and argv is None:
            settle(arguments.spec)
        return by_hand(arguments.spec) if arguments.spec else under_parent(arguments.with_parent)
    except (DataError, UsageError) as error:
        print(f"trial: {error}", file=sys.stderr)
        return 2


def under_parent(line: int) -> int:
    """Run the trial that the runner names on ``line``, and tell it in JSON of each epoch, at last of the files."""
    if select.select([0], [], [], 0)[0]:  # the runner died before it could have the kernel see to that
        return 2
    with socket.socket(fileno=line) as told:
        spec, _, _, _ = socket.recv_fds(told, 2**16, 1)  # and the trial's lock, held until this process ends
    messages = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a model prints is not a message

    def tell(**message: Any) -> None:
        print(json.dumps(message), file=messages, flush=True)

    record, written = run(
        load(Path(os.fsdecode(spec))), lambda epoch, planned, best: tell(epoch=epoch, planned=planned)
    )
    tell(written=[str(path) for path in written])
    return int(record.status != "ok")


def by_hand(spec: Path) -> int:
    """Run with a bar on a terminal, and print the outcome and the files written."""
    trial = load(spec)
    job = trial.job
    try:
        with (
            atomic.lock(job.out, job.spec.id, wait=False),
            tqdm(desc=job.title, unit="epoch", leave=False, disable=not sys.stderr.isatty()) as bar,
        ):

            def notify(epoch: int, planned: int, best: float) -> None:
                bar.total = planned
                bar.set_postfix_str(f"best validation {SELECTION} {best:.4f}", refresh=False)
                bar.update(epoch - bar.n)

            record, written = run(trial, notify)
    except atomic.Busy:
        raise DataError(f"another process runs the trial {job.spec.id}; wait for it, or stop it") from None
    print(f"{job.title}: {outcome.line(record)}", *written, sep="\n  ")
    return int(record.status != "ok")


if __name__ == "__main__":
    sys.exit(main())
