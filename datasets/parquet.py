"""Reads users, items and ratings out of a Parquet file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets import fields, table
from datasets.errors import DataError
from datasets.fields import Kind
from datasets.preprocess import Ratings

if TYPE_CHECKING:
    import polars as pl


def names(path: Path) -> list[str]:
    """Return the names of a file's columns; raise DataError if it is no Parquet file."""
    with _opened(path) as file:
        return list(file.schema_arrow.names)


def read(path: Path, chosen: Mapping[str, str]) -> Ratings:
    """Return the rows of a file; ``chosen`` names the columns of "user", "item" and "rating".

    Raises DataError if the file is damaged, or a column has other types or rows without a value.
    """
    with _opened(path) as file:
        found = {role: typed(_column(file, name, role), role) for role, name in chosen.items()}
    if not len(found["user"]):
        raise DataError(f"{path} has no rows; name a file with rows")
    return ratings(found, chosen, path)


def ratings(found: Mapping[str, pl.Series], names: Mapping[str, str], of: object) -> Ratings:
    """Return the rows of columns of "user", "item" and "rating", as ``typed`` gives them.

    ``names`` are the columns' names in the table ``of``, for messages. Raises DataError if a column
    has rows without a value.
    """
    for role, column in found.items():
        ids: Kind = "whole" if column.dtype.is_integer() else "id"
        kind: Kind = "number" if role == "rating" else ids
        if not fields.sound(column, kind):
            raise DataError(
                f"the column {names[role]} of {of} has rows {_wrong(column, kind, role)}; "
                "mend those or leave them out"
            )
    return table.ratings(**found)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Give the Parquet file ``path``; whatever is raised in the block becomes one DataError."""
    # a damaged file aborts the process or prints Rust's backtraces where polars reads it
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    # the libraries raise many kinds of error for a damaged file
    except Exception as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"{path} cannot be read as Parquet with whole numbers or text as ids and numbers as "
            f"ratings ({why}); write the file anew"
        ) from error


def _column(file: Any, name: str, role: str) -> pl.Series:
    """Return a column of an open file; raise ValueError if its type is none for ``role``."""
    import polars as pl

    found = file.schema_arrow.field(name).type
    plain = getattr(found, "value_type", found) if _is(found, "dictionary") else found
    numbers = ("integer", "floating", "decimal", "null") if role == "rating" else ("integer",)
    if not _is(plain, *numbers, "string", "large_string", "string_view"):
        raise ValueError(f"{name} is {found}")
    # a name with a dot before it is read too
    column = file.read(columns=[name]).column(name)
    column.validate(full=True)
    if len(column) != (rows := file.metadata.num_rows):
        raise ValueError(f"{name} has {len(column)} of {rows} rows")
    return pl.Series(pl.from_arrow(column if plain == found else column.cast(plain)))


def _is(found: Any, *kinds: str) -> bool:
    """Return whether a type of Arrow is one of these kinds."""
    import pyarrow as pa

    return any(getattr(pa.types, f"is_{kind}")(found) for kind in kinds)


def typed(column: pl.Series, role: str) -> pl.Series:
    """Return ratings as floats, and ids as whole numbers or categories."""
    import polars as pl

    if role == "rating":
        return column.cast(pl.Float64)
    if column.dtype.is_integer():
        numbers = column.cast(pl.Int64, strict=False)
        if numbers.null_count() == column.null_count():
            return numbers
    # beyond 64 bits ids are text, as they are in text files
    return column.cast(pl.String).cast(pl.Categorical(pl.Categories.random()))


def _wrong(column: pl.Series, kind: Kind, role: str) -> str:
    """Return what rows of a column have that is not sound."""
    for value in column.unique(maintain_order=True).cast(str):
        if value and value != "NaN" and (wrong := fields.fault(kind, value)):
            return f"with the {role} {value[:40]!r}, which {wrong}"
    return f"without {'an' if role == 'item' else 'a'} {role}"
