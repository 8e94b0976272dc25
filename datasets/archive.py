"""Reads files out of archives; nothing is ever unpacked to disk."""

from __future__ import annotations

import gzip
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Self

from datasets.errors import DataError

LIMIT = 2**32
"""The most bytes that an archive's files may have in all; those of MSD have 3/4 of that."""
PACKED = {".gz": "gzip", ".zst": "zstd"}
"""The compression of a single file, by the last ending of its name."""


def unzipped(path: Path, member: str) -> bytes | Path:
    """Return the content of the file ``member`` in the zip archive ``path``.

    If ``path`` does not end in .zip, it is returned itself. Raises DataError if the archive is
    damaged or unsafe, or has no such file.
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
    except DataError:
        raise
    # the standard library raises many kinds of error for a damaged archive
    except Exception as error:
        raise DataError(
            f"{path} is not a whole zip archive with {member} in it ({_line(error)}); "
            "delete it and get it again"
        ) from error


def expanded(path: Path) -> bytes | Path:
    """Return the content of a compressed file, or ``path`` itself if its name tells of no other.

    Raises DataError if the file is damaged or holds more than LIMIT bytes.
    """
    if not (compression := PACKED.get(path.suffix.lower())):
        return path
    import pyarrow

    parts: list[bytes] = []
    try:
        with path.open("rb") as file, pyarrow.input_stream(file, compression) as content:
            while part := content.read(2**24):
                parts.append(part)
                check(path, path.name, False, sum(map(len, parts)))
    except OSError as error:
        raise DataError(
            f"{path} is not a whole {compression} file ({error}); compress it anew"
        ) from error
    return b"".join(parts)


def untarred(path: Path, pattern: str) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of each file in the tar archive ``path`` that matches ``pattern``.

    Tar archives inside it are searched too. The files come in the archive's order. Raises
    DataError if an archive is damaged or unsafe.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield from _untarred(path, file, pattern)
            # gzip compares its checksum at the end of the file, and tar may stop reading before
            while file.read(2**20):
                pass
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            f"{path} is not a whole tar archive ({_line(error)}); delete it and get it again"
        ) from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


class Entry(tarfile.TarInfo):
    """A file in a tar archive; at a damaged entry tarfile would take the archive to end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # pyright: ignore[reportAttributeAccessIssue]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"{error} in the middle") from error


def _untarred(path: Path, file: Any, pattern: str) -> Iterator[tuple[str, bytes]]:
    size = 0
    with tarfile.open(fileobj=file, mode="r|", tarinfo=Entry) as archive:
        for entry in archive:
            size += entry.size
            check(path, entry.name, not (entry.isfile() or entry.isdir()), size)
            name, content = PurePosixPath(entry.name), archive.extractfile(entry)
            if content and name.match(pattern):
                yield name.name, content.read()
            elif content and name.suffix == ".tar":
                yield from _untarred(path, content, pattern)


def check(path: Path, name: str, link: bool, size: int) -> None:
    """Raise DataError if a file in the archive ``path`` is unsafe.

    It is unsafe if it is a ``link``, if its ``name`` leads out of the archive, or if it and the
    files before it have more than LIMIT bytes; ``size`` is that number.
    """
    inside = PurePosixPath(name.replace("\\", "/"))
    if link or inside.is_absolute() or ".." in inside.parts:
        raise DataError(
            f"{path} is unsafe: {name!r} in it is a link or leads out of the archive; "
            "delete the archive"
        )
    if size > LIMIT:
        raise DataError(
            f"{path} is unsafe: it unpacks to more than {LIMIT} bytes; delete the archive"
        )
