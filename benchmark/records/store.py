"""One JSON file per trial, written once and never edited; beside it the per-user results in
Parquet.

The JSON is written last and holds the Parquet's sha256, so a record that can be read is whole.
Every accuracy metric up to a cutoff of 100 is computed from the Parquet, without training.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from benchmark.evaluation.metrics import DEPTH
from benchmark.evaluation.ranking import Ranking
from benchmark.records.record import VERSION, PerUser, Record, checksum, from_version_1
from datasets import atomic
from datasets.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

SPECS = "specs"
"""The folder beside the records that holds the SPEC.json of each trial."""
SUFFIXES = (".json", ".parquet", ".top.parquet", ".safetensors")
"""The ends of the names of a trial's files; only the first two are always there for a trial that is
ok."""
CURE = "move it out of the folder and run its trial again"


@dataclass(frozen=True)
class Result:
    """How a trial ended: its record, and the content of each file beside it by the end of the
    file's name.
    """

    record: Record
    files: dict[str, bytes]


def packed(record: Record, ranking: Ranking | None = None, weights: bytes | None = None) -> Result:
    """The record with its checksum, and what there is of per-user results, top-100 lists and
    weights as files.
    """
    files: dict[str, bytes] = {}
    if weights is not None:
        files[".safetensors"] = weights
    if ranking is not None:
        files[".top.parquet"] = _top(ranking)
        files[".parquet"] = hits_parquet = _hits(ranking)
        sha256 = hashlib.sha256(hits_parquet).hexdigest()
        per_user = PerUser(file=f"{record.id}.parquet", sha256=sha256)
        record = record.model_copy(update={"per_user": per_user})
    return Result(record.sealed(), files)


def write(folder: Path, result: Result) -> list[Path]:
    """Write a trial's record and the files beside it into ``folder``; returns the paths.

    All appear together, the JSON last; what an older record of the trial had goes first, so that no
    record is ever beside files that are not its own. Raises DataError, with nothing changed, if
    there is no room.
    """
    path = path_of(folder, result.record.id)
    contents = {path.with_suffix(suffix): content for suffix, content in result.files.items()}
    contents[path] = (json.dumps(result.record.model_dump(mode="json"), indent=1) + "\n").encode()
    atomic.replace(contents, old=[path.with_suffix(suffix) for suffix in SUFFIXES])
    return list(contents)


def path_of(folder: Path, trial_id: str) -> Path:
    """Return the path of a trial's record."""
    return folder / f"{trial_id}.json"


def files_of(folder: Path, trial_id: str) -> list[Path]:
    """Return what there is of a trial in ``folder``: its spec and the files of its result."""
    path = path_of(folder, trial_id)
    files = [folder / SPECS / path.name, *map(path.with_suffix, SUFFIXES)]
    return [file for file in files if file.exists()]


def read(path: Path) -> Record:
    """Return the record in a file.

    Raises DataError if the file is not a record, was altered, or is of a newer version.
    """
    if not path.is_file():  # to read a named pipe would wait for ever
        raise DataError(f"{path} is no file; move it out of the folder")
    try:
        content = json.loads(path.read_text())
        newer = content["record_version"] > VERSION
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path} is not a record ({error!r}); move it out of the folder") from error
    if newer:
        raise DataError(
            f"{path} has record_version {content['record_version']} and this checkout reads up "
            f"to {VERSION}; "
            "update the checkout"
        )
    try:
        if content["record_version"] == 1:
            content = from_version_1(content)
        elif content.get("checksum") != checksum(content):
            raise DataError(
                f"{path} was altered after it was written (its checksum differs); {CURE}"
            )
        return Record.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(
            f"{path} is not a whole record ({'.'.join(map(str, first['loc']))}: "
            f"{first['msg'].lower()}); {CURE}"
        ) from error


def read_all(folder: Path) -> list[Record]:
    """Return every record in ``folder``, the oldest first; raises DataError as ``read`` does."""
    return sorted(map(read, folder.glob("*.json")), key=lambda record: (record.finished, record.id))


def load(folder: str | Path) -> pd.DataFrame:
    """The records in ``folder`` as a table, one row a trial; nested values become columns like
    "spec.model".
    """
    import pandas as pd

    return pd.json_normalize([record.model_dump(mode="json") for record in read_all(Path(folder))])


def hits(folder: Path, record: Record) -> tuple[np.ndarray, np.ndarray]:
    """Per test user ``hit`` (N, 100) and ``targets`` (N,), as metrics want them; raises as
    ``per_user`` does.
    """
    found = per_user(folder, record)
    return found.hit, found.targets


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


def per_user(folder: Path, record: Record) -> Results:
    """Return the per-user results of a record that has metrics.

    Raises DataError if the file is missing, is not the one that the record names, or does not hold
    such results.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    assert record.per_user is not None, "only a record with metrics has per-user results"
    path = folder / record.per_user.file
    cure = f"get it back, or run the trial again with --force (record {record.id})"
    if not path.is_file():
        raise DataError(f"{path}, the per-user results of a record, is missing; {cure}")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != record.per_user.sha256:
        raise DataError(f"{path} is not the file whose sha256 its record holds; {cure}")
    try:
        table = pq.read_table(io.BytesIO(content))
        ranks = table["ranks"].combine_chunks()
        lengths = np.diff(ranks.offsets.to_numpy())
        places = ranks.flatten().to_numpy().astype(np.int64)
        hit = np.zeros((len(table), DEPTH), dtype=bool)
        if len(places) and not 1 <= places.min() <= places.max() <= DEPTH:
            raise ValueError(
                f"ranks from {places.min()} to {places.max()}, and not from 1 to {DEPTH}"
            )
        hit[np.repeat(np.arange(len(table)), lengths), places - 1] = True
        user, history, targets = (table[name].to_numpy() for name in ("user", "history", "targets"))
        return Results(user, history, hit, targets)
    except (pa.ArrowException, KeyError, AttributeError, ValueError, TypeError) as error:
        raise DataError(f"{path} does not hold per-user results ({error}); {cure}") from error


def _hits(ranking: Ranking) -> bytes:
    import pyarrow as pa

    users, places = np.nonzero(ranking.hit)
    offsets = np.searchsorted(users, np.arange(len(ranking.user) + 1)).astype(np.int32)
    ranks = pa.ListArray.from_arrays(_array(offsets), _array((places + 1).astype(np.uint8)))
    return _parquet(
        {
            "user": ranking.user,
            "history": ranking.history,
            "targets": ranking.targets,
            "ranks": ranks,
        }
    )


def _top(ranking: Ranking) -> bytes:
    import pyarrow as pa

    depth = ranking.top.shape[1]
    items = pa.FixedSizeListArray.from_arrays(_array(ranking.top.ravel()), depth)
    return _parquet({"user": ranking.user, "items": items})


def _array(values: np.ndarray) -> pa.Array:
    """Return an Arrow array without ``pa.array``, which would import pandas."""
    import pyarrow as pa

    return pa.Array.from_buffers(
        pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)]
    )


def _parquet(columns: dict[str, Any]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    arrays = {
        name: _array(column) if isinstance(column, np.ndarray) else column
        for name, column in columns.items()
    }
    pq.write_table(pa.table(arrays), buffer, compression="zstd")
    return buffer.getvalue()
