"""Raw files: found in a person's folder, or downloaded and verified."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets import atomic
from datasets.errors import DataError


@dataclass(frozen=True)
class Source:
    """Where raw files come from, and the forms in which they are found."""

    url: str
    """Of the folder with the files, up to its last slash."""
    files: tuple[str, ...]
    """What is downloaded, as it lies in a person's folder."""
    licence: str
    citation: str
    others: tuple[tuple[str, ...], ...] = ()
    """Other forms that will do, the preferred first: patterns of file names, all of which must be there."""
    checksums: Mapping[str, str] = field(default_factory=dict)
    """As published, by file name: ``sha256:...`` or ``md5:...``."""

    def by_hand(self, data_dir: Path) -> str:
        """What a person without internet must do."""
        others = "".join(f", or {' and '.join(form)}" for form in self.others)
        return f"put {' and '.join(self.files)} from {self.url} into {data_dir}{others}"


def find(source: Source, data_dir: Path) -> tuple[Path, ...]:
    """The files of the first form that is whole in ``data_dir``: downloads, else others; none if absent."""
    for form in (source.files, *source.others):
        found = [
            sorted(path for path in data_dir.glob(pattern) if path.is_file()) for pattern in form
        ]
        if all(found):
            return tuple(path for paths in found for path in paths)
    return ()


def verified(source: Source | None, raw: tuple[Path, ...]) -> bool:
    """Whether each of ``raw`` has a published checksum, and has it indeed."""
    known = source.checksums if source else {}
    return bool(raw) and all(path.name in known and _has(path, known[path.name]) for path in raw)


def _has(path: Path, checksum: str) -> bool:
    algorithm, _, digest = checksum.partition(":")
    return digest_of(path, algorithm) == digest


def unverified(source: Source, raw: tuple[Path, ...]) -> str:
    """What is to be known of files without a checksum to compare with, or with another one."""
    name = raw[0].name if len(raw) == 1 else f"{raw[0].name} and {len(raw) - 1} more"
    if not source.checksums:
        return f"{name}: archive unverified, as no checksum of {' and '.join(source.files)} is published"
    return f"{name} is not the published {source.files[0]} with its checksum: unverified"


def download(source: Source, data_dir: Path) -> tuple[Path, ...]:
    """Say licence and citation, fetch the files into ``data_dir`` and verify them.

    What an interrupted download left is kept, and gone on from. Raises DataError with what to do by hand if a file
    cannot be had, or is not the one that was expected.
    """
    import pooch

    print(
        f"{', '.join(source.files)}: {source.licence}. To be cited: {source.citation}", flush=True
    )
    pooch.get_logger().setLevel("WARNING")
    return tuple(_download(source, data_dir, name) for name in source.files)


def _download(source: Source, data_dir: Path, name: str) -> Path:
    import pooch

    path, by_hand = data_dir / name, source.by_hand(data_dir)
    url, checksum = source.url + path.name, source.checksums.get(path.name)
    part = path.with_name(f".{path.name}.part")
    with atomic.lock(path.parent, path.name, wait=True):  # two processes would write one part
        try:
            # pooch's type for it names other arguments than pooch calls it with
            how: Any = Resuming(part)
            pooch.retrieve(url, checksum, fname=path.name, path=path.parent, downloader=how)
        except OSError as error:  # requests' errors are among them
            kept = (
                f"; {part.stat().st_size} bytes came and are kept, so run it again, or"
                if part.exists()
                else ":"
            )
            why = error.strerror or type(error).__name__
            raise DataError(
                f"{path.name} is not in {path.parent} and could not be downloaded ({why}){kept} {by_hand}"
            ) from error
        except ValueError as error:  # pooch's word for another hash; it has deleted the file
            raise DataError(
                f"what {url} sent is not the file with {checksum} that was published: {by_hand}"
            ) from error
    return path


class Resuming:
    """A downloader for pooch: bytes go to a file that outlives an interruption, and the next call asks for the rest."""

    def __init__(self, part: Path) -> None:
        self.part = part

    def __call__(self, url: str, output_file: str | Path, pooch: Any) -> None:
        """Make the content of ``url`` the file ``output_file``."""
        import requests
        from tqdm import tqdm

        done = self.part.stat().st_size if self.part.exists() else 0
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
        with requests.get(url, headers=headers, stream=True, timeout=60) as response:
            # else all of it is there
            if response.status_code != requests.codes.requested_range_not_satisfiable:
                response.raise_for_status()
                resumed = response.status_code == requests.codes.partial_content
                total = int(response.headers.get("Content-Length", 0)) + (done if resumed else 0)
                with (
                    self.part.open("ab" if resumed else "wb") as file,
                    tqdm(
                        total=total,
                        initial=done if resumed else 0,
                        unit="B",
                        unit_scale=True,
                        disable=None,
                    ) as bar,
                ):
                    for chunk in response.iter_content(2**16):
                        bar.update(file.write(chunk))
        os.replace(self.part, output_file)


def digest_of(path: Path, algorithm: str) -> str:
    """The hash of a file, as sha256sum and its like print it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def sha256(path: Path) -> str:
    """The hash of a file, as sha256sum prints it."""
    return digest_of(path, "sha256")
