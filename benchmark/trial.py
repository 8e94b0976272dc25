"""One trial: train a model on a split, choose the best epoch, score the test users once, write the record.

The only place that seeds: Python, NumPy and torch, from (seed, 0) before the model is made and from (seed, e)
before epoch e, counted from 1. So an epoch draws the same numbers whether or not the ones before it ran in
the same process.
"""

from __future__ import annotations

import math
import random
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark import environment, records
from benchmark.evaluate import Ranking, ScoreError, evaluate
from benchmark.metrics import HEADLINE, SELECTION, standard_error
from benchmark.records import Estimate, Record, Status
from benchmark.spec import TrialSpec
from benchmark.timing import Clock
from datasets.split import Split
from models.base import Compute, Config, Log, Recommender
from models.registry import Entry

DIVERGED = 10.0
"""An epoch's loss above this many times the first epoch's ends a trial."""

Notify = Callable[[int, int, float], None]
"""Called after each epoch with its number, how many are planned, and the best validation score so far."""


class Unavailable(Exception):
    """The model does not run on the trial's device; one sentence."""


class Diverged(Exception):
    """Training left the region where numbers mean anything; one sentence."""


@dataclass(frozen=True)
class Trial:
    """A spec with the objects that it names."""

    spec: TrialSpec
    entry: Entry
    config: Config
    label: str
    data: dict[str, Any]
    """What the record says of the data set."""
    split: Split


@dataclass
class Progress:
    """What training has found so far."""

    curve: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_validation: float = -math.inf
    best_weights: dict[str, Tensor] | None = None
    """A copy; None while the model itself holds the best weights."""


def run(trial: Trial, out: Path, threads: int, notify: Notify) -> tuple[Record, list[Path]]:
    """Run ``trial`` and write its record into ``out``, whatever happens to the model.

    Returns the record and the paths of the files written. What stops a person's program (KeyboardInterrupt)
    passes through and leaves no record.
    """
    torch.set_num_threads(threads)
    clock, progress, others = Clock(trial.spec.device), Progress(), environment.OtherWork()
    started = datetime.now(UTC)
    status: Status = "ok"
    reason, ranking, weights_bytes = None, None, 0
    try:
        model = build(trial, threads, clock)
        train(model, trial, clock, progress, notify)
        weights_bytes = sum(tensor.nbytes for tensor in model.weights.values())
        ranking = test(model, trial.split, clock, progress)
    except Exception as error:
        status, reason = failure(error)
    record = Record(
        id=trial.spec.id,
        spec=trial.spec,
        label=trial.label,
        data=trial.data,
        status=status,
        reason=reason,
        **results(ranking, progress),
        curve=progress.curve,
        cost=clock.seconds() | {"weights_bytes": weights_bytes, "process_peak_bytes": environment.process_peak_bytes()},
        resumed=False,
        other_work=(share := round(others.share(), 4)),
        beside_others=share > environment.BESIDE_OTHERS,
        environment=environment.facts(trial.spec.device),
        started=started.isoformat(timespec="seconds"),
        finished=datetime.now(UTC).isoformat(timespec="microseconds"),
    )
    return record, records.write(out, record, ranking)


def seed_everything(seed: int | None, epoch: int) -> None:
    """Seed every global generator from (seed, epoch); a deterministic model's seed, None, counts as 0."""
    python, numpy, pytorch = np.random.SeedSequence([seed or 0, epoch]).generate_state(3)
    random.seed(int(python))
    np.random.seed(numpy)
    torch.manual_seed(int(pytorch))


def build(trial: Trial, threads: int, clock: Clock) -> Recommender[Any]:
    """Make the model, freshly initialised.

    Raises Unavailable if it does not run on the trial's device: never a silent run elsewhere.
    """
    spec, entry = trial.spec, trial.entry
    if spec.device not in entry.devices:
        raise Unavailable(f"{spec.model} is not available on {spec.device}, only on {', '.join(entry.devices)}")
    compute = Compute(spec.device, spec.precision, threads)
    seed_everything(spec.seed, 0)
    with clock("construction"):
        return entry.model(trial.config, trial.split.train.shape, compute)


def train_epoch(model: Recommender[Any], data: Any, seed: int | None) -> Log:
    """Seed and train the next epoch, and count it."""
    seed_everything(seed, model.epoch + 1)
    log = model.train_epoch(data)
    model.epoch += 1
    return log


def train(model: Recommender[Any], trial: Trial, clock: Clock, progress: Progress, notify: Notify) -> None:
    """Run every planned epoch; after each, score the validation users and keep the best weights so far."""
    with clock("preparation"):
        data = model.prepare(trial.split.train.matrix)
    while model.epoch < model.planned:
        with clock("training"):
            log = train_epoch(model, data, trial.spec.seed)
        check_loss(log, progress.curve)
        with clock("validation"):
            validation = SELECTION(*_found(evaluate(_score(model), trial.split.validation))).mean()
        progress.curve.append({"epoch": model.epoch, "validation": float(validation), **log})
        if validation > progress.best_validation:
            progress.best_epoch, progress.best_validation = model.epoch, float(validation)
            more_to_come = model.epoch < model.planned
            progress.best_weights = copy_of(model.weights) if more_to_come else None
        notify(model.epoch, model.planned, progress.best_validation)


def check_loss(log: Log, curve: list[dict[str, float]]) -> None:
    """Raises Diverged if the epoch's loss is not finite or far above the first epoch's."""
    loss = log.get("loss", 0.0)
    first = curve[0].get("loss", loss) if curve else loss
    if not math.isfinite(loss) or loss > DIVERGED * abs(first):
        raise Diverged(
            f"the loss of epoch {len(curve) + 1} is {loss:g}, more than {DIVERGED:g} times the first epoch's "
            f"({first:g}) or not finite; try a lower learning rate"
        )


def copy_of(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors in memory of their own, on the same device."""
    return {name: tensor.detach().clone() for name, tensor in weights.items()}


def test(model: Recommender[Any], split: Split, clock: Clock, progress: Progress) -> Ranking:
    """Score the test users, once, with the best epoch's weights."""
    if progress.best_weights is not None:
        model.load(progress.best_weights)
    with clock("test"):
        return evaluate(_score(model), split.test)


def _score(model: Recommender[Any]) -> Callable[..., Tensor]:
    return lambda history, users: model.score(history)


def _found(ranking: Ranking) -> tuple[np.ndarray, np.ndarray]:
    return ranking.hit, ranking.targets


def results(ranking: Ranking | None, progress: Progress) -> dict[str, Any]:
    """The fields of a record that say how good the model is; nulls for a trial that failed."""
    if ranking is None:
        return {}
    per_user = {str(metric): metric(*_found(ranking)) for metric in HEADLINE}
    best = progress.curve[progress.best_epoch - 1]
    return {
        "metrics": {
            name: Estimate(mean=float(values.mean()), stderr=standard_error(values))
            for name, values in per_user.items()
        },
        "tied_rows": ranking.tied,
        "best_epoch": progress.best_epoch,
        "best_validation": progress.best_validation,
        "best_beta": best.get("beta"),
    }


def failure(error: Exception) -> tuple[Status, str]:
    """The status and one-sentence reason of a model's failure; a traceback follows where the cause is not plain."""
    if isinstance(error, ScoreError | Unavailable):
        return "failed", str(error)
    if isinstance(error, Diverged):
        return "diverged", str(error)
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        return "oom", f"out of memory: {error}"
    return "failed", "".join(traceback.format_exception(error)).strip()
