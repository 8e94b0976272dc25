"""Finds raw files in a person's data folder, or downloads and verifies them."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets import atomic
from datasets.errors import DataError


@dataclass(frozen=True)
class Source:
    """Where raw files come from, and the forms in which they may be found."""

    url: str
    """The address of the folder with the files; it ends in a slash."""
    files: tuple[str, ...]
    """The files that are downloaded, as paths in the data folder; ``url`` gets only their names."""
    licence: str
    citation: str
    others: tuple[tuple[str, ...], ...] = ()
    """Other forms that may be found instead, the preferred one first.

    A form is a tuple of path patterns, and each of them must match at least one file.
    """
    checksums: Mapping[str, str] = field(default_factory=dict)
    """The published checksums by file name, as ``sha256:...`` or ``md5:...``."""
    md5_beside: bool = False
    """Whether the checksum of NAME is published beside it, in a file NAME.md5, instead."""

    def by_hand(self, data_dir: Path) -> str:
        """Return what a person without internet must do, as a part of a sentence."""
        others = "".join(f", or {' and '.join(form)}" for form in self.others)
        return f"put {' and '.join(self.files)} from {self.url} into {data_dir}{others}"


def find(source: Source, data_dir: Path) -> tuple[Path, ...]:
    """Return the raw files in ``data_dir``: those of the first form that is complete, else ()."""
    for form in (source.files, *source.others):
        found = [_matching(data_dir, pattern) for pattern in form]
        if all(found):
            return tuple(path for paths in found for path in paths)
    return ()


def incomplete(source: Source, data_dir: Path) -> str | None:
    """Return which files are in ``data_dir`` and which are missing, if a form is there in part."""
    for form in (source.files, *source.others):
        there = [pattern for pattern in form if _matching(data_dir, pattern)]
        if missing := [pattern for pattern in form if there and pattern not in there]:
            return f"{data_dir} has {', '.join(there)}, but no {', '.join(missing)}"
    return None


def _matching(data_dir: Path, pattern: str) -> list[Path]:
    return sorted(path for path in data_dir.glob(pattern) if path.is_file())


def verified(source: Source | None, raw: tuple[Path, ...]) -> bool:
    """Return whether there are files and each of them has its published checksum."""
    known = checksums(source, raw[0].parent) if source and raw else {}
    return bool(raw) and all(path.name in known and _has(path, known[path.name]) for path in raw)


def checksums(source: Source, folder: Path) -> Mapping[str, str]:
    """Return the published checksums by file name; .md5 files are read if ``folder`` has them."""
    if not source.md5_beside:
        return source.checksums
    found = {
        Path(name).name: _digest_in(folder / f"{Path(name).name}.md5") for name in source.files
    }
    return {name: f"md5:{digest}" for name, digest in found.items() if digest}


def _digest_in(path: Path) -> str | None:
    """Return what a file of md5sum or of BSD's md5 says; None if it is absent or says nothing."""
    said = path.read_text(errors="replace") if path.is_file() else ""
    found = re.search(r"\b[0-9a-f]{32}\b", said.lower())
    return found[0] if found else None


def _has(path: Path, checksum: str) -> bool:
    algorithm, _, digest = checksum.partition(":")
    return digest_of(path, algorithm) == digest


def name_of(raw: tuple[Path, ...]) -> str:
    """Return the name of the first raw file, and how many more there are."""
    return raw[0].name if len(raw) == 1 else f"{raw[0].name} and {len(raw) - 1} more"


def unverified(source: Source, raw: tuple[Path, ...]) -> str:
    """Return a note for files without a published checksum, or with another one."""
    name, files = name_of(raw), " and ".join(source.files)
    if not checksums(source, raw[0].parent):
        if source.md5_beside:
            return f"{name}: archive unverified, as that needs {files} with {files}.md5 beside it"
        return f"{name}: archive unverified, as no checksum of {files} is published"
    return f"{name} is not the published {source.files[0]} with its checksum: unverified"


def download(source: Source, data_dir: Path) -> tuple[Path, ...]:
    """Print licence and citation, download the files into ``data_dir`` and verify them.

    An interrupted download is resumed by the next call. Raises DataError, which says what to do by
    hand, if a file cannot be had or does not have its published checksum.
    """
    import pooch

    print(
        f"{', '.join(source.files)}: {source.licence}. To be cited: {source.citation}", flush=True
    )
    pooch.get_logger().setLevel("WARNING")
    for name in source.files if source.md5_beside else ():
        _download_md5(source, data_dir, name)
    return tuple(_download(source, data_dir, name) for name in source.files)


def _download_md5(source: Source, data_dir: Path, name: str) -> None:
    """Download the file with the checksum of ``name``; raise DataError if there is none in it."""
    path = _download(source, data_dir, f"{name}.md5")
    if not _digest_in(path):
        path.unlink()
        raise DataError(
            f"the file from {source.url}{path.name} holds no MD5 checksum, so what is downloaded "
            f"could not be verified; {source.by_hand(data_dir)}"
        )


def _download(source: Source, data_dir: Path, name: str) -> Path:
    path, by_hand = data_dir / name, source.by_hand(data_dir)
    url, checksum = source.url + path.name, checksums(source, path.parent).get(path.name)
    if path.exists() and not path.is_file():
        raise DataError(f"{path} is not a plain file; move it away, and {by_hand}")
    part = path.with_name(f".{path.name}.download") / "part"
    # without the lock two processes could write to the same part
    with atomic.lock(path.parent, path.name, wait=True):
        try:
            if not path.exists():  # else another process has had the lock before
                _retrieve(url, checksum, part, path)
        # requests' errors are OSErrors
        except OSError as error:
            size = part.stat().st_size if part.exists() else None
            kept = ":" if size is None else f"; {size} bytes came and are kept, so run it again, or"
            why = error.strerror or type(error).__name__
            raise DataError(
                f"{path.name} is not in {path.parent} and could not be downloaded ({why})"
                f"{kept} {by_hand}"
            ) from error
        # pooch raises it for a wrong checksum, after it has deleted the file
        except ValueError as error:
            if source.md5_beside:  # it may be the wrong one of the two
                path.with_name(f"{path.name}.md5").unlink(missing_ok=True)
            raise DataError(
                f"the file from {url} does not have the published checksum {checksum}; {by_hand}"
            ) from error
    return path


def _retrieve(url: str, checksum: str | None, part: Path, path: Path) -> None:
    """Download to ``path`` by way of ``part``, which an interruption leaves in its own folder."""
    import pooch

    folder = part.parent
    try:
        folder.mkdir(exist_ok=True)
        for left in folder.glob("tmp*"):  # by pooch in a process that was killed
            left.unlink()
        # pooch declares a downloader's arguments otherwise than it passes them
        how: Any = Resuming(part)
        pooch.retrieve(url, checksum, fname=path.name, path=folder, downloader=how)
        os.replace(folder / path.name, path)
    finally:
        with suppress(OSError):  # it is not there, or something in it is kept
            folder.rmdir()


class Resuming:
    """A downloader for pooch that keeps an interrupted download in ``part`` and resumes it."""

    def __init__(self, part: Path) -> None:
        self.part = part

    def __call__(self, url: str, output_file: str | Path, pooch: Any) -> None:
        """Download what is missing of ``url`` into ``part``, and rename that to ``output_file``."""
        import requests
        from rich.console import Console
        from rich.progress import DownloadColumn, Progress

        done = self.part.stat().st_size if self.part.exists() else 0
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
        with requests.get(url, headers=headers, stream=True, timeout=60) as response:
            # with this status an earlier call has received all bytes
            if response.status_code != requests.codes.requested_range_not_satisfiable:
                response.raise_for_status()
                resumed = response.status_code == requests.codes.partial_content
                before = done if resumed else 0
                size = response.headers.get("Content-Length")
                columns = (*Progress.get_default_columns(), DownloadColumn())
                screen, hidden = Console(stderr=True), not sys.stderr.isatty()
                with (
                    self.part.open("ab" if resumed else "wb") as file,
                    Progress(*columns, console=screen, disable=hidden) as progress,
                ):
                    whole = before + int(size) if size else None
                    task = progress.add_task("", total=whole, completed=before)
                    for chunk in response.iter_content(2**16):
                        progress.advance(task, file.write(chunk))
        os.replace(self.part, output_file)


def digest_of(path: Path, algorithm: str) -> str:
    """Return the hash of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def sha256(path: Path) -> str:
    """Return the hash of a file as the program sha256sum prints it."""
    return digest_of(path, "sha256")
