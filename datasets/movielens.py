"""MovieLens, by GroupLens."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import ClassVar

import numpy as np

from datasets import fetch
from datasets.base import Dataset, DatasetConfig, Source
from datasets.errors import DataError
from datasets.preprocess import Ratings
from datasets.registry import register


@register("ml1m", DatasetConfig(min_rating=4, held_out=600))
class ML1M(Dataset[DatasetConfig]):
    """MovieLens-1M: a million ratings of 1 to 5 stars by 6,040 users; 4 and more count."""

    source: ClassVar[Source] = Source(
        url="https://files.grouplens.org/datasets/movielens/ml-1m.zip",
        archive="ml-1m.zip",
        sha256="a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
        member="ml-1m/ratings.dat",
        licence="GroupLens: research use, no redistribution",
        citation="Harper, Konstan, The MovieLens Datasets: History and Context, ACM TiiS 2015",
    )

    def read(self, path: Path | None) -> Ratings:
        assert path is not None, "ml1m is read from a file"
        return read_colons(fetch.content(self.source, path), path)


LINE = re.compile(rb"\d{1,18}::\d{1,18}::\d+(\.\d+)?::\d{1,18}\r?")


def read_colons(content: bytes, path: Path) -> Ratings:
    """Parse ``user::item::rating::timestamp`` lines; ``path`` is for messages.

    Raises DataError with the number of the first line that is not of that form.
    """
    import polars as pl

    # polars takes one character as separator, so "::" leaves an empty column between any two
    kinds = [pl.Int64, pl.String, pl.Int64, pl.String, pl.Float64, pl.String, pl.Int64]
    names = ["user", "gap_1", "item", "gap_2", "rating", "gap_3", "timestamp"]
    try:
        table = pl.read_csv(
            io.BytesIO(content),
            separator=":",
            has_header=False,
            quote_char=None,
            schema=dict(zip(names, kinds, strict=True)),
        )
        values, gaps = table.select("user", "item", "rating", "timestamp"), table.select(names[1::2])
        sound = (
            len(table) > 0
            and sum(values.null_count().row(0)) == 0
            and all(n == len(table) for n in gaps.null_count().row(0))
        )
        if sound and np.isfinite(rating := values["rating"].to_numpy()).all():
            return Ratings(values["user"].to_numpy(), values["item"].to_numpy(), rating)
    except (pl.exceptions.PolarsError, OverflowError) as error:
        raise _malformed(content, path) from error
    raise _malformed(content, path)


def _malformed(content: bytes, path: Path) -> DataError:
    lines = enumerate(content.removesuffix(b"\n").split(b"\n"), start=1)
    number, line = next((number, line) for number, line in lines if not LINE.fullmatch(line))
    return DataError(
        f"{path}, line {number}: {line[:80].decode(errors='replace')!r} is not user::item::rating::timestamp, all of "
        "them numbers; the file is damaged or another one, get it again"
    )
