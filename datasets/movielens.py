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


# polars separates columns at one character, so "::" leaves an empty column between two others
COLONS = Layout(
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
TABS = Layout(
    {"user": "whole", "item": "whole", "rating": "number", "timestamp": "whole"},
    "user",
    "item",
    "rating",
    separator="\t",
    quoted=False,
    form="user, item, rating and timestamp, all of them numbers, between tabs",
)
TENTH = DatasetConfig(min_rating=4)
"""The options of data sets of which a tenth of the users is held out."""


def _source(name: str, member: str, checksum: str = "", folder: str = "") -> Source:
    """Return where the archive NAME.zip is had; its ``folder`` has that name too if not given.

    Without a ``checksum`` it is the one in NAME.zip.md5 beside the archive.
    """
    return Source(
        url="https://files.grouplens.org/datasets/movielens/",
        files=(f"{name}.zip",),
        others=((f"{folder or name}/{member}",), (member,)),
        checksums={f"{name}.zip": checksum} if checksum else {},
        md5_beside=not checksum,
        licence="GroupLens: research use, no redistribution without permission",
        citation="Harper, Konstan, The MovieLens Datasets: History and Context, ACM TiiS 2015",
    )


@register("ml100k", TENTH, "ml-100k", "movielens-100k")
class ML100K(OneFile):
    """MovieLens-100K: 100,000 ratings of 1 to 5 stars by 943 users; 4 stars and more count.

    Its rows are in no order of users or time, and their order decides the split.
    """

    member: ClassVar[str] = "u.data"
    layout: ClassVar[Layout] = TABS
    source: ClassVar[Source] = _source("ml-100k", member, "md5:0e33842e24a9c977be4e0107933c0723")


@register("ml1m", DatasetConfig(min_rating=4, held_out=600), "ml-1m", "movielens-1m")
class ML1M(OneFile):
    """MovieLens-1M: a million ratings of 1 to 5 stars by 6,040 users; 4 stars and more count."""

    member: ClassVar[str] = "ratings.dat"
    layout: ClassVar[Layout] = COLONS
    source: ClassVar[Source] = _source(
        "ml-1m", member, "sha256:a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20"
    )


@register("ml10m", TENTH, "ml-10m", "movielens-10m")
class ML10M(OneFile):
    """MovieLens-10M: 10 million ratings of 0.5 to 5 stars by 69,878 users; 4 and more count."""

    member: ClassVar[str] = "ratings.dat"
    layout: ClassVar[Layout] = COLONS
    source: ClassVar[Source] = _source(
        "ml-10m", member, "md5:ce571fd55effeba0271552578f2648bd", folder="ml-10M100K"
    )


ML20M_OPTIONS = DatasetConfig(min_rating=4, held_out=10_000)


@register("ml20m", ML20M_OPTIONS, "ml-20m", "movielens-20m")
class ML20M(OneFile):
    """MovieLens-20M: 20 million ratings of 0.5 to 5 stars by 138,493 users; 4 and more count."""

    member: ClassVar[str] = "ratings.csv"
    layout: ClassVar[Layout] = STARS
    source: ClassVar[Source] = _source(
        "ml-20m", member, "sha256:96f243c338a8665f6bcc89c53edf6ee39162a846940de6b7c8c48aeada765ff3"
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


@register("ml25m", TENTH, "ml-25m", "movielens-25m")
class ML25M(OneFile):
    """MovieLens-25M: 25 million ratings of 0.5 to 5 stars by 162,541 users; 4 and more count."""

    member: ClassVar[str] = "ratings.csv"
    layout: ClassVar[Layout] = STARS
    source: ClassVar[Source] = _source("ml-25m", member, "md5:6b51fb2759a8657d3bfcbfc42b592ada")


@register("ml32m", TENTH, "ml-32m", "movielens-32m")
class ML32M(OneFile):
    """MovieLens-32M: 32 million ratings of 0.5 to 5 stars by 200,948 users; 4 and more count."""

    member: ClassVar[str] = "ratings.csv"
    layout: ClassVar[Layout] = STARS
    source: ClassVar[Source] = _source("ml-32m", member)


@register("ml-latest-small", TENTH, "movielens-latest-small")
class MLLatestSmall(OneFile):
    """MovieLens latest-small of September 2018: 100,836 ratings by 610 users; 4 and more count.

    It is for trying things out.
    """

    member: ClassVar[str] = "ratings.csv"
    layout: ClassVar[Layout] = STARS
    source: ClassVar[Source] = _source(
        "ml-latest-small",
        member,
        "sha256:696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
    )
