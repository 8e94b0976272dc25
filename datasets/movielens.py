"""MovieLens, by GroupLens."""

from __future__ import annotations

from typing import ClassVar

from datasets.base import DatasetConfig
from datasets.fetch import Source
from datasets.published import Published
from datasets.registry import register
from datasets.table import Layout, OneFile

STARS = Layout(
    {"userId": "whole", "movieId": "whole", "rating": "number", "timestamp": "whole"},
    "userId",
    "movieId",
    "rating",
    header=("userId", "movieId", "rating", "timestamp"),
)


def _source(name: str, member: str, sha256: str) -> Source:
    return Source(
        url="https://files.grouplens.org/datasets/movielens/",
        files=(f"{name}.zip",),
        others=((f"{name}/{member}",), (member,)),
        checksums={f"{name}.zip": f"sha256:{sha256}"},
        licence="GroupLens: research use, no redistribution without permission",
        citation="Harper, Konstan, The MovieLens Datasets: History and Context, ACM TiiS 2015",
    )


@register("ml1m", DatasetConfig(min_rating=4, held_out=600), "ml-1m", "movielens-1m")
class ML1M(OneFile):
    """MovieLens-1M: a million ratings of 1 to 5 stars by 6,040 users; 4 stars and more count."""

    member: ClassVar[str] = "ratings.dat"
    # polars separates columns at one character, so "::" leaves an empty column between two others
    layout: ClassVar[Layout] = Layout(
        {
            "user": "whole",
            "gap 1": "nothing",
            "item": "whole",
            "gap 2": "nothing",
            "rating": "number",
            "gap 3": "nothing",
            "timestamp": "whole",
        },
        "user",
        "item",
        "rating",
        separator=":",
        quoted=False,
        form="user::item::rating::timestamp, all of them numbers",
    )
    source: ClassVar[Source] = _source(
        "ml-1m", member, "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20"
    )


ML20M_OPTIONS = DatasetConfig(min_rating=4, held_out=10_000)


@register("ml20m", ML20M_OPTIONS, "ml-20m", "movielens-20m")
class ML20M(OneFile):
    """MovieLens-20M: 20 million ratings of 0.5 to 5 stars by 138,493 users; 4 and more count."""

    member: ClassVar[str] = "ratings.csv"
    layout: ClassVar[Layout] = STARS
    source: ClassVar[Source] = _source(
        "ml-20m", member, "96f243c338a8665f6bcc89c53edf6ee39162a846940de6b7c8c48aeada765ff3"
    )
    published: ClassVar[Published] = Published(
        ML20M_OPTIONS,
        interactions=9_990_682,
        users=136_677,
        items=20_720,
        training_items=20_108,
        files={
            "unique_sid.txt": "b9f95107e156c2feaf78439ae302001abf13bdb480aeedcb0e4d8382f2f8b76f",
            "validation_te.csv": "bec3f6dfbe876ec2224e98458ffe2ff74c453ef1894644757c1e3ca747a26adf",
            "test_te.csv": "df4a9ddc77c79bab4a581adec7ff1487de146d47b42c35c393696842252435c2",
        },
    )


@register("ml-latest-small", DatasetConfig(min_rating=4), "movielens-latest-small")
class MLLatestSmall(OneFile):
    """MovieLens latest-small of September 2018: 100,836 ratings by 610 users; 4 and more count.

    It is for trying things out.
    """

    member: ClassVar[str] = "ratings.csv"
    layout: ClassVar[Layout] = STARS
    source: ClassVar[Source] = _source(
        "ml-latest-small",
        member,
        "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
    )
