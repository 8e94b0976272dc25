"""What a node of a Ray cluster does: it runs one trial in a folder of its own.

Ray imports this module whenever it unpacks what it sends, so it imports nothing large itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from benchmark.records.record import Record

SPLITS = "strong-generalization-splits"
"""The folder for splits in the folder for temporary files of a node."""

Files = Mapping[str, bytes]
"""Contents of files by their names."""


class Sent(NamedTuple):
    """A trial as it travels to a node."""

    job: str
    """The job as JSON; its paths mean nothing there."""
    plugins: tuple[tuple[str, bytes], ...]
    """The name and content of each plugin."""
    timeout: float | None


class NodeFailed(Exception):
    """A node cannot run a trial at all, as with a full disk."""

    def __init__(self, node: str, reason: str) -> None:
        super().__init__(node, reason)
        self.node, self.reason = node, reason


class CodeRemoved(Exception):
    """The code was removed while it ran, as Ray does if a second node of the machine has ended."""


def on_node(sent: Sent, split: Files) -> dict[str, bytes]:
    """Run a trial on this node; returns its files by name.

    Raises NodeFailed if it cannot, and CodeRemoved if it failed because the code was removed.
    """
    from datasets.errors import DataError

    before = code()
    try:
        with tempfile.TemporaryDirectory() as folder:
            record, files = run_in(Path(folder), sent, split)
    except (OSError, DataError) as error:
        if code() != before:
            raise CodeRemoved from error
        node = import_module("ray").get_runtime_context().get_node_id()
        raise NodeFailed(node, str(error)) from error
    if record.status != "ok" and code() != before:
        raise CodeRemoved(record.reason)
    return files


def code() -> tuple[int, int] | None:
    """Return what tells one copy of the code from a later one in its place; None if it is gone."""
    try:
        found = Path(__file__).stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_ctime_ns


def run_in(out: Path, sent: Sent, split: Files) -> tuple[Record, dict[str, bytes]]:
    """Run a trial in a folder as a run on this machine would; returns its record, and its files by
    name.
    """
    from benchmark.records import store
    from benchmark.run.local import Local
    from benchmark.spec import Job

    job = Job.model_validate_json(sent.job)
    plugins = tuple(out / plugin for plugin, _ in sent.plugins)
    for path, (_, content) in zip(plugins, sent.plugins, strict=True):
        path.write_bytes(content)
    here = {"split": unpacked(split, job.spec.split_hash), "out": out, "plugins": plugins}
    job = job.model_copy(update=here)
    with closing(Local(1, sent.timeout).run([job])) as ended:
        ((_, record),) = ended
    files = store.files_of(out, job.spec.id)
    return record, {path.name: path.read_bytes() for path in files if path.parent == out}


def unpacked(split: Files, split_hash: str) -> Path:
    """Return the folder of a split on this node, which the first trial that needs it writes."""
    from datasets import atomic, cache

    parent = Path(tempfile.gettempdir()) / SPLITS
    folder = parent / split_hash
    with atomic.lock(parent, split_hash, wait=True):
        if not folder.exists():
            with atomic.folder(folder) as new:
                for name, content in split.items():
                    (new / name).write_bytes(content)
    cache.read(folder, check=True)
    return folder
