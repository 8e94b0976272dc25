"""The loop: a model is made, trained and scored after every epoch, and its best epoch scores the
test users once.

The only place that seeds: Python, NumPy and torch, from (seed, 0) before the model is made and from
(seed, e) before epoch e, counted from 1. So an epoch draws the same numbers whether or not the ones
before it ran in the same process.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark import environment
from benchmark.evaluation.metrics import selection
from benchmark.evaluation.ranking import Ranking, Score, evaluate
from benchmark.run import checkpoint
from benchmark.run.outcome import Diverged, LogError, TooLarge, Unavailable
from benchmark.run.progress import News, Progress, copy_of
from benchmark.spec import Job
from benchmark.text import storable
from datasets.split import Split
from models.base import Compute, Config, Log, Recommender
from models.registry import Entry

DIVERGED = 10.0
"""An epoch's loss above this many times the first epoch's ends a trial."""

OWN = ("epoch", "validation")
"""What a point of the learning curve has besides the model's log."""

Notify = Callable[[News], None]
"""Called before the first epoch and after each, outside the clock."""


@dataclass(frozen=True)
class Trial:
    """A job, and the model's entry, options and split that it names."""

    job: Job
    entry: Entry | None
    """None for a row of the truth."""
    config: Config
    split: Split

    @property
    def files(self) -> list[Path]:
        """The files that define the model."""
        return self.entry.files if self.entry else []


def seed_everything(seed: int | None, epoch: int) -> None:
    """Seed every global generator from (seed, epoch); a deterministic model's seed, None, counts as
    0.
    """
    python, numpy, pytorch = np.random.SeedSequence([seed or 0, epoch]).generate_state(3)
    random.seed(int(python))
    np.random.seed(numpy)
    torch.manual_seed(int(pytorch))


def build(trial: Trial, entry: Entry, progress: Progress) -> Recommender[Any]:
    """Make the model: freshly initialised, or as its checkpoint holds it.

    Raises Unavailable if it does not run on the trial's device, since it is never run elsewhere
    without a word, or if it cannot score the split's users; TooLarge if it cannot fit.
    """
    job, spec = trial.job, trial.job.spec
    check_memory(job)
    if spec.device not in entry.devices:
        raise Unavailable(
            f"{spec.model} is not available on {spec.device}, only on {', '.join(entry.devices)}"
        )
    if not (entry.unseen_users or trial.split.weak):
        raise Unavailable(
            f"{spec.model} is not available under strong generalisation: it scores only users "
            "whom it has trained on"
        )
    compute = Compute(
        spec.device, spec.precision or "fp32", job.threads, environment.by_numpy(spec.device)
    )
    seed_everything(spec.seed, 0)
    with progress.clock("construction"):
        model = entry.model(trial.config, trial.split.train.shape, compute)
    checkpoint.resume(job, model, progress)
    return model


def check_memory(job: Job) -> None:
    """Raise TooLarge if a trial needs more memory than this machine has or gives it.

    On a GPU most of it is the GPU's, whose library refuses what does not fit.
    """
    needed, there = job.needed_bytes or 0, environment.memory_limit()
    if needed > there and job.spec.device == "cpu":
        raise TooLarge(
            f"it needs about {needed / 1e9:,.1f} GB of memory, and there are {there / 1e9:,.1f} GB "
            "here; run it on a larger machine, or say with --gigabytes that it needs less"
        )


def train_epoch(model: Recommender[Any], data: Any, seed: int | None) -> Log:
    """Seed and train the next epoch, count it, and return its log."""
    seed_everything(seed, model.epoch + 1)
    log = model.train_epoch(data)
    model.epoch += 1
    return log


def train(model: Recommender[Any], trial: Trial, progress: Progress, notify: Notify) -> None:
    """Run every planned epoch, or as many as the spec's patience allows; after each, score the
    validation users and keep the best weights so far.
    """
    clock, saved, metric = progress.clock, time.monotonic(), selection(trial.job.data.task)
    spec, users = trial.job.spec, trial.split.train.shape[0]
    with clock("preparation"):
        data = model.prepare(trial.split.train.matrix)
    notify(progress.news(model.planned, users))
    while model.epoch < model.planned and not spec.ends(progress.curve):
        with clock("training"), tf32(spec.precision == "tf32"):
            log = train_epoch(model, data, spec.seed)
        log = checked(log, model.epoch)
        check_loss(log, progress.curve)
        with clock("validation"):
            ranking = evaluate(scorer(model, trial.split.weak), trial.split.validation)
            validation = metric(ranking.hit, ranking.targets).mean()
        progress.curve.append({"epoch": model.epoch, "validation": float(validation)} | log)
        more_to_come = model.epoch < model.planned
        if validation > progress.best_validation:
            progress.best_epoch, progress.best_validation = model.epoch, float(validation)
            progress.best_weights = copy_of(model.weights) if more_to_come else None
        notify(progress.news(model.planned, users))
        if more_to_come and time.monotonic() - saved >= trial.job.checkpoint_seconds:
            checkpoint.write(trial.job, model, progress)
            saved = time.monotonic()


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Let a GPU round operands of float32 products to 10 bits inside the block, if ``allowed``."""
    products = torch.backends.cuda.matmul
    usual = products.fp32_precision
    products.fp32_precision = "tf32" if allowed else usual
    try:
        yield
    finally:
        products.fp32_precision = usual


def checked(log: Any, epoch: int) -> Log:
    """Return what a model logged of an ``epoch`` as floats.

    Raises LogError if it is no dict of numbers by name, or has a name of the trial's own, and
    Diverged if a number is not finite.
    """
    if not isinstance(log, dict):
        raise LogError(
            f"train_epoch returned {log!r:.60}; it must return a dict of numbers by name"
        )
    for name, value in log.items():
        if not isinstance(name, str) or name in OWN:
            raise LogError(f"the log of epoch {epoch} has the name {name!r:.60}; choose another")
        if not _is_number(value):
            raise LogError(f"{name} in the log of epoch {epoch} is {value!r:.60}, and no number")
    try:
        numbers = {storable(name): float(value) for name, value in log.items()}
    except (TypeError, ValueError, OverflowError) as error:
        raise LogError(f"the log of epoch {epoch} is not of numbers ({error})") from error
    for name, value in numbers.items():
        if name != "loss" and not math.isfinite(value):
            raise Diverged(f"{name} of epoch {epoch} is {value:g}; try a lower learning rate")
    return numbers


def _is_number(value: Any) -> bool:
    """Return whether a value is a real number, or an array of one without a dimension."""
    plain = value.item() if getattr(value, "shape", None) == () else value
    return isinstance(plain, Real) and not isinstance(plain, bool)


def check_loss(log: Log, curve: list[dict[str, float]]) -> None:
    """Raise Diverged if the epoch's loss is not finite or far above the first epoch's."""
    loss = log.get("loss", 0.0)
    first = curve[0].get("loss", loss) if curve else loss
    if not math.isfinite(loss) or loss > DIVERGED * abs(first):
        raise Diverged(
            f"the loss of epoch {len(curve) + 1} is {loss:g}, more than {DIVERGED:g} times the "
            "first epoch's "
            f"({first:g}) or not finite; try a lower learning rate"
        )


def test(model: Recommender[Any], split: Split, progress: Progress) -> Ranking:
    """Return the ranking of the test users by the best epoch's weights; called once a trial."""
    if progress.best_weights is not None:
        model.load(progress.best_weights)
    with progress.clock("test"):
        return evaluate(scorer(model, split.weak), split.test)


def scorer(model: Recommender[Any], known: bool) -> Score:
    """Return the model's scores; ``known`` says whether it has trained on the rows of the users."""
    return lambda history, users: model.score(history, users if known else None)
