"""Contests: their numbers against slow, obvious computations, and who is compared with whom."""

from __future__ import annotations

import itertools
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats as scipy_stats

from benchmark.cli import main
from benchmark.environment import cpu_model
from benchmark.plan import choose
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.records.searched import Attempt, Searched, searched
from benchmark.report import compare, contest_figures, contest_tables, paper
from benchmark.report.contest import SEARCHED, Contest, Entrant, contests
from benchmark.report.contest_spread import parts
from benchmark.report.page import training_plots
from benchmark.stats import ALPHA, best_of, holm, over_splits
from docs.contest import WORDS, standing
from tests.alterations import rehash
from tests.conftest import CONTEST

SPLITS = tuple(map(int, CONTEST["splits"]))
MODELS = CONTEST["searched"]


@pytest.fixture
def folder(contest_folder) -> Path:
    """The records of a small contest."""
    return contest_folder


@pytest.fixture
def contest(folder) -> Contest:
    """What the records say, if the last epoch had been the best one of mult-dae."""

    def unfinished(record: Record) -> Record:
        last = record.spec.model == "mult-dae" and record.spec.stage == "test"
        return record.model_copy(update={"best_epoch": 3}) if last else record

    (found,) = contests(list(map(unfinished, store.read_all(folder))), folder)
    return found


def users_of(folder, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The raw ids of the validation and test users of a split, read from the split itself."""
    path = f"file:{folder.parent / 'small.csv'}"
    data = choose.data_set(path, ["held_out=40", f"split_seed={seed}"])
    made, _ = data.entry.dataset(data.config).split((folder.parent / "small.csv",))
    return made.validation.history.user_ids, made.test.history.user_ids


def slow_values(folder, model: str) -> dict[int, list[float]]:
    """NDCG@100 of a chosen model on each split, a mean over the kept users for each seed."""
    records = store.read_all(folder)
    tuning = [r for r in records if r.spec.stage == "validation" and r.spec.model == model]
    chosen = max(tuning, key=lambda r: r.best_validation or 0.0).spec.config
    chosen_on, _ = users_of(folder, SPLITS[0])
    found: dict[int, list[float]] = {}
    for seed in SPLITS:
        _, tested = users_of(folder, seed)
        for record in sorted(records, key=lambda r: r.spec.seed or 0):
            spec = record.spec
            if (spec.stage, spec.model, spec.config) != ("test", model, chosen):
                continue
            if record.data.options["split_seed"] != seed:
                continue
            assert record.per_user
            table = pd.read_parquet(folder / record.per_user.file)
            scores = []
            for user, targets, ranks in zip(table.user, table.targets, table.ranks, strict=True):
                if seed != SPLITS[0] and tested[user] in chosen_on:
                    continue
                gain = sum(1 / math.log2(int(rank) + 1) for rank in ranks)
                scores.append(gain / sum(1 / math.log2(n + 2) for n in range(targets)))
            found.setdefault(seed, []).append(fmean(scores))
    return found


def test_the_searched_splits_validation_users_are_left_out_of_the_others(folder, contest):
    chosen_on, _ = users_of(folder, SPLITS[0])
    others = [np.isin(users_of(folder, seed)[1], chosen_on).sum() for seed in SPLITS[1:]]
    assert min(others) > 0
    assert contest.left_out == [0, *others]
    assert contest.splits == list(SPLITS)


def test_means_differences_and_p_are_those_of_slow_computations(folder, contest):
    slow = {model: slow_values(folder, model) for model in MODELS[:3]}
    by_split = {model: [fmean(slow[model][seed]) for seed in SPLITS] for model in slow}
    order = sorted(by_split, key=lambda model: -fmean(by_split[model]))
    compared = contest.compared(contest.entrants)
    assert [each.entrant.model for each in compared] == order
    share = contest.data.test_users / contest.data.training_users
    p = []
    for each, model in zip(compared, order, strict=True):
        assert each.entrant.by_split == pytest.approx(by_split[model])
        away = np.array(by_split[model]) - by_split[order[0]]
        if not each.over_splits:
            continue
        error = np.sqrt((1 / 3 + share) * away.var(ddof=1))
        assert each.over_splits.mean == pytest.approx(away.mean())
        p.append(2 * scipy_stats.t.sf(abs(away.mean()) / error, 2))
        assert each.on_searched
        assert each.on_searched.mean == pytest.approx(away[0])
    assert [each.p_over_splits for each in compared[1:]] == pytest.approx(holm(p))


def test_who_is_compared(contest):
    assert sorted(each.model for each in contest.entrants) == sorted(MODELS[:3])
    assert [row.spec.model for row in contest.unfinished] == ["mult-dae"]
    assert contest.absent == ["als"]
    assert [name for name, _ in contest.families] == ["all models"]
    for entrant in contest.entrants:
        assert entrant.default is not None
        assert entrant.default.label == entrant.model
        assert len(entrant.search.attempts) == 3


def test_over_splits_without_a_share_is_the_t_test_of_splits_and_a_share_widens_it(random):
    values = random.standard_normal(5) + 1
    plain, wide = over_splits(values.tolist(), 0.0), over_splits(values.tolist(), 0.3)
    wanted = scipy_stats.ttest_rel(values, np.zeros(5))
    assert plain.p == pytest.approx(wanted.pvalue)
    assert plain.interval() == pytest.approx(tuple(wanted.confidence_interval(0.95)))
    assert wide.mean == plain.mean
    assert wide.stderr**2 == pytest.approx((0.2 + 0.3) * values.var(ddof=1))


@pytest.mark.parametrize("draws", [0, 1, 2, 4])
def test_the_best_of_some_draws_is_that_of_every_possible_draw(draws):
    first, scores = 0.3, [0.5, 0.1, 0.4, 0.4]
    every = [max((first, *drawn)) for drawn in itertools.product(scores, repeat=draws)]
    found = best_of(first, scores, draws)
    assert found.mean == pytest.approx(np.mean(every))
    assert found.sd == pytest.approx(np.std(every))
    quantiles = np.quantile(every, [ALPHA / 2, 1 - ALPHA / 2], method="inverted_cdf")
    assert found.interval == pytest.approx(tuple(quantiles))


def test_the_spread_is_split_into_users_seeds_and_training_rows(random, contest):
    # a mean is uncertain by 1 for its users, .5 for its seed and .8 for its training rows
    users, splits, seeds = 100, 2000, 400
    values = [
        np.sqrt(users) * random.standard_normal((1, users))
        + 0.5 * random.standard_normal((seeds if split == SEARCHED else 1, 1))
        + 0.8 * random.standard_normal()
        for split in range(splits)
    ]
    found = parts(Entrant("ease", contest.entrants[0].search, None, [], values))
    assert found.users == pytest.approx(1, rel=0.2)  # it is estimated from 100 users
    assert found.seeds == pytest.approx(0.5, rel=0.1)
    assert found.training == pytest.approx(0.8, rel=0.1)
    assert found.seeds
    assert found.training
    assert found.one_run == math.hypot(found.users, found.seeds, found.training)


def test_tables_say_what_the_contest_found(folder, contest):
    *families, spread = contest_tables.tables([contest])
    (whole,) = families
    compared = contest.compared(contest.entrants)
    for cells, numbers, each in zip(whole.cells, whole.data, compared, strict=True):
        entrant = each.entrant
        assert cells[0] == entrant.model
        assert str(cells[5]).startswith(f"{entrant.mean:.4f} ± {stdev(entrant.by_split):.4f}")
        assert numbers["mean_over_splits"] == entrant.mean
        assert cells[8] == numbers["verdict"] == contest_tables.verdict(each)
    assert whole.data[0]["verdict"] == "best"
    notes = " ".join(whole.notes)
    assert f"{contest.left_out[1]} of split 7, {contest.left_out[2]} of split 8" in notes
    assert "mult-dae (best epoch 3 of 3" in notes
    assert "Searched, but not tested on every split: als" in notes
    assert [cells[0] for cells in spread.cells] == [each.model for each in contest.entrants]


def test_the_budget_begins_with_the_default_and_ends_with_all_trials(folder, contest):
    found = searched(store.read_all(folder))
    where = cpu_model()
    for entrant in contest.entrants:
        search = found[contest.label, entrant.model]
        trials, bests = contest_figures.course(search)
        assert trials == [1, 2, 3]
        assert search.default
        assert bests[0].mean == search.default.score
        spent = sum(attempt.seconds for attempt in search.attempts)
        assert contest_figures.seconds(search, trials, where)[-1] == pytest.approx(spent)
        first, others = search.scores
        assert bests[1].mean == pytest.approx(fmean(max(first, score) for score in others))


def test_the_seconds_of_a_search_are_those_of_one_machine(folder, contest):
    def moved(attempt, cpu):
        return Attempt(
            [
                record.model_copy(
                    update={"environment": record.environment.model_copy(update={"cpu": cpu})}
                )
                for record in attempt.records
            ]
        )

    first, second, *_ = (entrant.search.attempts for entrant in contest.entrants)
    searches = {
        "here": Searched(first),
        "both": Searched([moved(second[0], "another"), *second[1:]]),
        "there": Searched([moved(attempt, "another") for attempt in first[:2]]),
    }
    here = cpu_model()
    assert contest_figures.timed_on(searches) == (here, ["there"])
    each = fmean(attempt.seconds for attempt in second[1:])
    mixed = contest_figures.seconds(searches["both"], [1, 2, 3], here)
    assert mixed == pytest.approx([each, 2 * each, 3 * each])
    assert contest_figures.seconds(searches["both"], [1], "another")[0] == second[0].seconds
    picture = contest_figures.budgets(
        replace(
            contest,
            entrants=[
                replace(contest.entrants[0], model=model, search=search)
                for model, search in searches.items()
            ],
        )
    )
    assert picture.caption.endswith(f"on {here}, where no trial of there ran.")
    plots = dict(training_plots.budgets(searches, "NDCG@100"))
    lists = plots[f"against seconds on {here}, where no trial of there ran"]["data"]["values"]
    assert [value["row"] for value in lists] == ["here", "both"]
    looks = [plot["layer"][1]["encoding"]["strokeDash"]["scale"] for plot in plots.values()]
    assert looks[0] == looks[1]  # a model looks the same in both
    assert len(plots["against trials"]["data"]["values"]) == 3


def test_table_4_has_default_and_tuned_scores_side_by_side(folder):
    """On the searched split, of the one network that was run."""
    records = store.read_all(folder)
    (table,) = paper.likelihood_tables(records, folder, absent=False)
    (numbers,) = [row for row in table.data if row["metric"] == "NDCG@100"]
    assert table.head[4:7] == ["Recall@20", "tuned", "published"]
    assert len(table.cells) == 1
    slow = slow_values(folder, "mult-dae")[SPLITS[0]]
    assert numbers["tuned_mean"] == pytest.approx(fmean(slow))
    assert numbers["mean"] != numbers["tuned_mean"]
    place = [*table.head].index("NDCG@100")
    usual, tuned = map(str, table.cells[0][place : place + 2])
    assert usual.startswith(f"{numbers['mean']:.4f}")
    assert tuned.startswith(f"{numbers['tuned_mean']:.4f}")


def test_the_report_writes_tables_and_figures(folder, tmp_path, capsys):
    assert main(["report", "--contest", "--out", str(folder), "--to", str(tmp_path)]) == 0
    assert "Contest on file:small[held_out=40], all models" in capsys.readouterr().out
    names = {path.name for path in tmp_path.iterdir()}
    assert {"contest.md", "contest.tex", "contest.csv", "figures.tex"} < names
    for ending in (".png", ".pdf", ".svg"):
        assert f"contest-forest{ending}" in names
        budgets = [name for name in names if name.startswith("contest-budget-")]
        assert sum(name.endswith(ending) for name in budgets) == 1


def test_without_a_contest_the_report_says_how_to_hold_one(tmp_path, folder, capsys):
    words = ["report", "--contest", "--out", str(folder), "--models", "ease"]
    assert main(words) == 2
    assert "holds no contest; search the options of two models or more" in capsys.readouterr().err


def test_other_splits_of_a_data_set_are_no_data_sets_of_their_own(folder):
    records = store.read_all(folder)
    assert len({record.spec.split_hash for record in records}) == 3
    assert compare.standings(records, folder) == []


def test_a_contest_of_records_with_other_histories_is_refused(folder, tmp_path, capsys):
    there = tmp_path / "out"
    shutil.copytree(folder, there, ignore=shutil.ignore_patterns("report", ".*"))
    contents = [json.loads(path.read_text()) for path in sorted(there.glob("*.json"))]
    one, *_ = [c for c in contents if c["spec"]["stage"] == "test" and c["spec"]["model"] == "ease"]
    results = there / f"{one['id']}.parquet"
    table = pq.read_table(results)
    longer = pa.array([size + 1 for size in table["history"].to_pylist()])
    pq.write_table(
        table.set_column(table.column_names.index("history"), "history", longer), results
    )
    rehash(there / f"{one['id']}.json")
    assert main(["report", "--contest", "--out", str(there)]) == 2
    said = capsys.readouterr().err
    assert "but the column history of their per-user files differs; run verify" in said


def test_the_answer_names_each_model_under_its_verdict(contest):
    first, *others = contest.compared(contest.entrants)
    below = [replace(each, p_over_splits=ALPHA / 2) for each in others[:1]]
    above = [replace(each, p_over_splits=1.0) for each in others[1:]]
    best, *parts = standing([first, *below, *above]).split("; ")
    assert best == f"`{first.entrant.model}` is best"
    said = {words: part for words in WORDS.values() for part in parts if part.startswith(words)}
    assert len(said) == len(parts)
    for each in (*below, *above):
        away = each.entrant.mean - first.entrant.mean
        part = said[WORDS[contest_tables.verdict(each)]]
        assert f"`{each.entrant.model}` ({away:+.4f})" in part
    assert below[0].entrant.model in said[WORDS["below"]]
