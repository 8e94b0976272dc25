"""A person's own data, ``file:PATH``: a file of rows, or a folder with the six files of a split."""

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
"""Column names that are recognised, in lower case and with letters and digits only."""


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


class SplitConfig(DatasetConfig):
    """Options of a person's own split, which is made already: only ``held_out`` may be set."""

    min_rating: None = None
    """Fixed, as the split has been filtered already."""
    min_users_per_item: Literal[0] = 0
    """Fixed, as the split has been filtered already."""
    min_items_per_user: Literal[0] = 0
    """Fixed, as the split has been filtered already."""
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
    return Entry(PREFIX + re.split(r"(?<=.)\.", path.resolve().name)[0], there, config)


class OwnFile(Dataset[FileConfig]):
    """Your own CSV, TSV, Parquet or RecBole .inter file, or a folder with a split's six files."""

    path: ClassVar[Path]

    def find(self, data_dir: Path) -> tuple[Path, ...]:
        """Return the file, wherever it is; raise DataError if it is not there."""
        if not self.path.is_file():
            raise DataError(f"there is no file {self.path}; name one that is there as {PREFIX}PATH")
        return (self.path,)

    def read(self, raw: tuple[Path, ...]) -> Ratings:
        if self.path.suffix == ".parquet":
            return self._parquet()
        if self.path.suffix not in SEPARATORS:
            raise DataError(
                f"{self.path} ends in none of {', '.join(SEPARATORS)} and .parquet, by which a "
                "file's format is known; rename it"
            )
        return self._text(SEPARATORS[self.path.suffix])

    def _text(self, separator: str) -> Ratings:
        first = table.first_row(self.path, separator)
        names = first if self.config.header else [str(n + 1) for n in range(len(first))]
        # RecBole's column names end in types, as in user_id:token
        inter = self.path.suffix == ".inter"
        chosen = self.choose({name.partition(":")[0] if inter else name: name for name in names})
        kinds: dict[str, Kind] = dict.fromkeys(names, "text")
        for role, name in chosen.items():
            kinds[name] = "number" if role == "rating" else "id"
        layout = Layout(
            kinds, **chosen, separator=separator, header=self.config.header, quoted=not inter
        )
        return table.read(self.path, self.path, layout)

    def _parquet(self) -> Ratings:
        import polars as pl

        try:
            chosen = self.choose({name: name for name in pl.read_parquet_schema(self.path)})
            rows = pl.read_parquet(self.path, columns=list(chosen.values()), glob=False)
            columns = {role: _typed(rows[name], role) for role, name in chosen.items()}
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(
                f"{self.path} cannot be read as Parquet with whole numbers or text as ids and "
                f"numbers as ratings ({str(error).splitlines()[0]}); write the file anew"
            ) from error
        for role, column in columns.items():
            ids: Kind = "whole" if column.dtype.is_integer() else "id"
            if not table.sound(column, "number" if role == "rating" else ids):
                raise DataError(
                    f"the column {chosen[role]} of {self.path} has rows without a {role}; "
                    "leave those out of the file"
                )
        return table.ratings(**columns)

    def choose(self, names: Mapping[str, str]) -> dict[str, str]:
        """Return the columns of users, of items and, if the file has them, of ratings.

        ``names`` maps the name by which a column is recognised to its name in the file; the latter
        is returned under "user", "item" and "rating". Raises DataError, which names the columns
        found, if a column is not there or cannot be told from another.
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
        what = f"usual names for the {role}" if asked is None else f"called {asked}"
        raise DataError(
            f"{self.path} has the columns {', '.join(names)}, of which {len(alike)} are {what}, "
            f"but exactly one must be; name it with "
            f"--set {entry(self.path).name}.{role}_column=NAME"
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
        return made, [] if self.config.held_out else [inferred]
