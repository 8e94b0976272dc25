"""The training set of the Netflix Prize, in each of the forms in which it is distributed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from datasets import archive, table, text
from datasets.base import Dataset, DatasetConfig
from datasets.errors import DataError
from datasets.fetch import Source
from datasets.preprocess import Ratings
from datasets.published import Published
from datasets.registry import register

if TYPE_CHECKING:
    import polars as pl

OPTIONS = DatasetConfig(min_rating=4, held_out=40_000)
MOVIES = "mv_*.txt"
BATCH = 2**26
"""The bytes parsed at a time: 17,770 files one by one take long, and all at once much memory."""
LAST_MOVIE, LAST_CUSTOMER = 17_770, 2**31 - 1
LINE = re.compile(rb"(?P<movie>\d+):\r?|(?P<customer>\d+),0*[1-5],[\d:-]{10}\r?")
FORM = "customer,rating,date after a line with the movie and a colon"
AGAIN = f"{FORM}: that movie's line is there already, above or in another file"
OTHER = f"{FORM}: the file's name is that of another movie"
NAMED = re.compile(r"mv_(\d+)\.txt")
"""The name of a file with one movie."""
REPEAT = f"{FORM}: that customer has rated that movie above; a movie's line may be missing between"
Text = tuple[str, bytes]
"""The name and the content of a file."""


@register("netflix", OPTIONS, "netflix-prize")
class Netflix(Dataset[DatasetConfig]):
    """Netflix Prize: 100 million ratings of 1 to 5 stars by 480,189 users; 4 stars and more count.

    Rows are sorted by movie number; those of one movie stay in the order of its file.
    """

    source: ClassVar[Source] = Source(
        url="https://archive.org/download/nf_prize_dataset.tar/",
        files=("nf_prize_dataset.tar.gz",),
        others=(
            ("training_set.tar",),
            ("download/training_set.tar",),
            (f"training_set/{MOVIES}",),
            (f"download/training_set/{MOVIES}",),
            tuple(f"combined_data_{n}.txt" for n in range(1, 5)),
            (MOVIES,),
        ),
        checksums={
            "nf_prize_dataset.tar.gz": "md5:a8f23d2d76461211c6b4c0ca6df2547d",
            "training_set.tar": "md5:0098ee8997ffda361a59bc0dd1bdad8b",
        },
        licence="Netflix: research use, no redistribution without permission",
        citation="Bennett, Lanning, The Netflix Prize, KDD Cup and Workshop 2007",
    )
    published: ClassVar[Published] = Published(
        OPTIONS, interactions=56_880_037, users=463_435, items=17_769
    )

    def read(self, raw: tuple[Path, ...]) -> Ratings:
        import polars as pl

        movies: set[int] = set()
        parsed = [parse(batch, raw[0].parent, movies) for batch in batches(texts(raw))]
        if not parsed:
            raise DataError(
                f"{raw[0]} holds no file {MOVIES}; it is damaged or another file: get it again"
            )
        rows = pl.concat(parsed).sort("movie", maintain_order=True)
        found = table.ratings(rows["customer"], rows["movie"], rows["rating"])
        return replace(found, unused=("date",))


def texts(raw: tuple[Path, ...]) -> Iterator[Text]:
    """Return an iterator over the raw files, or over the files in their archive."""
    if raw[0].suffix == ".txt":
        return ((path.name, path.read_bytes()) for path in raw)
    return archive.untarred(raw[0], MOVIES)


def batches(files: Iterable[Text]) -> Iterator[list[Text]]:
    """Yield the files in lists of at least BATCH bytes each.

    Byte-order marks at a file's start and one blank last line are left out, and its last line is
    ended.
    """
    batch: list[Text] = []
    for name, content in files:
        batch.append((name, text.ended(text.unmarked(content))))
        if sum(len(content) for _, content in batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def parse(batch: list[Text], folder: Path, before: set[int]) -> pl.DataFrame:
    """Return the movie, customer and rating of each row; ``folder`` is named in messages.

    The movies of earlier batches are in ``before``, to which those of this one are added. Raises
    DataError with file and line number if a line is malformed, or a customer or a movie comes
    twice.
    """
    import polars as pl

    whole = b"".join(content for _, content in batch)
    try:
        lines = pl.read_csv(
            whole,
            has_header=False,
            schema={"first": pl.String, "rating": pl.Int8, "date": pl.String},
            # the first line, which names a movie, has one column only
            missing_columns="insert",
            quote_char=None,
        )
    except pl.exceptions.PolarsError as error:
        raise malformed(batch, folder, before) from error
    first, rating, date = pl.col("first"), pl.col("rating"), pl.col("date")
    begins = first.str.ends_with(":")
    movie = pl.when(begins).then(first.str.strip_suffix(":").cast(pl.Int16, strict=False))
    customer = first.cast(pl.Int32, strict=False)
    sound = (
        pl.when(begins)
        .then(movie.is_between(1, LAST_MOVIE) & rating.is_null() & date.is_null())
        .otherwise((customer > 0) & rating.is_between(1, 5) & (date.str.len_bytes() == 10))
    )
    titled = all(_titled(name, content) for name, content in batch)
    foreign = whole.translate(None, b"0123456789,-:\r\n")
    if foreign or not (titled and lines.select(sound.fill_null(False).all()).item()):
        raise malformed(batch, folder, before)
    rows = lines.select(
        movie.forward_fill().alias("movie"),
        customer.alias("customer"),
        rating,
        begins.alias("begins"),
    )
    begun = rows.filter("begins")["movie"]
    if begun.n_unique() < len(begun) or not before.isdisjoint(begun):
        raise malformed(batch, folder, before)
    starts = np.flatnonzero(rows["begins"].to_numpy())
    rows = rows.filter(~pl.col("begins")).drop("begins")
    movies = np.split(rows["customer"].to_numpy(), starts - np.arange(len(starts)))
    if any((np.diff(np.sort(customers)) == 0).any() for customers in movies):
        raise malformed(batch, folder, before)
    before.update(begun)
    return rows


def _titled(name: str, content: bytes) -> bool:
    """Return whether a file begins with a movie, the one of its name if that has one."""
    first, named = content.partition(b"\n")[0], NAMED.fullmatch(name)
    return b":" in first and not (
        named and first.lstrip(b"0").rstrip(b"\r") != b"%d:" % int(named[1])
    )


def malformed(batch: list[Text], folder: Path, before: set[int]) -> DataError:
    """Return an error that names the first malformed line and its file."""
    movies = set(before)
    for name, content in batch:
        for number, line, form in _wrong(name, content, movies):
            return text.malformed(folder / name, number, line, form, table.DAMAGED)
    return DataError(f"{folder} holds files that are not Netflix's; get them again")


def _wrong(name: str, content: bytes, movies: set[int]) -> Iterator[tuple[int, bytes, str]]:
    """Yield the number of each malformed line of a file, the line, and the form it lacks.

    ``movies`` are those of earlier files; those of this one are added.
    """
    seen: set[int] | None = None
    named = NAMED.fullmatch(name)
    for number, line in enumerate(content.removesuffix(b"\n").split(b"\n"), start=1):
        found = LINE.fullmatch(line)
        movie, customer = (int(n or 0) for n in found.groups()) if found else (0, 0)
        if 1 <= movie <= LAST_MOVIE:
            if movie in movies:
                yield number, line, AGAIN
            elif seen is None and named and int(named[1]) != movie:
                yield number, line, OTHER
            movies.add(movie)
            seen = set()
        elif seen is None or not 1 <= customer <= LAST_CUSTOMER:
            yield number, line, FORM
        elif customer in seen:
            yield number, line, REPEAT
        else:
            seen.add(customer)
