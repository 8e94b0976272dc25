"""Keeps splits on disk, so that a data set is read and split only once.

A split is a folder with plain arrays, which are memory-mapped, and a header. It is found by the raw
file's hash, every option, the caller's protocol version and FORMAT. Where there is no raw file, the
newest split with the same name, options and versions is used, so that a machine with nothing but
the cache can train. The header holds the hash of each array's file, which is compared when a run
first uses the split. The cache may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from datasets import atomic, fetch, pro_sg, raw_hashes
from datasets.base import Dataset
from datasets.errors import DataError
from datasets.fetch import Source
from datasets.names import file_name
from datasets.split import Fold, Interactions, Split, Truth

FORMAT = 3
"""The version of the cache's files; before 3 their hashes were not stored."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A split in the cache, and where it came from."""

    split: Split
    split_hash: str
    """The identity of the split; see ``pro_sg.split_hash``."""
    notes: tuple[str, ...]
    """What a person should know, such as repeats dropped or an archive unverified."""
    raw_sha256: str | None
    """The hash of the raw files; None for generated data."""
    folder: Path
    """Where the split is stored."""
    made: bool
    """Whether this call made the split; if not, it was in the cache."""
    notice: str | None = None
    """What is to be said, if there is no raw file to compare with."""


def prepare(
    name: str, dataset: Dataset[Any], data_dir: Path, cache_dir: Path, protocol: int
) -> Prepared:
    """Return the split of ``dataset`` from the cache, or make it from the raw files.

    Raw files that are not in ``data_dir`` are downloaded into it. Raises DataError if they cannot
    be had or are malformed, or if the cache is damaged.
    """
    atomic.tidy(cache_dir)
    raw = dataset.find(data_dir)
    for path in raw:
        atomic.sweep(path.parent, path.name)
    raw_hashes.remember(raw, cache_dir)
    if found := _at_hand(name, dataset, raw, cache_dir, protocol):
        made = read(found, check=True)
        return replace(made, notice=_notice(dataset, raw, data_dir, made.split_hash))
    identity = _identity(name, dataset, protocol)
    if dataset.source and not raw:
        raw = _download(dataset.source, data_dir, cache_dir, identity)
        raw_hashes.remember(raw, cache_dir)
    identity |= {"raw_sha256": raw_hashes.sha256(raw, cache_dir)}
    folder = _folder(cache_dir, identity)
    with atomic.lock(cache_dir, folder.name, wait=True):
        # another process may have made it while this one waited for the lock
        if made := not folder.exists():
            split, notes = dataset.split(raw)
            hashes = pro_sg.hashes(split)
            found = {"notes": [*notes, *dataset.likeness(hashes)], "files": hashes}
            _write(folder, split, identity | found)
    return read(folder, made)


def _notice(
    dataset: Dataset[Any], raw: tuple[Path, ...], data_dir: Path, split_hash: str
) -> str | None:
    """Return that a split is used without a look at its raw files, if that is so."""
    if raw or not dataset.source:
        return None
    why = fetch.incomplete(dataset.source, data_dir) or f"no raw file in {data_dir}"
    return f"{why}; using the cached split {split_hash}"


def _download(
    source: Source, data_dir: Path, cache_dir: Path, identity: dict[str, Any]
) -> tuple[Path, ...]:
    """Download raw files; if they cannot be had, raise DataError with what is there instead."""
    try:
        return fetch.download(source, data_dir)
    except DataError as error:
        told = [str(error)]
        if part := fetch.incomplete(source, data_dir):
            told.append(part)
        if old := _newest(cache_dir, {k: v for k, v in identity.items() if k != "format"}):
            told.append(f"{old} is of another cache format than {FORMAT} and cannot be used")
        raise DataError("; ".join(told)) from error


def at_hand(
    name: str, dataset: Dataset[Any], data_dir: Path, cache_dir: Path, protocol: int
) -> Prepared | None:
    """Return the split of ``dataset`` if it is in the cache, else None."""
    raw = dataset.find(data_dir)
    if not (found := _at_hand(name, dataset, raw, cache_dir, protocol)):
        return None
    made = read(found)
    return replace(made, notice=_notice(dataset, raw, data_dir, made.split_hash))


def _at_hand(
    name: str, dataset: Dataset[Any], raw: tuple[Path, ...], cache_dir: Path, protocol: int
) -> Path | None:
    identity = _identity(name, dataset, protocol)
    if dataset.source and not raw:
        return _newest(cache_dir, identity)
    folder = _folder(cache_dir, identity | {"raw_sha256": raw_hashes.sha256(raw, cache_dir)})
    return folder if folder.exists() else None


def _identity(name: str, dataset: Dataset[Any], protocol: int) -> dict[str, Any]:
    options = dataset.config.model_dump(mode="json")
    return {"name": name, "options": options, "protocol": protocol, "format": FORMAT}


def _folder(cache_dir: Path, identity: dict[str, Any]) -> Path:
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return cache_dir / f"{file_name(identity['name'])}-{key[:16]}"


def of_hash(split_hash: str, cache_dir: Path) -> Prepared | None:
    """Return the split with that hash if it is in the cache, else None."""
    for path in cache_dir.glob("*/header.json"):
        header = _header(path)
        if (header.get("split_hash"), header.get("format")) == (split_hash, FORMAT):
            return read(path.parent)
    return None


def _newest(cache_dir: Path, identity: dict[str, Any]) -> Path | None:
    found = []
    for path in cache_dir.glob(f"{file_name(identity['name'])}-*/header.json"):
        header = _header(path)
        if all(header.get(key) == value for key, value in identity.items()):
            found.append((path.stat().st_mtime_ns, path.parent))
    return max(found)[1] if found else None


def _header(path: Path) -> dict[str, Any]:
    try:
        header = json.loads(path.read_text())
        if not isinstance(header, dict):
            raise ValueError(f"{type(header).__name__} instead of an object")
        return header
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(
        f"the cached split {path.parent} cannot be read ({path.name}: {error}); "
        "delete that folder, and the split will be made again"
    )


def _write(folder: Path, split: Split, header: dict[str, Any]) -> None:
    arrays = {"item_ids": split.train.item_ids, "train_users": split.train.user_ids}
    if not split.weak:
        arrays["validation_users"] = split.validation.history.user_ids
        arrays["test_users"] = split.test.history.user_ids
    for name, part in split.parts.items():
        arrays |= {f"{name}.user": part.user, f"{name}.item": part.item}
    if split.truth:
        arrays |= {f"truth.{name}": array for name, array in vars(split.truth).items()}
    header |= {"split_hash": pro_sg.split_hash(header["files"])}
    header["arrays"] = {name: [str(array.dtype), *array.shape] for name, array in arrays.items()}
    with atomic.folder(folder) as beside:
        for name, array in arrays.items():
            np.save(beside / f"{name}.npy", array, allow_pickle=False)
        header["sha256"] = {name: fetch.sha256(beside / f"{name}.npy") for name in arrays}
        (beside / "header.json").write_text(json.dumps(header, indent=1) + "\n")


def read(folder: Path, made: bool = False, check: bool = False) -> Prepared:
    """Return the split in ``folder``, memory-mapped; ``check`` reads all and compares the hashes.

    Raises DataError if it is damaged, or if a file changed after it was written.
    """
    header = _header(folder / "header.json")
    arrays: dict[str, np.ndarray] = {}
    path = folder / "header.json"
    try:
        if pro_sg.split_hash(header["files"]) != header["split_hash"]:
            raise ValueError("the hashes in it contradict each other")
        for name, expected in header["arrays"].items():
            path = folder / f"{name}.npy"
            if check and fetch.sha256(path) != header["sha256"][name]:
                raise ValueError("it changed after it was written")
            arrays[name] = np.load(path, mmap_mode="r", allow_pickle=False)
            if (found := [str(arrays[name].dtype), *arrays[name].shape]) != expected:
                raise ValueError(f"{found} instead of {expected}")
        split = _split(arrays)
        return Prepared(
            split, header["split_hash"], tuple(header["notes"]), header["raw_sha256"], folder, made
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, error) from error


def _split(arrays: dict[str, np.ndarray]) -> Split:
    def part(name: str, users: str) -> Interactions:
        return Interactions(
            arrays[f"{name}.user"], arrays[f"{name}.item"], arrays[users], arrays["item_ids"]
        )

    def fold(name: str) -> Fold:
        # under weak generalisation a fold has no users of its own
        users = f"{name}_users" if f"{name}_users" in arrays else "train_users"
        candidates = part(f"{name}_ca", users) if f"{name}_ca.user" in arrays else None
        return Fold(part(f"{name}_tr", users), part(f"{name}_te", users), candidates)

    truth = {
        name.removeprefix("truth."): array
        for name, array in arrays.items()
        if name.startswith("truth.")
    }
    return Split(
        part("train", "train_users"),
        fold("validation"),
        fold("test"),
        Truth(**truth) if truth else None,
    )


def default_folder() -> Path:
    """Return $BENCH_CACHE_DIR if that is set, else .cache/ in the project's folder."""
    return Path(
        os.environ.get("BENCH_CACHE_DIR") or Path(__file__).resolve().parent.parent / ".cache"
    )
