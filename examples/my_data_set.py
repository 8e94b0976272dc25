"""A data set that is read from the file reviews.jsonl in --data-dir.

A line of the file looks like {"reader": "ann", "book": "Emma", "stars": 4}.
"""

from pathlib import Path
from typing import ClassVar

import polars as pl

from datasets import table
from datasets.base import Dataset, DatasetConfig
from datasets.fetch import Source
from datasets.preprocess import Ratings
from datasets.registry import register


@register("reviews", DatasetConfig(min_rating=4))
class Reviews(Dataset[DatasetConfig]):
    """Reviews of books with one to five stars; four stars and more count."""

    source: ClassVar[Source] = Source(
        url="https://example.org/reviews/",
        files=("reviews.jsonl",),
        licence="what its owners permit",
        citation="who collected it, and where it is described",
    )

    def read(self, raw: tuple[Path, ...]) -> Ratings:
        rows = pl.read_ndjson(raw[0])
        reader, book = (rows[name].cast(pl.Categorical) for name in ("reader", "book"))
        return table.ratings(reader, book, rows["stars"])
