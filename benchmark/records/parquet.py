"""The Parquet files beside a record: per-user results and top-100 lists.

They are read as a stranger's: everything in them is checked before it is used.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmark.evaluation.metrics import DEPTH
from benchmark.evaluation.ranking import Ranking
from benchmark.spec import Data

if TYPE_CHECKING:
    import pyarrow as pa


class Results(NamedTuple):
    """The per-user results in a record's Parquet file, of N test users."""

    user: np.ndarray
    """(N,) the users' positions in the test fold."""
    history: np.ndarray
    """(N,) the sizes of their histories."""
    hit: np.ndarray
    """(N, 100) whether each rank holds a target, as metrics take it."""
    targets: np.ndarray
    """(N,) the numbers of their targets."""


def packed_results(ranking: Ranking) -> bytes:
    """Return the per-user results of a ranking as a Parquet file."""
    import pyarrow as pa

    users, places = np.nonzero(ranking.hit)
    offsets = np.searchsorted(users, np.arange(len(ranking.user) + 1)).astype(np.int32)
    ranks = pa.ListArray.from_arrays(_array(offsets), _array((places + 1).astype(np.uint8)))
    return _packed(
        {
            "user": ranking.user,
            "history": ranking.history,
            "targets": ranking.targets,
            "ranks": ranks,
        }
    )


def packed_top(ranking: Ranking) -> bytes:
    """Return the top-100 lists of a ranking as a Parquet file."""
    import pyarrow as pa

    depth = ranking.top.shape[1]
    items = pa.FixedSizeListArray.from_arrays(_array(ranking.top.ravel()), depth)
    return _packed({"user": ranking.user, "items": items})


def _array(values: np.ndarray) -> pa.Array:
    """Return an Arrow array without ``pa.array``, which would import pandas."""
    import pyarrow as pa

    return pa.Array.from_buffers(
        pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)]
    )


def _packed(columns: dict[str, Any]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    arrays = {
        name: _array(column) if isinstance(column, np.ndarray) else column
        for name, column in columns.items()
    }
    pq.write_table(pa.table(arrays), buffer, compression="zstd")
    return buffer.getvalue()


def results(content: bytes, data: Data) -> Results:
    """Return the per-user results in a Parquet file of a split with the sizes in ``data``.

    Raises ValueError, which says what is wrong, if it does not hold such results.
    """
    found = _columns(content, ("user", "history", "targets"), "ranks", data.test_users)
    user, history, targets = (found[name] for name in ("user", "history", "targets"))
    ranks, lengths = found["ranks"], found["lengths"]
    row = np.repeat(np.arange(len(user)), lengths)
    if (np.diff(user, prepend=-1) <= 0).any():
        raise ValueError(f"it has {data.test_users} users, and not each of them once and in order")
    if len(ranks) and not 1 <= ranks.min() <= ranks.max() <= DEPTH:
        raise ValueError(f"ranks from {ranks.min()} to {ranks.max()}, and not from 1 to {DEPTH}")
    if (np.diff(row * (DEPTH + 1) + ranks) <= 0).any():
        raise ValueError("the ranks of a user are not in order, or one of them is there twice")
    if (targets < 1).any() or (lengths > np.minimum(targets, DEPTH)).any():
        raise ValueError("a user has no target, or more hits than targets")
    if (history < 0).any() or (history + targets > data.items).any():
        raise ValueError(
            f"a user has a history below 0, or more items than the {data.items} of the split"
        )
    hit = np.zeros((len(user), DEPTH), dtype=bool)
    hit[row, ranks - 1] = True
    return Results(user, history, hit, targets)


def top(content: bytes, of: Results, items: int, whole: bool) -> np.ndarray:
    """Return the lists in a Parquet file of top-100 items: (N, 100), -1 behind a list's end.

    ``items`` is how many the split has. With ``whole``, a list must have every place for which
    there is an item outside the history, as a model's has. Raises ValueError, which says what is
    wrong, if the file contradicts itself or the per-user results.
    """
    found = _columns(content, ("user",), "items", len(of.user))
    if (found["lengths"] != DEPTH).any():
        raise ValueError(f"a list does not have {DEPTH} places")
    lists = found["items"].reshape(-1, DEPTH)
    if not np.array_equal(found["user"], of.user):
        raise ValueError("its users are not those of the per-user results")
    if not -1 <= lists.min() <= lists.max() < items:
        raise ValueError(f"items from {lists.min()} to {lists.max()}, and the split has {items}")
    listed = lists >= 0
    if (listed[:, 1:] & ~listed[:, :-1]).any():
        raise ValueError("a list has an empty place before an item")
    ordered = np.sort(lists, axis=1)
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
        raise ValueError("a list has an item twice")
    room = np.minimum(items - of.history, DEPTH)
    length = listed.sum(axis=1)
    if (length > room).any() or (whole and (length < room).any()):
        raise ValueError("a list has another length than there are items outside the history")
    if (of.hit & ~listed).any():
        raise ValueError("the per-user results have a hit where a list has ended")
    return lists


def _columns(
    content: bytes, numbers: tuple[str, ...], lists: str, rows: int
) -> dict[str, np.ndarray]:
    """Return the columns of a Parquet file as int64, and the "lengths" of the lists in ``lists``.

    Raises ValueError unless it has these columns and no other, of whole numbers and lists of them
    without a null, in ``rows`` rows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(content))
        names = file.schema_arrow.names
        if sorted(names) != sorted([*numbers, lists]):
            raise ValueError(f"columns {names}, and not {[*numbers, lists]}")
        if file.metadata.num_rows != rows:
            raise ValueError(f"{file.metadata.num_rows} users in {rows} test users, each due once")
        table = file.read()
        table.validate(full=True)
        if len(table) != rows:
            raise ValueError(f"{len(table)} rows where its end says {rows}")
        found = {name: _whole(table[name].combine_chunks(), name) for name in numbers}
        column = table[lists].combine_chunks()
        if not hasattr(column, "flatten"):
            raise ValueError(f"the column {lists} holds {column.type}, and not lists")
        if column.null_count:
            raise ValueError(f"the column {lists} has a null in the place of a list")
        found["lengths"] = _lengths(column)
        return found | {lists: _whole(column.flatten(), lists)}
    except (pa.ArrowException, OSError, LookupError, AttributeError, TypeError) as error:
        raise ValueError(f"it cannot be read as Parquet: {error}") from error
    except (MemoryError, OverflowError) as error:
        raise ValueError(f"it asks for more than there is room for: {error}") from error


def _whole(column: Any, name: str) -> np.ndarray:
    import pyarrow as pa

    if not pa.types.is_integer(column.type):
        raise ValueError(f"the column {name} holds {column.type}, and not whole numbers")
    if column.null_count:
        raise ValueError(f"the column {name} has a null in the place of a number")
    return column.cast(pa.int64()).to_numpy(zero_copy_only=False)


def _lengths(column: Any) -> np.ndarray:
    import pyarrow.compute as pc

    lengths = pc.call_function("list_value_length", [column])
    return lengths.to_numpy(zero_copy_only=False).astype(np.int64)
