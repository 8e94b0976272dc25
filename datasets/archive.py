"""Files read out of archives. Nothing is ever unpacked to disk, whatever the names in an archive say."""

from __future__ import annotations

import gzip
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from datasets.errors import DataError

LIMIT = 2**32
"""Bytes that an archive may hold; the largest here is MSD's, with about three quarters of that."""


def unzipped(path: Path, member: str) -> bytes | Path:
    """The file called ``member`` in the zip archive at ``path``, or ``path`` itself if that is no archive.

    Raises DataError if the archive is damaged or unsafe.
    """
    if path.suffix != ".zip":
        return path
    try:
        with zipfile.ZipFile(path) as archive:
            size = 0
            for entry in archive.infolist():
                size += entry.file_size
                check(path, entry.filename, stat.S_ISLNK(entry.external_attr >> 16), size)
            named = (
                entry
                for entry in archive.infolist()
                if PurePosixPath(entry.filename).name == member
            )
            return archive.read(next(named))
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, StopIteration) as error:
        raise DataError(
            f"{path} is not a whole zip archive with {member} in it ({error}); delete it and get it again"
        ) from error


def untarred(path: Path, pattern: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file in the tar archive at ``path`` that matches ``pattern``; of archives in it too.

    One after the other, as they come. Raises DataError if an archive is damaged or unsafe.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield from _untarred(path, file, pattern)
            while file.read(2**20):
                pass  # gzip's checksum is compared at its end, and tar's end may come before
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise DataError(
            f"{path} is not a whole tar archive ({error}); delete it and get it again"
        ) from error


def _untarred(path: Path, file: Any, pattern: str) -> Iterator[tuple[str, bytes]]:
    size = 0
    with tarfile.open(fileobj=file, mode="r|") as archive:
        for entry in archive:
            size += entry.size
            check(path, entry.name, not (entry.isfile() or entry.isdir()), size)
            name, content = PurePosixPath(entry.name), archive.extractfile(entry)
            if content and name.match(pattern):
                yield name.name, content.read()
            elif content and name.suffix == ".tar":
                yield from _untarred(path, content, pattern)


def check(path: Path, name: str, link: bool, size: int) -> None:
    """Raise DataError if ``name`` in the archive at ``path`` is a link or leads out of it, or ``size`` is too much."""
    inside = PurePosixPath(name.replace("\\", "/"))
    if link or inside.is_absolute() or ".." in inside.parts:
        raise DataError(
            f"{path} is unsafe: {name!r} in it is a link or leads out of it; delete the archive"
        )
    if size > LIMIT:
        raise DataError(
            f"{path} is unsafe: it unpacks to more than {LIMIT} bytes; delete the archive"
        )
