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
        found = [f"{len(alike[role]) or 'none'} are {_what(role, asked[role])}" for role in wrong]
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


def check_separator(path: Path, name: str, fields: Sequence[str]) -> None:
    """Raise DataError if the fields of a first line are one, and show another separator.

    ``name`` is the data set's.
    """
    if len(fields) == 1 and (other := guess(fields[0])):
        told, shown = ("tab", "a tab") if other == "\t" else (other, f"{other!r}")
        raise DataError(
            f"{path} has one column only, {fields[0][:80]!r}: is it separated by {shown}? Then "
            f"set it with --set '{name}.separator={told}'"
        )


def check_header(path: Path, name: str, names: Sequence[str]) -> None:
    """Raise DataError if the ``names`` of columns have numbers among them and no usual name.

    ``name`` is the data set's.
    """
    usual = any(_alike(role, None, names) for role in KNOWN)
    if not usual and any(re.fullmatch(r"-?\d+(\.\d+)?", name) for name in names):
        raise DataError(
            f"{path} begins with {', '.join(names)[:80]!r} and not with names of columns: has it "
            f"no header? Then name the columns by number with --set {name}.header=false "
            f"{name}.user_column=1 {name}.item_column=2"
        )


def guess(line: str) -> str | None:
    """Return what seems to separate the columns of a line; None if nothing does."""
    best = max(SEPARATORS, key=line.count)
    return best if best in line else " " if " " in line else None
