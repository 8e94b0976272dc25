"""Looking names up, and saying what was meant when they are wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from datasets.registry import Entry

T = TypeVar("T")


class UsageError(Exception):
    """A request that cannot be met, in one sentence: the offending value, the rule, the cure."""


def look_up(kind: str, name: str, table: Mapping[str, T]) -> T:
    """The entry of ``name``; raises UsageError that names the nearest one, and all, if there is none."""
    if name not in table:
        raise UsageError(
            f"there is no {kind} {name!r}{suggestion(name, table)}; known: {', '.join(table)}"
        )
    return table[name]


def data_sets(names: Iterable[str]) -> dict[str, Entry]:
    """The data sets of these names, each once: of the registry, by aliases too, or a person's own as ``file:PATH``.

    Raises UsageError for a name that is unknown, or that two files would have.
    """
    from datasets import own  # help is printed without
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
    """ ", did you mean ...?" for a near miss, else nothing."""
    near = difflib.get_close_matches(name.lower(), known, n=1) or difflib.get_close_matches(
        name, known, n=1
    )
    return f", did you mean {near[0]!r}?" if near else ""
