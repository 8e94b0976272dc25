"""Reads text files with one row a line; a malformed file is refused with the line's number."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from datasets import archive, fields, text
from datasets.base import Dataset, DatasetConfig
from datasets.errors import DataError
from datasets.fields import Kind
from datasets.preprocess import Ratings

if TYPE_CHECKING:
    import polars as pl

DAMAGED = "the file is damaged or another file: mend it or get it again"
"""What to do about a malformed line."""


@dataclass(frozen=True)
class Layout:
    """The form of a file's rows, which are lines of UTF-8 with the same number of fields each."""

    columns: Mapping[str, Kind]
    """The kind of each column by its name, in file order."""
    user: str
    """The name of the column with users."""
    item: str
    """The name of the column with items."""
    rating: str | None = None
    """The name of the column with ratings; None if there is none."""
    separator: str = ","
    header: Sequence[str] | None = None
    """The fields that the first line must have; None if it is a row like all others."""
    quoted: bool = True
    """Whether fields may stand in double quotes, doubled inside (RFC 4180), or quotes are plain."""
    form: str = ""
    """The form of a line in words, for messages; by default the columns' names with separators."""
    cure: str = DAMAGED
    """What to do about a wrong line, for messages."""
    instead: str = ""
    """What may be done instead about a line of another form, as ", or set the separator"."""

    @property
    def unused(self) -> tuple[str, ...]:
        """The names of the columns that are neither users, items nor ratings."""
        used = (self.user, self.item, self.rating)
        return tuple(n for n, kind in self.columns.items() if n not in used and kind != "nothing")

    def splits(self, row: Sequence[str]) -> bool:
        """Return whether a row has a field for each column, and none between two separators."""
        gaps = [place for place, kind in enumerate(self.columns.values()) if kind == "nothing"]
        return len(row) == len(self.columns) and not any(row[place] for place in gaps)

    @property
    def titles(self) -> tuple[str, str] | None:
        """What the header has in the columns of users and of items; None without a header."""
        if not self.header:
            return None
        names = dict(zip(self.columns, self.header, strict=True))
        return names[self.user], names[self.item]

    def fault(self, row: Sequence[str]) -> str | None:
        """Return what is wrong with a row that ``splits``: the header again, or its first wrong
        field; None if nothing is.
        """
        names = dict(zip(self.columns, row, strict=True))
        if self.titles == (names[self.user], names[self.item]):
            return "here is the header again"
        for (name, kind), field in zip(self.columns.items(), row, strict=True):
            if wrong := fields.fault(kind, field):
                return f"the {name} {f'{field[:40]!r} ' if field else ''}{wrong}"
        return None


def read(content: bytes | Path, path: Path, layout: Layout) -> Ratings:
    """Return the rows of ``content``; arguments and errors are those of ``parse``."""
    rows = parse(content, path, layout)
    rating = rows[layout.rating] if layout.rating else None
    return replace(ratings(rows[layout.user], rows[layout.item], rating), unused=layout.unused)


def parse(content: bytes | Path, path: Path, layout: Layout) -> pl.DataFrame:
    """Return the columns of ``content``, except those of kind "text".

    ``content`` is bytes, or the path of the file that holds them; ``path`` is named in messages.
    Raises DataError with the number of the first line that does not fit ``layout``.
    """
    import polars as pl

    found, number = [], 1
    types = {name: fields.type_of(kind) for name, kind in layout.columns.items()}
    for block in text.blocks(content, layout.quoted):
        start = _header(block, path, layout) if number == 1 and layout.header else 0
        number += block.count(b"\n", 0, start)
        if start < len(block):
            rows = _parse(block[start:], layout, types)
            if rows is None:
                raise _refusal(block[start:], number, path, layout)
            found.append(rows)
        number += block.count(b"\n", start)
    if not found:
        raise _malformed(path, number, b"", layout)
    return pl.concat(found)


def _parse(block: bytes, layout: Layout, types: Mapping[str, Any]) -> pl.DataFrame | None:
    """Return the columns of a block of rows, except those of kind "text"; None if one is wrong."""
    import polars as pl

    needed = [place for place, kind in enumerate(layout.columns.values()) if kind != "text"]
    # polars counts the fields of a row only where it reads all of them
    counted = len(types) if len(needed) < len(types) else None
    if not text.regular(block, layout.separator, layout.quoted, counted):
        return None
    # polars refuses what is not UTF-8, and drops a byte-order mark at the start of what it reads
    mark = codecs.BOM_UTF8 if block.startswith(codecs.BOM_UTF8) else b""
    try:
        rows = pl.read_csv(
            mark + block,
            columns=needed,
            separator=layout.separator,
            has_header=False,
            quote_char='"' if layout.quoted and b'"' in block else None,
            schema=types,
        )
    except (pl.exceptions.PolarsError, OverflowError):
        return None
    sound = all(fields.sound(column, layout.columns[column.name]) for column in rows)
    return rows if sound and not _has_header(rows, layout) else None


def _has_header(rows: pl.DataFrame, layout: Layout) -> bool:
    """Return whether the header is among the rows, as where files were joined."""
    import polars as pl

    # where whole numbers are due, a row of names has not come this far
    kinds = {layout.columns[layout.user], layout.columns[layout.item]}
    if not layout.titles or kinds != {"id"}:
        return False
    user, item = layout.titles
    same = (pl.col(layout.user) == user) & (pl.col(layout.item) == item)
    return rows.select(same.any()).item()


def _header(block: bytes, path: Path, layout: Layout) -> int:
    """Return the length of the header; raise DataError if the first line is another one."""
    line, row = next(text.rows(block, layout.separator, layout.quoted))
    if row != list(layout.header or ()):
        raise _malformed(path, 1, line, layout)
    return len(line)


def _refusal(block: bytes, number: int, path: Path, layout: Layout) -> DataError:
    """Return the error for the first wrong row of a block, whose first line is ``number``."""
    line = b""
    for line, row in text.rows(block, layout.separator, layout.quoted):
        if row is None or not layout.splits(row):
            break
        if wrong := layout.fault(row):
            return DataError(
                f"{path}, line {number}: {wrong}, in {text.shown(line)}; {layout.cure}"
            )
        number += line.count(b"\n")
    return _malformed(path, number, line, layout)


def _malformed(path: Path, number: int, line: bytes, layout: Layout) -> DataError:
    form = layout.form or layout.separator.join(layout.header or layout.columns)
    return text.malformed(path, number, line, form, layout.cure + layout.instead)


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
        return _places(ids.to_numpy(), known), known.astype(np.int64)
    unique = ids.unique()
    names, codes = unique.cast(pl.String), unique.to_physical().to_numpy()
    numbers = names.cast(pl.Int64, strict=False)
    whole = numbers.null_count() == 0 and (numbers.cast(pl.String) == names).all()
    keys = numbers.to_numpy() if whole else np.array([name.encode() for name in names])
    order = np.argsort(keys)
    place = np.empty(codes.max() + 1, dtype=np.int32)
    place[codes[order]] = np.arange(len(order))
    return place[ids.to_physical().to_numpy()], keys[order]


def _places(ids: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the position of each whole number among the ``known`` ones, which are sorted."""
    if not len(known) or known[0] < 0 or known[-1] > 2 * len(ids):
        return np.searchsorted(known, ids).astype(np.int32)
    # a table of all numbers up to the last is several times as fast as a search
    place = np.zeros(known[-1] + 1, dtype=np.int32)
    place[known] = np.arange(len(known))
    return place[ids]


def first_row(content: bytes | Path, path: Path, separator: str, quoted: bool) -> list[str]:
    """Return the fields of the first row; raise DataError if there is none or it is no text."""
    block = next(text.blocks(content, quoted), b"")
    if not block:
        raise DataError(f"{path} is empty; name a file with rows")
    line, row = next(text.rows(block, separator, quoted))
    # UTF-16 has zero bytes
    if b"\0" in line:
        raise text.not_utf8(path, 1)
    if row is None:
        raise text.malformed(path, 1, line, "a line of fields", DAMAGED)
    return row


class OneFile(Dataset[DatasetConfig]):
    """A data set whose raw file is one text file, alone or in a zip archive."""

    member: ClassVar[str]
    """The name of the raw file."""
    layout: ClassVar[Layout]
    """The form of its lines."""

    def read(self, raw: tuple[Path, ...]) -> Ratings:
        (path,) = raw
        return read(archive.unzipped(path, self.member), path, self.layout)
