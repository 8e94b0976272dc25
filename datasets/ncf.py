"""The files of He et al., "Neural Collaborative Filtering", WWW 2017, which table 3 uses."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from datasets import fetch, leave_one_out, table, text
from datasets.base import Dataset, UnfilteredConfig
from datasets.errors import DataError
from datasets.fetch import Source
from datasets.fields import Kind
from datasets.movielens import TABS
from datasets.preprocess import Ratings, first_of_pair
from datasets.registry import register
from datasets.split import Interactions, Split
from datasets.table import Layout
from datasets.task import LEAVE_ONE_OUT, Task

SAMPLED: dict[str, Kind] = {f"item {n}": "whole" for n in range(1, leave_one_out.SAMPLED + 1)}
NEGATIVES = Layout(
    {"pair": "id", **SAMPLED},
    "pair",
    "pair",
    separator="\t",
    quoted=False,
    form=f"(user,item) and {len(SAMPLED)} item numbers between tabs",
)


class NCFConfig(UnfilteredConfig):
    """Options of the published files: only the validation rows are drawn here."""

    held_out: None = None
    """Fixed, as one item of each user is held out."""


def _source(name: str) -> Source:
    files = tuple(f"{name}.{end}" for end in ("train.rating", "test.rating", "test.negative"))
    return Source(
        url="https://raw.githubusercontent.com/hexiangnan/neural_collaborative_filtering/master/"
        "Data/",
        files=tuple(f"ncf/{file}" for file in files),
        others=(files,),
        licence="as the data that they were made of",
        citation="He, Liao, Zhang, Nie, Hu, Chua, Neural Collaborative Filtering, WWW 2017",
    )


class NCF(Dataset[NCFConfig]):
    """Training rows, one test target for each user, and sampled items to rank it among."""

    task: ClassVar[Task] = LEAVE_ONE_OUT

    def read(self, raw: tuple[Path, ...]) -> Ratings:
        train, _, _ = raw
        return table.read(train, train, TABS)

    def split(self, raw: tuple[Path, ...] = ()) -> tuple[Split, list[str]]:
        _, targets, negatives = raw
        rows = self.read(raw)
        kept = rows.where(first_of_pair(rows))
        (users, items), sampled = _targets(targets), _sampled(negatives)
        _check(rows.user_ids, users, items, sampled[0], targets, negatives)
        item_ids = np.unique(np.concatenate([rows.item_ids, items, sampled[1].ravel()]))

        def part(user: np.ndarray, item: np.ndarray) -> Interactions:
            """Return rows of raw ids as positions."""
            at_user = np.searchsorted(rows.user_ids, user).astype(np.int32)
            at_item = np.searchsorted(item_ids, item).astype(np.int32)
            return Interactions(at_user, at_item, rows.user_ids, item_ids)

        # a target counts once, also where it is among the items sampled for it
        ranked = np.column_stack([items, sampled[1]])
        listed = np.column_stack([users.repeat(ranked.shape[1]), ranked.ravel()])
        try:
            made = leave_one_out.split(
                part(rows.user_ids[kept.user], rows.item_ids[kept.item]),
                part(users, items),
                part(*np.unique(listed, axis=0).T),
                self.config.split_seed,
            )
        except ValueError as error:
            files = ", ".join(path.name for path in raw)
            raise DataError(f"{files} contradict each other ({error}); get them again") from error
        notes = [fetch.unverified(self.source, raw)] if self.source else []
        if repeats := len(rows) - len(kept):
            notes.append(f"{repeats} repeats of a (user, item) pair were dropped")
        return made, notes


def _targets(path: Path) -> np.ndarray:
    """Return the users and the items, (2, rows) int64, of a file of test targets."""
    return table.parse(path, path, TABS)["user", "item"].to_numpy().T


def _sampled(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs, (rows,) as text, and the sampled items, (rows, 99) int64, of a file."""
    found = table.parse(path, path, NEGATIVES)
    return found["pair"].cast(str).to_numpy(), found.drop("pair").to_numpy()


def _check(
    user_ids: np.ndarray,
    users: np.ndarray,
    items: np.ndarray,
    named: np.ndarray,
    targets: Path,
    negatives: Path,
) -> None:
    """Raise DataError unless each training user has one target, and the files name the same."""
    if not np.array_equal(np.sort(users), user_ids):
        raise DataError(
            f"{targets} must have one line for each of the {len(user_ids)} users with training "
            f"rows, and has {len(users)} lines of {len(np.unique(users))} users; get the files "
            "again"
        )
    expected = [f"({user},{item})" for user, item in zip(users, items, strict=True)]
    for number, (one, other) in enumerate(zip(named, expected, strict=False), start=1):
        if one != other:
            raise text.malformed(negatives, number, one.encode(), other, table.DAMAGED)
    if len(named) != len(expected):
        raise DataError(
            f"{negatives} has {len(named)} lines, and {targets} {len(expected)}; get them again"
        )


@register("ncf-ml1m", NCFConfig(), "ncf-ml-1m")
class NCFML1M(NCF):
    """MovieLens-1M as in NCF: every rating counts, and the last item of a user is to be found."""

    source: ClassVar[Source] = _source("ml-1m")


@register("ncf-pinterest", NCFConfig())
class NCFPinterest(NCF):
    """Pinterest as in NCF: 55,187 users and 9,916 images; the last of a user is to be found."""

    source: ClassVar[Source] = _source("pinterest-20")
