"""What a trial is, and its name: everything its numbers depend on, and nothing else."""

from __future__ import annotations

import ast
import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from models.base import Device, Precision

PROTOCOL = 1
"""The version of all shared code that numbers depend on. It is raised, with a line in CHANGELOG.md,
when numbers change."""


class Strict(BaseModel):
    """A value that is validated when it is made, takes no unknown field, and never changes."""

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
"""The fields of TrialSpec that are in every id; their names must never change."""


class TrialSpec(Strict):
    """One training of one model on one split with one seed."""

    protocol: int
    model: str
    config: dict[str, Any]
    """All options of the model, defaults included."""
    code: str
    """``code_hash`` of the files that define the model; of lists made elsewhere, their hash."""
    dataset: str
    split_hash: str
    seed: int | None
    """None for a deterministic model."""
    stage: Literal["test", "validation", "external"] = "test"
    """"validation": a point of a grid, which never sees the test users; "external": lists made
    elsewhere."""
    device: Device | None
    """None for a row that is not a model's: bounds, and lists made elsewhere."""
    precision: Precision | None

    @property
    def id(self) -> str:
        """16 hex digits of the sha256 of the canonical JSON.

        A field that came after the first records is left out at its default, so that their ids
        stay.
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
    """What a record says of its data set: the options of the split, and sizes."""

    options: dict[str, Any]
    users: int | None = None
    """Users in all parts of the split; None in some records of version 1, as below."""
    interactions: int | None = None
    """Interactions in all parts of the split."""
    training_users: int
    items: int
    training_interactions: int
    validation_users: int
    """Validation users with something to find."""
    test_users: int
    """Test users with something to find."""
    raw_sha256: str | None
    notes: tuple[str, ...]
    """What a person should know of the split: repeats dropped, archive unverified."""


class Job(Strict):
    """A trial and what its process must know but its numbers do not depend on: the content of
    SPEC.json.
    """

    spec: TrialSpec
    data: Data
    split: Path
    """Folder of the cached split."""
    out: Path
    """Folder of the records."""
    threads: int
    """CPU threads."""
    alone: bool = True
    """Whether no other trial of the same run is under way at the same time."""
    checkpoint_seconds: float = 60.0
    """The shortest time between two checkpoints."""
    keep_weights: bool = False
    plugins: tuple[Path, ...] = ()
    """Files that register models or likelihoods."""


def code_hash(*paths: Path) -> str:
    """Of the meaning of Python files: their syntax trees printed back without comments and
    docstrings.
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
