"""Finds the columns of users, items and ratings, and what separates columns, in a file's header."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from datasets.errors import DataError

KNOWN: Mapping[str, tuple[str, ...]] = {
    "user": ("user", "userid", "uid", "customer", "customerid"),
    "item": (
        "item",
        "itemid",
        "iid",
        "sid",
        "movie",
        "movieid",
        "song",
        "songid",
        "product",
        "productid",
    ),
    "rating": ("rating", "ratings", "stars"),
}
"""Column names that are recognised, in lower case and with letters and digits only."""
SEPARATORS = ("\t", "::", ",", ";", "|")
"""What may separate columns, besides a space."""
Asked = Mapping[str, str | int | None]
"""The name that a person gave for the column of users, of items and of ratings; None if none."""


def choose(path: Path, name: str, asked: Asked, names: Sequence[str]) -> dict[str, int]:
    """Return the places of the columns of users, of items and, if there is one, of ratings.

    ``names`` are the columns' names and ``name`` is the data set's. Raises DataError, which says
    all that is missing, if a column is not there or cannot be told from another.
    """
    alike = {role: _alike(role, wanted, names) for role, wanted in asked.items()}
    if not alike["rating"] and asked["rating"] is None:
        del alike["rating"]
    wrong = [role for role, places in alike.items() if len(places) != 1]
    if wrong:
        found = [f"{len(alike[role])} are {_what(role, asked[role])}" for role in wrong]
        told = " ".join(f"{name}.{role}_column=NAME" for role in wrong)
        raise DataError(
            f"{path} has the columns {', '.join(names)}, of which {' and '.join(found)}, "
            f"but exactly one must be; name it with --set {told}"
        )
    chosen = {role: place for role, (place,) in alike.items()}
    if len(set(chosen.values())) < len(chosen):
        roles = ", ".join(f"{role}: {names[place]}" for role, place in chosen.items())
        raise DataError(f"{path}: user, item and rating must be different columns, not {roles}")
    return chosen


def _alike(role: str, wanted: str | int | None, names: Sequence[str]) -> list[int]:
    if wanted is not None:
        return [place for place, name in enumerate(names) if name == str(wanted)]
    plain = [re.sub(r"[\W_]", "", name).lower() for name in names]
    return [place for place, name in enumerate(plain) if name in KNOWN[role]]


def _what(role: str, wanted: str | int | None) -> str:
    return f"usual names for the {role}" if wanted is None else f"called {wanted}"


def check_header(path: Path, name: str, asked: Asked, names: Sequence[str]) -> None:
    """Raise DataError if the first line shows another separator, or that it is no header.

    Arguments are those of ``choose``.
    """
    if len(names) == 1 and (other := guess(names[0])):
        shown = {"\t": "tab", " ": "' '"}.get(other, other)
        raise DataError(
            f"{path} has one column only, {names[0][:80]!r}: is it separated by {shown}? Then set "
            f"--set '{name}.separator={shown}'"
        )
    usual = any(_alike(role, None, names) for role in KNOWN)
    told = any(wanted is not None for wanted in asked.values())
    if not usual and not told and any(re.fullmatch(r"-?\d+(\.\d+)?", field) for field in names):
        raise DataError(
            f"{path} begins with {', '.join(names)[:80]!r}, where names of columns should be: has "
            f"it no header? Then set --set {name}.header=false {name}.user_column=1 "
            f"{name}.item_column=2, or what the columns' numbers are"
        )


def guess(line: str) -> str | None:
    """Return what seems to separate the columns of a line; None if nothing does."""
    best = max(SEPARATORS, key=line.count)
    return best if best in line else " " if " " in line else None
