"""Writes generated archives in the exact layout and size of those of the paper's data sets."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl

CHUNK = 2_000_000
"""The number of rows that are written at a time."""


@dataclass(frozen=True)
class Size:
    """The numbers of rows, users and items of a raw file."""

    rows: int
    users: int
    items: int


def pairs(size: Size) -> tuple[np.ndarray, np.ndarray]:
    """Return the users (rows,) and the items (rows,) of distinct pairs, sorted by user, then item.

    Each user and each item is in at least one pair.
    """
    random = np.random.RandomState(0)
    activity = np.exp(random.standard_normal(size.users)).cumsum()
    popularity = ((np.arange(size.items) + 100.0) ** -0.9)[random.permutation(size.items)].cumsum()
    # a pair is held as one number: user * items + item
    required = np.concatenate(
        [
            np.arange(size.users) * size.items + random.randint(size.items, size=size.users),
            random.randint(size.users, size=size.items) * size.items + np.arange(size.items),
        ]
    )
    key = np.unique(required)
    while len(key) < size.rows:
        u, i = (
            np.searchsorted(sums, random.random_sample(size.rows // 2) * sums[-1])
            for sums in (activity, popularity)
        )
        key = np.sort(np.concatenate([key, u * size.items + i]))
        key = key[np.append(True, key[1:] != key[:-1])]
    free = np.ones(len(key), dtype=bool)
    free[np.searchsorted(key, required)] = False
    kept = np.ones(len(key), dtype=bool)
    kept[random.permutation(np.flatnonzero(free))[: len(key) - size.rows]] = False
    return np.divmod(key[kept], size.items)


def text(columns: dict[str, np.ndarray], separator: str = ",") -> bytes:
    """Return the rows of a table as CSV without a header."""
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_csv(buffer, include_header=False, separator=separator)
    return buffer.getvalue()


def chunks(size: Size) -> Iterator[slice]:
    """Return the slices that divide the rows into chunks."""
    return (slice(start, start + CHUNK) for start in range(0, size.rows, CHUNK))


def zipped(path: Path, member: str, content: Iterable[bytes]) -> None:
    """Write a ZIP archive with one file, ``member``, from the pieces of its content."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(member, "w", force_zip64=True) as file,
    ):
        for piece in content:
            file.write(piece)


def ml20m(folder: Path, size: Size) -> None:
    """Write the archive of ML-20M, with ratings sorted by user, then by movie."""
    user, item = pairs(size)
    random = np.random.RandomState(1)
    movies = np.sort(random.permutation(131_262)[: size.items]) + 1
    columns = {
        "userId": user + 1,
        "movieId": movies[item],
        # half of the ratings count, as in the real file
        "rating": random.randint(2, 14, size=size.rows).clip(max=10) / 2,
        "timestamp": random.randint(789_652_009, 1_427_784_002, size=size.rows),
    }
    header = f"{','.join(columns)}\n".encode()

    def rows(chunk: slice) -> bytes:
        return text({name: column[chunk] for name, column in columns.items()})

    zipped(
        folder / "ml-20m.zip",
        "ml-20m/ratings.csv",
        chain([header], map(rows, chunks(size))),
    )


def netflix(folder: Path, size: Size) -> None:
    """Write the archive of Netflix: an archive in an archive, with a file for each movie.

    The customers in a file are in no order.
    """
    user, item = pairs(size)
    random = np.random.RandomState(1)
    order = np.argsort(item.astype(np.int16), kind="stable")
    customers = (random.permutation(2_649_429)[: size.users] + 1)[user[order]]
    ends = np.bincount(item, minlength=size.items).cumsum()
    del user, item, order
    inner = folder / "training_set.tar"
    with tarfile.open(inner, "w") as archive:
        for movie, customer in enumerate(np.split(customers, ends[:-1]), start=1):
            random.shuffle(customer)
            # four of seven ratings count, about as in the real files
            rating = random.randint(1, 8, size=len(customer)).clip(max=5)
            day = np.datetime64("1999-11-11") + random.randint(0, 2242, size=len(customer))
            content = f"{movie}:\n".encode() + text({"c": customer, "r": rating, "d": day})
            entry = tarfile.TarInfo(f"training_set/mv_{movie:07d}.txt")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    with tarfile.open(folder / "nf_prize_dataset.tar.gz", "w:gz", compresslevel=1) as archive:
        archive.add(inner, "download/training_set.tar")
    inner.unlink()


def msd(folder: Path, size: Size) -> None:
    """Write the archive of MSD: play counts by user, in no order of the ids of users or songs."""
    user, item = pairs(size)
    random = np.random.RandomState(1)
    users = np.array([random.bytes(20).hex() for _ in range(size.users)])
    songs = np.array([f"SO{random.bytes(8).hex().upper()}" for _ in range(size.items)])
    plays = random.geometric(0.4, size=size.rows)

    def rows(chunk: slice) -> bytes:
        user_ids, song_ids = users[user[chunk]], songs[item[chunk]]
        return text({"user": user_ids, "song": song_ids, "count": plays[chunk]}, "\t")

    zipped(folder / "train_triplets.txt.zip", "train_triplets.txt", map(rows, chunks(size)))


WRITERS: dict[str, tuple[Callable[[Path, Size], None], Size]] = {
    "ml20m": (ml20m, Size(20_000_263, 138_493, 26_744)),
    "netflix": (netflix, Size(100_480_507, 480_189, 17_770)),
    "msd": (msd, Size(48_373_586, 1_019_318, 384_546)),
}
"""The function that writes each data set's archive, and the size of the real one."""
