"""Figures and tables as a paper prints them: widths, type, captions, names beside lines, LaTeX."""

from __future__ import annotations

import shutil
import subprocess
from itertools import pairwise

import pytest
from matplotlib.text import Annotation, Text

from benchmark.cli import main
from benchmark.evaluation.metrics import Metric
from benchmark.records import store
from benchmark.report import curves, figures, image, pareto, picture, render, select
from benchmark.report.cells import Table
from benchmark.report.contest import contests
from benchmark.report.contest_figures import budgets, forest
from benchmark.report.picture import POINTS, WIDTHS, Picture, in_print
from benchmark.report.report import Report
from benchmark.report.rows import by_split
from benchmark.report.sweep import draw, sweeps
from tests.test_shown import MARKUP


@pytest.fixture(scope="module")
def found(finished):
    return store.read_all(finished)


@pytest.fixture(scope="module")
def every(found, finished, sweep_folder, contest_folder):
    """What draws each kind of figure, by the width."""
    swept, held = store.read_all(sweep_folder), store.read_all(contest_folder)
    alone = [record.model_copy(update={"beside_others": False}) for record in found]
    (group,) = by_split(alone)
    (contest,) = contests(held, contest_folder)
    return {
        "curves": lambda width: curves.draw(group, width),
        "cost": lambda width: pareto.draw(group, width),
        "activity": lambda width: figures.activity(found, finished, width),
        "annealing": lambda width: figures.annealing(swept, sweep_folder, width),
        "beta": lambda width: draw(next(sweeps(swept)), width),
        "budgets": lambda width: budgets(contest, width),
        "forest": lambda width: forest([contest], width),
    }


KINDS = ("curves", "cost", "activity", "annealing", "beta", "budgets", "forest")


@pytest.mark.parametrize("width", WIDTHS.values())
@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_has_a_papers_width_and_type_and_nothing_reaches_over_its_edge(kind, width, every):
    made = every[kind](width)
    assert made.figure.get_figwidth() == width
    assert made.caption.endswith(".")
    image.png(made)
    made.figure.draw_without_rendering()
    texts = [text for text in made.figure.findobj(Text) if text.get_text() and text.get_visible()]
    assert {text.get_fontsize() for text in texts} == {POINTS}
    assert made.figure.get_suptitle() == ""
    wide, high = made.figure.bbox.size
    for text in image._drawn_texts(made.figure):
        if text.get_text():
            box = text.get_window_extent()
            assert min(box.x0, box.y0) >= -2, text
            assert box.x1 <= wide + 2, text
            assert box.y1 <= high + 2, text


def lines(count: int, name: str = "line {}", end: float = 1.0) -> Picture:
    @in_print
    def make() -> Picture:
        figure, (axes,) = picture.panels(1, 7.0, height=2)
        axes.set_ylim(0, 1.01)
        for n in range(count):
            axes.plot([0, 1], [0.5, end + n / 1000], label=name.format(n))
        if not picture.name_lines(axes):
            picture.add_legend(figure)
        return Picture(figure, "Lines.")

    return make()


def boxes(made: Picture):
    made.figure.draw_without_rendering()
    written = [text for text in made.figure.findobj(Annotation) if text.get_text()]
    return [Text.get_window_extent(text) for text in written]  # without what joins it to a line


@pytest.mark.parametrize("end", [0.0, 0.6, 1.0])
def test_lines_are_named_at_their_ends_where_there_is_room(end):
    made = lines(8, end=end)
    assert made.figure.legends == []
    placed = boxes(made)
    assert len(placed) == 8
    heights = [box.y0 for box in placed]
    assert heights == sorted(heights)  # in the order of the ends
    assert all(low.y1 <= high.y0 + 1 for low, high in pairwise(placed))
    axes = made.figure.axes[0].bbox
    assert min(box.x0 for box in placed) > axes.x1
    assert axes.y0 <= (placed[0].y0 + placed[0].y1) / 2 + 1
    assert (placed[-1].y0 + placed[-1].y1) / 2 <= axes.y1 + 1


@pytest.mark.parametrize("made", [lines(30), lines(3, "{} of a name " + "that is long" * 5)])
def test_without_room_there_is_a_legend_below(made):
    (legend,) = made.figure.legends
    assert boxes(made) == []
    assert legend.get_window_extent().y1 < made.figure.axes[0].bbox.y0
    assert legend.get_window_extent().width <= made.figure.bbox.width


@in_print
def points(shown) -> tuple[Picture, bool]:
    figure, (axes,) = picture.panels(1, 7.0, height=2)
    axes.plot([0, 1], [0, 1], alpha=0)
    return Picture(figure, "Points."), picture.name_points(axes, shown)


def test_points_are_named_beside_them_if_no_name_is_in_the_way():
    apart, done = points([(0.1 * n, 0.1 * n, f"p{n}") for n in range(10)])
    assert done
    placed = boxes(apart)
    assert len(placed) == 10
    for n, box in enumerate(placed):
        assert not any(box.overlaps(other) for other in placed[n + 1 :])
    close, done = points([(0.5 + n / 1e4, 0.5, f"point {n}") for n in range(9)])
    assert not done
    assert boxes(close) == []


def test_a_picture_has_its_caption_and_a_vector_does_not_and_both_stay_the_same_bytes():
    one, other = lines(30), lines(30)
    pdf, png, svg = image.vector(one, "pdf"), image.png(one), image.vector(one, "svg")
    assert (svg, png) == (image.vector(other, "svg"), image.png(other))
    assert pdf == image.vector(other, "pdf")  # it has been drawn twice before
    assert png != image.png(Picture(other.figure, "Another."))
    assert svg == image.vector(Picture(other.figure, "Another."), "svg")
    assert b"/Type3" not in pdf  # which publishers refuse
    assert not any(said in pdf + svg for said in (b"CreationDate", b"matplotlib.org", b"<dc:date>"))


def test_columns_are_chosen_in_the_order_in_which_they_are_named():
    one = Table("one", ["model", "a", "b"], [["x", "1", "2"]])
    two = Table("two", ["model", "c"], [["y", "3"]])
    chosen = select.columns({"f": [one, two], "g": [two]}, ["b", "a"])
    assert [(table.head, table.cells) for table in chosen["f"]] == [
        (["model", "b", "a"], [["x", "2", "1"]])
    ]
    assert chosen["g"] == []
    assert select.columns({"f": [one, two]}, None) == {"f": [one, two]}


def test_a_note_about_a_column_goes_with_it():
    notes = ["a: x is the best.", "b: x is the best.", "x seed 0: failed: memory"]
    one = Table("one", ["model", "a", "b"], [["x", "1", "2"]], notes)
    assert select.columns({"f": [one]}, ["b"])["f"][0].notes == notes[1:]


def test_a_person_chooses_columns_and_the_width_of_figures(finished, tmp_path, capsys):
    words = ["report", "--out", str(finished), "--to", str(tmp_path / "paper")]
    assert main([*words, "--columns", "NDCG@100", "seeds", "--width", "column"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("NDCG@100 ") > 0
    heads = [line for line in shown.splitlines() if line.startswith("| model")]
    first = [cell.strip() for cell in heads[0].strip("|").split("|")]
    assert first == ["model", "NDCG@100", "seeds"]
    tex = (tmp_path / "paper" / "figures.tex").read_text()
    assert r"\begin{figure}" in tex
    for line in tex.splitlines():
        if line.startswith(r"\includegraphics"):
            assert (tmp_path / "paper" / line.split("{")[1].rstrip("}")).read_bytes()[:4] == b"%PDF"
    assert main([*words, "--columns", "NDCG@10"]) == 2
    assert "there is no column 'NDCG@10'" in capsys.readouterr().err


PAPER = r"""\documentclass{%s}
\usepackage{booktabs,graphicx}\usepackage[export]{adjustbox}
\begin{document}\input{results}\input{differences}\input{timing}\input{figures}\input{hostile}
\end{document}
"""


@pytest.mark.slow
@pytest.mark.parametrize("paper", ["article", "report"])
def test_latex_sets_tables_and_figures_without_a_box_that_is_too_large(
    paper, found, finished, tmp_path, capsys
):
    if not (latex := shutil.which("pdflatex")):
        pytest.skip("there is no pdflatex; apt-get install texlive-latex-extra")
    names = [f"{kind}@{k}" for kind in ("Recall", "NDCG", "MAP", "Precision") for k in (5, 20, 100)]
    wide = Report(found, finished, list(map(Metric.parse, names)))
    assert main(["report", "--out", str(finished), "--to", str(tmp_path)]) == 0
    (tmp_path / "results.tex").write_text(render.latex(wide.results))
    notes = [" ".join(MARKUP)]
    rows = [[name, name] for name in MARKUP for _ in range(4)]
    hostile = Table(MARKUP[0], ["model", MARKUP[1]], rows, notes, "m")
    (tmp_path / "hostile.tex").write_text(render.latex([hostile]))
    (tmp_path / "paper.tex").write_text(PAPER % paper)
    words = [latex, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Output written" in done.stdout
    for fault in ("Overfull", "Float too large", "undefined"):
        assert fault not in done.stdout
