"""Remembers the hashes of raw files, so that gigabytes are not read again at every start."""

from __future__ import annotations

import json
from pathlib import Path

from datasets import atomic, fetch, pro_sg

HASHES = "hashes.json"
"""The file in the cache with the hashes, by the states of files."""


def sha256(raw: tuple[Path, ...], cache_dir: Path) -> str | None:
    """Return one hash of the raw files: a single file's own, else the hash of hashes and names."""
    known = _remembered(cache_dir)
    hashes = {path.name: known.get(_state(path)) or fetch.sha256(path) for path in raw}
    if len(raw) < 2:
        return hashes[raw[0].name] if raw else None
    return pro_sg.split_hash(hashes)


def remember(raw: tuple[Path, ...], cache_dir: Path) -> None:
    """Store the hashes of raw files that are not stored yet."""
    known = _remembered(cache_dir)
    if new := [path for path in raw if _state(path) not in known]:
        known |= {_state(path): fetch.sha256(path) for path in new}
        atomic.write(cache_dir / HASHES, json.dumps(known, indent=1).encode())


def _remembered(cache_dir: Path) -> dict[str, str]:
    try:
        found = json.loads((cache_dir / HASHES).read_text())
        whole = all(isinstance(sha256, str) for sha256 in found.values())
    except (OSError, ValueError, AttributeError, RecursionError):
        whole, found = False, {}
    # the file is missing or damaged, which only costs hashing again
    return found if whole else {}


def _state(path: Path) -> str:
    """Return a text that identifies a file with its present content.

    It has the time of the last change twice: programs that copy set the first, st_mtime_ns, as they
    like, but only the system sets st_ctime_ns.
    """
    now = path.stat()
    states = (now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns)
    return " ".join(map(str, (path.resolve(), *states)))
