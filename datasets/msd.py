"""The Million Song Dataset: play counts from its Taste Profile subset by Echo Nest."""

from __future__ import annotations

from typing import ClassVar

from datasets.base import DatasetConfig
from datasets.fetch import Source
from datasets.published import Published
from datasets.registry import register
from datasets.table import Layout, OneFile

OPTIONS = DatasetConfig(min_users_per_item=200, min_items_per_user=20, held_out=50_000)


@register("msd", OPTIONS, "million-song", "million-song-dataset", "taste-profile")
class MSD(OneFile):
    """Million Song Dataset: 48 million play counts of 384,546 songs by a million users.

    Each (user, song) pair is one interaction, whatever its play count.
    """

    member: ClassVar[str] = "train_triplets.txt"
    layout: ClassVar[Layout] = Layout(
        {"user": "id", "song": "id", "count": "count"},
        "user",
        "song",
        separator="\t",
        quoted=False,
        form="user, song and a count of 1 or more between tabs",
    )
    source: ClassVar[Source] = Source(
        url="http://millionsongdataset.com/sites/default/files/challenge/",
        files=("train_triplets.txt.zip",),
        others=(("train_triplets.txt",), ("train_triplets/train_triplets.txt",)),
        licence="Echo Nest Taste Profile subset: research use, not commercial",
        citation="Bertin-Mahieux, Ellis, Whitman, Lamere, The Million Song Dataset, ISMIR 2011",
    )
    published: ClassVar[Published] = Published(
        OPTIONS, interactions=33_633_450, users=571_355, items=41_140
    )
