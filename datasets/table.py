"""Reads text files with one row a line; a malformed file is refused with the line's number."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from datasets import archive
from datasets.base import Dataset, DatasetConfig
from datasets.errors import DataError
from datasets.preprocess import Ratings

if TYPE_CHECKING:
    import polars as pl

Kind = Literal["whole", "number", "id", "text", "nothing"]
"""What the fields of a column are: a "text" may be anything, and "nothing" must be empty."""

NUMBER = r" *[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?"
NOT_IN_IDS = "\0\n\r"
"""Characters that no id may have: unique_sid.txt has one id a line, NumPy's bytes end at a zero."""


@dataclass(frozen=True)
class Layout:
    """The form of a file's lines."""

    columns: Mapping[str, Kind]
    """The kind of each column by its name, in file order."""
    user: str
    """The name of the column with users."""
    item: str
    """The name of the column with items."""
    rating: str | None = None
    """The name of the column with ratings; None if there is none."""
    separator: str = ","
    header: bool = True
    """Whether the first line must be the names of the columns."""
    quoted: bool = True
    """Whether a field may stand in double quotes."""
    form: str = ""
    """The form of a line in words, for messages; by default the columns' names with separators."""

    def fits(self, fields: list[str], first: bool) -> bool:
        """Return whether the fields of a line, perhaps the ``first`` one, have this form."""
        if first and self.header:
            return fields == list(self.columns)
        return len(fields) == len(self.columns) and all(map(_fits, self.columns.values(), fields))


def _fits(kind: Kind, field: str) -> bool:
    if kind == "whole":
        return bool(re.fullmatch(" *[+-]?[0-9]+", field)) and -(2**63) <= int(field) < 2**63
    if kind == "number":
        return bool(re.fullmatch(NUMBER, field, re.IGNORECASE)) and math.isfinite(float(field))
    if kind == "id":
        # the range of surrogates stands for bytes that are not UTF-8
        return bool(field) and not re.search(f"[{NOT_IN_IDS}\ud800-\udfff]", field)
    return kind == "text" or not field


def read(content: bytes | Path, path: Path, layout: Layout) -> Ratings:
    """Return the rows of ``content``; arguments and errors are those of ``parse``."""
    rows = parse(content, path, layout)
    return ratings(
        rows[layout.user], rows[layout.item], rows[layout.rating] if layout.rating else None
    )


def parse(content: bytes | Path, path: Path, layout: Layout) -> pl.DataFrame:
    """Return the columns of ``content``, except those of kind "text".

    ``content`` is bytes, or the path of the file that holds them; ``path`` is named in messages.
    Raises DataError with the number of the first line that does not fit ``layout``.
    """
    import polars as pl

    try:
        table = _parse(content, layout)
    except (pl.exceptions.PolarsError, OverflowError) as error:
        raise _refusal(content, path, layout) from error
    if not (len(table) and all(sound(column, layout.columns[column.name]) for column in table)):
        raise _refusal(content, path, layout)
    return table


def _parse(content: bytes | Path, layout: Layout) -> pl.DataFrame:
    import polars as pl

    def kind_of(kind: Kind) -> Any:
        # ids become numbers while they are read: one string a row would fill the memory
        if kind == "id":
            return pl.Categorical(pl.Categories.random())
        return {"whole": pl.Int64, "number": pl.Float64}.get(kind, pl.String)

    kinds = {name: kind_of(kind) for name, kind in layout.columns.items()}
    needed = [place for place, kind in enumerate(layout.columns.values()) if kind != "text"]
    return pl.read_csv(
        content,
        columns=needed,
        separator=layout.separator,
        has_header=layout.header,
        quote_char='"' if layout.quoted else None,
        schema=kinds,
        glob=False,
    )


def sound(column: pl.Series, kind: Kind) -> bool:
    """Return whether a column that polars has accepted holds only what ``kind`` allows."""
    if kind == "nothing":
        return column.null_count() == len(column)
    if kind == "number" and not np.isfinite(column.to_numpy()).all():
        return False
    if kind == "id":
        names = column.unique().cast(str)
        return not ((names == "") | names.str.contains(f"[{NOT_IN_IDS}]")).fill_null(True).any()
    return column.null_count() == 0


def ratings(user: pl.Series, item: pl.Series, rating: pl.Series | None = None) -> Ratings:
    """Return rows of raw ids, whole numbers or categories, as ``Ratings``."""
    (users, user_ids), (items, item_ids) = encode(user), encode(item)
    return Ratings(users, items, user_ids, item_ids, None if rating is None else rating.to_numpy())


def encode(ids: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the position of each row's id among the sorted ids, int32, and the sorted ids.

    Categories are taken as whole numbers if each is written just as its number is; otherwise they
    are sorted as bytes.
    """
    import polars as pl

    if ids.dtype.is_integer():
        known = ids.unique().sort().to_numpy()
        return np.searchsorted(known, ids.to_numpy()).astype(np.int32), known.astype(np.int64)
    unique = ids.unique()
    names, codes = unique.cast(pl.String), unique.to_physical().to_numpy()
    numbers = names.cast(pl.Int64, strict=False)
    whole = numbers.null_count() == 0 and (numbers.cast(pl.String) == names).all()
    keys = numbers.to_numpy() if whole else np.array([name.encode() for name in names])
    order = np.argsort(keys)
    place = np.empty(codes.max() + 1, dtype=np.int32)
    place[codes[order]] = np.arange(len(order))
    return place[ids.to_physical().to_numpy()], keys[order]


def _refusal(content: bytes | Path, path: Path, layout: Layout) -> DataError:
    form = layout.form or layout.separator.join(layout.columns)
    number = _first_wrong(content, layout)
    with _lines(content) as lines:
        line = next(islice(lines, number - 1, None), "")
    return malformed(path, number, line, form)


def _lines(content: bytes | Path) -> io.TextIOWrapper:
    raw = content.open("rb") if isinstance(content, Path) else io.BytesIO(content)
    return io.TextIOWrapper(raw, "utf-8-sig", errors="surrogateescape", newline="\n")


def first_row(path: Path, separator: str) -> list[str]:
    """Return the fields of a file's first line; raise DataError if there are none."""
    try:
        with _lines(path) as lines:
            return next(csv.reader(lines, delimiter=separator))
    except (StopIteration, csv.Error) as error:
        raise DataError(f"{path} is empty or holds no text; name a file with rows") from error


def _first_wrong(content: bytes | Path, layout: Layout) -> int:
    """Return the number of the line where the first row begins that does not fit ``layout``.

    If every row fits, this is the number after the last line.
    """
    number = 1
    with _lines(content) as lines:
        quoting = csv.QUOTE_MINIMAL if layout.quoted else csv.QUOTE_NONE
        rows = csv.reader(lines, delimiter=layout.separator, quoting=quoting, strict=True)
        try:
            while layout.fits(next(rows), first=number == 1):
                number = rows.line_num + 1
        except (StopIteration, csv.Error):
            pass
    return number


def malformed(path: Path, number: int, line: str, form: str) -> DataError:
    """Return the error for a line that does not have the form that ``form`` describes."""
    shown = line.rstrip("\r\n")[:80].encode(errors="replace").decode()
    return DataError(
        f"{path}, line {number}: {shown!r} is not {form}; the file is damaged or another file: "
        "mend it or get it again"
    )


class OneFile(Dataset[DatasetConfig]):
    """A data set whose raw file is one text file, alone or in a zip archive."""

    member: ClassVar[str]
    """The name of the raw file."""
    layout: ClassVar[Layout]
    """The form of its lines."""

    def read(self, raw: tuple[Path, ...]) -> Ratings:
        (path,) = raw
        return read(archive.unzipped(path, self.member), path, self.layout)
