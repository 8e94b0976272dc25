"""The types of what is stored of a trial; one ``Record`` is one JSON file.

A record of version 1, which older checkouts wrote, is read as one of version 2 without a checksum.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import Field

from benchmark import labels
from benchmark.evaluation.metrics import Metric, selection
from benchmark.spec import Data, Strict, TrialSpec

VERSION = 2
Status = Literal["ok", "failed", "oom", "timeout", "diverged"]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""A number of seconds, or a value of a metric."""
Bytes = Annotated[int, Field(ge=0, lt=2**63)]
Share = Annotated[float, Field(ge=0, le=1)]


class Estimate(Strict):
    """A metric over the test users."""

    mean: Amount
    stderr: Amount
    """Standard error over users."""


class PerUser(Strict):
    """The Parquet file beside the record."""

    file: str
    """Its name, which is the trial's id with an ending."""
    sha256: str


class Cost(Strict):
    """The seconds and bytes that a trial took; None for what was not measured or did not happen."""

    construction_seconds: Amount | None = None
    preparation_seconds: Amount | None = None
    training_seconds: Amount | None = None
    validation_seconds: Amount | None = None
    test_seconds: Amount | None = None
    first_epoch_seconds: Amount | None = None
    median_epoch_seconds: Amount | None = None
    """The median of the epochs after the first."""
    to_best_seconds: Amount | None = None
    """Preparation, and training up to and including the best epoch."""
    process_seconds: Amount | None = None
    """How long a process lived that ended before it could write a record."""
    weights_bytes: Bytes | None = None
    process_peak_bytes: Bytes | None = None
    """Largest resident size of any process of the trial."""
    gpu_peak_bytes: Bytes | None = None
    """The most that tensors took on the GPU, in the last process of the trial."""

    @property
    def total_seconds(self) -> float:
        """Preparation, training, validation and test."""
        parts = (
            self.preparation_seconds,
            self.training_seconds,
            self.validation_seconds,
            self.test_seconds,
        )
        return sum(part or 0.0 for part in parts)

    @property
    def spent_seconds(self) -> float:
        """What the trial took of a budget; of a process that died only its whole time is known."""
        return self.process_seconds or self.total_seconds


class Library(Strict):
    """A library with threads of its own that a trial's process had loaded."""

    internal_api: str
    version: str | None
    architecture: str | None
    """The instructions that its kernels are for."""
    num_threads: int
    of_numpy: bool
    """Whether it came with NumPy."""


class Environment(Strict):
    """Where and with what a trial ran: all that a stranger needs to judge or repeat a timing."""

    commit: str | None
    """The commit of the checkout; None outside a repository."""
    dirty: bool | None
    """Whether tracked files differed from the commit."""
    python: str
    system: str
    versions: dict[str, str]
    """The installed versions of torch, NumPy and SciPy."""
    cpu: str
    cores: int | None
    memory_bytes: int
    gpu: str | None
    threads: int
    variables: dict[str, str] = Field(default_factory=dict)
    """The environment variables that a run sets for its trials, as far as they were set."""
    blas: tuple[Library, ...]
    matrix_product: str
    """Which libraries multiply matrices, and for which instructions: equal bits need an equal
    answer."""
    precision_rule: str | None = None
    """What ``--precision auto`` means on this machine, and why."""


class Record(Strict):
    """What is known of a trial. A failure has no metrics, rather than zeros."""

    record_version: int = VERSION
    id: str
    spec: TrialSpec
    data: Data
    status: Status
    reason: str | None = None
    """Why a trial failed; the last line is one sentence."""
    metrics: dict[str, Estimate] | None = None
    """Metrics over the test users, with the weights of the best epoch."""
    tied_rows: Share | None = None
    """Share of test users whose top 100 depended on the breaking of a tie; None for lists made
    elsewhere."""
    best_epoch: int | None = None
    """The first epoch with the largest validation score."""
    best_validation: float | None = None
    curve: list[dict[str, float]]
    """One point an epoch: epoch, validation (the metric ``selection``), and what the model logs."""
    cost: Cost
    resumed: bool
    beside_others: bool
    """Whether other trials of the run, or processes with over a tenth of the cores, ran beside it.
    """
    other_work: Share
    """The share of the cores that other processes used."""
    environment: Environment
    started: str
    finished: str
    per_user: PerUser | None = None
    checksum: str | None = None
    """sha256 of the other fields as canonical JSON; None in a record of version 1."""

    @property
    def label(self) -> str:
        """What the model is called in a table: its name, and the options that are not the usual
        ones.
        """
        return labels.model_label(self.spec)

    @property
    def data_label(self) -> str:
        """What the data set is called in a table."""
        return labels.dataset_label(self.spec.dataset, self.data.options)

    @property
    def sentence(self) -> str:
        """The last line of a failure's reason; the lines before it only explain."""
        return (self.reason or "").strip().splitlines()[-1]

    @property
    def selection(self) -> Metric:
        """The metric by which the best epoch was chosen, on the validation users."""
        return selection(self.data.task)

    @property
    def tested(self) -> float | None:
        """The mean of that metric over the test users; None without metrics."""
        return self.metrics[str(self.selection)].mean if self.metrics else None

    def differs(self, other: Record) -> list[str]:
        """Return the names of the results in which another record of the same trial is unlike this
        one; costs and machines may differ.
        """
        fields = ("status", "metrics", "tied_rows", "best_epoch", "best_validation", "curve")
        unlike = [name for name in fields if getattr(self, name) != getattr(other, name)]
        mine, theirs = (one.per_user and one.per_user.sha256 for one in (self, other))
        return unlike + (["hit ranks"] if mine != theirs else [])

    def sealed(self) -> Record:
        """Return the same record with its checksum."""
        return self.model_copy(update={"checksum": checksum(self.model_dump(mode="json"))})


def checksum(content: dict[str, Any]) -> str:
    """Return the checksum of the other fields of a record's JSON ``content``."""
    rest = {key: value for key, value in content.items() if key != "checksum"}
    return hashlib.sha256(
        json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()


def from_version_1(content: dict[str, Any]) -> dict[str, Any]:
    """Return a record of version 1 as one of version 2: without its labels and ``best_beta``, and
    with whole numbers of bytes.
    """

    def without(names: set[str], of: Any) -> Any:
        return {k: v for k, v in of.items() if k not in names} if isinstance(of, dict) else of

    cost = content.get("cost")
    if isinstance(cost, dict):
        cost = {
            key: _whole(value) if key.endswith("_bytes") else value for key, value in cost.items()
        }
    kept = without({"label", "best_beta"}, content)
    return kept | {"data": without({"label"}, content.get("data")), "cost": cost}


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
