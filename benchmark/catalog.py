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
        raise UsageError(
            f"there is no {kind} {name!r}{suggestion(name, table)}; known: {', '.join(table)}"
        )
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
        else:
            entry = look_up("data set", canonical(name), DATASETS)
        chosen[entry.name] = entry
    return chosen


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ", did you mean 'NAME'?" with the nearest name in ``known``, or "" if none is near."""
    near = difflib.get_close_matches(name.lower(), known, n=1) or difflib.get_close_matches(
        name, known, n=1
    )
    return f", did you mean {near[0]!r}?" if near else ""
