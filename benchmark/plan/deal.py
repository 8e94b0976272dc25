"""Which trials of a plan come to which of the machines that share it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass
class Deal:
    """Deals a plan's trials to shards in turn, so that each has some of every model.

    Which trial comes to which shard depends on the order of the plan alone, and that is the same on
    every machine.
    """

    shard: tuple[int, int] | None
    """The shard whose trials are kept, from 1, and how many there are; with None all are kept."""
    dealt: int = 0

    def keep(self, trials: Sequence[T]) -> list[T]:
        """Return those of the next ``trials`` of the plan that come to the shard."""
        number, count = self.shard or (1, 1)
        start = (number - 1 - self.dealt) % count
        self.dealt += len(trials)
        return list(trials[start::count])
