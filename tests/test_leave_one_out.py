"""NCF's protocol, the paper's table 3: its split, ranking among candidates, and the whole way."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from benchmark import plugins
from benchmark.cli import main
from benchmark.evaluation.metrics import Metric, headline
from benchmark.evaluation.ranking import evaluate
from benchmark.paths import ROOT
from benchmark.records import store
from benchmark.records.verify import verify
from benchmark.report import paper
from datasets import cache, pro_sg
from datasets.errors import DataError
from datasets.ncf import NCFML1M, NCFConfig
from datasets.registry import DATASETS
from datasets.split import Interactions, Split
from tests.conftest import small_file
from tests.raw_files import WRITERS, rows


def small(folder) -> Split:
    WRITERS["ncf-ml1m"](folder, rows())
    dataset = NCFML1M(NCFConfig())
    return dataset.split(dataset.find(folder))[0]


@pytest.mark.realdata
def test_the_published_files_have_the_facts_that_are_known_of_them(data_dir):
    dataset = NCFML1M(NCFConfig())
    split, _ = dataset.split(dataset.find(data_dir))
    assert split.weak
    assert (len(split.test.history), len(split.train)) == (994_169, 988_129)
    assert split.train.shape == (6_040, 3_706)
    assert len(np.unique(split.test.history.item)) == 3_704
    assert (len(split.test.target), len(split.validation.target)) == (6_040, 6_040)
    sizes = np.diff(split.test.candidates.matrix.indptr)
    assert [int((sizes == size).sum()) for size in (99, 100)] == [156, 5_884]
    assert (np.diff(split.validation.candidates.matrix.indptr) == 100).all()
    counts = torch.from_numpy(split.train.matrix.sum(axis=0).A1.astype(np.float32))
    ranking = evaluate(lambda history, users: counts.expand(len(users), -1), split.test)
    hr, ndcg = (float(metric(ranking.hit, ranking.targets).mean()) for metric in TASK)
    assert abs(hr - 0.4531) < 0.002
    assert abs(ndcg - 0.2541) < 0.002


TASK = headline("leave-one-out")


def test_the_metrics_are_named_as_sampled():
    assert list(map(str, TASK)) == ["sampled HR@10", "sampled NDCG@10"]
    assert Metric.parse("sampled HR@10") == TASK[0]
    assert Metric.parse("NDCG@10").on("leave-one-out") == TASK[1]
    assert str(TASK[1].on("strong generalisation")) == "NDCG@10"


def test_a_target_is_ranked_among_its_candidates_alone(tmp_path, random):
    fold = small(tmp_path).test
    users, items = fold.target.shape
    scores = random.permutation(users * items).reshape(users, items).astype(np.float32)
    ranking = evaluate(lambda history, users: torch.from_numpy(scores[users]), fold)
    target, ranked = fold.target.matrix.toarray(), fold.candidates.matrix.toarray()
    for user in range(users):
        (item,) = np.flatnonzero(target[user])
        others = [i for i in np.flatnonzero(ranked[user]) if i != item]
        rank = 1 + sum(scores[user, other] > scores[user, item] for other in others)
        assert np.flatnonzero(ranking.hit[user]).tolist() == [rank - 1]
        assert TASK[0](ranking.hit, ranking.targets)[user] == (rank <= 10)
        gain = 1 / np.log2(rank + 1) if rank <= 10 else 0
        assert TASK[1](ranking.hit, ranking.targets)[user] == pytest.approx(gain)
        listed = ranking.top[user][ranking.top[user] >= 0]
        assert sorted(listed) == sorted([item, *others])


def test_the_cache_keeps_candidates_and_whose_rows_they_are(tmp_path):
    made = small(tmp_path)
    prepared = cache.prepare("ncf-ml1m", NCFML1M(NCFConfig()), tmp_path, tmp_path / "cache", 1)
    again = cache.read(prepared.folder, check=True).split
    assert again.weak
    for name, part in made.parts.items():
        np.testing.assert_array_equal(part.item, again.parts[name].item)
        np.testing.assert_array_equal(part.user, again.parts[name].user)
    assert prepared.split_hash == pro_sg.split_hash(pro_sg.hashes(made))
    assert list(made.parts)[-2:] == ["validation_ca", "test_ca"]


def test_another_seed_draws_other_validation_rows_and_leaves_the_test_rows(tmp_path):
    first = small(tmp_path)
    dataset = NCFML1M(NCFConfig(split_seed=1))
    other, _ = dataset.split(dataset.find(tmp_path))
    assert first.validation.target.item.tolist() != other.validation.target.item.tolist()
    assert first.test.target.item.tolist() == other.test.target.item.tolist()


def of_the_example(name, raw) -> Split:
    """The split of one of the example's data sets."""
    plugins.load([ROOT / "examples" / "all_rows.py"])
    entry = DATASETS[name]
    dataset = entry.dataset(entry.config)
    made, _ = dataset.split(dataset.find(raw))
    made.check()
    return made


def test_the_example_leaves_the_validation_rows_in_training_and_the_test_as_it_is(
    registries, tmp_path
):
    usual = small(tmp_path)
    made = of_the_example("ncf-ml1m-all-rows", tmp_path)
    assert made.weak
    assert len(made.train) == len(usual.train) + len(usual.validation.target)
    assert made.train.matrix.multiply(made.validation.target.matrix).nnz == len(made.train.user_ids)
    assert made.train.matrix.multiply(made.test.target.matrix).nnz == 0
    for name, part in usual.parts.items():
        if name != "train":
            np.testing.assert_array_equal(part.item, made.parts[name].item)
            np.testing.assert_array_equal(part.user, made.parts[name].user)


def test_the_example_lets_the_test_rows_choose_the_epoch_as_the_authors_do(registries, tmp_path):
    usual = small(tmp_path)
    made = of_the_example("ncf-ml1m-as-published", tmp_path)
    assert len(made.train) == len(usual.train) + len(usual.validation.target)
    for fold in (made.validation, made.test):
        np.testing.assert_array_equal(fold.target.item, usual.test.target.item)
        assert fold.candidates is not None
        np.testing.assert_array_equal(fold.candidates.item, usual.test.candidates.item)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("target", "a target is not among the candidates"),
        ("history", "a candidate is in the history"),
    ],
)
def test_a_fold_whose_candidates_contradict_it_is_none(tmp_path, fault, told):
    fold = small(tmp_path).test
    candidates = fold.candidates
    if fault == "target":
        keep = ~np.isin(
            candidates.user.astype(np.int64) * 1000 + candidates.item,
            fold.target.user.astype(np.int64) * 1000 + fold.target.item,
        )
        user, item = candidates.user[keep], candidates.item[keep]
    else:
        user = np.append(candidates.user, fold.history.user[:1])
        item = np.append(candidates.item, fold.history.item[:1])
    other = Interactions(user, item, candidates.user_ids, candidates.item_ids)
    with pytest.raises(ValueError, match=told):
        dataclasses.replace(fold, candidates=other).check()


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("test.rating", lambda lines: lines[:-1], r"must have one line for each of the 12 users"),
        ("test.rating", lambda lines: [*lines, lines[0]], r"13 lines of 12 users"),
        ("test.negative", lambda lines: lines[:-1], r"has 11 lines, and .* 12"),
        ("test.negative", lambda lines: [lines[1], lines[0], *lines[2:]], r"negative, line 1: "),
        ("test.negative", lambda lines: [lines[0] + "\t9", *lines[1:]], r"negative, line 1: "),
    ],
)
def test_files_that_contradict_each_other_are_refused(tmp_path, name, change, told):
    WRITERS["ncf-ml1m"](tmp_path, rows())
    path = tmp_path / "ncf" / f"ml-1m.{name}"
    path.write_text("".join(f"{line}\n" for line in change(path.read_text().splitlines())))
    dataset = NCFML1M(NCFConfig())
    with pytest.raises(DataError, match=told):
        dataset.split(dataset.find(tmp_path))


@pytest.mark.parametrize(
    ("items", "told"),
    [
        (range(1, 400), r"user 0 has .* items, and needs two or more of them and 99 others"),
        ([None], r"contradict each other \(a fold has an item twice for a user\)"),
    ],
)
def test_rows_that_leave_nothing_to_rank_are_refused(tmp_path, items, told):
    WRITERS["ncf-ml1m"](tmp_path, rows())
    folder = tmp_path / "ncf"
    user, target, *_ = (folder / "ml-1m.test.rating").read_text().split("\t")
    with (folder / "ml-1m.train.rating").open("a") as file:
        file.writelines(f"{user}\t{item or target}\t5\t0\n" for item in items)
    dataset = NCFML1M(NCFConfig())
    with pytest.raises(DataError, match=told):
        dataset.split(dataset.find(tmp_path))


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The records of two models on small files of NCF's form, and the folder of these files."""
    folder = tmp_path_factory.mktemp("ncf")
    WRITERS["ncf-ml1m"](folder, rows())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE_DIR", str(folder / "cache"))
        words = ["--datasets", "ncf-ml1m", "--models", "popularity", "neumf", "--seeds", "0"]
        small_network = ["--set", "factors=4", "epochs=2"]
        arguments = [
            *words,
            *small_network,
            "--data-dir",
            str(folder),
            "--out",
            str(folder / "out"),
        ]
        assert main(arguments) == 0
    return folder


def test_a_run_gives_records_that_verify_and_say_their_task(ran):
    verdict = verify(ran / "out")
    assert (verdict.checked, verdict.faults) == (2, [])
    for record in store.read_all(ran / "out"):
        assert record.data.task == "leave-one-out"
        assert list(record.metrics) == ["sampled HR@10", "sampled NDCG@10"]
        assert (record.data.users, record.data.training_users, record.data.test_users) == (12,) * 3
        assert record.tested == record.metrics["sampled NDCG@10"].mean


def test_validation_rows_are_not_trained_on_and_test_histories_have_them(ran, tmp_path):
    split = small(tmp_path)
    held_out = split.validation.target
    together = split.train.matrix + held_out.matrix
    np.testing.assert_array_equal(together.toarray(), split.test.history.matrix.toarray())
    assert split.train.matrix.multiply(held_out.matrix).nnz == 0


def test_table_3_names_the_metrics_as_sampled_and_says_what_that_means(ran):
    records = store.read_all(ran / "out")
    table, missing = paper.ncf_tables(records, ran / "out", absent=True)
    assert table.head[4:] == ["sampled HR@10", "published", "sampled NDCG@10", "published"]
    assert "not comparable with the full ranking's" in table.definitions
    assert missing.title == "Table 3: ncf-pinterest (not run)"
    published = {str(row[0]): [str(cell) for cell in row] for row in missing.cells}
    assert published["neumf-pretrained"][5] == "0.880†"
    assert published["mult-dae"][7] == "0.580†"
    assert paper.model_tables(records, ran / "out", absent=False) == []


@pytest.mark.parametrize(
    "words", [["selftest"], ["evaluate", "--name", "mine", "--lists", "lists.parquet"]]
)
def test_what_ranks_all_items_refuses_the_data_set(words, capsys):
    assert main([*words, "--dataset", "ncf-ml1m"]) == 2
    assert "ranks each target among sampled items only" in capsys.readouterr().err


def test_a_model_of_training_users_is_not_available_under_strong_generalisation(tmp_path, capsys):
    data, out = small_file(tmp_path), tmp_path / "out"
    assert main(["--datasets", data, "--models", "neumf", "--seeds", "0", "--out", str(out)]) == 1
    (record,) = store.read_all(out)
    assert record.sentence == (
        "neumf is not available under strong generalisation: it scores only users whom it has "
        "trained on"
    )


def test_unless_it_is_named_it_is_left_out_there(capsys):
    words = ["--datasets", "synthetic", "--dry-run"]
    assert main(words) == 0
    assert "neumf" not in capsys.readouterr().out
