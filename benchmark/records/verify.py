"""Is a folder of records whole and unaltered, and do its numbers follow from its hit ranks?

Everything is recomputed from the files alone, without the data and without training; nothing in
them is trusted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmark.evaluation.metrics import DEPTH, Metric, standard_error
from benchmark.records import store
from benchmark.records.record import Record
from datasets.errors import DataError

TOLERANCE = 1e-9
"""The largest relative difference between a stored metric and the recomputed one."""


def faults(folder: Path) -> tuple[int, list[str]]:
    """How many records there are, in folders within it too, and a sentence for each thing that is
    wrong.
    """
    paths = sorted(path for path in folder.rglob("*.json") if path.parent.name != store.SPECS)
    found = [fault for path in paths for fault in of_file(path)]
    known = {path.with_suffix("") for path in paths}
    found += [
        f"{path.name} belongs to no record; a run was killed, or its record was lost"
        for path in sorted(folder.rglob("*.parquet"))
        if path.with_name(path.name.split(".")[0]) not in known
    ]
    return len(paths), found


def of_file(path: Path) -> Iterator[str]:
    """Yield what is wrong with one record and its per-user file."""
    try:
        record = store.read(path)
        yield from (f"{path.name}: {fault}" for fault in of_record(record, path))
        if record.per_user and record.metrics:
            yield from (f"{path.name}: {fault}" for fault in of_results(record, path.parent))
    except DataError as error:
        yield str(error)


def of_record(record: Record, path: Path) -> Iterator[str]:
    """Yield the contradictions within a record."""
    if not record.id == record.spec.id == path.stem:
        yield (
            f"its id is {record.id}, the hash of its spec {record.spec.id}; the file was "
            "renamed or the spec altered"
        )
    due = record.status == "ok" and record.spec.stage != "validation"
    if due != (record.metrics is not None) or due != (record.per_user is not None):
        yield (
            f"status {record.status} does not go with metrics and per-user results: they are "
            "there if a trial is ok, "
            f"but for stage validation, and this one is of stage {record.spec.stage}"
        )
    if record.per_user and record.per_user.file != f"{record.id}.parquet":
        yield f"its per-user file {record.per_user.file!r} is not {record.id}.parquet"
    validation = [point.get("validation", math.nan) for point in record.curve]
    if record.best_epoch is not None:
        best = max(validation, default=math.nan)
        if record.best_validation != best or validation.index(best) + 1 != record.best_epoch:
            yield (
                f"best epoch {record.best_epoch} ({record.best_validation}) is not the first "
                "best of its curve"
            )
    if [point.get("epoch") for point in record.curve] != list(range(1, len(record.curve) + 1)):
        yield "the epochs of its curve are not 1, 2, 3, ..."


def of_results(record: Record, folder: Path) -> Iterator[str]:
    """Yield each way in which the metrics are not those of the hit ranks."""
    assert record.metrics is not None
    assert record.per_user is not None
    if Path(record.per_user.file).name != record.per_user.file:
        return  # told already; a path out of the folder is not followed
    users, _, hit, targets = store.per_user(folder, record)
    if len(users) != record.data.test_users or (np.diff(users) <= 0).any():
        yield (
            f"its per-user file has {len(users)} users in {record.data.test_users} test users, "
            "each due once"
        )
    if (targets < 1).any() or (hit.sum(axis=1) > np.minimum(targets, DEPTH)).any():
        yield "a user in its per-user file has no target, or more hits than targets"
        return
    for name, stored in record.metrics.items():
        values = Metric.parse(name)(hit, targets)
        for what, claimed, computed in (
            ("mean", stored.mean, float(values.mean())),
            ("stderr", stored.stderr, standard_error(values)),
        ):
            if not math.isclose(claimed, computed, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
                yield f"{name} {what} is {claimed}, but {computed} by its hit ranks"
