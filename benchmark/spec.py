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
"""Version of all shared code that numbers depend on: raised, with a line in CHANGELOG.md, when they change."""


class Strict(BaseModel):
    """A value that is validated when made, has no field but its own, and never changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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
    """"validation": a point of a grid, which never sees the test users; "external": lists made elsewhere."""
    device: Device | None
    """None for a row that is no model's: bounds, and lists made elsewhere."""
    precision: Precision | None

    @property
    def id(self) -> str:
        """16 hex digits of the sha256 of the canonical JSON."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


class Job(Strict):
    """A trial and what its process must know but its numbers do not depend on: the content of SPEC.json."""

    spec: TrialSpec
    label: str
    """The model with the options that differ from its defaults: ``mult-vae[latent=100]``."""
    data: dict[str, Any]
    """What a record says of the data set."""
    split: Path
    """Folder of the cached split."""
    out: Path
    """Folder of the records."""
    threads: int
    """CPU threads."""
    alone: bool = True
    """No other trial of the same run runs at the same time."""
    checkpoint_seconds: float = 60.0
    """Shortest time between two checkpoints."""
    keep_weights: bool = False
    plugins: tuple[Path, ...] = ()
    """Files that register models, or what models are made of."""

    @property
    def title(self) -> str:
        """Data set, model and seed, for a person."""
        seed = "" if self.spec.seed is None else f" seed {self.spec.seed}"
        return f"{self.data['label']} {self.label}{seed}"


def code_hash(*paths: Path) -> str:
    """Of the meaning of Python files: their syntax trees printed back without comments and docstrings."""
    code = hashlib.sha256()
    for path in paths:
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                node.body = [s for s in node.body if not _is_docstring(s)] or [ast.Pass()]
        code.update(ast.unparse(tree).encode())
    return code.hexdigest()[:16]


def _is_docstring(statement: ast.stmt) -> bool:
    """A bare string, wherever it stands: also the ones that document a field."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
