"""Tables in three formats, timings, learning curves."""

from __future__ import annotations

import csv
import io
import re
from statistics import fmean, median, stdev

import numpy as np
import pytest
from scipy.stats import ttest_rel

from benchmark.evaluation.metrics import HEADLINE, Metric
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.report import curves, files, format, precision
from benchmark.report.format import Table
from benchmark.report.table import results, rows
from benchmark.report.timing import frontier, pareto, timings
from benchmark.stats import paired_interval
from models.registry import MODELS


@pytest.fixture(scope="module")
def found(finished) -> list[Record]:
    """Return the records as if each trial had run alone."""
    return [r.model_copy(update={"beside_others": False}) for r in store.read_all(finished)]


def of(found: list[Record], model: str) -> list[Record]:
    return [r for r in found if r.spec.model == model]


def test_latex_is_booktabs_and_escaped():
    table = Table(
        "a_b: 50% of x^2",
        ["m", "R@20"],
        [["x_y[a=1]", "**0.5** ± 0.1 (0.2)"], ["z & w", "<1"]],
        ["{note}"],
        "n: {of}",
    )
    text = format.latex([table])
    assert r"\textbf{0.5} $\pm$ 0.1 (0.2) \\" in text
    assert r"x\_y[a=1] & " in text
    assert r"z \& w & $<$1 \\" in text
    assert r"\caption{a\_b: 50\% of x\textasciicircum{}2. \{note\}. n: \{of\}.}" in text
    order = [text.index(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")]
    assert order == sorted(order)
    assert text.count(r" \\") == 3


def test_shared_definitions_are_said_once_and_what_is_one_tables_below_each():
    one, two = (
        Table(
            f"Of a split, number {n}",
            ["m"],
            [["**x**"], ["y"]],
            ["1 record left out."],
            "m: a model",
        )
        for n in "12"
    )
    three = Table("Another", ["n"], [["z"]], [], "n: a number")
    text = format.markdown([one, two, three])
    assert [text.count(said) for said in ("1 record left out.", "m: a model", "n: a number")] == [
        2,
        1,
        1,
    ]
    assert text.index("number 2") < text.index("m: a model") < text.index("Another")
    assert format.latex([one, two, three]).count("m: a model") == 2  # floats part
    (axes,) = format.drawn([one, two, three]).axes
    first, second = ([table.title, "m", "x", "y", "1 record left out."] for table in (one, two))
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
        "x",
        "n",
    ]
    places = [found.get_position()[1] for found in axes.texts]
    assert places == sorted(places)
    assert places[-1] < axes.get_ylim()[0]


def test_markdown_and_latex_have_the_same_cells(found, finished):
    (table,) = results(found, finished, HEADLINE)
    marked, tex = format.markdown([table]), format.latex([table])
    assert len(table.cells) == 8
    for row in table.cells:
        numbers = re.findall(r"\d\.\d{4}", " ".join(row))
        assert len(numbers) in (6, 9)  # without or with a deviation over seeds
        assert any(all(number in line for number in numbers) for line in marked.splitlines())
        assert any(all(number in line for number in numbers) for line in tex.splitlines())


def test_csv_holds_the_numbers_in_full(found, finished):
    rows = list(csv.DictReader(io.StringIO(format.to_csv(results(found, finished, HEADLINE)))))
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


def test_bounds_stand_last_and_are_never_bold(found, finished):
    (table,) = results(found, finished, HEADLINE)
    assert [row[0] for row in table.cells[-2:]] == ["oracle", "bayes"]
    assert not any("**" in cell for row in table.cells[-2:] for cell in row)
    assert "are bounds, not models" in table.definitions
    (without,) = results(
        [r for r in found if r.spec.model not in ("oracle", "bayes")], finished, HEADLINE
    )
    assert "bounds" not in without.definitions


def test_models_are_compared_on_each_users_mean_over_seeds(found, finished, monkeypatch):
    given = []
    monkeypatch.setattr("benchmark.report.table.best", lambda values: given.append(values) or {0})
    results(found, finished, HEADLINE[:1])
    names = list(
        dict.fromkeys(
            row.spec.model for row in rows(found) if row.spec.model not in ("oracle", "bayes")
        )
    )
    for name, values in zip(names, given[0], strict=True):
        hits = [store.hits(finished, record) for record in of(found, name)]
        np.testing.assert_allclose(values, np.mean([HEADLINE[0](*each) for each in hits], axis=0))


def test_what_a_metric_means_stands_under_its_table(found, finished):
    (table,) = results(found, finished, [Metric("MRR", 10)])
    assert "MRR@R: 1 / rank of the first target" in table.definitions
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
            values = [r.cost[key] for r in of(found, model) if key in r.cost]
            assert row.get(key) == (median(values) if values else None)
        assert row["trials"] == len(of(found, model))


def test_trials_beside_others_are_left_out_of_timing(found):
    changed = [
        r.model_copy(update={"beside_others": r.spec.model != "ease" and r.spec.seed != 1})
        for r in found
    ]
    (table,) = timings(changed)
    assert {row[0].split("[")[0]: row[2].split(", ")[2] for row in table.cells} == dict.fromkeys(
        ("als", "bpr", "mult-vae", "mult-dae", "ease"), "1 trial"
    )
    assert "Left out: 5 trials that ran beside other trials or other work." in table.notes
    assert all(
        not t.cells for t in timings([r.model_copy(update={"beside_others": True}) for r in found])
    )


@pytest.mark.parametrize("gpu", [None, "G"])
@pytest.mark.parametrize("fact", ["cpu", "threads", "matrix_product", "variables"])
def test_timings_of_different_machines_are_different_rows(fact, gpu, found):
    vae = [
        r.model_copy(update={"environment": r.environment | {"gpu": gpu}})
        for r in of(found, "mult-vae")
    ]
    changed = {"cpu": "another", "threads": 99, "matrix_product": "another", "variables": {}}[fact]
    other = vae[1].model_copy(update={"environment": vae[1].environment | {fact: changed}})
    (table,) = timings([vae[0], other])
    assert [row[2].split(", ")[1] for row in table.cells] == ["A", "B"]
    assert [note[:3] for note in table.notes[:2]] == ["A: ", "B: "]
    assert len(timings(vae)[0].cells) == 1


def test_the_gpu_stands_beside_the_cpu(found):
    vae, ease = of(found, "mult-vae"), of(found, "ease")
    (table,) = timings([*vae, *ease])
    assert table.head[-1] == "GPU"
    assert {row[-1] for row in table.cells} == {"not measured here"}
    spec = vae[0].spec.model_copy(update={"device": "cuda", "precision": "tf32"})
    cost = vae[0].cost | {"gpu_peak_bytes": 5e8}
    gpu = vae[0].model_copy(
        update={"spec": spec, "cost": cost, "environment": vae[0].environment | {"gpu": "G"}}
    )
    (table,) = timings([*vae, *ease, gpu])
    at = table.head.index("GPU")
    by_model = {row[0].split("[")[0]: row for row in table.cells}
    assert by_model["ease"][at:] == ["not measured here", *[""] * 8]
    assert by_model["mult-vae"][2].startswith("fp32, ") or by_model["mult-vae"][2].startswith(
        "bf16, "
    )
    assert by_model["mult-vae"][at].startswith("tf32, ")
    assert (table.head[-1], by_model["mult-vae"][-1]) == ("GPU memory (MB)", "500")


def test_costs_of_a_trial(found):
    (table,) = timings(of(found, "mult-vae")[:1])
    (record, *_) = of(found, "mult-vae")
    shown = dict(zip(table.head, table.cells[0], strict=True))
    total = sum(
        record.cost[f"{part}_seconds"] for part in ("preparation", "training", "validation", "test")
    )
    assert float(shown["total (s)"]) == pytest.approx(total, rel=0.01)
    assert float(shown["users/s"]) == pytest.approx(
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
    other = vae[1].model_copy(update={"environment": vae[1].environment | {"cpu": "another"}})
    figure = pareto([vae[0], other, *of(found, "ease")])
    assert figure is not None
    called = [
        [text.get_text().split("[")[0] for text in axes.get_legend().get_texts()]
        for axes in figure.axes
    ]
    quality = {
        r.spec.model: r.metrics["NDCG@100"].mean for r in [vae[0], *of(found, "ease")] if r.metrics
    }
    best_first = sorted(quality, key=lambda name: -quality[name])
    assert [[name.split(" ")[0] for name in names] for names in called] == [
        best_first,
        ["mult-vae"],
    ]
    shown = {line.get_label().split("[")[0].split(" ")[0]: line for line in figure.axes[0].lines}
    for record in (vae[0], *of(found, "ease")):
        ((seconds, score),) = shown[record.spec.model].get_xydata()
        parts = ("preparation_seconds", "training_seconds", "validation_seconds", "test_seconds")
        assert seconds == pytest.approx(sum(record.cost[part] for part in parts))
        assert score == quality[record.spec.model]
    long = pareto([vae[0].model_copy(update={"label": f"mult-vae[{'beta_cap=0.1,' * 12}]"})])
    assert long is not None
    assert format.png(long).startswith(b"\x89PNG")  # and no warning that the axes collapsed
    assert pareto([r.model_copy(update={"beside_others": True}) for r in found]) is None


@pytest.mark.parametrize(
    ("times", "scale"), [(1.2, "linear"), (99, "linear"), (101, "log"), (1e4, "log")]
)
def test_the_axis_of_costs_bears_numbers_whatever_their_range(times, scale, found):
    vae = of(found, "mult-vae")[0]
    costs = {key: value * times for key, value in vae.cost.items() if key.endswith("_seconds")}
    figure = pareto([vae, vae.model_copy(update={"label": "dear", "cost": vae.cost | costs})])
    assert figure is not None
    (axes,) = figure.axes
    format.png(figure)  # draws it
    low, high = axes.get_xlim()
    numbers = [tick for tick in axes.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    assert axes.get_xscale() == scale
    assert len([tick for tick in numbers if tick.label1.get_text()]) >= 2


def test_rows_stand_in_the_registrys_order_whatever_finished_first(found):
    usual = [row.model for row in rows(found)]
    there = {r.spec.model for r in found}
    names = [*(name for name in MODELS if name in there), "oracle", "bayes"]
    assert [row.spec.model for row in rows(found)] == names
    times = sorted((r.finished for r in found), reverse=True)
    late = [r.model_copy(update={"finished": time}) for r, time in zip(found, times, strict=True)]
    assert [row.model for row in rows(late)] == usual
    vae = of(found, "mult-vae")[0]
    labels = ["mult-vae", "mult-vae[latent=8]", "mult-vae[latent=8,l2=0.1]", "mult-vae[latent=16]"]
    several = [vae.model_copy(update={"label": label}) for label in labels]
    assert [row.model for row in rows(several[::-1])] == labels


def test_a_failure_has_no_timing(found):
    failed = [
        r.model_copy(update={"status": "failed", "metrics": None, "per_user": None}) for r in found
    ]
    assert timings(failed) == []


def test_curves_have_a_line_for_each_row_and_quantity(found):
    figure = curves.draw(found)
    assert figure is not None
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == list(curves.PANELS.values())
    drawn = [
        {line.get_label() for line in axes.lines if not str(line.get_label()).startswith("_")}
        for axes in figure.axes
    ]
    with_loss = {r.label for r in found if r.spec.model in ("als", "mult-vae", "mult-dae")}
    vae = {r.label for r in of(found, "mult-vae")}
    assert drawn == [
        {r.label for r in found} - {"oracle", "bayes"},
        with_loss,
        vae,
        vae,
    ]
    mean = next(line for line in figure.axes[1].lines if line.get_label() in vae)
    losses = [[point["loss"] for point in r.curve] for r in of(found, "mult-vae")]
    assert list(mean.get_ydata()) == pytest.approx(
        [fmean(pair) for pair in zip(*losses, strict=True)]
    )
    assert curves.draw(of(found, "ease")) is None


def test_the_same_records_give_the_same_files(found, finished, tmp_path):
    first = files.write(found, finished, HEADLINE, tmp_path)
    names = {
        f"{name}.{kind}"
        for name in ("results", "differences", "timing")
        for kind in ("md", "tex", "csv")
    }
    plots = {f"{kind}-synthetic-{found[0].spec.split_hash[:8]}.png" for kind in ("curves", "cost")}
    assert {path.name for path in first} == names | plots
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in first}
    assert files.write(found, finished, HEADLINE, tmp_path) == []
    assert before == {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in first}
    (tmp_path / "timing.md").write_text("changed")
    assert files.write(found, finished, HEADLINE, tmp_path) == [tmp_path / "timing.md"]


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
    assert (one.model, one.precision, one.seeds) == (vae.label, "bf16", 4)
    assert (one.exact, one.rounded) == (pytest.approx(fmean(exact)), pytest.approx(fmean(rounded)))
    assert one.interval == pytest.approx(
        tuple(ttest_rel(rounded, exact).confidence_interval(0.95)), rel=1e-9
    )
    assert f"{one.rounded - one.exact:+.4f}" in precision.table([*made])
    with pytest.raises(ValueError, match="1 pairs have no interval"):
        paired_interval([0.3], [0.4])


def test_records_whose_options_differ_are_never_averaged(found):
    """A label leaves out defaults, and those may change from one checkout to the next."""
    first, second = of(found, "mult-vae")
    config = first.spec.config | {"dropout": 0.25}
    other = first.model_copy(update={"spec": first.spec.model_copy(update={"config": config})})
    (row,) = rows([other, second])
    assert ([r.id for r in row.records], row.older) == ([second.id], 1)
