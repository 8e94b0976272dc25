"""The clock of a trial, which runs around the model's work and nothing else."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import torch


class Clock:
    """Measures wall time under names; the device's queue is empty whenever it starts or stops."""

    def __init__(self, device: str | None) -> None:
        self.device = device
        self.laps: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time the block as one more lap of ``name``; a block that raises is not counted."""
        self._synchronize()
        start = time.perf_counter()
        yield
        self._synchronize()
        self.laps[name].append(time.perf_counter() - start)

    def _synchronize(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()

    def seconds(self) -> dict[str, float]:
        """Return the total of each name, and the first epoch and the median of the others."""
        seconds = {f"{name}_seconds": sum(laps) for name, laps in self.laps.items()}
        if epochs := self.laps.get("training"):
            seconds["first_epoch_seconds"] = epochs[0]
            if len(epochs) > 1:
                seconds["median_epoch_seconds"] = median(epochs[1:])
        return seconds
