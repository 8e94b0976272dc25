"""Keeps splits on disk, so that a data set is read and split only once.

A split is a folder with plain arrays, which are memory-mapped, and a header. It is found by the raw
file's hash, every option, the caller's protocol version and FORMAT. Where there is no raw file, the
newest split with the same name, options and versions is used, so that a machine with nothing but
the cache can train. The cache may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datasets import atomic, fetch, pro_sg
from datasets.base import Dataset
from datasets.errors import DataError
from datasets.names import file_name
from datasets.split import Fold, Interactions, Split, Truth

FORMAT = 2
"""The version of the cache's files."""
HASHES = "hashes.json"
"""The file with the hashes of raw files, by path, size and time of the last change."""


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


def prepare(
    name: str, dataset: Dataset[Any], data_dir: Path, cache_dir: Path, protocol: int
) -> Prepared:
    """Return the split of ``dataset`` from the cache, or make it from the raw files.

    Raw files that are not in ``data_dir`` are downloaded into it. Raises DataError if they cannot
    be had or are malformed, or if the cache is damaged.
    """
    raw = dataset.find(data_dir)
    _remember(raw, cache_dir)
    if found := _at_hand(name, dataset, raw, cache_dir, protocol):
        return read(found)
    if dataset.source and not raw:
        raw = fetch.download(dataset.source, data_dir)
        _remember(raw, cache_dir)
    identity = _identity(name, dataset, protocol) | {"raw_sha256": _sha256(raw, cache_dir)}
    folder = _folder(cache_dir, identity)
    with atomic.lock(cache_dir, folder.name, wait=True):
        # another process may have made it while this one waited for the lock
        if made := not folder.exists():
            atomic.sweep(cache_dir, folder.name)
            split, notes = dataset.split(raw)
            hashes = pro_sg.hashes(split)
            found = {"notes": [*notes, *dataset.likeness(hashes)], "files": hashes}
            _write(folder, split, identity | found)
    return read(folder, made)


def at_hand(
    name: str, dataset: Dataset[Any], data_dir: Path, cache_dir: Path, protocol: int
) -> Prepared | None:
    """Return the split of ``dataset`` if it is in the cache, else None."""
    found = _at_hand(name, dataset, dataset.find(data_dir), cache_dir, protocol)
    return read(found) if found else None


def _at_hand(
    name: str, dataset: Dataset[Any], raw: tuple[Path, ...], cache_dir: Path, protocol: int
) -> Path | None:
    identity = _identity(name, dataset, protocol)
    if dataset.source and not raw:
        return _newest(cache_dir, identity)
    folder = _folder(cache_dir, identity | {"raw_sha256": _sha256(raw, cache_dir)})
    return folder if folder.exists() else None


def _sha256(raw: tuple[Path, ...], cache_dir: Path) -> str | None:
    """Return one hash of the raw files: a single file's own, else the hash of hashes and names."""
    known = _remembered(cache_dir)
    hashes = {path.name: known.get(_state(path)) or fetch.sha256(path) for path in raw}
    if len(raw) < 2:
        return hashes[raw[0].name] if raw else None
    return pro_sg.split_hash(hashes)


def _remember(raw: tuple[Path, ...], cache_dir: Path) -> None:
    """Store the hashes of raw files, so that gigabytes are not read again at every start."""
    known = _remembered(cache_dir)
    if new := [path for path in raw if _state(path) not in known]:
        known |= {_state(path): fetch.sha256(path) for path in new}
        atomic.write(cache_dir / HASHES, json.dumps(known, indent=1).encode())


def _remembered(cache_dir: Path) -> dict[str, str]:
    try:
        return json.loads((cache_dir / HASHES).read_text())
    except (OSError, ValueError):
        # the file is missing or damaged, which only costs hashing again
        return {}


def _state(path: Path) -> str:
    """Return a text that identifies a file with its present content: path, size, time of change."""
    status = path.stat()
    return f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"


def _identity(name: str, dataset: Dataset[Any], protocol: int) -> dict[str, Any]:
    options = dataset.config.model_dump(mode="json")
    return {"name": name, "options": options, "protocol": protocol, "format": FORMAT}


def _folder(cache_dir: Path, identity: dict[str, Any]) -> Path:
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return cache_dir / f"{file_name(identity['name'])}-{key[:16]}"


def _newest(cache_dir: Path, identity: dict[str, Any]) -> Path | None:
    found = []
    for path in cache_dir.glob(f"{file_name(identity['name'])}-*/header.json"):
        header = _header(path)
        if all(header.get(key) == value for key, value in identity.items()):
            found.append((path.stat().st_mtime_ns, path.parent))
    return max(found)[1] if found else None


def _header(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(
        f"the cached split {path.parent} cannot be read ({path.name}: {error}); "
        "delete that folder, and the split will be made again"
    )


def _write(folder: Path, split: Split, header: dict[str, Any]) -> None:
    arrays = {"item_ids": split.train.item_ids, "train_users": split.train.user_ids}
    for name, fold in (("validation", split.validation), ("test", split.test)):
        arrays[f"{name}_users"] = fold.history.user_ids
    for name, part in split.parts.items():
        arrays |= {f"{name}.user": part.user, f"{name}.item": part.item}
    if split.truth:
        arrays |= {f"truth.{name}": array for name, array in vars(split.truth).items()}
    header |= {"split_hash": pro_sg.split_hash(header["files"])}
    header["arrays"] = {name: [str(array.dtype), *array.shape] for name, array in arrays.items()}
    with atomic.folder(folder) as beside:
        for name, array in arrays.items():
            np.save(beside / f"{name}.npy", array, allow_pickle=False)
        (beside / "header.json").write_text(json.dumps(header, indent=1) + "\n")


def read(folder: Path, made: bool = False) -> Prepared:
    """Return the split in ``folder``; raise DataError if it is damaged."""
    header = _header(folder / "header.json")
    arrays: dict[str, np.ndarray] = {}
    path = folder / "header.json"
    try:
        for name, expected in header["arrays"].items():
            path = folder / f"{name}.npy"
            arrays[name] = np.load(path, mmap_mode="r", allow_pickle=False)
            if (found := [str(arrays[name].dtype), *arrays[name].shape]) != expected:
                raise ValueError(f"{found} instead of {expected}")
        split = _split(arrays)
        return Prepared(
            split, header["split_hash"], tuple(header["notes"]), header["raw_sha256"], folder, made
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from error


def _split(arrays: dict[str, np.ndarray]) -> Split:
    def part(name: str, users: str) -> Interactions:
        return Interactions(
            arrays[f"{name}.user"], arrays[f"{name}.item"], arrays[users], arrays["item_ids"]
        )

    def fold(name: str) -> Fold:
        users = f"{name}_users"
        return Fold(part(f"{name}_tr", users), part(f"{name}_te", users))

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
