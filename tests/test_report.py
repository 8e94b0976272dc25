"""Tables in three formats, timings, learning curves."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median, stdev

import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel
from scipy.stats import ttest_rel

from benchmark.cli import main
from benchmark.evaluation.metrics import HEADLINE, Metric, standard_error
from benchmark.labels import model_label
from benchmark.records import store
from benchmark.records.record import Estimate, Record
from benchmark.report import (
    compare,
    curves,
    figures,
    files,
    image,
    pareto,
    precision,
    render,
    sweep,
    table,
    timing,
    tuning,
)
from benchmark.report.cells import Number, Table, UserMean
from benchmark.report.pareto import frontier
from benchmark.report.report import Report
from benchmark.report.rows import models, rows
from benchmark.report.timing import timings
from benchmark.stats import leaders, paired_interval
from datasets.own import FileConfig, SplitConfig
from models.registry import MODELS
from tests.conftest import results, run_tiny, small_file


@pytest.fixture(scope="module")
def found(finished) -> list[Record]:
    """As if each trial had run alone."""
    return [r.model_copy(update={"beside_others": False}) for r in store.read_all(finished)]


def of(found: list[Record], model: str) -> list[Record]:
    return [r for r in found if r.spec.model == model]


def configured(record: Record, options: dict[str, object]) -> Record:
    """The record of a trial with these options besides its own."""
    spec = record.spec.model_copy(update={"config": record.spec.config | options})
    return record.model_copy(update={"spec": spec})


def test_no_cost_is_past_all_bounds(found):
    instant = {"test_seconds": 5e-324}
    odd = [r.model_copy(update={"cost": r.cost.model_copy(update=instant)}) for r in found]
    shown = timings(odd)
    assert "inf" not in render.to_csv(shown)
    assert not re.search(r"\binf\b", render.markdown(shown))


def test_latex_is_booktabs_and_escaped():
    table = Table(
        "a_b: 50% of x^2",
        ["m", "R@20"],
        [["x_y[a=1]", UserMean(0.5, ".1f", bold=True, sd=0.1, stderr=0.2)], ["z & w", "<1"]],
        ["{note}"],
        "n: {of}",
    )
    text = render.latex([table])
    assert r"\textbf{0.5} $\pm$ 0.1 (0.2) \\" in text
    assert r"x\_y[a=1] & " in text
    assert r"z \& w & $<$1 \\" in text
    assert r"\caption{a\_b: 50\% of x\textasciicircum{}2}" in text
    notes = [line for line in text.splitlines() if line.startswith(r"\par ")]
    assert notes == [r"\par \{note\}", r"\par n: \{of\}"]
    order = [text.index(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")]
    assert order == sorted(order)
    assert text.count(r" \\") == 3


def test_shared_definitions_are_said_once_and_what_is_one_tables_below_each():
    one, two = (
        Table(
            f"Of a split, number {n}",
            ["m"],
            [[Number(1, "", bold=True)], ["y"]],
            ["1 record left out."],
            "m: a model",
        )
        for n in "12"
    )
    three = Table("Another", ["n"], [["z"]], [], "n: a number")
    text = render.markdown([one, two, three])
    assert [text.count(said) for said in ("1 record left out.", "m: a model", "n: a number")] == [
        2,
        1,
        1,
    ]
    assert text.index("number 2") < text.index("m: a model") < text.index("Another")
    assert render.latex([one, two, three]).count("m: a model") == 2  # floats part
    (axes,) = render.drawn([one, two, three]).figure.axes
    first, second = ([table.title, "m", "1", "y", "1 record left out."] for table in (one, two))
    drawn = {found.get_text(): found for found in axes.texts}
    assert [found.get_text() for found in axes.texts] == [
        *first,
        *second,
        "m: a model",
        "Another",
        "n",
        "z",
        "n: a number",
    ]
    assert [text for text, found in drawn.items() if found.get_weight() == "bold"] == [
        "m",
        "1",
        "n",
    ]
    places = [found.get_position()[1] for found in axes.texts]
    assert places == sorted(places)
    assert places[-1] < axes.get_ylim()[0]


def test_markdown_and_latex_have_the_same_cells(found, finished):
    (table,) = results(found, finished, HEADLINE)
    marked, tex = render.markdown([table]), render.latex([table])
    assert len(table.cells) == 8
    for row in table.cells:
        numbers = re.findall(r"\d\.\d{4}", " ".join(map(str, row)))
        assert len(numbers) in (6, 9)  # without or with a deviation over seeds
        assert any(all(number in line for number in numbers) for line in marked.splitlines())
        assert any(all(number in line for number in numbers) for line in tex.splitlines())


def test_csv_holds_the_numbers_in_full(found, finished):
    rows = list(csv.DictReader(io.StringIO(render.to_csv(results(found, finished, HEADLINE)))))
    assert len(rows) == 8 * 3
    for row in rows:
        mine = of(found, row["model"].split("[")[0])
        metrics = [r.metrics[row["metric"]] for r in mine if r.metrics]
        assert float(row["mean"]) == pytest.approx(fmean(m.mean for m in metrics), rel=1e-12)
        assert float(row["stderr_over_users"]) == pytest.approx(
            fmean(m.stderr for m in metrics), rel=1e-12
        )
        spread = stdev(m.mean for m in metrics) if len(metrics) > 1 else None
        assert (float(row["sd_over_seeds"]) if row["sd_over_seeds"] else None) == pytest.approx(
            spread
        )
        assert (int(row["trials"]), int(row["scored"])) == (len(mine), len(mine))


def test_bounds_stand_last_and_are_never_bold(found, finished, monkeypatch):
    monkeypatch.setattr("benchmark.stats.COARSE", 1)  # few users, on whom little can be found
    (table,) = results(found, finished, HEADLINE)
    assert [row[0] for row in table.cells[-2:]] == ["oracle", "bayes"]
    assert not any(cell.bold for row in table.cells[-2:] for cell in row[4:])
    assert any(cell.bold for row in table.cells for cell in row[4:])
    assert "are bounds, not models" in table.definitions
    (without,) = results(
        [r for r in found if r.spec.model not in ("oracle", "bayes")], finished, HEADLINE
    )
    assert "bounds" not in without.definitions


def test_rows_are_compared_with_the_best_on_the_same_users_and_seeds(found, finished, monkeypatch):
    monkeypatch.setattr("benchmark.stats.COARSE", 1)  # few users, on whom little can be found
    (table,) = results(found, finished, HEADLINE[:1])
    competing = models(rows(found))
    values = [row.per_user(HEADLINE[:1], finished)[0] for row in competing]
    leading = leaders(values)
    assert leading is not None
    assert leading.level
    best, *level = (competing[n].label for n in (leading.best, *leading.level))
    assert table.notes[0] == (
        f"Recall@20: the best mean is that of {best}; not shown to be below it: "
        f"{', '.join(level)}; detectable {leading.detectable:.4f}."
    )
    bold = [str(row[0]) for row in table.cells if isinstance(row[4], Number) and row[4].bold]
    assert sorted(bold) == sorted([best, *level])


def few_users(records: Sequence[Record], folder: Path, to: Path, users: int) -> list[Record]:
    """Return the records as if there had been only the first test users; their files lie in
    ``to``.
    """
    made = []
    for record in records:
        assert record.per_user is not None
        per_user = pq.read_table(folder / record.per_user.file).slice(0, users)
        pq.write_table(per_user, to / record.per_user.file)
        digest = hashlib.sha256((to / record.per_user.file).read_bytes()).hexdigest()
        stored = record.per_user.model_copy(update={"sha256": digest})
        data = record.data.model_copy(update={"test_users": users})
        fewer = record.model_copy(update={"per_user": stored, "data": data})
        hits = store.results_of(to, fewer)
        values = {str(metric): metric(hits.hit, hits.targets) for metric in HEADLINE}
        metrics = {
            name: Estimate(mean=float(each.mean()), stderr=standard_error(each))
            for name, each in values.items()
        }
        made.append(fewer.model_copy(update={"metrics": metrics}))
    return made


def test_tests_that_would_find_nothing_mark_nothing(found, finished):
    (table,) = results(found, finished, HEADLINE[:1])
    assert not any(cell.bold for row in table.cells for cell in row if isinstance(cell, Number))
    assert ", but no row is bold, since the tests are too coarse; detectable 0." in table.notes[0]


def test_one_user_has_no_standard_error_and_no_comparison(found, finished, tmp_path):
    (table,) = results(few_users(found, finished, tmp_path, 1), tmp_path, HEADLINE[:1])
    assert all(str(row[4]).endswith(" (-)") for row in table.cells)
    assert not any(cell.bold for row in table.cells for cell in row if isinstance(cell, Number))
    assert not any("the best mean" in note for note in table.notes)


def test_a_row_whose_score_still_rises_competes_with_nothing(found, finished):
    vae = [r.model_copy(update={"best_epoch": len(r.curve)}) for r in of(found, "mult-vae")]
    others = [r for r in found if r.spec.model != "mult-vae"]
    (table,) = results([*vae, *others], finished, HEADLINE[:1])
    label = model_label(vae[0].spec)
    (row,) = [row for row in table.cells if str(row[0]).startswith(label)]
    assert row[0] == f"{label} (unfinished)"
    assert isinstance(row[4], Number)
    assert not row[4].bold
    epochs = len(vae[0].curve)
    assert table.notes[-1].startswith("Unfinished, and compared with no row: ")
    assert f"{label} (best epoch {epochs} of {epochs})" in table.notes[-1]
    (pairs,) = compare.differences([*vae, *others], finished, HEADLINE[:1])
    assert label not in pairs.head


def test_one_test_user_has_results_and_no_comparisons(tmp_path, capsys):
    data = ["--datasets", small_file(tmp_path), "--models", "popularity", "ease"]
    assert run_tiny(tmp_path / "out", *data, "--set", "held_out=1") == 0
    assert main(["report", "--out", str(tmp_path / "out"), "--to", str(tmp_path / "to")]) == 0
    said = capsys.readouterr().out
    assert "detectable" not in said
    assert "**" not in said
    assert sorted(path.name for path in (tmp_path / "to").glob("*.csv")) == [
        "results.csv",
        "timing.csv",
    ]


def test_what_a_metric_means_stands_under_its_table(found, finished):
    (table,) = results(found, finished, [Metric("MRR", 10)])
    assert "MRR@R is 1 / rank of the first target" in table.definitions
    assert "Recall@R" not in table.definitions


def test_timing_is_the_median_over_trials(found):
    (table,) = timings(found)
    rows = {row["model"].split("[")[0]: row for row in table.data}
    assert rows.keys() == {"popularity", "ease", "als", "bpr", "mult-vae", "mult-dae"}
    for model, row in rows.items():
        for key in (
            "training_seconds",
            "median_epoch_seconds",
            "to_best_seconds",
            "process_peak_bytes",
        ):
            costs = [getattr(r.cost, key) for r in of(found, model)]
            values = [cost for cost in costs if cost is not None]
            assert row.get(key) == (median(values) if values else None)
        assert row["trials"] == len(of(found, model))


def test_trials_beside_others_are_left_out_of_timing(found):
    changed = [
        r.model_copy(update={"beside_others": r.spec.model != "ease" and r.spec.seed != 1})
        for r in found
    ]
    (table,) = timings(changed)
    alone = dict.fromkeys(("als", "bpr", "mult-vae", "mult-dae", "ease"), "1 trial")
    shown = {row[0].split("[")[0]: row[2].split(", ")[2] for row in table.cells}
    assert shown == alone | {"popularity": "1 busy trial"}
    assert any(note.startswith("Busy trials ran beside other trials") for note in table.notes)
    assert "Left out: 4 trials that ran beside other trials or other work." in table.notes
    assert {row["model"].split("[")[0]: row["busy"] for row in table.data} == {
        name: name == "popularity" for name in shown
    }


def test_where_all_trials_were_busy_the_table_says_so_and_the_plot_is_left_out(found):
    busy = [r.model_copy(update={"beside_others": True}) for r in found]
    (table,) = timings(busy)
    assert all("busy trial" in str(row[2]) for row in table.cells)
    assert not any(note.startswith("Left out") for note in table.notes)
    assert pareto.draw([r for r in busy if r.metrics and r.curve]) is None


@pytest.mark.parametrize("gpu", [None, "G"])
@pytest.mark.parametrize("fact", ["cpu", "threads", "matrix_product", "variables", "pages"])
def test_timings_of_different_machines_are_different_rows(fact, gpu, found):
    vae = [
        r.model_copy(update={"environment": r.environment.model_copy(update={"gpu": gpu})})
        for r in of(found, "mult-vae")
    ]
    changed = {
        "cpu": "another",
        "threads": 99,
        "matrix_product": "another",
        "variables": {"MALLOC_TRIM_THRESHOLD_": "1"},
        "pages": {"MALLOC_TRIM_THRESHOLD_": "1", "GLIBC_TUNABLES": "a=1:glibc.malloc.hugetlb=1"},
    }[fact]
    if fact == "pages":
        fact, kept = "variables", {"MALLOC_TRIM_THRESHOLD_": "1"}
        facts = vae[0].environment.model_copy(update={"variables": kept})
        vae[0] = vae[0].model_copy(update={"environment": facts})
    other = vae[1].model_copy(
        update={"environment": vae[1].environment.model_copy(update={fact: changed})}
    )
    (table,) = timings([vae[0], other])
    assert [row[2].split(", ")[1] for row in table.cells] == ["A", "B"]
    assert [note[:3] for note in table.notes[:2]] == ["A: ", "B: "]
    assert len(timings([vae[0]] * 2)[0].cells) == 1


def test_the_gpu_stands_beside_the_cpu(found):
    vae, ease = of(found, "mult-vae"), of(found, "ease")
    (table,) = timings([*vae, *ease])
    assert table.head[-1] == "GPU"
    assert {row[-1] for row in table.cells} == {"not measured here"}
    spec = vae[0].spec.model_copy(update={"device": "cuda", "precision": "tf32"})
    cost = vae[0].cost.model_copy(update={"gpu_peak_bytes": 500_000_000})
    gpu = vae[0].model_copy(
        update={
            "spec": spec,
            "cost": cost,
            "environment": vae[0].environment.model_copy(update={"gpu": "G"}),
        }
    )
    (table,) = timings([*vae, *ease, gpu])
    at = table.head.index("GPU")
    by_model = {row[0].split("[")[0]: row for row in table.cells}
    assert by_model["ease"][at:] == ["not measured here", *[""] * 8]
    assert by_model["mult-vae"][2].startswith("fp32, ") or by_model["mult-vae"][2].startswith(
        "bf16, "
    )
    assert by_model["mult-vae"][at].startswith("tf32, ")
    assert (table.head[-1], str(by_model["mult-vae"][-1])) == ("GPU memory (MB)", "500")


def test_costs_of_a_trial(found):
    (table,) = timings(of(found, "mult-vae")[:1])
    (record, *_) = of(found, "mult-vae")
    shown = dict(zip(table.head, table.cells[0], strict=True))
    total = sum(
        getattr(record.cost, f"{part}_seconds")
        for part in ("preparation", "training", "validation", "test")
    )
    assert shown["total (s)"].value == pytest.approx(total, rel=0.01)
    assert shown["users/s"].value == pytest.approx(
        record.data.test_users / record.cost.test_seconds, rel=0.01
    )
    assert (
        record.cost.to_best_seconds
        <= record.cost.preparation_seconds + record.cost.training_seconds
    )


def test_the_frontier_is_what_nothing_beats_in_both():
    points = [(3.0, 0.4), (1.0, 0.2), (2.0, 0.2), (1.0, 0.1), (4.0, 0.35), (5.0, 0.5)]
    assert frontier(points) == [(1.0, 0.2), (3.0, 0.4), (5.0, 0.5)]


def test_quality_against_time_has_a_panel_for_each_machine(found):
    vae = of(found, "mult-vae")
    other = vae[1].model_copy(
        update={"environment": vae[1].environment.model_copy(update={"cpu": "another"})}
    )
    picture = pareto.draw([vae[0], other, *of(found, "ease")])
    assert picture is not None
    figure, machine = picture.figure, vae[0].environment.cpu
    assert f"(a) {machine}" in picture.caption
    assert "(b) another" in picture.caption
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["a", "b"]
    called = [[line.get_label() for line in axes.lines[1:]] for axes in figure.axes]
    quality = {
        r.spec.model: r.metrics["NDCG@100"].mean for r in [vae[0], *of(found, "ease")] if r.metrics
    }
    best_first = sorted(quality, key=lambda name: -quality[name])
    assert [[re.split(r"[\[ ]", str(name))[0] for name in names] for names in called] == [
        best_first,
        ["mult-vae"],
    ]
    shown = {line.get_label().split("[")[0].split(" ")[0]: line for line in figure.axes[0].lines}
    for record in (vae[0], *of(found, "ease")):
        ((seconds, score),) = shown[record.spec.model].get_xydata()
        parts = ("preparation_seconds", "training_seconds", "validation_seconds", "test_seconds")
        assert seconds == pytest.approx(sum(getattr(record.cost, part) for part in parts))
        assert score == quality[record.spec.model]
    long = pareto.draw([configured(vae[0], {f"option_{n}": 0.1 for n in range(12)})])
    assert long is not None
    assert image.png(long).startswith(b"\x89PNG")  # and no warning that the axes collapsed
    assert pareto.draw([r.model_copy(update={"beside_others": True}) for r in found]) is None


@pytest.mark.parametrize(
    ("times", "scale"), [(1.2, "linear"), (99, "linear"), (101, "log"), (1e4, "log")]
)
def test_the_axis_of_costs_bears_numbers_whatever_their_range(times, scale, found):
    vae = of(found, "mult-vae")[0]
    dear = {
        key: value * times
        for key, value in vae.cost.model_dump(exclude_none=True).items()
        if key.endswith("_seconds")
    }
    picture = pareto.draw(
        [
            vae,
            configured(vae, {"dear": True}).model_copy(
                update={"cost": vae.cost.model_copy(update=dear)}
            ),
        ]
    )
    assert picture is not None
    (axes,) = picture.figure.axes
    image.png(picture)  # draws it
    low, high = axes.get_xlim()
    numbers = [tick for tick in axes.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    assert axes.get_xscale() == scale
    assert len([tick for tick in numbers if tick.label1.get_text()]) >= 2


def test_rows_stand_in_the_registrys_order_whatever_finished_first(found):
    before = [row.label for row in rows(found)]
    there = {r.spec.model for r in found}
    names = [*(name for name in MODELS if name in there), "oracle", "bayes"]
    assert [row.spec.model for row in rows(found)] == names
    times = sorted((r.finished for r in found), reverse=True)
    late = [r.model_copy(update={"finished": time}) for r, time in zip(found, times, strict=True)]
    assert [row.label for row in rows(late)] == before
    vae = of(found, "mult-vae")[0]
    usual = MODELS["mult-vae"].config.model_dump(mode="json")
    options = [
        {},
        {"latent": 8},
        {"latent": 8, "l2": 1e-5},
        {"latent": 8, "l2": 0.1},
        {"latent": 16},
    ]
    several = [configured(vae, usual | changed) for changed in options]
    assert [row.label for row in rows(several[::-1])] == [
        "mult-vae",
        "mult-vae[latent=8]",
        "mult-vae[latent=8,l2=1e-05]",
        "mult-vae[latent=8,l2=0.1]",
        "mult-vae[latent=16]",
    ]


def test_a_failure_has_no_timing(found):
    failed = [
        r.model_copy(update={"status": "failed", "metrics": None, "per_user": None}) for r in found
    ]
    assert timings(failed) == []


def test_curves_have_a_line_for_each_row_and_quantity(found):
    picture = curves.draw(found)
    assert picture is not None
    figure = picture.figure
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == ["validation NDCG@100", *list(curves.PANELS.values())[1:]]
    drawn = [
        {line.get_label() for line in axes.lines if not str(line.get_label()).startswith("_")}
        for axes in figure.axes
    ]
    called = {row.spec.model: row.label for row in rows(found)}
    with_loss = {called[model] for model in ("als", "mult-vae", "mult-dae")}
    vae = {called["mult-vae"]}
    assert drawn == [set(called.values()) - {"oracle", "bayes"}, with_loss, vae, vae]
    mean = next(line for line in figure.axes[1].lines if line.get_label() in vae)
    losses = [[point["loss"] for point in r.curve] for r in of(found, "mult-vae")]
    assert list(mean.get_ydata()) == pytest.approx(
        [fmean(pair) for pair in zip(*losses, strict=True)]
    )
    assert curves.draw(of(found, "ease")) is None


def write(report: Report, to: Path) -> list[Path]:
    return files.write(to, report.tables, report.figures)


def test_the_same_records_give_the_same_files(found, finished, tmp_path):
    first = write(Report(found, finished, HEADLINE), tmp_path)
    names = {
        f"{name}.{kind}"
        for name in ("results", "differences", "timing")
        for kind in ("md", "tex", "csv")
    }
    plots = {f"{kind}-synthetic-{found[0].spec.split_hash[:8]}.png" for kind in ("curves", "cost")}
    assert {path.name for path in first} == names | plots
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in first}
    again = Report(found[::-1], finished, HEADLINE)
    assert write(again, tmp_path) == []
    assert before == {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in first}
    (tmp_path / "timing.md").write_text("changed")
    assert write(again, tmp_path) == [tmp_path / "timing.md"]


def test_a_report_makes_each_part_once_and_a_screen_needs_no_differences(
    finished, tmp_path, monkeypatch, capsys
):
    made = []

    def count(module, name: str) -> None:
        real, part = getattr(module, name), (module.__name__, name)
        monkeypatch.setattr(module, name, lambda *given: made.append(part) or real(*given))

    shown = [(table, "scored"), (compare, "standings"), (sweep, "sweeps"), (tuning, "tunings")]
    shown.append((timing, "timings"))
    written = [*shown, (compare, "differences"), (curves, "draw"), (pareto, "draw")]
    for module, name in written:
        count(module, name)
    assert main(["report", "--out", str(finished)]) == 0
    assert sorted(made) == sorted((module.__name__, name) for module, name in shown)
    made.clear()
    assert main(["report", "--out", str(finished), "--to", str(tmp_path)]) == 0
    assert sorted(made) == sorted((module.__name__, name) for module, name in written)


def test_csv_keeps_whole_numbers_whole_and_nothing_empty():
    data = [{"a": 1, "b": None, "c": 0.1 + 0.2}, {"a": None, "d": True, "c": None}]
    assert render.to_csv([Table("t", ["h"], [["x"]], data=data)]) == (
        "a,b,c,d\n1,,0.30000000000000004,\n,,,True\n"
    )


def test_latex_has_two_columns_of_one_name():
    tex = render.latex([Table("t", ["m", "p", "p"], [["a", "b", UserMean(0.25, ".2f", sd=None)]])])
    assert "m & p & p \\\\\n" in tex
    assert "a & b & 0.25 $\\pm$ - (-) \\\\\n" in tex


def test_precisions_are_compared_over_the_seeds_that_both_have(found):
    def scored(record: Record, seed: int, precision: str, mean: float) -> Record:
        assert record.metrics is not None
        spec = record.spec.model_copy(update={"seed": seed, "precision": precision})
        metric = record.metrics["NDCG@100"].model_copy(update={"mean": mean})
        return record.model_copy(
            update={"spec": spec, "metrics": record.metrics | {"NDCG@100": metric}}
        )

    exact, rounded = [0.30, 0.31, 0.33, 0.32], [0.301, 0.308, 0.334, 0.327]
    vae, dae = of(found, "mult-vae")[0], of(found, "mult-dae")[0]
    made = [scored(vae, seed, "fp32", mean) for seed, mean in enumerate([*exact, 0.9])]
    made += [
        scored(vae, seed + 10 * (seed == 4), "bf16", mean)
        for seed, mean in enumerate([*rounded, 0.1])
    ]
    # one pair has no interval
    made += [scored(dae, 0, precision, 0.3) for precision in ("fp32", "bf16")]
    (one,) = precision.compared([*of(found, "ease"), *made[::-1]])
    assert (one.model, one.precision, one.seeds) == (model_label(vae.spec), "bf16", 4)
    assert (one.exact, one.rounded) == (pytest.approx(fmean(exact)), pytest.approx(fmean(rounded)))
    assert one.interval == pytest.approx(
        tuple(ttest_rel(rounded, exact).confidence_interval(0.95)), rel=1e-9
    )
    assert f"{one.rounded - one.exact:+.4f}" in render.markdown([precision.table(made)])
    with pytest.raises(ValueError, match="1 pairs have no interval"):
        paired_interval([0.3], [0.4])


def test_records_whose_options_differ_are_never_averaged(found):
    first, second = of(found, "mult-vae")
    for options in ({"dropout": 0.25}, {"likelihood": {"c1": 3.0}}):
        other = configured(first, options)
        assert [[r.id for r in row.records] for row in rows([other, second])] != [[first.id] * 2]
        assert [(len(row.records), row.older) for row in rows([other, second])] == [(1, 0)] * 2


def as_of(record: Record, dataset: str, options: BaseModel) -> Record:
    """The record as if it were of another data set."""
    spec = record.spec.model_copy(update={"dataset": dataset})
    data = record.data.model_copy(update={"options": options.model_dump(mode="json")})
    return record.model_copy(update={"spec": spec, "data": data})


def test_a_file_of_ones_own_has_its_whole_name_over_its_figures(found, finished):
    mine = [as_of(r, "file:ratings", FileConfig(held_out=9)) for r in found]
    picture = figures.activity(mine, finished)
    (axes,) = picture.figure.axes
    assert axes.get_title() == "file:ratings[held_out=9]"
    assert "on file:ratings[held_out=9] (" in picture.caption
    (table,) = results(mine, finished, HEADLINE)
    assert table.title.startswith("file:ratings[held_out=9]: ")
    split = as_of(found[0], "file:six-files", SplitConfig())
    assert split.data_label == "file:six-files"
