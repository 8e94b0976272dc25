"""A person's own data, ``file:PATH``: a file of rows, or a folder with the six files of a split."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from pydantic import field_validator

from datasets import archive, columns, fields, parquet, pro_sg, table
from datasets.base import Dataset, DatasetConfig, UnfilteredConfig
from datasets.errors import DataError
from datasets.fields import Kind
from datasets.preprocess import Dropped, Ratings
from datasets.registry import Entry
from datasets.split import Split
from datasets.table import Layout

PREFIX = "file:"
SEPARATORS = {".csv": ",", ".tsv": "\t", ".inter": "\t", ".txt": None, ".dat": None}
"""What separates columns, by the ending of a file's name; None if the first line shows it."""
KINDS: Mapping[str, Kind] = {"user": "id", "item": "id", "rating": "number"}
"""What the columns that are used hold."""
MOST_STARS = 5
"""The best rating on the scale that the default of ``min_rating`` is meant for."""
SPELLED = {"tab": "\t", "\\t": "\t"}
"""Separators that are told by a word."""


class FileConfig(DatasetConfig):
    """Options of a person's own file."""

    min_rating: float | None = 4
    """The smallest rating that counts as an interaction, if the file has ratings; with None every
    row counts."""
    user_column: str | int | None = None
    """The name of the column with users; with None the one called user, user_id, userId, uid or
    the like."""
    item_column: str | int | None = None
    """The name of the column with items; with None the one called item, item_id, movieId, sid or
    the like."""
    rating_column: str | int | None = None
    """The name of the column with ratings; with None the one called rating, ratings or stars, if
    there is one."""
    header: bool = True
    """Whether the first line names the columns; if not, their names are 1, 2, 3 and so on."""
    separator: str | None = None
    """What separates columns: one character, :: or the word tab; with None a comma in .csv, a tab
    in .tsv and .inter, and what the first line shows in .txt and .dat."""
    quoted: bool = True
    """Whether quotation marks enclose a field, doubled inside it; if not, they are plain characters
    (as they always are in .inter and between ::)."""

    @field_validator("separator")
    @classmethod
    def _known(cls, told: str | None) -> str | None:
        separator = SPELLED.get(told, told) if told else told
        if separator in (None, "::"):
            return separator
        if len(separator) != 1 or not separator.isascii() or separator in '"\r\n\0':
            raise ValueError("it should be one character, :: or tab")
        return separator


class SplitConfig(UnfilteredConfig):
    """Options of a person's own split, which is made already: only ``held_out`` may be set."""

    split_seed: None = None
    """Fixed, as the split has been drawn already."""


def entry(path: Path) -> Entry:
    """Return the data set ``file:STEM`` for the file or folder ``path``.

    STEM is the name of ``path`` up to the first dot, a dot at its very beginning not counted.
    """
    kind, config = (OwnSplit, SplitConfig()) if path.is_dir() else (OwnFile, FileConfig())
    there: Any = type(
        kind.__name__, (kind,), {"path": path, "__doc__": kind.__doc__, "__module__": __name__}
    )
    return Entry(_name(path.resolve()), there, config)


def addressed(key: str, names: Container[str]) -> tuple[str, str, str] | None:
    """Return the data set of ``names``, a dot and the option that ``PATH.OPTION`` stands for.

    PATH may have PREFIX before it, and the folders in it are not compared; None if the key names
    no such data set.
    """
    path, dot, option = key.rpartition(".")
    name = _name(Path(path.removeprefix(PREFIX)))
    return (name, dot, option) if name in names else None


def _name(path: Path) -> str:
    return PREFIX + re.split(r"(?<=.)\.", path.name)[0]


class OwnFile(Dataset[FileConfig]):
    """Your own CSV, TSV, Parquet or RecBole .inter file, or a folder with a split's six files."""

    path: ClassVar[Path]

    def find(self, data_dir: Path) -> tuple[Path, ...]:
        """Return the file, wherever it is; raise DataError if it is not there."""
        if not self.path.is_file():
            raise DataError(f"there is no file {self.path}; name one that is there as {PREFIX}PATH")
        return (self.path,)

    @property
    def name(self) -> str:
        """The name by which the data set is chosen, for messages."""
        return entry(self.path).name

    @property
    def asked(self) -> columns.Asked:
        """The names of the columns of users, items and ratings that a person has set."""
        config = self.config
        return {
            "user": config.user_column,
            "item": config.item_column,
            "rating": config.rating_column,
        }

    def read(self, raw: tuple[Path, ...]) -> Ratings:
        packed = self.path.suffix.lower() in archive.PACKED
        ending = Path(self.path.stem if packed else self.path.name).suffix.lower()
        if ending == ".parquet" and not packed:
            return self._parquet()
        if ending not in SEPARATORS:
            raise DataError(
                f"{self.path} ends in none of {', '.join(SEPARATORS)} (perhaps with "
                f"{' or '.join(archive.PACKED)} after it) and .parquet, by which a file's format "
                "is known; rename it"
            )
        return self._text(archive.expanded(self.path), ending)

    def _text(self, content: bytes | Path, ending: str) -> Ratings:
        separator = self.config.separator or SEPARATORS[ending]
        if separator is None:
            (line,) = table.first_row(content, self.path, "\0", quoted=False)
            separator = columns.guess(line) or ","
        quoted = self.config.quoted and ending != ".inter" and separator != "::"
        # columns are separated at one character, so "::" leaves an empty column between two others
        apart = len(separator)
        first = table.first_row(content, self.path, separator[0], quoted)
        names = first[::apart]
        columns.check_separator(self.path, self.name, names)
        if self.config.header and set(self.asked.values()) == {None}:
            columns.check_header(self.path, self.name, names)
        if not self.config.header:
            names = [str(n + 1) for n in range(len(names))]
        # RecBole's column names end in types, as in user_id:token
        known = [name.partition(":")[0] for name in names] if ending == ".inter" else names
        chosen = self.choose(known)
        roles = {place * apart: role for role, place in chosen.items()}
        kinds: dict[str, Kind] = {}
        for place in range(len(first)):
            role = roles.get(place, str(place))
            kinds[role] = KINDS.get(role, "nothing" if place % apart else "text")
        layout = Layout(
            kinds,
            "user",
            "item",
            "rating" if "rating" in chosen else None,
            separator=separator[0],
            header=first if self.config.header else None,
            quoted=quoted,
            form=separator.join(names),
            cure="mend it",
            instead=f", or set {self.name}.separator, or {self.name}.quoted=false if quotation "
            "marks are plain characters",
        )
        return replace(table.read(content, self.path, layout), unused=_others(known, chosen))

    def _parquet(self) -> Ratings:
        names = parquet.names(self.path)
        chosen = self.choose(names)
        rows = parquet.read(self.path, {role: names[place] for role, place in chosen.items()})
        return replace(rows, unused=_others(names, chosen))

    def account(self, rows: Ratings, kept: Ratings, dropped: Dropped) -> list[str]:
        lines, least = super().account(rows, kept, dropped), self.config.min_rating
        told = "min_rating" in self.config.model_fields_set
        if told or least is None or rows.rating is None or rows.rating.max() <= MOST_STARS:
            return lines
        share = 1 - dropped.low / len(rows)
        return [
            *lines,
            f"min_rating = {least:g} keeps {share:.0%} of the rows, but ratings run to "
            f"{rows.rating.max():g}: say with --set {self.name}.min_rating=NUMBER which of them "
            "count, or with =none that all do",
        ]

    def choose(self, names: Sequence[str]) -> dict[str, int]:
        """Return the places of the columns of users, of items and, if there is one, of ratings.

        Raises DataError if the columns of these ``names`` are not those that are needed.
        """
        return columns.choose(self.path, self.name, self.asked, names)


def _others(names: Sequence[str], chosen: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(name for place, name in enumerate(names) if place not in chosen.values())


class OwnSplit(Dataset[SplitConfig]):
    """A split of your own: a folder with the authors' six files, as export-split writes them."""

    path: ClassVar[Path]

    def find(self, data_dir: Path) -> tuple[Path, ...]:
        """Return the six files, wherever they are; raise DataError if one is not there."""
        missing = [name for name in pro_sg.NAMES if not (self.path / name).is_file()]
        if missing:
            raise DataError(
                f"{self.path} has no {', '.join(missing)}; put all six files of a split into it"
            )
        return tuple(self.path / name for name in pro_sg.NAMES)

    def read(self, raw: tuple[Path, ...]) -> Ratings:
        raise NotImplementedError("a split has no raw rows")

    def split(self, raw: tuple[Path, ...] = ()) -> tuple[Split, list[str]]:
        made = pro_sg.read(self.path, self.config.held_out)
        found = len(made.validation.history.user_ids)
        inferred = (
            f"{found} users held out for validation and for test, the fewest that the uids allow"
        )
        mixed = fields.mixed(made.train.item_ids, "item")
        notes = [f"{mixed}: item ids are taken as text"] if mixed else []
        return made, notes if self.config.held_out else [inferred, *notes]
