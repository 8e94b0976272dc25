"""A person's own data: ``file:PATH``, a file of rows or a folder with a split as the authors write it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from datasets import pro_sg, table
from datasets.base import Dataset, DatasetConfig
from datasets.errors import DataError
from datasets.preprocess import Ratings
from datasets.registry import Entry
from datasets.split import Split
from datasets.table import Kind, Layout

PREFIX = "file:"
SEPARATORS = {".csv": ",", ".tsv": "\t", ".inter": "\t"}
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
"""Names of columns that need not be told, in small letters without anything between words."""


class FileConfig(DatasetConfig):
    """Options of a file of one's own."""

    min_rating: float | None = 4
    """Smallest rating that counts as an interaction, where there are ratings; none: every row does."""
    user_column: str | int | None = None
    """Name of the column with users; none: the one called user, user_id, userId, uid or the like."""
    item_column: str | int | None = None
    """Name of the column with items; none: the one called item, item_id, movieId, sid or the like."""
    rating_column: str | int | None = None
    """Name of the column with ratings; none: the one called rating, ratings or stars, if there is one."""
    header: bool = True
    """Whether the first line names the columns; if not, they are numbered from 1."""


class SplitConfig(DatasetConfig):
    """Options of a split of one's own: it has been filtered and drawn already, so that only its size may be told."""

    min_rating: None = None
    """There is nothing to filter."""
    min_users_per_item: Literal[0] = 0
    """There is nothing to filter."""
    min_items_per_user: Literal[0] = 0
    """There is nothing to filter."""
    split_seed: None = None
    """There is nothing to draw."""


def entry(path: Path) -> Entry:
    """The data set ``file:STEM`` of what is at ``path``; STEM is its name up to the first dot after its beginning."""
    kind, config = (OwnSplit, SplitConfig()) if path.is_dir() else (OwnFile, FileConfig())
    there: Any = type(kind.__name__, (kind,), {"path": path, "__doc__": kind.__doc__})
    return Entry(PREFIX + re.split(r"(?<=.)\.", path.resolve().name)[0], there, config)


class OwnFile(Dataset[FileConfig]):
    """A file of your own, CSV, TSV, Parquet or RecBole's .inter; or a folder with the authors' six files of a split."""

    path: ClassVar[Path]

    def find(self, data_dir: Path) -> tuple[Path, ...]:
        """The file; ``data_dir`` does not matter. Raises DataError if it is not there."""
        if not self.path.is_file():
            raise DataError(f"there is no file {self.path}; name one that is there as {PREFIX}PATH")
        return (self.path,)

    def read(self, raw: tuple[Path, ...]) -> Ratings:
        if self.path.suffix == ".parquet":
            return self._parquet()
        if self.path.suffix not in SEPARATORS:
            raise DataError(
                f"{self.path} ends in none of {', '.join(SEPARATORS)} and .parquet, which tell a file's form; rename it"
            )
        return self._text(SEPARATORS[self.path.suffix])

    def _text(self, separator: str) -> Ratings:
        first = table.first_row(self.path, separator)
        names = first if self.config.header else [str(n + 1) for n in range(len(first))]
        inter = self.path.suffix == ".inter"  # its names end in types, as in user_id:token
        chosen = self.choose({name.partition(":")[0] if inter else name: name for name in names})
        kinds: dict[str, Kind] = dict.fromkeys(names, "text")
        for role, name in chosen.items():
            kinds[name] = "number" if role == "rating" else "id"
        return table.read(
            self.path,
            self.path,
            Layout(
                kinds, **chosen, separator=separator, header=self.config.header, quoted=not inter
            ),
        )

    def _parquet(self) -> Ratings:
        import polars as pl

        try:
            chosen = self.choose({name: name for name in pl.read_parquet_schema(self.path)})
            rows = pl.read_parquet(self.path, columns=list(chosen.values()), glob=False)
            columns = {role: _typed(rows[name], role) for role, name in chosen.items()}
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(
                f"{self.path} cannot be read as Parquet with whole numbers or text as ids and numbers as ratings "
                f"({str(error).splitlines()[0]}); write it anew"
            ) from error
        for role, column in columns.items():
            if not table.sound(
                column,
                "number" if role == "rating" else "whole" if column.dtype.is_integer() else "id",
            ):
                raise DataError(
                    f"the column {chosen[role]} of {self.path} has rows without a {role}; leave those out of the file"
                )
        return table.ratings(**columns)

    def choose(self, names: Mapping[str, str]) -> dict[str, str]:
        """Which column is what: one of ``names``' values for each role; no rating if no column is called so.

        Raises DataError, with the columns found, if that cannot be told.
        """
        config = self.config
        asked: dict[str, str | int | None] = {
            "user": config.user_column,
            "item": config.item_column,
            "rating": config.rating_column,
        }
        chosen = {role: self._column(role, name, names) for role, name in asked.items()}
        if len(set(chosen.values())) < len(chosen):
            raise DataError(
                f"{self.path}: user, item and rating must be different columns, not {chosen}"
            )
        return {role: names[name] for role, name in chosen.items() if name is not None}

    def _column(self, role: str, asked: str | int | None, names: Mapping[str, str]) -> str | None:
        if asked is not None:
            alike = [name for name in names if name == str(asked)]
        else:
            alike = [name for name in names if re.sub(r"[\W_]", "", name).lower() in KNOWN[role]]
        if len(alike) == 1:
            return alike[0]
        if role == "rating" and asked is None and not alike:
            return None
        what = f"usual names of the {role}" if asked is None else f"called {asked}"
        raise DataError(
            f"{self.path} has the columns {', '.join(names)}, of which {len(alike)} are {what}, and one must be; "
            f"name it by --set {entry(self.path).name}.{role}_column=NAME"
        )


def _typed(column: Any, role: str) -> Any:
    import polars as pl

    if role == "rating":
        return column.cast(pl.Float64)
    if column.dtype.is_integer():
        return column.cast(pl.Int64)
    if column.dtype in (pl.String, pl.Categorical, pl.Enum):
        return column.cast(pl.String).cast(pl.Categorical(pl.Categories.random()))
    raise pl.exceptions.SchemaError(f"{column.name} is {column.dtype}")


class OwnSplit(Dataset[SplitConfig]):
    """A split of your own: a folder with the authors' six files, as export-split writes them."""

    path: ClassVar[Path]

    def find(self, data_dir: Path) -> tuple[Path, ...]:
        """The six files; ``data_dir`` does not matter. Raises DataError if one is not there."""
        missing = [name for name in pro_sg.NAMES if not (self.path / name).is_file()]
        if missing:
            raise DataError(
                f"{self.path} has no {', '.join(missing)}; a folder must hold all six files of a split"
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
        return made, [] if self.config.held_out else [inferred]
