"""Trials: the spec holds everything that a trial's numbers depend on, and its hash is the id."""

from __future__ import annotations

import ast
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveFloat, PositiveInt

from datasets.task import Name
from models.base import Device, Precision

PROTOCOL = 1
"""The version of all shared code that numbers depend on. It is raised, with a line in CHANGELOG.md,
when numbers change."""


class Strict(BaseModel):
    """A value that is validated when it is made, rejects unknown fields, and never changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


HASHED = frozenset(
    (
        "protocol",
        "model",
        "config",
        "code",
        "dataset",
        "split_hash",
        "seed",
        "stage",
        "device",
        "precision",
    )
)
"""The fields of TrialSpec that are part of every id; their names must never change."""


class TrialSpec(Strict):
    """One training of one model on one split with one seed."""

    protocol: int
    model: str
    config: dict[str, Any]
    """All options of the model, defaults included."""
    code: str
    """The ``code_hash`` of the files that define the model, or the hash of lists made elsewhere."""
    dataset: str
    split_hash: str
    seed: int | None
    """The seed; None for a deterministic model."""
    stage: Literal["test", "validation", "external"] = "test"
    """The kind of trial: "test" scores the test users; "validation", a point of a grid, scores the
    validation users only; "external" scores lists made elsewhere on the test users."""
    device: Device | None
    """The device; None for what is not trained here: bounds and lists made elsewhere."""
    precision: Precision | None
    """The precision of matrix products; None where ``device`` is None."""
    patience: PositiveInt | None = None
    """The epochs without a better validation score after which the trial ends; None: all epochs
    run. Only trials of stage "validation" may have it."""

    def ends(self, curve: Sequence[Mapping[str, float]]) -> bool:
        """Return whether the trial ends at the end of this ``curve`` though epochs are left.

        It does once ``patience`` epochs were no better than the best one. Where beta rises, they
        count from the epoch at which it has reached its cap, since scores may rise until then.
        """
        if self.patience is None or not curve:
            return False
        scores, cap = [point["validation"] for point in curve], self.config.get("beta_cap")
        known = cap if isinstance(cap, int | float) else -math.inf
        rising = [point for point in curve if point.get("beta", math.inf) < known]
        since = max(scores.index(max(scores)), len(rising))
        return len(curve) - 1 - since >= self.patience

    @property
    def id(self) -> str:
        """The first 16 hex digits of the sha256 of the spec as canonical JSON.

        A field that was added after the first records is left out where it has its default, so that
        the ids of those records stay the same.
        """
        content = self.model_dump(mode="json")
        later = {
            key
            for key in content.keys() - HASHED
            if content[key] == type(self).model_fields[key].default
        }
        hashed = {key: value for key, value in content.items() if key not in later}
        canonical = json.dumps(hashed, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


class Data(Strict):
    """What a record says about its data set: the options, the task, and the sizes of the split."""

    options: dict[str, Any]
    task: Name = "strong generalisation"
    users: int | None = None
    """The number of users in all parts of the split; None in some records of version 1."""
    interactions: int | None = None
    """The number of interactions in all parts of the split; None where ``users`` is."""
    training_users: int
    items: int
    training_interactions: int
    validation_users: int
    """The number of validation users who have targets."""
    test_users: int
    """The number of test users who have targets."""
    raw_sha256: str | None
    notes: tuple[str, ...]
    """What a person should know about the split, as that repeats were dropped."""


class Job(Strict):
    """The content of SPEC.json: a trial's spec, and what its process must know besides.

    The trial's numbers depend on nothing but the spec.
    """

    spec: TrialSpec
    data: Data
    split: Path
    """The folder of the cached split."""
    out: Path
    """The folder of the records."""
    threads: PositiveInt
    """The number of CPU threads."""
    alone: bool = True
    """Whether no other trial of the same run is under way at the same time."""
    checkpoint_seconds: NonNegativeFloat = 60.0
    """The shortest time between two checkpoints, in seconds."""
    keep_weights: bool = False
    """Whether the weights of the best epoch are stored beside the record."""
    plugins: tuple[Path, ...] = ()
    """The files that register models or likelihoods, to be run before the trial."""
    needed_bytes: PositiveFloat | None = None
    """The memory that the trial needs, as is forecast or said; None if that is not known."""


def code_hash(*paths: Path) -> str:
    """Return a hash of the meaning of Python files, as 16 hex digits.

    It is taken of their syntax trees without docstrings; comments are not part of those anyway.
    """
    code = hashlib.sha256()
    for path in paths:
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                node.body = [s for s in node.body if not _is_docstring(s)] or [ast.Pass()]
        code.update(ast.unparse(tree).encode())
    return code.hexdigest()[:16]


def _is_docstring(statement: ast.stmt) -> bool:
    """Return whether a statement is a bare string; one below a field documents the field."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
