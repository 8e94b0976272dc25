"""What is asked of a model on a data set: how its rows are split, and what is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Name = Literal["strong generalisation", "leave-one-out"]


@dataclass(frozen=True)
class Task:
    """A way to split a data set, and the metrics that are reported on it."""

    name: Name
    metrics: tuple[str, ...]
    """The metrics of its tables, as "Recall@20" or "sampled HR@10"."""
    selection: str
    """The one of them by which the best epoch is chosen, on the validation rows."""
    weak: bool = False
    """Whether other rows of the training users are held out, and not whole users."""
    sampled: bool = False
    """Whether targets are ranked among a sample of items, and not among all."""


STRONG_GENERALISATION = Task(
    "strong generalisation", ("Recall@20", "Recall@50", "NDCG@100"), "NDCG@100"
)
"""Whole users are held out (Liang et al. 2018)."""
LEAVE_ONE_OUT = Task(
    "leave-one-out",
    ("sampled HR@10", "sampled NDCG@10"),
    "sampled NDCG@10",
    weak=True,
    sampled=True,
)
"""One item of each training user is held out and ranked among sampled ones (He et al. 2017)."""
TASKS: dict[Name, Task] = {task.name: task for task in (STRONG_GENERALISATION, LEAVE_ONE_OUT)}
