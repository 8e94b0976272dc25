"""The authors' six files of a split: written, and hashed as its identity.

``uid,sid`` rows with a header and ``\\n`` line ends; uid = position in the permuted list of all users,
sid = position in unique_sid.txt, which has one raw item id a line.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from datasets import atomic
from datasets.errors import DataError
from datasets.split import Split


def files(split: Split) -> Iterator[tuple[str, bytes]]:
    """The name and content of each file."""
    import polars as pl

    yield "unique_sid.txt", b"".join(_text(i) + b"\n" for i in split.train.item_ids)
    validation = len(split.train.user_ids)
    test = validation + len(split.validation.history.user_ids)
    for name, part in split.parts.items():
        first = test if name.startswith("test") else validation if name.startswith("validation") else 0
        buffer = io.BytesIO()
        pl.DataFrame({"uid": part.user + np.int32(first), "sid": np.asarray(part.item)}).write_csv(buffer)
        yield f"{name}.csv", buffer.getvalue()


def _text(raw_id: np.generic) -> bytes:
    return raw_id if isinstance(raw_id, bytes) else b"%d" % raw_id


def hashes(split: Split) -> dict[str, str]:
    """The sha256 of each file, in name order."""
    return dict(sorted((name, hashlib.sha256(content).hexdigest()) for name, content in files(split)))


def split_hash(hashes: dict[str, str]) -> str:
    """One sha256 for the six: of the lines ``sha256  name`` in name order, as sha256sum prints them."""
    lines = "".join(f"{sha}  {name}\n" for name, sha in sorted(hashes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def write(split: Split, folder: Path) -> list[Path]:
    """Write the six files into ``folder`` and return their paths.

    Raises DataError, before anything is written, if one of them is there already.
    """
    contents = dict(files(split))
    for name in contents:
        if (folder / name).exists():
            raise DataError(f"{folder / name} exists already; export the split into an empty folder")
    for name, content in contents.items():
        atomic.write(folder / name, content)
    return [folder / name for name in contents]
