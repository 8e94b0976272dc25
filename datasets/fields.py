"""What a field of a table may hold, and what is wrong with one that holds something else."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    import polars as pl

Kind = Literal["whole", "count", "position", "number", "id", "text", "nothing"]
"""What the fields of a column are: a "count" is 1 or more, a "position" 0 or more and of 32 bits, a
"text" may be anything, and "nothing" must be empty."""

RANGES = {"whole": (-(2**63), 2**63 - 1), "count": (1, 2**63 - 1), "position": (0, 2**31 - 1)}
"""The smallest and the largest whole number of each kind that is one."""
WHOLE = re.compile(r"[ \t]*([+-]?)0*([0-9]+)")
NUMBER = re.compile(r"[ \t]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
NOT_IN_IDS = {
    "\0": "a zero byte",
    "\n": "a line break",
    "\r": "a line break",
    "\ufeff": "a byte-order mark",
}
"""Characters that no id may have: unique_sid.txt has one id a line, NumPy's bytes end at a zero,
and an invisible mark comes from joining files."""


def type_of(kind: Kind) -> Any:
    """Return the type in polars of a column of this kind."""
    import polars as pl

    # ids become numbers while they are read: one string a row would fill the memory
    if kind == "id":
        return pl.Categorical(pl.Categories.random())
    numbers = {"whole": pl.Int64, "count": pl.Int64, "position": pl.Int32, "number": pl.Float64}
    return numbers.get(kind, pl.String)


def fault(kind: Kind, field: str) -> str | None:
    """Return what is wrong with a field, as "is no number"; None if it is of this kind."""
    if kind == "text":
        return None
    if kind == "nothing":
        return "is not empty" if field else None
    if not field:
        return "is empty"
    if kind == "id":
        found = [what for character, what in NOT_IN_IDS.items() if character in field]
        return f"has {found[0]} in it" if found else None
    if kind == "number":
        sound = NUMBER.fullmatch(field) and math.isfinite(float(field))
        return None if sound else "is no number"
    if not (found := WHOLE.fullmatch(field)):
        return "is no whole number"
    least, most = RANGES[kind]
    sign, digits = found.groups()
    # Python refuses to read thousands of digits
    sound = len(digits) < 20 and least <= int(sign + digits) <= most
    return None if sound else f"is not from {least} to {most}"


def mixed(ids: np.ndarray, what: str) -> str | None:
    """Return which raw ids are not written as whole numbers are, if some are and others are not.

    ``what`` they are is "user" or "item". A blank beside a number is easily overlooked.
    """
    if ids.dtype.kind != "S":
        return None
    import polars as pl

    names = pl.Series([raw.decode() for raw in ids], dtype=pl.String)
    whole = names.cast(pl.Int64, strict=False).cast(pl.String) == names
    other = names.filter(~whole.fill_null(False))
    if len(other) in (0, len(names)):
        return None
    return (
        f"{len(other):,} of {len(names):,} {what} ids are not plain whole numbers, as {other[0]!r}"
    )


def sound(column: pl.Series, kind: Kind) -> bool:
    """Return whether a column that polars has accepted holds only what ``kind`` allows."""
    if kind == "nothing":
        return column.null_count() == len(column)
    if kind in ("count", "position") and not (column >= RANGES[kind][0]).all():
        return False
    if kind == "number" and not np.isfinite(column.to_numpy()).all():
        return False
    if kind == "id":
        names = column.unique().cast(str)
        unfit = (names == "") | names.str.contains(f"[{''.join(NOT_IN_IDS)}]")
        return not unfit.fill_null(True).any()
    return column.null_count() == 0
