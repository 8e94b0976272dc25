"""A data set in the file reviews.jsonl of --data-dir.

Its lines are like {"reader": "ann", "book": "Emma", "stars": 4}.
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
    """Reviews of books with one to five stars, of which four and more count."""

    source: ClassVar[Source] = Source(
        url="https://example.org/reviews/",
        files=("reviews.jsonl",),
        licence="what its owners permit",
        citation="who collected it, and where that is described",
    )

    def read(self, raw: tuple[Path, ...]) -> Ratings:
        rows = pl.read_ndjson(raw[0])
        reader, book = (rows[name].cast(pl.Categorical) for name in ("reader", "book"))
        return table.ratings(reader, book, rows["stars"])
