"""What a trial has found and used so far, in its process and in those before it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median

import torch
from pydantic import Field
from torch import Tensor

from benchmark import environment
from benchmark.records.record import Cost
from benchmark.run.clock import Clock
from benchmark.spec import Strict

Tensors = dict[str, Tensor]


class News(Strict):
    """Where a trial is: what its process tells the run before the first epoch and after each.

    A number is None where it is not known yet, or not logged.
    """

    epoch: int = Field(default=0, ge=0, lt=2**31)
    """How many epochs are over."""
    planned: int = Field(default=0, ge=0, lt=2**31)
    validation: float | None = Field(default=None, ge=0, le=1)
    """The validation score of the last epoch."""
    loss: float | None = Field(default=None, allow_inf_nan=False)
    beta: float | None = Field(default=None, allow_inf_nan=False)
    users_per_second: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Training users in a second of the last epoch's training."""
    seconds_left: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """About how long the epochs that are left take, if all that are planned run."""


@dataclass
class Progress:
    """What a trial has found and used so far."""

    clock: Clock
    others: environment.OtherWork = field(default_factory=environment.OtherWork)
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    resumed: bool = False
    """Whether an earlier process began the trial."""
    earlier_peak_bytes: int = 0
    """Peak memory of the processes before this one."""
    weights_bytes: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_validation: float = -math.inf
    best_weights: Tensors | None = None
    """A copy; None while the model itself holds the best weights and has no epoch to go."""

    @property
    def peak_bytes(self) -> int:
        """Largest resident size of any process of the trial."""
        return max(self.earlier_peak_bytes, environment.process_peak_bytes())

    def news(self, planned: int, users: int) -> News:
        """Return where the trial is, of ``planned`` epochs over so many training ``users``."""
        last = self.curve[-1] if self.curve else {}
        training = self.clock.laps.get("training", [])
        epochs = list(map(sum, zip(training, self.clock.laps.get("validation", []), strict=False)))
        return News(
            epoch=len(self.curve),
            planned=planned,
            validation=last.get("validation"),
            loss=last.get("loss"),
            beta=last.get("beta"),
            users_per_second=users / training[-1] if training and training[-1] else None,
            seconds_left=median(epochs) * (planned - len(self.curve)) if epochs else None,
        )

    def cost(self) -> Cost:
        """Return the seconds and bytes that the trial has taken so far."""
        seconds = self.clock.seconds()
        if self.best_epoch:
            laps = self.clock.laps
            to_best = sum(laps["preparation"]) + sum(laps["training"][: self.best_epoch])
            seconds["to_best_seconds"] = to_best
        cuda = self.clock.device == "cuda"
        return Cost(
            **seconds,
            weights_bytes=self.weights_bytes,
            process_peak_bytes=self.peak_bytes,
            # a process that goes on from a checkpoint needs as much as the first
            gpu_peak_bytes=torch.cuda.max_memory_allocated() if cuda else None,
        )


def copy_of(weights: Tensors) -> Tensors:
    """Return a copy of the tensors, on the same device."""
    return {name: tensor.detach().clone() for name, tensor in weights.items()}
