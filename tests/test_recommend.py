"""Recommendations are the evaluator's own ranking, with raw ids, for histories from anywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.cli import main
from benchmark.errors import UsageError
from benchmark.evaluation import ranking
from benchmark.evaluation.ranking import evaluate
from benchmark.records import store
from benchmark.run import weights
from benchmark.run.recommend import recommend
from benchmark.run.training import scorer
from benchmark.run.weights import Kept
from datasets import cache, own
from datasets.errors import DataError
from datasets.preprocess import Ratings
from datasets.split import Fold, Interactions
from datasets.synthetic import Synthetic, SyntheticConfig
from tests.conftest import run_tiny, small_file

SPLIT = Synthetic(SyntheticConfig(users=240, items=60, density=0.15)).split()[0]
ITEMS = len(SPLIT.train.item_ids)


def paths(folder: Path) -> dict[str, Path]:
    """The weights in a folder of records, by the name of their model."""
    records = {r.spec.model: r for r in store.read_all(folder) if r.curve}
    return {name: folder / f"{record.id}.safetensors" for name, record in records.items()}


def by_position(history: Interactions) -> Interactions:
    """The same rows with the users in the order of their positions."""
    order = np.argsort(history.user, kind="stable")
    return Interactions(
        history.user[order], history.item[order], history.user_ids, history.item_ids
    )


def same(frame: pd.DataFrame, kept: Kept, fold: Fold) -> None:
    """Check that a table has the evaluator's lists for the users of a fold, and their scores."""
    score = scorer(kept.model, known=False)
    found = evaluate(score, fold)
    raw = dict(iter(frame.groupby("user", sort=False)))
    for user, top in zip(found.user, found.top, strict=True):
        mine = raw[fold.history.user_ids.tolist()[user]]
        best = top[top >= 0]
        assert mine["rank"].tolist() == list(range(1, len(best) + 1))
        assert mine["item"].tolist() == kept.item_ids[best].tolist()
        scores = score(fold.history.matrix[[user]], np.array([user]))[0].numpy()
        np.testing.assert_allclose(mine["score"], scores[best], rtol=1e-4, atol=1e-5)


def test_every_model_gives_test_users_the_lists_of_the_evaluator(finished):
    history = by_position(SPLIT.test.history)
    rows = Ratings(history.user, history.item, history.user_ids, history.item_ids)
    for path in paths(finished).values():
        kept = weights.load(path)
        frame = recommend(kept, rows, 100)
        assert set(frame["user"]) == set(history.user_ids.tolist())
        same(frame, kept, SPLIT.test)


@settings(deadline=None, max_examples=40)
@given(
    histories=st.lists(st.sets(st.integers(0, ITEMS + 5), min_size=1), min_size=1, max_size=6),
    model=st.sampled_from(["popularity", "ease", "mult-vae"]),
    batch=st.integers(1, 3),
)
def test_any_history_gets_the_lists_of_the_evaluator(finished, histories, model, batch):
    """Those that are empty, or hold the whole catalogue, get none."""
    kept = weights.load(paths(finished)[model])
    pairs = [(user, item) for user, items in enumerate(histories) for item in items]
    user, item = np.array(pairs, dtype=np.int32).T
    raw = np.concatenate([kept.item_ids, 10**6 + np.arange(6)])
    order = np.argsort(raw)
    names = np.arange(len(histories)) + 70
    rows = Ratings(user, np.argsort(order).astype(np.int32)[item], names, raw[order])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "SCORE_BYTES", 4 * ITEMS * batch)
        if not (item < ITEMS).any():
            with pytest.raises(DataError, match="names an item that the model knows"):
                recommend(kept, rows, 100)
            return
        frame = recommend(kept, rows, 100)
    there = item < ITEMS
    history = Interactions(user[there], item[there], names, kept.item_ids)
    left = (history.matrix.toarray() == 0) & (np.bincount(user[there], minlength=len(names)) > 0)[
        :, None
    ]
    users, items = (place.astype(np.int32) for place in np.nonzero(left))
    fold = Fold(history, Interactions(users, items, names, kept.item_ids))
    assert set(frame["user"]) == set(names[users])
    if len(users):
        same(frame, kept, fold)


@pytest.fixture(scope="module")
def named(tmp_path_factory) -> tuple[Path, Path]:
    """The folder of a run on a file with text ids, and a file with the histories of its test users,
    which quotation marks and commas make hard to read.
    """
    folder = tmp_path_factory.mktemp("named")
    small = pd.read_csv(small_file(folder).removeprefix(own.PREFIX))
    small["user"] = [f'"{n}", é' for n in small["user"]]
    small["item"] = [f"=film {n}" for n in small["item"]]
    small.to_csv(folder / "named.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE_DIR", str(folder / "cache"))
        words = ["--models", "ease", "popularity", "--keep-weights"]
        assert run_tiny(folder / "out", "--datasets", f"file:{folder / 'named.csv'}", *words) == 0
    history = by_position(split_of(folder).history)
    rows = {"user": history.user_ids[history.user], "item": history.item_ids[history.item]}
    texts = {name: [raw.decode() for raw in ids] for name, ids in rows.items()}
    pd.DataFrame(texts).to_csv(folder / "histories.csv", index=False)
    return folder / "out", folder / "histories.csv"


def split_of(folder: Path) -> Fold:
    (stored,) = (folder / "cache").glob("*/header.json")
    return cache.read(stored.parent).split.test


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize("model", ["ease", "popularity"])
def test_the_verb_writes_raw_ids_of_text(model, ending, named, tmp_path, capsys):
    out, histories = named
    path, to = paths(out)[model], tmp_path / "new" / f"lists{ending}"
    words = ["--weights", str(path), "--histories", str(histories), "--to", str(to)]
    assert main(["recommend", *words, "--top", "100"]) == 0
    frame = pd.read_csv(to) if ending == ".csv" else pd.read_parquet(to)
    assert list(frame) == ["user", "rank", "item", "score"]
    fold = split_of(out.parent)
    ids = np.array([raw.decode() for raw in fold.history.user_ids])
    history = Interactions(fold.history.user, fold.history.item, ids, fold.history.item_ids)
    same(frame, weights.load(path), Fold(history, fold.target))
    assert f"{len(frame):,} rows for {len(ids)} users in {to}" in capsys.readouterr().out
    assert main(["recommend", *words]) == 0
    assert frame["rank"].max() > 20
    again = pd.read_csv(to) if ending == ".csv" else pd.read_parquet(to)
    pd.testing.assert_frame_equal(again, frame[frame["rank"] <= 20].reset_index(drop=True))


def asked(tmp_path: Path, content: str, path: Path, *more: str) -> list[str]:
    """The words that recommend by the weights in ``path`` to the histories in ``content``."""
    (tmp_path / "h.csv").write_text(content)
    words = ["--weights", str(path), "--histories", str(tmp_path / "h.csv")]
    return ["recommend", *words, "--to", str(tmp_path / "to.csv"), *more]


def test_what_the_model_does_not_know_is_counted(finished, tmp_path, capsys):
    path = paths(finished)["ease"]
    first, second = SPLIT.train.item_ids[:2].tolist()
    rows = [
        "user,item,rating",
        f"zoe,{first},5",
        f"zoe,{first},5",
        "zoe,film,5",
        f"low,{second},1",
        "\x1b[31m,film,4",
        f"ann,{second},4",
    ]
    assert main(asked(tmp_path, "\n".join(rows) + "\n", path, "--top", "3")) == 0
    said = capsys.readouterr().out
    assert "6 rows read, 4 kept (67%)" in said
    assert "\n2 of 4 rows name an item that the model does not know, the first 'film'\n" in said
    assert "\n2 of 4 users have no row that counts with an item that the model knows, the " in said
    frame = pd.read_csv(tmp_path / "to.csv")
    assert frame["user"].tolist() == ["zoe"] * 3 + ["ann"] * 3
    assert first not in frame["item"][:3].tolist()
    assert second not in frame["item"][3:].tolist()


@pytest.mark.parametrize(
    ("content", "more", "sentence"),
    [
        ("user,item\n1,film\n", [], "none of 1 row of the histories names an item that the model"),
        ("user,item,rating\n1,ITEM,2\n", [], "none of 0 rows of the histories names an item"),
        ("user,item\n1,ITEM\n1\n", [], "h.csv, line 3: '1' is not user,item; mend it"),
        ("who,item\n1,ITEM\n", [], "name it with --set file:h.user_column=NAME"),
        (
            "user,item\n1,ITEM\n",
            ["--top", "101"],
            "top = 101 will not do: it must be from 1 to 100",
        ),
        ("user,item\n1,ITEM\n", ["--to", "to.pdf"], "to.pdf ends in neither of .parquet, .csv"),
        ("user,item\n1,ITEM\n", ["--histories", "."], "--histories . is no file; name one with"),
        ("user,item\n1,ITEM\n", ["--weights", "none"], "none is not a weights file that this"),
        ("user,item\n1,ITEM\n", ["--set", "x=1"], "--set x=1: no chosen model and no data set has"),
    ],
)
def test_what_will_not_do_is_a_sentence(content, more, sentence, finished, tmp_path, capsys):
    content = content.replace("ITEM", str(SPLIT.train.item_ids[0]))
    assert main(asked(tmp_path, content, paths(finished)["ease"], *more)) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert not (tmp_path / "to.csv").exists()


def test_columns_are_named_as_those_of_own_data(finished, tmp_path):
    path, item = paths(finished)["ease"], SPLIT.train.item_ids[0]
    columns = ["--set", "user_column=who", "h.csv.item_column=what"]
    assert main(asked(tmp_path, f"who;what\n7;{item}\n", path, *columns, "separator=;")) == 0
    assert pd.read_csv(tmp_path / "to.csv")["user"].tolist() == [7] * 20


def test_a_model_of_known_users_recommends_nothing(finished):
    kept = weights.load(paths(finished)["ease"])
    spec = kept.spec.model_copy(update={"model": "neumf"})
    history = SPLIT.test.history
    rows = Ratings(history.user, history.item, history.user_ids, history.item_ids)
    with pytest.raises(UsageError, match="neumf scores only users whom it has trained on"):
        recommend(Kept(kept.model, kept.item_ids, spec), rows, 20)
