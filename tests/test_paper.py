"""The paper's tables and figure 3: what was published beside what was found, verdicts, rows not
run, activity.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from scipy.stats import t as student
from scipy.stats import ttest_rel

from benchmark.cli import main
from benchmark.errors import UsageError
from benchmark.evaluation.metrics import HEADLINE, SELECTION, Metric, standard_error
from benchmark.labels import model_label
from benchmark.plan import choose
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.report import curves, figures, paper, sizes
from benchmark.report.cells import Cell, Table
from benchmark.report.compare import differences, standings
from benchmark.report.published import (
    NAMES,
    PROTOCOLS,
    ROLES,
    VALUES,
    Published,
    first,
    published,
    verdict,
)
from benchmark.report.rows import rows
from benchmark.stats import Summary, difference, equivalent
from models.registry import MODELS


@pytest.fixture(scope="module")
def found(finished) -> list[Record]:
    return [r for r in store.read_all(finished) if r.spec.model not in ("oracle", "bayes")]


def as_ml20m(record: Record, **options) -> Record:
    """As if it were of the real data at its published options, but for those given."""
    (lineup,) = choose.plan(["ml20m"], [record.spec.model], [0]).lineups
    (model,) = lineup.models
    config = model.config.model_dump(mode="json") | options
    spec = record.spec.model_copy(update={"dataset": "ml20m", "config": config})
    options = lineup.data.config.model_dump(mode="json")
    data = record.data.model_copy(update={"options": options})
    return record.model_copy(update={"spec": spec, "data": data})


def as_other(record: Record) -> Record:
    """The record as if it were of another data set, with the same options of the model."""
    spec = record.spec.model_copy(update={"dataset": "ml1m"})
    return record.model_copy(update={"spec": spec})


def text(row: Sequence[Cell]) -> list[str]:
    return [str(cell) for cell in row]


ENDS = ("model", "other")


def row_of(table: Table, model: str) -> list[str]:
    (row,) = [row for row in table.cells if row[0] == model]
    return text(row)


def value(digits: str, stderr: float | None = 0.002, **others) -> Published:
    given = {"source": "s", "role": "paper", "verified": True, "stderr_verified": True} | others
    return Published("m", "M", "NDCG@100", float(digits), digits, stderr, **given)


@pytest.mark.parametrize(
    ("mean", "sd", "seeds", "seeded", "digits", "their_stderr", "said"),
    [
        # within .003 of the value, rounding (.0005) included, where no seed matters
        (0.3974, None, 1, False, "0.395", 0.002, "equal"),
        (0.3976, None, 1, False, "0.395", 0.002, "within sampling error"),
        (0.3979, None, 1, False, "0.3950", 0.002, "equal"),
        # five seeds: t(.95, 4) = 2.132, and the spread is that of our mean and of one run of theirs
        (0.3955, 0.0008, 5, True, "0.395", 0.002, "equal"),  # .0010 + 2.132 x .0008 x 1.095
        (0.3955, 0.0009, 5, True, "0.395", 0.002, "within sampling error"),
        (0.3950, None, 1, True, "0.395", 0.002, "within sampling error"),  # one seed shows nothing
        # .005 <= 2 sqrt(2) .002 = .00566
        (0.4000, 0.0008, 5, True, "0.395", 0.002, "within sampling error"),
        (0.4010, 0.0008, 5, True, "0.395", 0.002, "differs"),
        (0.3890, 0.0008, 5, True, "0.395", 0.002, "differs"),
        # without theirs ours stands for it
        (0.4000, 0.0008, 5, True, "0.395", None, "within sampling error"),
        (0.4010, 0.0008, 5, True, "0.395", None, "differs"),
    ],
)
def test_a_verdict_says_equal_only_where_the_seeds_show_it(
    mean, sd, seeds, seeded, digits, their_stderr, said
):
    ours = Summary(mean, sd, 0.002, seeds)
    assert verdict(ours, value(digits, their_stderr), seeded) == said


def test_equivalence_is_two_one_sided_tests():
    """Against scipy: both tests reject a difference of the margin at level .05, or not."""
    random = np.random.RandomState(0)
    for _ in range(200):
        ours = random.normal(0.4, 0.002, size=random.randint(2, 8))
        theirs, sd, n = 0.4005, ours.std(ddof=1), len(ours)
        error = sd * np.sqrt(1 + 1 / n)
        rejected = [
            student.sf((ours.mean() - theirs + 0.003) / error, n - 1) <= 0.05,
            student.cdf((ours.mean() - theirs - 0.003) / error, n - 1) <= 0.05,
        ]
        assert equivalent(abs(ours.mean() - theirs), sd, n, 0.003) == all(rejected)


def test_without_both_values_there_is_no_verdict():
    assert verdict(None, value("0.395"), seeded=True) is None
    assert verdict(Summary(0.4, None, 0.002, 1), None, seeded=True) is None
    assert verdict(Summary(0.4, None, None, 1), value("0.395"), seeded=True) is None


def test_an_error_that_the_authors_printed_stands_for_one_that_is_remembered():
    remembered = value("0.395", 0.002, stderr_verified=False)
    printed, stranger = value("0.39535", 0.0027), value("0.40", 0.005, role="third party")
    assert remembered.text == "0.395 ± 0.002†"
    assert first([remembered, stranger, printed]).text == "0.395 ± 0.0027"
    assert first([remembered, stranger]) == remembered
    assert first([printed, remembered]) == printed
    assert first([]) is None
    assert value("0.395", None, verified=False).text == "0.395†"


def test_only_the_same_protocol_is_published_and_the_papers_own_comes_first(tmp_path):
    protocol, other = PROTOCOLS["strong generalisation"], PROTOCOLS["leave-one-out"]
    lines = [
        "dataset,model,metric,value,stderr,stderr_seen,protocol,role,source,seen",
        f'ML-20M,Rerun,NDCG@100,.41,,,"{protocol}",third party,a blog,yes',
        f'ML-20M,Notebook,NDCG@100,.42592,.002,yes,"{protocol}",later paper,their notebook,yes',
        f'ML-20M,Paper,NDCG@100,0.420,.002,memory,"{protocol}",paper,Table 2,memory',
        "ML-20M,Paper,NDCG@100,.5,.002,yes,other split,paper,Table 2,yes",
        f'Netflix,Paper,NDCG@100,.6,.002,yes,"{protocol}",paper,Table 2,yes',
        f'ML-1M,Paper,NDCG@10,.7,,,"{other}",paper,Table 3,yes',
    ]
    (tmp_path / "values.csv").write_text("\n".join(lines))
    names = ["published,model", "Paper,mult-vae", "Notebook,mult-vae", "Rerun,mult-vae"]
    (tmp_path / "names.csv").write_text("\n".join(names))
    files = tmp_path / "values.csv", tmp_path / "names.csv"
    assert [
        (one.name, one.text) for one in published("ml20m", "strong generalisation", *files)
    ] == [
        ("Paper", "0.420† ± 0.002†"),
        ("Notebook", ".42592 ± 0.002"),
        ("Rerun", ".41"),
    ]
    assert published("ml1m", "strong generalisation", *files) == []
    (sampled,) = published("ncf-ml1m", "leave-one-out", *files)
    assert sampled.metric == "sampled NDCG@10"


def test_every_published_number_says_who_published_it():
    with VALUES.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert {line["role"] for line in lines} == set(ROLES)
    for line in lines:
        own = line["source"].startswith(("Liang2018", "dawenl/vae_cf"))
        assert own == (line["role"] == "paper")
        assert bool(line["stderr"]) == bool(line["stderr_seen"])
        assert ("memory" in line["stderr_seen"]) or "stderr approximate" not in line["source"]


def test_every_name_here_is_a_models_and_every_published_one_is_in_the_file():
    lines = [line.split(",") for line in NAMES.read_text().splitlines()[1:]]
    assert {model for _, model in lines} <= set(MODELS)
    values = VALUES.read_text()
    assert all(f",{name}," in values for name, _ in lines)


def test_table_2_has_published_values_verdicts_and_rows_not_run(found, finished):
    vae = [as_ml20m(r) for r in found if r.spec.model == "mult-vae"]
    ease = [as_ml20m(r) for r in found if r.spec.model == "ease"]
    table, *others = paper.model_tables([*vae, *ease], finished, absent=True)
    assert [t.title.split(" (")[0] for t in [table, *others]] == [
        f"Table 2: {n}" for n in ("ml20m", "netflix", "msd")
    ]
    (table_row,) = rows(vae)
    per_user = table_row.per_user(HEADLINE, finished)[0]
    away = per_user.mean() - 0.395
    bound = 2 * np.hypot(np.mean([standard_error(values) for values in per_user]), 0.0027)
    said = "within sampling error" if abs(away) <= bound else "differs"
    assert row_of(table, "mult-vae")[5] == f"0.395 ± 0.0027, {away:+.4f}, {said}"
    assert row_of(table, "ease")[5].startswith("0.391, ")
    assert row_of(table, "slim")[4:6] == ["not run", "0.370 ± 0.002†"]
    assert row_of(table, "gaussian-vae")[5] == "0.383† ± 0.002†"
    assert all(row[4] == "not run" for row in others[0].cells)
    numbers = next(r for r in table.data if (r["model"], r["metric"]) == ("mult-vae", "Recall@20"))
    assert (numbers["published"], numbers["verdict"], numbers["verified"]) == (0.395, said, True)
    assert (numbers["role"], numbers["stderr_verified"]) == ("paper", True)
    assert numbers["difference"] == pytest.approx(away)
    assert "0.39535 (Mult-VAE^PR (official notebook run))" in numbers["also_published"]


def test_two_splits_of_a_data_set_are_two_tables(found, finished):
    ease = [as_ml20m(r) for r in found if r.spec.model == "ease"]
    other = [
        r.model_copy(update={"spec": r.spec.model_copy(update={"split_hash": "f" * 64})})
        for r in ease
    ]
    titles = [table.title for table in paper.model_tables([*ease, *other], finished, absent=True)]
    assert [title.split(" (")[0][9:] for title in titles] == ["ml20m", "ml20m", "netflix", "msd"]
    assert titles[1].endswith("(split ffffffffffff)")


def test_options_that_are_not_the_published_ones_are_not_compared(found, finished):
    other = [as_ml20m(r, latent=100) for r in found if r.spec.model == "mult-vae"]
    table, *_ = paper.model_tables(other, finished, absent=True)
    assert row_of(table, "mult-vae[latent=100]")[5] == "-"
    assert row_of(table, "mult-vae")[4:6] == ["not run", "0.395 ± 0.0027"]


def test_table_4_has_the_likelihoods_alone(found, finished):
    *published_tables, own = paper.likelihood_tables(found, finished, absent=True)
    assert {row[0].split("[")[0] for row in own.cells} == {"mult-vae", "mult-dae"}
    names = {row[0] for row in published_tables[0].cells}
    assert names == {
        f"{x}-{kind}" for x in ("mult", "gaussian", "logistic") for kind in ("vae", "dae")
    }


def test_table_1_counts_the_split(found, finished):
    (table,) = sizes.data_table(found, finished, absent=True)
    data = found[0].data
    assert row_of(table, "ml20m")[1:] == [*["not run"] * 5, "136,677 / 20,108 / 9,990,682"]
    row = row_of(table, found[0].data_label)
    density = data.interactions / data.users / data.items
    assert row[1:5] == [
        str(data.users),
        str(data.items),
        f"{data.interactions:,}",
        f"{density:.2%}",
    ]


def test_differences_are_of_users_and_their_signs_are_the_rows(found, finished):
    (table,) = differences(found, finished, HEADLINE)
    by_name = {row[0]: text(row[1:]) for row in table.cells}
    names = table.head[1:]
    by_label = {row.label: row for row in rows(found)}
    means = {label: row.per_user([SELECTION], finished).mean() for label, row in by_label.items()}
    assert names == sorted(names, key=lambda name: -means[name])
    for a in names:
        for b in names:
            assert by_name[a][names.index(b)] == ("" if a == b else f"{means[a] - means[b]:+.4f}")
    assert len(table.data) == 3 * len(names) * (len(names) - 1) // 2
    for row in table.data:
        metric = Metric.parse(row["metric"])
        first, second = (by_label[row[key]].per_user([metric], finished)[0] for key in ENDS)
        if difference(first, second).constant:
            assert row["low"] is row["high"] is row["p"] is None
            continue
        assert row["low"] <= row["difference"] <= row["high"]
        assert (row["p"] < 0.05) == (row["low"] > 0 or row["high"] < 0)
        assert row["p"] == pytest.approx(difference(first, second).p)
        assert row["difference"] == pytest.approx(first.mean() - second.mean())


def test_standings_rank_what_is_on_every_data_set(found, finished):
    assert standings(found, finished) == []
    twice = [*found, *(as_other(r) for r in found if r.spec.model != "bpr")]
    (table,) = standings(twice, finished)
    assert not any("bpr" in row[0] for row in table.cells)
    assert [str(row[1]) for row in table.cells] == [
        f"{place}.00" for place in range(1, len(table.cells) + 1)
    ]
    assert table.cells[0][3] == "2"
    assert table.cells[1][2] == "0"


@given(st.lists(st.integers(0, 6), min_size=5, max_size=60))
def test_fifths_of_users_differ_by_one_user_at_most_and_grow(sizes):
    history = np.array(sizes)
    groups = figures.quintiles(history, np.arange(len(sizes)))
    assert sorted(np.concatenate(groups)) == list(range(len(sizes)))
    assert max(map(len, groups)) - min(map(len, groups)) <= 1
    for lower, higher in pairwise(groups):
        assert history[lower].max() <= history[higher].min()
        ties = history[lower].max() == history[higher].min()
        if ties:  # by position
            value = history[lower].max()
            assert lower[history[lower] == value].max() < higher[history[higher] == value].min()


def test_figure_3_has_each_fifths_mean_error_and_test(found, finished):
    networks = [r for r in found if r.spec.model in ("mult-vae", "mult-dae")]
    (axes,) = figures.activity(networks, finished).figure.axes
    first, second = rows(networks)
    results = store.per_user(finished, first.scored[0])
    fifths = figures.quintiles(results.history, results.user)
    values = [row.per_user([SELECTION], finished)[0].mean(axis=0) for row in (first, second)]
    bars = [bar for bar in axes.containers if hasattr(bar, "patches")]
    for of_row, container in zip(values, bars, strict=True):
        heights = [patch.get_height() for patch in container.patches]
        assert heights == pytest.approx([of_row[users].mean() for users in fifths])
        (lines,) = container.errorbar.lines[2]
        spans = [segment[1, 1] - segment[0, 1] for segment in lines.get_segments()]
        assert spans == pytest.approx([2 * standard_error(of_row[users]) for users in fifths])
    stars = len(axes.texts)
    assert stars == sum(
        ttest_rel(values[1][users], values[0][users]).pvalue < 0.05 for users in fifths
    )


def test_report_writes_the_papers_tables_and_figures(finished, tmp_path, capsys):
    words = [
        "report",
        "--out",
        str(finished),
        "--models",
        "mult-vae",
        "mult-dae",
        "--to",
        str(tmp_path),
    ]
    assert main([*words, "--table", "1", "2", "4", "--figure", "3"]) == 0
    said = capsys.readouterr().out
    assert said.count("Table 2: ") == 4
    tables = {f"table-{n}.{kind}" for n in (1, 2, 4) for kind in ("md", "tex", "csv", "png")}
    figure_3 = {"figures.tex", *(f"figure-3.{kind}" for kind in ("png", "pdf", "svg"))}
    assert {path.name for path in tmp_path.iterdir()} == tables | figure_3
    assert r"\toprule" in (tmp_path / "table-2.tex").read_text()
    assert (tmp_path / "table-4.png").read_bytes().startswith(b"\x89PNG")


def test_report_of_what_is_not_there_says_what_is(finished, capsys):
    for words, sentence in (
        (
            ["--models", "ease", "Mult-VAE"],
            "no record of the model 'Mult-VAE', did you mean 'mult-vae'?; known: als",
        ),
        (
            ["--datasets", "synthetic", "ml-20m"],
            "no record of the data set 'ml20m'; known: synthetic",
        ),
    ):
        assert main(["report", "--out", str(finished), *words]) == 2
        assert sentence in capsys.readouterr().err


def test_report_takes_a_name_with_its_options(found, finished, capsys):
    (label,) = {model_label(record.spec) for record in found if record.spec.model == "mult-vae"}
    assert label.startswith("mult-vae[")
    assert main(["report", "--out", str(finished), "--models", label]) == 0
    assert "mult-dae" not in capsys.readouterr().out


def test_figures_need_records_of_their_own(found, finished):
    few = [
        r.model_copy(update={"data": r.data.model_copy(update={"test_users": 9})}) for r in found
    ]
    for others in ([r.model_copy(update={"metrics": None}) for r in found], few):
        with pytest.raises(
            UsageError, match="figure 3 needs records with results on 10 test users or more"
        ):
            figures.activity(others, finished)


def test_bars_of_one_model_in_two_precisions_have_two_names(found, finished):
    vae = [record for record in found if record.spec.model == "mult-vae"]
    other = [
        r.model_copy(update={"spec": r.spec.model_copy(update={"precision": "tf32"})}) for r in vae
    ]
    (legend,) = figures.activity([*vae, *other], finished).figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert len(set(labels)) == 2
    assert labels[1].endswith("(cpu, tf32)")
    drawn = curves.draw([*vae, *other])
    assert drawn is not None
    assert {line.get_label() for line in drawn.figure.axes[0].lines} >= set(labels)


def test_twenty_rows_of_one_model_have_a_look_each_in_both_plots(found, finished):
    vae = next(record for record in found if record.spec.model == "mult-vae")
    spec = vae.spec
    configs = [spec.config | {"latent": 1 + n} for n in range(20)]
    many = [
        vae.model_copy(update={"spec": spec.model_copy(update={"config": config})})
        for config in configs
    ]
    (axes,) = figures.activity(many, finished).figure.axes
    bars = [bar for bar in axes.containers if hasattr(bar, "patches")]
    shown = [(to_hex(bar.patches[0].get_facecolor()), bar.patches[0].get_hatch()) for bar in bars]
    assert len(set(shown)) == 20
    drawn = curves.draw(many)
    assert drawn is not None
    lines = {line.get_label(): to_hex(line.get_color()) for line in drawn.figure.axes[0].lines}
    assert [lines[bar.get_label()] for bar in bars] == [color for color, _ in shown]


def test_the_papers_tables_say_what_failed_and_what_was_left_out(found, finished):
    vae = [as_ml20m(record) for record in found if record.spec.model == "mult-vae"]
    failed = vae[0].model_copy(
        update={"status": "failed", "reason": "no", "metrics": None, "per_user": None}
    )
    spec = vae[0].spec.model_copy(update={"code": "other"})
    older = vae[0].model_copy(update={"spec": spec, "finished": "1999-01-01T00:00:00+00:00"})
    last = vae[1].model_copy(update={"best_epoch": len(vae[1].curve)})
    table, *_ = paper.model_tables([failed, last, older], finished, absent=True)
    assert table.notes == [
        f"{model_label(failed.spec)} seed {failed.spec.seed}: failed: no",
        "Unfinished, and compared with no row: mult-vae (best epoch 3 of 3).",
        "Left out: 1 record of older code or protocol versions.",
    ]


def test_the_papers_data_sets_stand_in_the_tables_only_where_asked(found, finished):
    (one,) = paper.model_tables(found, finished, [])
    assert one.title.startswith(f"Table 2: {found[0].data_label} (")
    (table,) = sizes.data_table(found, finished, [])
    assert [row[0] for row in table.cells] == [found[0].data_label]
