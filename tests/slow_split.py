"""The authors' procedure, written out row by row in pandas: slow and obvious."""

from __future__ import annotations

import numpy as np
import pandas as pd


def slow_filter(
    rows: pd.DataFrame, min_rating: float | None, min_users: int, min_items: int
) -> pd.DataFrame:
    if min_rating is not None and "rating" in rows:
        rows = rows[rows["rating"] >= min_rating]
    rows = rows.drop_duplicates(["user", "item"])
    count = rows.groupby("item").size()
    rows = rows[rows["item"].isin(count.index[count >= min_users])]
    count = rows.groupby("user").size()
    return rows[rows["user"].isin(count.index[count >= min_items])]


def slow_files(rows: pd.DataFrame, held_out: int, seed: int) -> dict[str, str]:
    """The notebook's steps, row by row, as text."""
    users = sorted(rows["user"].unique())
    order = [users[i] for i in np.random.RandomState(seed).permutation(len(users))]
    train_users = order[: len(order) - 2 * held_out]
    train = rows[rows["user"].isin(train_users)]
    items = list(dict.fromkeys(train["item"]))
    uid, sid = {u: k for k, u in enumerate(order)}, {i: k for k, i in enumerate(items)}

    def lines(pairs: list[tuple]) -> str:
        return "uid,sid\n" + "".join(f"{uid[u]},{sid[i]}\n" for u, i in pairs)

    files = {"unique_sid.txt": "".join(f"{i}\n" for i in items)}
    files["train.csv"] = lines(list(zip(train["user"], train["item"], strict=True)))
    folds = {
        "validation": order[-2 * held_out : len(order) - held_out],
        "test": order[len(order) - held_out :],
    }
    for name, members in folds.items():
        random = np.random.RandomState(seed)
        history, target = [], []
        for user in sorted(members):
            mine = [(user, i) for i in rows[rows["user"] == user]["item"] if i in sid]
            drawn = set()
            if len(mine) >= 5:
                drawn = set(
                    random.choice(len(mine), size=int(0.2 * len(mine)), replace=False).tolist()
                )
            history += [pair for k, pair in enumerate(mine) if k not in drawn]
            target += [pair for k, pair in enumerate(mine) if k in drawn]
        files[f"{name}_tr.csv"], files[f"{name}_te.csv"] = lines(history), lines(target)
    return files
