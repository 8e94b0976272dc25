"""Gowalla: check-ins of users at places, at least ten for each user and ten for each place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

import numpy as np

from datasets import table, text
from datasets.base import Dataset, DatasetConfig
from datasets.fetch import Source
from datasets.preprocess import Ratings
from datasets.published import Published
from datasets.registry import register
from datasets.table import Layout

OPTIONS = DatasetConfig(held_out=3_000)
LINE = re.compile(rb"[ \t]*-?[0-9]+(?:[ \t]+-?[0-9]+)*[ \t]*\r?\n")
FORM = "user item item ..., all of them whole numbers"
LAYOUT = Layout({"user": "whole", "item": "whole"}, "user", "item", header=("user", "item"))


@register("gowalla", OPTIONS)
class Gowalla(Dataset[DatasetConfig]):
    """Gowalla: a million check-ins of 29,858 users at 40,981 places, about as sparse as MSD.

    The raw file is a CSV with the columns user and item, or LightGCN's train.txt and test.txt, each
    with one line a user, which are read in this order. The order of rows decides the split, so the
    two forms give different splits.
    """

    source: ClassVar[Source] = Source(
        url="https://raw.githubusercontent.com/gusye1234/LightGCN-PyTorch/master/data/gowalla/",
        files=("gowalla/train.txt", "gowalla/test.txt"),
        others=(("gowalla/interactions.csv",), ("interactions.csv",), ("train.txt", "test.txt")),
        licence="SNAP: public",
        citation="Cho, Myers, Leskovec, Friendship and Mobility: User Movement in Location-Based "
        "Social Networks, KDD 2011; He et al., LightGCN, SIGIR 2020",
    )
    published: ClassVar[Published] = Published(
        OPTIONS, interactions=1_027_370, users=29_858, items=40_981
    )

    def read(self, raw: tuple[Path, ...]) -> Ratings:
        if len(raw) == 1:
            return table.read(raw[0], raw[0], LAYOUT)
        import polars as pl

        user, item = np.concatenate([pairs(path) for path in raw], axis=1)
        return table.ratings(pl.Series(user), pl.Series(item))


def pairs(path: Path) -> np.ndarray:
    """Return the users and the items, (2, rows) int64, of a file with lines ``user item item ...``.

    A user without items has no row. Raises DataError with the number of the first line that does
    not have this form.
    """
    users, items, number = [np.empty(0, np.int64)], [np.empty(0, np.int64)], 1
    for block in text.blocks(path, quoted=False):
        for line in block.splitlines(keepends=True):
            found = _numbers(line)
            if not len(found):
                raise text.malformed(path, number, line, FORM, table.DAMAGED)
            users.append(np.repeat(found[0], len(found) - 1))
            items.append(found[1:])
            number += 1
    return np.stack([np.concatenate(users), np.concatenate(items)])


def _numbers(line: bytes) -> np.ndarray:
    """Return the numbers of a line, int64; none if something else is in it or one is too large."""
    try:
        return np.array(line.split() if LINE.fullmatch(line) else [], dtype=np.int64)
    except OverflowError:
        return np.empty(0, dtype=np.int64)
