"""Writes and reads a split as the authors' six files, and hashes these as the split's identity.

Five files have rows ``uid,sid``, a header and ``\\n`` line ends. A uid is a user's position in the
permuted list of all users; a sid is an item's position in the sixth file, unique_sid.txt, which has
one raw item id a line.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from datasets import atomic, table
from datasets.errors import DataError
from datasets.split import Fold, Interactions, Split
from datasets.table import Layout

PARTS = ("train", "validation_tr", "validation_te", "test_tr", "test_te")
NAMES = tuple(sorted(["unique_sid.txt", *(f"{part}.csv" for part in PARTS)]))
USERS: tuple[str, ...] = ("train", "validation", "test")
"""The three sets of users, in the order of their uids; a part's name begins with one of them."""
PAIRS = Layout({"uid": "position", "sid": "position"}, "uid", "sid", header=("uid", "sid"))
# no id may have the character that separates columns, so that each line is one id
IDS = Layout({"sid": "id"}, "sid", "sid", separator="\0", quoted=False, form="an item's id")
"""The form of unique_sid.txt."""


def files(split: Split) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of each file."""
    import polars as pl

    yield "unique_sid.txt", b"".join(_text(i) + b"\n" for i in split.train.item_ids)
    # under weak generalisation the folds have the training users
    validation = 0 if split.weak else len(split.train.user_ids)
    test = 0 if split.weak else validation + len(split.validation.history.user_ids)
    first_uid = {"train": 0, "validation": validation, "test": test}
    for name, part in split.parts.items():
        uid = part.user + np.int32(first_uid[name.partition("_")[0]])
        buffer = io.BytesIO()
        pl.DataFrame({"uid": uid, "sid": np.asarray(part.item)}).write_csv(buffer)
        yield f"{name}.csv", buffer.getvalue()


def _text(raw_id: np.generic) -> bytes:
    return raw_id if isinstance(raw_id, bytes) else b"%d" % raw_id


def hashes(split: Split) -> dict[str, str]:
    """Return the sha256 of each file by its name, in name order."""
    return dict(
        sorted((name, hashlib.sha256(content).hexdigest()) for name, content in files(split))
    )


def split_hash(by_name: dict[str, str]) -> str:
    """Return one sha256 for the six files: that of the lines that sha256sum prints for them.

    A line is ``sha256  name``, and lines are in name order. ``by_name`` is what ``hashes`` returns.
    """
    lines = "".join(f"{sha}  {name}\n" for name, sha in sorted(by_name.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def write(split: Split, folder: Path) -> list[Path]:
    """Write the six files into ``folder`` and return their paths.

    A folder that is missing or empty appears whole or not at all; in another, as after a kill, what
    is missing is added. Raises DataError, before anything is written, if one of the files is there
    with another content.
    """
    contents = {folder / name: content for name, content in files(split)}
    for path, content in contents.items():
        if path.exists() and not (path.is_file() and path.read_bytes() == content):
            raise DataError(
                f"{path} exists already, with other content; export the split into an empty folder"
            )
    if _gone(folder):
        with atomic.folder(folder) as beside:
            for path, content in contents.items():
                (beside / path.name).write_bytes(content)
    else:
        for path in (folder, *contents):
            atomic.sweep(path.parent, path.name)
        atomic.replace({path: text for path, text in contents.items() if not path.exists()})
    return list(contents)


def _gone(folder: Path) -> bool:
    """Return whether there is no ``folder``; delete it if it is empty and nobody is in it."""
    if folder.exists() and folder.resolve() != Path.cwd():
        # it holds files, is a link, or is mounted
        with suppress(OSError):
            folder.rmdir()
    return not folder.exists()


def read(folder: Path, held_out: int | None = None) -> Split:
    """Return the split in the six files of ``folder``, with the uids as user ids.

    A held-out user without rows is in no file, so the files do not say how many users a fold has:
    it has ``held_out``, or, without that, as few as the uids allow. Raises DataError if the files
    are malformed or do not hold a split.
    """
    pairs = {
        name: table.parse(path := folder / f"{name}.csv", path, PAIRS).to_numpy() for name in PARTS
    }
    try:
        item_ids = _item_ids(folder / "unique_sid.txt")
        ends = _ends({name: rows[:, 0] for name, rows in pairs.items()}, held_out)
        users = dict(zip(USERS, map(np.arange, ends[:-1], ends[1:]), strict=True))

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
    raw = table.parse(path, path, IDS)["sid"]
    places, ids = table.encode(raw)
    if len(ids) < len(raw):
        raise ValueError(f"{path.name} has an item twice")
    return ids[places]


def _ends(uid: dict[str, np.ndarray], held_out: int | None) -> list[int]:
    """Return the first uid of each set of USERS, and the uid after the last one."""

    def uids(users: str) -> np.ndarray:
        return np.unique(np.concatenate([uid[part] for part in uid if part.startswith(users)]))

    train, validation, test = map(uids, USERS)
    first = len(train)
    fewest = max(validation[-1] - first + 1, -(-(test[-1] - first + 1) // 2))
    # each user would need memory, and one wrong uid can stand for billions of users
    if fewest > (rows := sum(map(len, uid.values()))):
        raise ValueError(
            f"the uids run to {max(validation[-1], test[-1])}, but the files have {rows} rows only"
        )
    count = held_out or int(fewest)
    if (
        (train[0], train[-1]) != (0, first - 1)
        or validation[0] < first
        or not fewest <= count <= test[0] - first
    ):
        raise ValueError(
            f"the uids must be 0 to {first - 1} for training users, each with a row, then {count} "
            f"for validation users and {count} for test users"
        )
    return [0, first, first + count, first + 2 * count]
