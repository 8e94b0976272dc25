"""One JSON file per trial, written once and never edited; beside it the per-user results in
Parquet.

The JSON is written last and holds the Parquet's sha256, so a record that can be read is whole.
Every accuracy metric up to a cutoff of 100 is computed from the Parquet, without training.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark.evaluation.metrics import Metric, standard_error
from benchmark.evaluation.ranking import Ranking
from benchmark.records import checks, parquet
from benchmark.records.parquet import Results
from benchmark.records.parse import CURE, parse
from benchmark.records.record import PerUser, Record
from datasets import atomic
from datasets.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

SPECS = "specs"
"""The folder beside the records that holds the SPEC.json of each trial."""
SUFFIXES = (".json", ".parquet", ".top.parquet", ".safetensors")
"""The ends of the names of a trial's files; only the first two are always there for a trial that is
ok."""

TOLERANCE = 1e-9
"""The largest relative difference between a stored metric and the recomputed one."""


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
        files[".top.parquet"] = parquet.packed_top(ranking)
        files[".parquet"] = hits_parquet = parquet.packed_results(ranking)
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


def copy(folder: Path, trial_id: str, to: Path) -> list[Path]:
    """Copy all that there is of a trial from ``folder`` to another; returns the new paths."""
    files = files_of(folder, trial_id)
    return put(to, trial_id, {str(file.relative_to(folder)): file.read_bytes() for file in files})


def put(folder: Path, trial_id: str, files: Mapping[str, bytes]) -> list[Path]:
    """Write the ``files`` of a trial, by their paths in a folder of records; returns the new paths.

    All appear together, the JSON last. Raises DataError as ``write`` does.
    """
    record = path_of(folder, trial_id)
    contents = {folder / name: content for name, content in files.items()}
    contents[record] = contents.pop(record)
    atomic.replace(contents, old=[record.with_suffix(suffix) for suffix in SUFFIXES])
    return list(contents)


def read(path: Path) -> Record:
    """Return the record in a file.

    Raises DataError if the file is not a record, was altered, contradicts itself, or is of a newer
    version.
    """
    record, content = parse(path)
    for fault in checks.of_record(record, content, path):
        raise DataError(f"{path}: {fault}; {CURE}")
    return record


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


def per_user(folder: Path, record: Record) -> Results:
    """Return the per-user results of a record that has metrics.

    Raises DataError as ``results_of`` does, and if the metrics do not follow from them.
    """
    found = results_of(folder, record)
    for fault in of_metrics(record, found):
        raise DataError(f"{path_of(folder, record.id)}: {fault}; {CURE}")
    return found


def of_metrics(record: Record, results: Results) -> Iterator[str]:
    """Yield each way in which the metrics are not those of the hit ranks."""
    for name, stored in (record.metrics or {}).items():
        values = Metric.parse(name)(results.hit, results.targets)
        for what, claimed, computed in (
            ("mean", stored.mean, float(values.mean())),
            ("stderr", stored.stderr, standard_error(values)),
        ):
            if not math.isclose(claimed, computed, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
                yield f"{name} {what} is {claimed}, but {computed} by its hit ranks"


def results_of(folder: Path, record: Record) -> Results:
    """Return what is in the Parquet file of a record that has metrics.

    Raises DataError if the file is missing, is not the one that the record names, or does not hold
    per-user results.
    """
    assert record.per_user is not None, "only a record with metrics has per-user results"
    path = folder / record.per_user.file
    cure = f"get it back, or run the trial again with --force (record {record.id})"
    if not path.is_file():
        raise DataError(f"{path}, the per-user results of a record, is missing; {cure}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); {cure}") from error
    if hashlib.sha256(content).hexdigest() != record.per_user.sha256:
        raise DataError(f"{path} is not the file whose sha256 its record holds; {cure}")
    try:
        return parquet.results(content, record.data)
    except ValueError as error:
        raise DataError(f"{path} does not hold per-user results ({error}); {cure}") from error


def top_of(folder: Path, record: Record, results: Results) -> np.ndarray | None:
    """Return the top-100 lists beside a record; None if there are none, as in a folder of others.

    Raises DataError if they contradict themselves or the per-user results.
    """
    beside = path_of(folder, record.id).with_suffix(".top.parquet")
    # whatever else is there is told by ``strays``; to read a pipe would take for ever
    if not beside.is_file():
        return None
    try:
        # lists made elsewhere may end early, and candidates are not told here
        whole = record.spec.stage == "test" and not record.selection.sampled
        return parquet.top(beside.read_bytes(), results, record.data.items, whole)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{beside} does not hold the lists of its record ({error}); delete it, or run the "
            f"trial again with --force (record {record.id})"
        ) from error
