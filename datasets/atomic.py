"""Writes files and folders so that they appear whole or not at all, and locks between processes.

Content is written under a temporary name in the same folder, put on disk, and then renamed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from datasets.errors import DataError


class Busy(Exception):
    """Another process holds the lock."""


def write(path: Path, content: bytes) -> None:
    """Write ``content`` to the file ``path``, as ``replace`` does."""
    replace({path: content})


def replace(new: Mapping[Path, bytes], old: Iterable[Path] = ()) -> None:
    """Write the ``new`` files, given as path to content, and delete the ``old`` ones.

    First all contents are put on disk under temporary names. Then the old files are deleted, and
    the new ones get their names in the order given. Missing folders are made. Raises DataError if
    the system cannot write a file (disk full, no permission); then nothing has changed.
    """
    staged: dict[Path, Path] = {}
    path = Path()
    try:
        for path, content in new.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=_prefix(path))
            staged[path] = Path(name)
            with open(handle, "wb") as file:
                file.write(content)
            # mkstemp lets only the owner read a file
            os.chmod(name, 0o644)
            sync(staged[path])
        for path in old:
            path.unlink(missing_ok=True)
        for path, beside in staged.items():
            os.replace(beside, path)
            sync(path.parent)
    except OSError as error:
        raise _told(path, error) from error
    finally:
        for beside in staged.values():
            beside.unlink(missing_ok=True)


@contextmanager
def folder(path: Path) -> Iterator[Path]:
    """Give an empty folder to fill; it is renamed to ``path`` when the block ends.

    If another process has made ``path`` by then, that folder stays and this one is deleted. Raises
    DataError as ``replace`` does.
    """
    beside = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=path.parent, prefix=_prefix(path)))
        yield beside
        os.chmod(beside, 0o755)
        for content in beside.iterdir():
            sync(content)
        try:
            os.rename(beside, path)
        except OSError:
            if not path.is_dir():
                raise
        sync(path.parent)
    except OSError as error:
        raise _told(path, error) from error
    finally:
        if beside:
            shutil.rmtree(beside, ignore_errors=True)


def _told(path: Path, error: OSError) -> DataError:
    return DataError(
        f"{path} could not be written ({error.strerror or error}); make room or name another folder"
    )


def _prefix(path: Path) -> str:
    return f".{path.name.lstrip('.')}."


def sweep(parent: Path, name: str, keep: Path | None = None) -> None:
    """Delete the temporary files that killed processes left in ``parent``, except ``keep``.

    They are those of ``name`` and of all files whose names begin with it and a dot. Only a process
    that holds the lock of ``name`` may call this.
    """
    for left in parent.glob(f".{name}.*"):
        if left in (lock_path(parent, name), keep):
            continue
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def lock_path(parent: Path, name: str) -> Path:
    """Return the path of the file that ``lock`` locks."""
    return parent / f".{name}.lock"


@contextmanager
def lock(parent: Path, name: str, wait: bool) -> Iterator[int]:
    """Hold the lock of ``name`` in the folder ``parent`` for the block; give its open descriptor.

    The lock is a file, deleted at the end. A child process that inherits the descriptor keeps the
    lock if this process dies. Raises Busy if another process holds the lock and ``wait`` is false,
    and DataError if the file cannot be made.
    """
    path = lock_path(parent, name)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        descriptor = _acquire(path, wait)
    except OSError as error:
        raise _told(path, error) from error
    try:
        yield descriptor
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _acquire(path: Path, wait: bool) -> int:
    """Lock the file ``path`` and return its descriptor.

    Whoever held the lock before has deleted the file, so the lock counts only if the file that is
    locked is still the one at ``path``.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            raise Busy(path.name) from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def sync(path: Path) -> None:
    """Make the system put ``path``, a file or a folder, on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
