"""One JSON file per trial, written once and never edited; beside it the per-user results in Parquet.

The JSON is written last and holds the Parquet's sha256, so a record that can be read is whole. Every accuracy
metric up to a cutoff of 100 is computed from the Parquet, without training.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from benchmark.evaluate import Ranking
from benchmark.metrics import DEPTH
from benchmark.spec import TrialSpec
from datasets import atomic
from datasets.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

VERSION = 1
Status = Literal["ok", "failed", "oom", "timeout", "diverged"]


class Strict(BaseModel):
    """A value that is validated when made, has no field but its own, and never changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(Strict):
    """A metric over the test users."""

    mean: float
    stderr: float
    """Standard error over users."""


class PerUser(Strict):
    """The Parquet file beside the record."""

    file: str
    sha256: str


class Record(Strict):
    """What is known of a trial. A failure has no metrics, rather than zeros."""

    record_version: int = VERSION
    id: str
    spec: TrialSpec
    label: str
    """The model with the options that differ from its defaults: ``mult-vae[latent=100]``."""
    data: dict[str, Any]
    """Label, sizes, options, notes and raw file of the data set."""
    status: Status
    reason: str | None = None
    """Of a failure, one sentence."""
    metrics: dict[str, Estimate] | None = None
    """On the test users, with the weights of the best epoch."""
    tied_rows: float | None = None
    """Share of test users whose top 100 depended on the breaking of a tie."""
    best_epoch: int | None = None
    """The first with the largest validation NDCG@100."""
    best_validation: float | None = None
    best_beta: float | None = None
    """beta at the end of the best epoch, where the model has one."""
    curve: list[dict[str, float]]
    """Per epoch: epoch, validation (NDCG@100), and what the model logs."""
    cost: dict[str, float]
    """Seconds and bytes, the unit in the key."""
    resumed: bool
    beside_others: bool
    """Other processes used more than a tenth of the cores: no timing table takes it."""
    other_work: float
    """The share of the cores that they used."""
    environment: dict[str, Any]
    started: str
    finished: str
    per_user: PerUser | None = None


def write(folder: Path, record: Record, ranking: Ranking | None) -> list[Path]:
    """Write the record, after the per-user results and top-100 lists if there are any; returns the paths."""
    written = []
    if ranking is not None:
        hits = folder / f"{record.id}.parquet"
        content = _hits(ranking)
        atomic.write(hits, content)
        top = folder / f"{record.id}.top.parquet"
        atomic.write(top, _top(ranking))
        per_user = PerUser(file=hits.name, sha256=hashlib.sha256(content).hexdigest())
        record = record.model_copy(update={"per_user": per_user})
        written += [hits, top]
    path = folder / f"{record.id}.json"
    atomic.write(path, (json.dumps(record.model_dump(mode="json"), indent=1) + "\n").encode())
    return [*written, path]


def read(path: Path) -> Record:
    """Raises DataError if the file is not a record, or one of a newer version."""
    try:
        content = json.loads(path.read_text())
        newer = content["record_version"] > VERSION
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path} is not a record ({error!r}); move it out of the folder") from error
    if newer:
        raise DataError(
            f"{path} has record_version {content['record_version']} and this checkout reads up to {VERSION}; "
            "update the checkout"
        )
    try:
        return Record.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(
            f"{path} is not a whole record ({'.'.join(map(str, first['loc']))}: {first['msg'].lower()}); "
            "move it out of the folder and run its trial again"
        ) from error


def read_all(folder: Path) -> list[Record]:
    """Every record in ``folder``, the oldest first; raises DataError as ``read`` does."""
    return sorted(map(read, folder.glob("*.json")), key=lambda record: (record.finished, record.id))


def load(folder: str | Path) -> pd.DataFrame:
    """The records in ``folder`` as a table, one row a trial; nested values become columns like "spec.model"."""
    import pandas as pd

    return pd.json_normalize([record.model_dump(mode="json") for record in read_all(Path(folder))])


def hits(folder: Path, record: Record) -> tuple[np.ndarray, np.ndarray]:
    """Per test user ``hit`` (N, 100) and ``targets`` (N,), as metrics want them.

    Raises DataError if the per-user file is missing or is not the one that the record names.
    """
    import pyarrow.parquet as pq

    assert record.per_user is not None, "only a record with metrics has per-user results"
    path = folder / record.per_user.file
    cure = f"get it back, or run the trial again with --force (record {record.id})"
    if not path.is_file():
        raise DataError(f"{path}, the per-user results of a record, is missing; {cure}")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != record.per_user.sha256:
        raise DataError(f"{path} is not the file whose sha256 its record holds; {cure}")
    table = pq.read_table(io.BytesIO(content))
    lengths = np.diff(table["ranks"].combine_chunks().offsets.to_numpy())
    ranks = table["ranks"].combine_chunks().flatten().to_numpy()
    hit = np.zeros((len(table), DEPTH), dtype=bool)
    hit[np.repeat(np.arange(len(table)), lengths), ranks - 1] = True
    return hit, table["targets"].to_numpy()


def _hits(ranking: Ranking) -> bytes:
    import pyarrow as pa

    users, places = np.nonzero(ranking.hit)
    offsets = np.searchsorted(users, np.arange(len(ranking.user) + 1)).astype(np.int32)
    ranks = pa.ListArray.from_arrays(offsets, pa.array((places + 1).astype(np.uint8)))
    return _parquet({"user": ranking.user, "history": ranking.history, "targets": ranking.targets, "ranks": ranks})


def _top(ranking: Ranking) -> bytes:
    import pyarrow as pa

    depth = ranking.top.shape[1]
    items = pa.FixedSizeListArray.from_arrays(pa.array(ranking.top.ravel()), depth)
    return _parquet({"user": ranking.user, "items": items})


def _parquet(columns: dict[str, Any]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, compression="zstd")
    return buffer.getvalue()
