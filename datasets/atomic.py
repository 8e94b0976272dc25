"""Writes files and folders so that they appear whole or not at all, and locks between processes.

Content is written under a temporary name in the same folder, put on disk, and then renamed. Whoever
writes holds a lock on the temporary file, which the kernel releases when the process dies, however
it dies. So what a killed process left is known from what a living one is writing.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path

from datasets.errors import DataError

NEW = ".new"
"""The end of every temporary name."""
TICK_SECONDS = 0.05
"""How often a process that waits for a lock tries it."""
PATIENCE_SECONDS = 5.0
"""How long a process waits for another before it says so."""


NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)
"""What the kernel answers where a file system has no locks, as some that machines share."""


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
    path = Path()
    with ExitStack() as stack:
        staged: dict[Path, Path] = {}
        try:
            for path, content in new.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                staged[path] = stack.enter_context(_beside(path))
                staged[path].write_bytes(content)
                # only the owner may read a file of mkstemp
                staged[path].chmod(0o644)
                sync(staged[path])
            for path in old:
                path.unlink(missing_ok=True)
            for path, beside in staged.items():
                os.replace(beside, path)
                sync(path.parent)
        except OSError as error:
            raise _told(path, error) from error


@contextmanager
def folder(path: Path) -> Iterator[Path]:
    """Give an empty folder to fill; it is renamed to ``path`` when the block ends.

    If another process has made ``path`` by then, that folder stays and this one is deleted. Raises
    DataError as ``replace`` does.
    """
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = _folder_of(stack.enter_context(_beside(path)))
            beside.mkdir()
            yield beside
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


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Give a new file beside ``path``, locked; what is there of it at the end is deleted.

    What killed processes left of ``path`` is deleted first.
    """
    sweep(path.parent, path.name)
    descriptor, beside = None, path
    while descriptor is None:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=_prefix(path.name), suffix=NEW)
        os.close(handle)
        beside = Path(name)
        with suppress(FileNotFoundError):  # a sweep may come before the lock; then once more
            descriptor = _locked(beside, wait=True, or_none=True)
    try:
        yield beside
    finally:
        _delete(beside)
        os.close(descriptor)


def _folder_of(beside: Path) -> Path:
    """Return the folder that is written under the lock of the temporary file ``beside``.

    A folder is not locked itself, since file systems that several machines share may not tell the
    others.
    """
    return beside.with_name(f"{beside.name}.folder")


def _prefix(name: str) -> str:
    return f".{name.lstrip('.')}."


def _told(path: Path, error: OSError) -> DataError:
    return DataError(
        f"{path} could not be written ({error.strerror or error}); make room or name another folder"
    )


def sweep(parent: Path, name: str) -> None:
    """Delete the lock of ``name`` and temporary files that killed processes left in ``parent``.

    They are those of ``name`` and of all files whose names begin with it and a dot.
    """
    for left in (*parent.glob(f"{glob.escape(_prefix(name))}*{NEW}"), lock_path(parent, name)):
        _delete_dead(left)


def tidy(parent: Path) -> None:
    """Delete all temporary files and locks that killed processes left in ``parent``.

    This is for folders in which only this project has hidden files.
    """
    for left in (*parent.glob(f".*{NEW}"), *parent.glob(lock_path(parent, "*").name)):
        _delete_dead(left)


def _delete_dead(left: Path) -> None:
    """Delete a temporary file or a lock, unless a living process holds it."""
    with suppress(OSError, Busy):
        descriptor = _locked(left, wait=False)
        _delete(left)
        os.close(descriptor)


def _delete(beside: Path) -> None:
    shutil.rmtree(_folder_of(beside), ignore_errors=True)
    beside.unlink(missing_ok=True)


def lock_path(parent: Path, name: str) -> Path:
    """Return the path of the file that ``lock`` locks."""
    return parent / f".{name}.lock"


@contextmanager
def lock(parent: Path, name: str, wait: bool) -> Iterator[int]:
    """Hold the lock of ``name`` in the folder ``parent`` for the block; give its open descriptor.

    The lock is a file, deleted at the end. A child process that inherits the descriptor keeps the
    lock if this process dies. Raises Busy if another process holds the lock and ``wait`` is false,
    and DataError if the file cannot be made. Whoever waits long is told for which process. Where
    the file system has no locks, the block runs without one, and this is said once.
    """
    path = lock_path(parent, name)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        descriptor = _locked(path, wait, os.O_CREAT, or_none=True)
    except OSError as error:
        raise _told(path, error) from error
    try:
        yield descriptor
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _locked(path: Path, wait: bool, flags: int = 0, or_none: bool = False) -> int:
    """Lock the file ``path`` and return its descriptor; ``flags`` are those of open.

    Whoever held the lock before has deleted the file, so the lock counts only if the file that is
    locked is still the one at ``path``. Raises Busy, and FileNotFoundError without os.O_CREAT.
    Where the file system has no locks, the file is not locked with ``or_none``, and otherwise
    OSError is raised.
    """
    tell_at = time.monotonic() + PATIENCE_SECONDS
    while True:
        descriptor = os.open(path, os.O_RDWR | flags, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except BlockingIOError:
            if not wait:
                os.close(descriptor)
                raise Busy(path.name) from None
            if time.monotonic() > tell_at:
                print(f"waiting for {holders(path)}, which has {path} locked", file=sys.stderr)
                tell_at = math.inf
            time.sleep(TICK_SECONDS)
        except BaseException as error:
            if or_none and isinstance(error, OSError) and error.errno in NO_LOCKS:
                _say_unlocked()
                return descriptor
            os.close(descriptor)
            raise
        os.close(descriptor)


@cache
def _say_unlocked() -> None:
    print(
        "the file system of the results or of the cache has no locks, so nothing keeps two runs "
        "from doing the same work; give each an --out and a $BENCH_CACHE_DIR of its own",
        file=sys.stderr,
    )


def holders(path: Path) -> str:
    """Return which other processes have the file ``path`` open, in words."""
    import psutil

    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            opened = {file.path for file in process.open_files()}
            if process.pid != os.getpid() and str(path.resolve()) in opened:
                stopped = " (stopped)" if process.status() == psutil.STATUS_STOPPED else ""
                found.append(f"process {process.pid}{stopped}")
    return " and ".join(found) or "a process of another user or machine"


def sync(path: Path) -> None:
    """Make the system put ``path``, a file or a folder, on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
