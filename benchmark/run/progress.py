"""What a trial has found and used so far, in its process and in those before it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime

import torch
from torch import Tensor

from benchmark import environment
from benchmark.records.record import Cost
from benchmark.run.clock import Clock

Tensors = dict[str, Tensor]


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
