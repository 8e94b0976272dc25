"""Small raw files of every data set, in its exact layout, and the rows that a reader must find in
them.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from datasets.base import DatasetConfig
from datasets.registry import DATASETS
from datasets.synthetic import generate
from datasets.task import LEAVE_ONE_OUT


def rows(
    seed: int = 0, users: int = 40, items: int = 30, size: int = 900, half: bool = False
) -> pd.DataFrame:
    """Ratings in no order of users, with repeats; ids have one to three digits, so that text sorts
    otherwise.
    """
    random = np.random.RandomState(seed)
    stars = (
        random.randint(1, 11, size=size) / 2
        if half
        else random.randint(1, 6, size=size).astype(float)
    )
    stars[random.random_sample(size) < 0.5] = 4
    return pd.DataFrame(
        {
            "user": random.randint(users, size=size) * 7 + 1,
            "item": random.randint(items, size=size) * 5 + 3,
            "rating": stars,
        }
    )


def write_lines(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())


def dat_of(name: str) -> Callable[[Path, pd.DataFrame], pd.DataFrame]:
    def write(folder: Path, found: pd.DataFrame) -> pd.DataFrame:
        lines = [f"{u}::{i}::{r:g}::978300760" for u, i, r in found.itertuples(index=False)]
        write_lines(folder / name / "ratings.dat", lines)
        return found

    return write


def ml100k(folder: Path, found: pd.DataFrame) -> pd.DataFrame:
    lines = [f"{u}\t{i}\t{r:.0f}\t881250949" for u, i, r in found.itertuples(index=False)]
    write_lines(folder / "ml-100k" / "u.data", lines)
    return found


def csv_of(name: str) -> Callable[[Path, pd.DataFrame], pd.DataFrame]:
    def write(folder: Path, found: pd.DataFrame) -> pd.DataFrame:
        lines = [f"{u},{i},{r},1112486027" for u, i, r in found.itertuples(index=False)]
        write_lines(folder / name / "ratings.csv", ["userId,movieId,rating,timestamp", *lines])
        return found

    return write


def once(found: pd.DataFrame) -> pd.DataFrame:
    """Return the rows as Netflix has them: each customer once in a movie, sorted by movie."""
    return found.drop_duplicates(["user", "item"]).sort_values("item", kind="stable")


def by_movie(found: pd.DataFrame) -> dict[int, list[str]]:
    """Return the lines of each movie's file; the first names the movie."""
    movies = {movie: [f"{movie}:"] for movie in sorted(set(found["item"]))}
    for u, i, r in once(found).itertuples(index=False):
        movies[i].append(f"{u},{r:.0f},2005-09-06")
    return movies


def netflix(folder: Path, found: pd.DataFrame) -> pd.DataFrame:
    for movie, lines in by_movie(found).items():
        write_lines(folder / "training_set" / f"mv_{movie:07d}.txt", lines)
    return once(found)


def combined(folder: Path, found: pd.DataFrame) -> pd.DataFrame:
    movies = list(by_movie(found).values())
    for n in range(4):
        some = movies[n * len(movies) // 4 : (n + 1) * len(movies) // 4]
        write_lines(
            folder / f"combined_data_{n + 1}.txt", [line for lines in some for line in lines]
        )
    return once(found)


def msd(folder: Path, found: pd.DataFrame) -> pd.DataFrame:
    named = found.assign(
        user=found["user"].map(lambda u: f"{u * 7919:040x}"),
        item=found["item"].map(lambda i: f"SO{i * 31 % 97:X}A58A7B"),
    )
    lines = [f"{u}\t{i}\t{r:.0f}" for u, i, r in named.itertuples(index=False)]
    write_lines(folder / "train_triplets.txt", lines)
    return named


def lastfm(folder: Path, found: pd.DataFrame) -> pd.DataFrame:
    lines = [f"{u}\t{i}\t{r * 100:.0f}" for u, i, r in found.itertuples(index=False)]
    path = folder / "hetrec2011-lastfm-2k" / "user_artists.dat"
    write_lines(path, ["userID\tartistID\tweight", *lines])
    return found


def gowalla(folder: Path, found: pd.DataFrame) -> pd.DataFrame:
    lines = [f"{u},{i}" for u, i in zip(found["user"], found["item"], strict=True)]
    write_lines(folder / "gowalla" / "interactions.csv", ["user,item", *lines])
    return found


def lightgcn(folder: Path, found: pd.DataFrame) -> pd.DataFrame:
    parts = []
    for name, part in (("train", found[: len(found) // 2]), ("test", found[len(found) // 2 :])):
        lists = {user: part[part["user"] == user] for user in dict.fromkeys(part["user"])}
        write_lines(
            folder / "gowalla" / f"{name}.txt",
            [" ".join(map(str, [u, *p["item"]])) for u, p in lists.items()],
        )
        parts += lists.values()
    return pd.concat(parts)


def synthetic(folder: Path, found: pd.DataFrame) -> pd.DataFrame:
    user, item = generate(small("synthetic"))
    return pd.DataFrame({"user": user, "item": item})


Writer = Callable[[Path, pd.DataFrame], pd.DataFrame]


def ncf(name: str) -> Writer:
    def write(folder: Path, found: pd.DataFrame) -> pd.DataFrame:
        """Write rows over more items than there are sampled ones, a repeat among them.

        The targets and the items sampled for them are in ``attrs``.
        """
        random = np.random.RandomState(len(found))
        users = sorted(set(found["user"]))[:12]
        own = {u: random.choice(140, random.randint(4, 12), replace=False) * 2 + 1 for u in users}
        pairs = [(u, i) for u in users for i in own[u][1:]]
        train = pd.DataFrame([*pairs, pairs[0]], columns=["user", "item"]).assign(rating=3.0)
        targets = {u: int(own[u][0]) for u in users}
        # the last user's sample holds her target, as in some published lists
        sampled = {
            u: random.permutation([i for i in range(1, 281, 2) if i not in own[u]])[:99].tolist()
            for u in users
        }
        sampled[users[-1]][7] = targets[users[-1]]
        lines = [f"{u}\t{i}\t{r:.0f}\t0" for u, i, r in train.itertuples(index=False)]
        write_lines(folder / "ncf" / f"{name}.train.rating", lines)
        lines = [f"{u}\t{i}\t5\t978824351" for u, i in targets.items()]
        write_lines(folder / "ncf" / f"{name}.test.rating", lines)
        lines = ["\t".join([f"({u},{targets[u]})", *map(str, sampled[u])]) for u in users]
        write_lines(folder / "ncf" / f"{name}.test.negative", lines)
        train.attrs = {"targets": targets, "sampled": sampled}
        return train

    return write


WRITERS: dict[str, Writer] = {
    "ml100k": ml100k,
    "ml1m": dat_of("ml-1m"),
    "ml10m": dat_of("ml-10M100K"),
    "ml20m": csv_of("ml-20m"),
    "ml25m": csv_of("ml-25m"),
    "ml32m": csv_of("ml-32m"),
    "ml-latest-small": csv_of("ml-latest-small"),
    "netflix": netflix,
    "msd": msd,
    "gowalla": gowalla,
    "lastfm-2k": lastfm,
    "synthetic": synthetic,
    "ncf-ml1m": ncf("ml-1m"),
    "ncf-pinterest": ncf("pinterest-20"),
}
HALF_STARS = ("ml10m", "ml20m", "ml25m", "ml32m", "ml-latest-small")
OTHER_FORMS: list[tuple[str, Writer]] = [("netflix", combined), ("gowalla", lightgcn)]


def small(name: str) -> DatasetConfig:
    """Return the data set's own options, changed only to fit a small file."""
    config = DATASETS[name].config
    if DATASETS[name].dataset.task == LEAVE_ONE_OUT:
        return config
    fitting = {
        "held_out": 4,
        "min_users_per_item": min(config.min_users_per_item, 21),
        "min_items_per_user": min(config.min_items_per_user, 10),
    }
    if name == "synthetic":
        fitting |= {"users": 60, "items": 40, "density": 0.3}
    return type(config)(**{**config.model_dump(), **fitting})


def write_table(
    path: Path, found: pd.DataFrame, separator: str = ",", quoted: bool = False
) -> None:
    """Write the table with pandas, so that the test does not rest on this project's code."""
    found.to_csv(
        path, sep=separator, index=False, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    )
