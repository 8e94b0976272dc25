"""Reads users, items and ratings out of a Parquet file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets import fields, table
from datasets.errors import DataError
from datasets.fields import Kind
from datasets.preprocess import Ratings


def names(path: Path) -> list[str]:
    """Return the names of a file's columns; raise DataError if it is no Parquet file."""
    import polars as pl

    try:
        # a path would be taken for a pattern
        with path.open("rb") as file:
            return list(pl.read_parquet_schema(file))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(path, error) from error


def read(path: Path, chosen: Mapping[str, str]) -> Ratings:
    """Return the rows of a file; ``chosen`` names the columns of "user", "item" and "rating".

    Raises DataError if the file is damaged, or a column has other types or rows without a value.
    """
    import polars as pl

    try:
        rows = pl.read_parquet(path, columns=list(chosen.values()), glob=False)
        found = {role: _typed(rows[name], role) for role, name in chosen.items()}
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(path, error) from error
    for role, column in found.items():
        ids: Kind = "whole" if column.dtype.is_integer() else "id"
        if not fields.sound(column, "number" if role == "rating" else ids):
            raise DataError(
                f"the column {chosen[role]} of {path} has rows without a {role}; "
                "leave those out of the file"
            )
    return table.ratings(**found)


def _typed(column: Any, role: str) -> Any:
    import polars as pl

    if role == "rating":
        return column.cast(pl.Float64)
    if column.dtype.is_integer():
        numbers = column.cast(pl.Int64, strict=False)
        if numbers.null_count() == column.null_count():
            return numbers
        # beyond 64 bits ids are text, as they are in text files
        column = column.cast(pl.String)
    if column.dtype in (pl.String, pl.Categorical, pl.Enum):
        return column.cast(pl.String).cast(pl.Categorical(pl.Categories.random()))
    raise pl.exceptions.SchemaError(f"{column.name} is {column.dtype}")


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path} cannot be read as Parquet with whole numbers or text as ids and numbers as "
        f"ratings ({str(error).splitlines()[0]}); write the file anew"
    )
