"""Recommends items to any users by their histories: the items outside them with the best scores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse import csr_matrix

from benchmark.errors import UsageError
from benchmark.evaluation.metrics import DEPTH
from benchmark.evaluation.ranking import ScoreError, batches, outside, rank, with_items
from benchmark.run.training import scorer
from benchmark.run.weights import Kept
from benchmark.text import counted, say
from datasets.errors import DataError
from datasets.preprocess import Ratings
from datasets.split import Interactions
from models.registry import MODELS

if TYPE_CHECKING:
    import pandas as pd


def recommend(kept: Kept, rows: Ratings, top: int) -> pd.DataFrame:
    """Return the ``top`` items outside each user's history, best first, with raw ids.

    The columns are user, rank (from 1), item and score; users stand in the order of their first
    rows in ``rows``, whose pairs are each there once. Ties are broken as in the evaluator. What the
    model does not know is printed; a user none of whose items it knows has no row.

    Raises UsageError for a model that scores only users of its training, or a ``top`` above 100,
    and DataError if the model knows no item of ``rows`` or its scores are none.
    """
    import pandas as pd

    if not MODELS[kept.spec.model].unseen_users:
        raise UsageError(
            f"{kept.spec.model} scores only users whom it has trained on, so it has nothing to "
            "recommend by a history; train another model"
        )
    if not 1 <= top <= DEPTH:
        raise UsageError(f"top = {top} will not do: it must be from 1 to {DEPTH}")
    known = _known(rows, kept.item_ids)
    history = known.matrix
    parts = [
        _best(kept, history[users], users, top)
        for users in batches(with_items(history), history.shape[1])
    ]
    user, place, item, score = (np.concatenate(column) for column in zip(*parts, strict=True))
    return pd.DataFrame(
        {
            "user": _text(known.user_ids)[user],
            "rank": place + 1,
            "item": _text(known.item_ids)[item],
            "score": score,
        }
    )


def _best(kept: Kept, history: csr_matrix, users: np.ndarray, top: int) -> tuple[np.ndarray, ...]:
    """Return user, place from 0, item and score of each recommendation to a batch of users."""
    try:
        scores = outside(scorer(kept.model, known=False), history, users)
    except ScoreError as error:
        raise DataError(f"{kept.spec.model} cannot be used: {error}") from error
    items = rank(scores, torch.from_numpy(users).to(scores.device))[0][:, :top]
    best, items = scores.gather(1, items).cpu().numpy(), items.cpu().numpy()
    # where few items are outside the history, the rest are those in it
    row, place = np.nonzero(best > -np.inf)
    return users[row], place, items[row, place], best[row, place]


def _known(rows: Ratings, item_ids: np.ndarray) -> Interactions:
    """Return the rows of items with these raw ids; users are in the order of their first rows."""
    place = {str(raw): n for n, raw in enumerate(item_ids.tolist())}
    # ids are compared as text: those of a file may all be numbers though the model's are not
    item = np.array([place.get(str(raw), -1) for raw in _text(rows.item_ids)], dtype=np.int32)
    there = item[rows.item] >= 0
    _tell(rows, there, item_ids)
    users, first, of_row = np.unique(rows.user, return_index=True, return_inverse=True)
    order = np.argsort(first)
    user = np.argsort(order).astype(np.int32)[of_row]
    ids = rows.user_ids[users[order]]
    return Interactions(user[there], item[rows.item[there]], ids, item_ids)


def _tell(rows: Ratings, there: np.ndarray, item_ids: np.ndarray) -> None:
    """Print how many rows are not ``there``, as the model does not know their items, and how many
    users have no other; raise DataError if no row is there.
    """
    if not there.any():
        raise DataError(
            f"none of {counted(len(rows), 'row')} of the histories names an item that the model "
            f"knows; its {len(item_ids):,} items have raw ids such as {_shown(item_ids)}"
        )
    if not there.all():
        unknown = rows.item[~there]
        say(
            f"{len(unknown):,} of {counted(len(rows), 'row')} name an item that the model does not "
            f"know, the first {_shown(rows.item_ids[unknown])}"
        )
    users = len(rows.user_ids)
    lost = np.setdiff1d(np.arange(users), rows.user[there])
    if len(lost):
        say(
            f"{len(lost):,} of {counted(users, 'user')} have no row that counts with an item that "
            f"the model knows, the first {_shown(rows.user_ids[lost])}; they get no rows"
        )


def _shown(ids: np.ndarray) -> str:
    """Return the first of some raw ids, text in quotation marks."""
    return repr(_text(ids[:1]).tolist()[0])


def _text(ids: np.ndarray) -> np.ndarray:
    """Return raw ids, whole numbers or text, with text as Python's strings."""
    if ids.dtype.kind == "S":
        return np.array([raw.decode() for raw in ids.tolist()], dtype=object)
    return ids.astype(object) if ids.dtype.kind == "U" else ids


FORMS: dict[str, Callable[[pd.DataFrame], bytes]] = {
    ".parquet": lambda frame: frame.to_parquet(index=False),
    ".csv": lambda frame: frame.to_csv(index=False).encode(),
}
"""What makes the content of a file of recommendations, by the ending of its name."""


def form_of(path: Path) -> Callable[[pd.DataFrame], bytes]:
    """Return what makes the content of a file; raise UsageError if its ending is not known."""
    if path.suffix.lower() not in FORMS:
        raise UsageError(f"--to {path} ends in neither of {', '.join(FORMS)}; name such a file")
    return FORMS[path.suffix.lower()]
