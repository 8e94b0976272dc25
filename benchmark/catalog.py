"""Looking names up, and saying what was meant when they are wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


class UsageError(Exception):
    """A request that cannot be met, in one sentence: the offending value, the rule, the cure."""


def look_up(kind: str, name: str, table: Mapping[str, T]) -> T:
    """The entry of ``name``; raises UsageError that names the nearest one, and all, if there is none."""
    if name not in table:
        raise UsageError(f"there is no {kind} {name!r}{suggestion(name, table)}; known: {', '.join(table)}")
    return table[name]


def suggestion(name: str, known: Iterable[str]) -> str:
    """ ", did you mean ...?" for a near miss, else nothing."""
    near = difflib.get_close_matches(name.lower(), known, n=1) or difflib.get_close_matches(name, known, n=1)
    return f", did you mean {near[0]!r}?" if near else ""
