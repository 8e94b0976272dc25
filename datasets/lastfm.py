"""Last.fm: play counts from the data sets of the workshop HetRec 2011."""

from __future__ import annotations

from typing import ClassVar

from datasets.base import DatasetConfig
from datasets.fetch import Source
from datasets.registry import register
from datasets.table import Layout, OneFile


@register("lastfm-2k", DatasetConfig(), "lastfm", "lastfm2k", "hetrec2011-lastfm-2k")
class LastFM2K(OneFile):
    """Last.fm 2K of HetRec 2011: play counts of 17,632 artists by 1,892 users, at most 50 each.

    Each (user, artist) pair is one interaction, whatever its play count.
    """

    member: ClassVar[str] = "user_artists.dat"
    layout: ClassVar[Layout] = Layout(
        {"userID": "whole", "artistID": "whole", "weight": "count"},
        "userID",
        "artistID",
        separator="\t",
        header=("userID", "artistID", "weight"),
        quoted=False,
        form="userID, artistID and a weight of 1 or more between tabs",
    )
    source: ClassVar[Source] = Source(
        url="https://files.grouplens.org/datasets/hetrec2011/",
        files=("hetrec2011-lastfm-2k.zip",),
        others=((f"hetrec2011-lastfm-2k/{member}",), (member,)),
        # GroupLens publishes no checksum of it; public loaders pin this one
        checksums={
            "hetrec2011-lastfm-2k.zip": "sha256:"
            "6738f48195667ff03caaab4d32ca9a3133d8cc026b7c3cdaf6ce1010e913c59c"
        },
        licence="Last.fm by way of HetRec 2011: not commercial",
        citation="Cantador, Brusilovsky, Kuflik, 2nd Workshop on Information Heterogeneity and "
        "Fusion in Recommender Systems (HetRec 2011), RecSys 2011",
    )
