"""Files and folders appear whole or not at all: written beside, synced, renamed. And locks between processes."""

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
    """Make ``content`` the file ``path``, as ``replace`` does."""
    replace({path: content})


def replace(new: Mapping[Path, bytes], old: Iterable[Path] = ()) -> None:
    """Make each content its file, in order, once all are on disk; before the first appears, the ``old`` files go.

    Folders are made if they are missing. Raises DataError if the system cannot write a file (disk full, no
    permission); then nothing has changed.
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
            os.chmod(name, 0o644)  # mkstemp makes it private
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
    """Give an empty folder to fill; it becomes ``path`` at the end, unless another process made that first.

    Raises DataError as ``replace`` does.
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
        f"{path} could not be written ({error.strerror or error}); make room, or name another place"
    )


def _prefix(path: Path) -> str:
    return f".{path.name.lstrip('.')}."


def sweep(folder: Path, name: str, keep: Path | None = None) -> None:
    """Delete what killed processes left of ``name`` and of files whose names begin with it, but for ``keep``.

    Only for who holds the lock of ``name``.
    """
    for left in folder.glob(f".{name}.*"):
        if left in (lock_path(folder, name), keep):
            continue
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def lock_path(folder: Path, name: str) -> Path:
    """The file that ``lock`` holds."""
    return folder / f".{name}.lock"


@contextmanager
def lock(folder: Path, name: str, wait: bool) -> Iterator[int]:
    """Hold the lock of ``name`` in ``folder``, and delete its file at the end; gives the open descriptor.

    A child that inherits the descriptor keeps the lock when this process dies. Raises Busy if another process
    holds it and ``wait`` is false.
    """
    path = lock_path(folder, name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = _acquire(path, wait)
    except OSError as error:
        raise _told(path, error) from error
    try:
        yield descriptor
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _acquire(path: Path, wait: bool) -> int:
    """The lock of a file that is still at ``path`` once it is ours: its last holder deletes it."""
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
    """Ask the system to put ``path``, a file or a folder, on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
