"""Recommendation lists made elsewhere, scored on the same test users and stored as a record of
their own.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.errors import UsageError
from benchmark.evaluation.metrics import DEPTH
from benchmark.evaluation.ranking import Ranking
from benchmark.evaluation.truth import ROWS
from benchmark.records import store
from benchmark.records.record import Cost
from benchmark.run import outcome
from benchmark.run.clock import Clock
from benchmark.run.progress import Progress
from benchmark.spec import PROTOCOL, Data, TrialSpec
from benchmark.text import counted
from datasets.cache import Prepared
from datasets.errors import DataError
from datasets.split import Fold
from models.registry import MODELS


def evaluate(
    name: str, lists: Path, dataset: str, data: Data, prepared: Prepared, out: Path
) -> list[Path]:
    """Score the lists in a Parquet file and write their record into ``out``; returns the paths
    written.

    Columns: ``user``, the position in the test fold; ``items``, a list of raw item ids, the best
    first. Every user with something to find has one list, which may be empty or shorter than 100.

    Raises UsageError for the name of a model, DataError if the file does not hold such lists.
    """
    if not name or name in MODELS or name in ROWS:
        raise UsageError(
            f"--name {name!r} is taken by a row of this project's own; give the lists another name"
        )
    try:
        content = lists.read_bytes()
    except OSError as error:
        raise DataError(
            f"{lists} cannot be read ({error.strerror}); name a Parquet file of lists"
        ) from error
    spec = TrialSpec(
        protocol=PROTOCOL,
        model=name,
        config={},
        code=hashlib.sha256(content).hexdigest()[:16],
        dataset=dataset,
        split_hash=prepared.split_hash,
        seed=None,
        stage="external",
        device=None,
        precision=None,
    )
    ranking = rank(read(lists, content, prepared.split.test), prepared.split.test, lists)
    progress = Progress(Clock(None))
    record = outcome.record_of(spec, data, "ok", None, ranking, progress, threads=1, alone=True)
    result = store.packed(record.model_copy(update={"cost": Cost()}), ranking)
    return store.write(out, result)


def read(path: Path, content: bytes, fold: Fold) -> dict[int, np.ndarray]:
    """The list of each user: raw item ids. Raises DataError if the ``content`` of the file is not
    as ``evaluate`` says.
    """
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(content))
        users = table["user"].to_numpy()
        column = table["items"].combine_chunks()
        _check_lists(column)
        values, offsets = column.flatten(), _offsets(column)
    except Exception as error:  # Arrow raises many kinds for a damaged file
        raise DataError(
            f"{path} does not hold lists ({' '.join(str(error).split())}); it needs a column user "
            "(position in the test fold) and a column items (a list of raw item ids, the best "
            "first)"
        ) from error
    if not np.issubdtype(users.dtype, np.integer) or len(np.unique(users)) != len(users):
        raise DataError(f"the column user of {path} must hold whole numbers, each once")
    ids = _ids(path, values, fold.history.item_ids)
    return {int(u): ids[a:b] for u, a, b in zip(users, offsets[:-1], offsets[1:], strict=True)}


def _check_lists(column: Any) -> None:
    """Raise ValueError if an Arrow array has anything else than a list in each row."""
    import pyarrow as pa

    if missing := column.null_count:
        raise ValueError(
            f"the column items has no list in {counted(missing, 'row')}; give an empty list where "
            "nothing is recommended"
        )
    if not pa.types.is_nested(column.type):
        number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        raise ValueError(
            f"the column items holds single {'numbers' if number else 'values'}, not lists"
        )


def _ids(path: Path, values: Any, item_ids: np.ndarray) -> np.ndarray:
    """Return an Arrow array of ids as the split has them; raise DataError if it holds others."""
    import pyarrow as pa

    text = item_ids.dtype.kind == "S"
    known, kind = (pa.string(), "text") if text else (pa.int64(), "whole numbers")
    wanted = pa.types.is_integer, pa.types.is_null
    if text:
        wanted = pa.types.is_string, pa.types.is_large_string, pa.types.is_null
    try:
        if isinstance(values.type, pa.DictionaryType):
            values = values.dictionary_decode()
        if not any(is_wanted(values.type) for is_wanted in wanted) or values.null_count > 0:
            found = "empty ids" if values.null_count else str(values.type)
            raise ValueError(f"it has {found}")
        found = values.cast(known).to_numpy(zero_copy_only=False)
        return np.char.encode(found.astype(str), "utf-8") if text else found
    except (pa.ArrowException, ValueError) as error:
        raise DataError(
            f"the column items of {path} must hold lists of {kind}, as the split's ids are "
            f"({' '.join(str(error).split())}); write the raw ids as they are in the data"
        ) from error


def _offsets(column: Any) -> np.ndarray:
    """Return where each list of a column begins in the column's flattened values."""
    import pyarrow.compute as pc

    lengths = pc.call_function("list_value_length", [column]).to_numpy(zero_copy_only=False)
    return np.concatenate([[0], lengths.cumsum()]).astype(np.int64)


def rank(lists: dict[int, np.ndarray], fold: Fold, path: Path) -> Ranking:
    """Return where the targets are in the lists, as the evaluator does for a model's scores.

    Raises DataError for a user without a list, an item that the split does not have, one that the
    user's history holds, or one named twice.
    """
    history, target = fold.history.matrix, fold.target.matrix
    users = np.flatnonzero(np.diff(target.indptr)).astype(np.int32)
    missing = [int(user) for user in users if int(user) not in lists]
    if missing:
        raise DataError(
            f"{path} has no list for {len(missing)} of the {len(users)} users with something "
            "to find, the first at "
            f"position {missing[0]}; give each a list, an empty one where nothing is recommended"
        )
    item_ids = fold.history.item_ids
    order = np.argsort(item_ids)
    top = np.full((len(users), DEPTH), -1, dtype=np.int32)
    for row, user in enumerate(users.tolist()):
        raw = lists[user][:DEPTH]
        if not len(raw):
            continue
        place = order[np.minimum(np.searchsorted(item_ids, raw, sorter=order), len(item_ids) - 1)]
        for wrong, why in (
            (item_ids[place] != raw, f"is none of the {len(item_ids)} items of the split"),
            (
                np.isin(place, _items(history, user)),
                "is in that user's history and is not to be recommended",
            ),
            (~_first(place), "is named twice"),
        ):
            if wrong.any():
                raise DataError(
                    f"the item {raw[wrong][0]} in the list of user {user} in {path} {why}; "
                    "leave it out"
                )
        top[row, : len(place)] = place
    hit = np.array(
        [np.isin(top[row], _items(target, user)) for row, user in enumerate(users.tolist())]
    )
    sizes = (np.diff(matrix.indptr)[users] for matrix in (history, target))
    return Ranking(users, *sizes, top=top, hit=hit, tied=None)


def _items(matrix: Any, user: int) -> np.ndarray:
    return matrix.indices[matrix.indptr[user] : matrix.indptr[user + 1]]


def _first(values: np.ndarray) -> np.ndarray:
    """Return whether each value is the first that equals it."""
    first = np.zeros(len(values), dtype=bool)
    first[np.unique(values, return_index=True)[1]] = True
    return first
