"""docs/rehearsal.md: the paper's three data sets at their full size, from a generated archive to a
split.

``python -m tests.perf.rehearsal``: for each a process writes the archive and another one reads it,
so that the memory of the second is its own.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from tabulate import tabulate

from benchmark import environment
from benchmark.paths import ROOT
from benchmark.run.facts import facts
from benchmark.spec import PROTOCOL
from datasets import cache
from datasets.registry import DATASETS

CHUNK = 2_000_000
HEAD = """\
# Rehearsal

Written by `make rehearsal`: an archive in the exact layout of each of the paper's data sets, with as many ratings,
users and items but generated, is read, filtered, split, hashed and stored in the cache, by a process of its own. The
real files will leave other numbers after the filters; time and memory will be much the same.
"""


@dataclass(frozen=True)
class Size:
    """The size of a raw file."""

    rows: int
    users: int
    items: int


def pairs(size: Size) -> tuple[np.ndarray, np.ndarray]:
    """Return distinct (user, item) pairs in order; each user and each item is in at least one."""
    random = np.random.RandomState(0)
    activity = np.exp(random.standard_normal(size.users)).cumsum()
    popularity = ((np.arange(size.items) + 100.0) ** -0.9)[random.permutation(size.items)].cumsum()
    must = np.concatenate(
        [
            np.arange(size.users) * size.items + random.randint(size.items, size=size.users),
            random.randint(size.users, size=size.items) * size.items + np.arange(size.items),
        ]
    )
    key = np.unique(must)
    while len(key) < size.rows:
        u, i = (
            np.searchsorted(c, random.random_sample(size.rows // 2) * c[-1])
            for c in (activity, popularity)
        )
        key = np.sort(np.concatenate([key, u * size.items + i]))
        key = key[np.append(True, key[1:] != key[:-1])]
    free = np.ones(len(key), dtype=bool)
    free[np.searchsorted(key, must)] = False
    kept = np.ones(len(key), dtype=bool)
    kept[random.permutation(np.flatnonzero(free))[: len(key) - size.rows]] = False
    return np.divmod(key[kept], size.items)


def text(columns: dict[str, np.ndarray], separator: str = ",") -> bytes:
    """The rows of a table, without a header."""
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_csv(buffer, include_header=False, separator=separator)
    return buffer.getvalue()


def chunks(size: Size) -> Iterator[slice]:
    """Return slices that divide the rows into chunks."""
    return (slice(start, start + CHUNK) for start in range(0, size.rows, CHUNK))


def zipped(path: Path, member: str, content: Iterable[bytes]) -> None:
    """Write an archive with one file."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(member, "w", force_zip64=True) as file,
    ):
        for some in content:
            file.write(some)


def ml20m(folder: Path, size: Size) -> None:
    """Write ratings sorted by user, then by movie."""
    user, item = pairs(size)
    random = np.random.RandomState(1)
    movies = np.sort(random.permutation(131_262)[: size.items]) + 1
    columns = {
        "userId": user + 1,
        "movieId": movies[item],
        "rating": random.randint(2, 14, size=size.rows).clip(max=10)
        / 2,  # half of them count, as there
        "timestamp": random.randint(789_652_009, 1_427_784_002, size=size.rows),
    }
    rows = (text({name: column[some] for name, column in columns.items()}) for some in chunks(size))
    zipped(
        folder / "ml-20m.zip",
        "ml-20m/ratings.csv",
        chain([f"{','.join(columns)}\n".encode()], rows),
    )


def netflix(folder: Path, size: Size) -> None:
    """A file for each movie, customers in no order; the archive in an archive."""
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
            # four of seven count, as there
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
    """Write play counts by user, with users and songs in no order of their ids."""
    user, item = pairs(size)
    random = np.random.RandomState(1)
    users = np.array([random.bytes(20).hex() for _ in range(size.users)])
    songs = np.array([f"SO{random.bytes(8).hex().upper()}" for _ in range(size.items)])
    count = random.geometric(0.4, size=size.rows)

    rows = (
        text({"user": users[user[some]], "song": songs[item[some]], "count": count[some]}, "\t")
        for some in chunks(size)
    )
    zipped(folder / "train_triplets.txt.zip", "train_triplets.txt", rows)


WRITERS: dict[str, tuple[Callable[[Path, Size], None], Size]] = {
    "ml20m": (ml20m, Size(20_000_263, 138_493, 26_744)),
    "netflix": (netflix, Size(100_480_507, 480_189, 17_770)),
    "msd": (msd, Size(48_373_586, 1_019_318, 384_546)),
}


def write(name: str, folder: Path) -> dict[str, Any]:
    """Make the archive."""
    writer, size = WRITERS[name]
    writer(folder, size)
    return {}


def read(name: str, folder: Path) -> dict[str, Any]:
    """Make the split from the archive; return the time and memory that it took."""
    entry = DATASETS[name]
    start, others = time.perf_counter(), environment.OtherWork()
    made = cache.prepare(name, entry.dataset(entry.config), folder, folder / "cache", PROTOCOL)
    rows = sum(len(part) for part in made.split.parts.values())
    return {
        "seconds": time.perf_counter() - start,
        "others": others.share(),
        "peak_bytes": environment.process_peak_bytes(),
        "split": [
            rows,
            len(made.split.train.user_ids) + 2 * (entry.config.held_out or 0),
            made.split.train.shape[1],
        ],
    }


def child(job: str, name: str, folder: str) -> dict[str, Any]:
    """Run ``write`` or ``read`` in another process and return what it returns."""
    command = [sys.executable, "-m", "tests.perf.rehearsal", job, name, folder]
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


def page(found: dict[str, dict[str, Any]]) -> str:
    """Return the page as Markdown."""
    told = facts("cpu", threads=0)
    cores = f"{told.cores} cores, {told.memory_bytes / 1e9:.0f} GB of memory"
    machine = (
        f"{date.today()}; {told.cpu}; {cores}; Python {told.python}; polars {pl.__version__}.\n"
    )
    rows = [
        [
            name,
            " / ".join(f"{n:,}" for n in vars(WRITERS[name][1]).values()),
            " / ".join(f"{n:,}" for n in told["split"]),
            f"{told['seconds']:.0f}",
            f"{told['peak_bytes'] / 1e9:.1f}",
            f"{told['others']:.0%}",
        ]
        for name, told in found.items()
    ]
    head = [
        "",
        "raw: ratings / users / items",
        "split: interactions / users / items",
        "seconds",
        "peak memory (GB)",
        "cores taken by other programs",
    ]
    return (
        "\n".join([HEAD, machine, tabulate(rows, head, tablefmt="pipe", disable_numparse=True)])
        + "\n"
    )


def main(names: list[str]) -> None:
    """Rehearse with each, and write the page."""
    found = {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            child("write", name, folder)
            found[name] = child("read", name, folder)
        print(name, found[name], flush=True)
    (ROOT / "docs" / "rehearsal.md").write_text(page(found))


if __name__ == "__main__":
    if sys.argv[1:2] in (["write"], ["read"]):
        print(
            json.dumps({"write": write, "read": read}[sys.argv[1]](sys.argv[2], Path(sys.argv[3])))
        )
    else:
        main(sys.argv[1:] or list(WRITERS))
