"""The authors' six files of a split: written, read, and hashed as its identity.

``uid,sid`` rows with a header and ``\\n`` line ends; uid = position in the permuted list of all users,
sid = position in unique_sid.txt, which has one raw item id a line.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from datasets import atomic, table
from datasets.errors import DataError
from datasets.split import Fold, Interactions, Split
from datasets.table import Layout

PARTS = ("train", "validation_tr", "validation_te", "test_tr", "test_te")
NAMES = tuple(sorted(["unique_sid.txt", *(f"{part}.csv" for part in PARTS)]))
FOLDS: tuple[str, ...] = ("train", "validation", "test")
PAIRS = Layout({"uid": "whole", "sid": "whole"}, "uid", "sid")


def files(split: Split) -> Iterator[tuple[str, bytes]]:
    """The name and content of each file."""
    import polars as pl

    yield "unique_sid.txt", b"".join(_text(i) + b"\n" for i in split.train.item_ids)
    validation = len(split.train.user_ids)
    test = validation + len(split.validation.history.user_ids)
    for name, part in split.parts.items():
        first = (
            test if name.startswith("test") else validation if name.startswith("validation") else 0
        )
        buffer = io.BytesIO()
        pl.DataFrame({"uid": part.user + np.int32(first), "sid": np.asarray(part.item)}).write_csv(
            buffer
        )
        yield f"{name}.csv", buffer.getvalue()


def _text(raw_id: np.generic) -> bytes:
    return raw_id if isinstance(raw_id, bytes) else b"%d" % raw_id


def hashes(split: Split) -> dict[str, str]:
    """The sha256 of each file, in name order."""
    return dict(
        sorted((name, hashlib.sha256(content).hexdigest()) for name, content in files(split))
    )


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
            raise DataError(
                f"{folder / name} exists already; export the split into an empty folder"
            )
    for name, content in contents.items():
        atomic.write(folder / name, content)
    return [folder / name for name in contents]


def read(folder: Path, held_out: int | None = None) -> Split:
    """The split in the six files of ``folder``; its user ids are the uids.

    Held-out users without rows leave no trace: there are ``held_out`` in each fold, else the fewest that the uids
    allow. Raises DataError if the files are malformed or hold no split.
    """
    pairs = {
        name: table.parse(path := folder / f"{name}.csv", path, PAIRS).to_numpy() for name in PARTS
    }
    try:
        item_ids = _item_ids(folder / "unique_sid.txt")
        ends = _ends({name: rows[:, 0] for name, rows in pairs.items()}, held_out)
        users = dict(zip(FOLDS, map(np.arange, ends[:-1], ends[1:]), strict=True))

        def part(name: str) -> Interactions:
            ids = users[name.partition("_")[0]]
            uid, sid = pairs[name].T
            return Interactions(
                (uid - ids[0]).astype(np.int32), sid.astype(np.int32), ids, item_ids
            )

        train, *held = map(part, PARTS)
        made = Split(train, Fold(*held[:2]), Fold(*held[2:]))
        made.check()
    except ValueError as error:
        raise DataError(
            f"{folder} does not hold a split ({error}); export or make it again"
        ) from error
    return made


def _item_ids(path: Path) -> np.ndarray:
    import polars as pl

    lines = path.read_text("utf-8").removesuffix("\n").split("\n")
    places, ids = table.encode(pl.Series(lines).cast(pl.Categorical(pl.Categories.random())))
    if "" in lines or len(ids) < len(lines):
        raise ValueError(f"{path.name} has an empty line or an item twice")
    return ids[places]


def _ends(uid: dict[str, np.ndarray], held_out: int | None) -> list[int]:
    """The uid where each of FOLDS begins, and where the last ends."""
    train, validation, test = (
        np.unique(np.concatenate([users for name, users in uid.items() if name.startswith(fold)]))
        for fold in FOLDS
    )
    first = len(train)
    fewest = max(validation[-1] - first + 1, -(-(test[-1] - first + 1) // 2))
    count = held_out or int(fewest)
    if (
        (train[0], train[-1]) != (0, first - 1)
        or validation[0] < first
        or not fewest <= count <= test[0] - first
    ):
        raise ValueError(
            f"the uids must be 0 to {first - 1} in training, each with a row, then {count} of validation users and "
            f"{count} of test users"
        )
    return [0, first, first + count, first + 2 * count]
