"""Both splits, written out row by row in pandas: slow and obvious."""

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


def slow_leave_one_out(rows: pd.DataFrame, seed: int) -> dict[str, str]:
    """The files of a split whose test targets and samples are in the rows' ``attrs``."""
    targets, sampled = rows.attrs["targets"], rows.attrs["sampled"]
    users = sorted(targets)
    items = sorted({*rows["item"], *targets.values(), *(i for s in sampled.values() for i in s)})
    uid, sid = {u: k for k, u in enumerate(users)}, {i: k for k, i in enumerate(items)}
    pairs = list(dict.fromkeys(zip(rows["user"], rows["item"], strict=True)))
    random, held_out, ranked = np.random.RandomState(seed), {}, {}
    for user in users:
        own = sorted(i for u, i in pairs if u == user)
        held_out[user] = own[random.randint(len(own))]
        others = [i for i in items if i not in own and i != targets[user]]
        ranked[user] = sorted(random.choice(others, 99, replace=False))
    train = [pair for pair in pairs if held_out[pair[0]] != pair[1]]

    def lines(found: list[tuple]) -> str:
        return "uid,sid\n" + "".join(f"{uid[u]},{sid[i]}\n" for u, i in found)

    return {
        "unique_sid.txt": "".join(f"{i}\n" for i in items),
        "train.csv": lines(train),
        "validation_tr.csv": lines(train),
        "validation_te.csv": lines(list(held_out.items())),
        "validation_ca.csv": lines([(u, i) for u in users for i in (held_out[u], *ranked[u])]),
        "test_tr.csv": lines(pairs),
        "test_te.csv": lines(list(targets.items())),
        "test_ca.csv": lines([(u, i) for u in users for i in sorted({targets[u], *sampled[u]})]),
    }
