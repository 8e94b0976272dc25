"""Coverage and novelty of the lists that trials recommend, where those are kept."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from benchmark.evaluation.lists import coverage, novelty
from benchmark.evaluation.metrics import Metric
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.report.rows import Row
from datasets import cache as splits


def values(row: Row, metric: Metric, folder: Path) -> list[float]:
    """Return a metric of lists for each trial of a row; none if it is not known for all.

    Raises DataError if the files beside a record are not the record's.
    """
    found = [_value(record, metric, folder) for record in row.scored]
    known = [value for value in found if value is not None]
    return known if len(known) == len(found) else []


def _value(record: Record, metric: Metric, folder: Path) -> float | None:
    """Return the metric of a trial's lists; None without lists, or without what it needs besides.

    Lists among a sample of items say nothing of all items.
    """
    if metric.sampled:
        return None
    top = store.top_of(folder, record, store.per_user(folder, record))
    if top is None:
        return None
    if metric.kind == "Coverage":
        return coverage(top[:, : metric.cutoff], record.data.items)
    counts = _counts(record.spec.split_hash, splits.default_folder())
    if counts is None:
        return None
    value = novelty(top[:, : metric.cutoff], counts, record.data.training_users)
    return None if np.isnan(value) else value


@cache
def _counts(split_hash: str, cache_dir: Path) -> np.ndarray | None:
    """Return how many training users have each item (items,); None if the split is not there."""
    made = splits.of_hash(split_hash, cache_dir)
    if made is None:
        return None
    train = made.split.train
    return np.bincount(train.item, minlength=len(train.item_ids))
