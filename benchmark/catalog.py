"""Looks names up, and suggests the nearest name for one that is unknown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from benchmark.errors import UsageError

if TYPE_CHECKING:
    from datasets.registry import Entry

T = TypeVar("T")


def look_up(kind: str, name: str, table: Mapping[str, T]) -> T:
    """Return the entry of ``name``; if there is none, raise a UsageError that lists all names."""
    if name not in table:
        near = suggestion(name, table)
        raise UsageError(f"there is no {kind} {name!r}{near}; known: {', '.join(table)}")
    return table[name]


def data_sets(names: Iterable[str]) -> dict[str, Entry]:
    """Return the data sets of these names, each once, by their registered names.

    A name may be an alias, or ``file:PATH`` for a person's own data. Raises UsageError for a name
    that is unknown, and for two files that would have the same name.
    """
    # slow to import, and not needed to print the help
    from datasets import own
    from datasets.registry import DATASETS, canonical

    chosen: dict[str, Entry] = {}
    paths: dict[str, Path] = {}
    for name in names:
        if name.startswith(own.PREFIX):
            path = Path(name.removeprefix(own.PREFIX)).expanduser().resolve()
            entry = own.entry(path)
            if paths.setdefault(entry.name, path) != path:
                raise UsageError(
                    f"{paths[entry.name]} and {path} would both be {entry.name}; rename one of them"
                )
        elif canonical(name) not in DATASETS and _is_path(name):
            raise UsageError(
                f"{name!r} is a path and no data set's name; your own data is named "
                f"{own.PREFIX}{name}"
            )
        else:
            entry = look_up("data set", canonical(name), DATASETS)
        chosen[entry.name] = entry
    return chosen


def _is_path(name: str) -> bool:
    """Return whether a name has the form of a file's or folder's path, or is one that is there."""
    return "/" in name or bool(Path(name).suffix) or Path(name).exists()


def suggestion(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return ", did you mean 'NAME'?" with the nearest name in ``known``, or "" if none is near.

    ``cutoff`` is difflib's: the least similarity of a near name, from 0 to 1.
    """
    near = nearest(name, known, cutoff)
    return f", did you mean {near!r}?" if near else ""


def nearest(name: str, known: Iterable[str], cutoff: float) -> str | None:
    """Return the nearest name in ``known``; None if none is near by ``cutoff``."""
    words = list(known)
    near = difflib.get_close_matches(name.lower(), words, 1, cutoff)
    near = near or difflib.get_close_matches(name, words, 1, cutoff)
    return near[0] if near else None
