"""What others wrote is shown as text: on a terminal, in Markdown, LaTeX, CSV and pictures."""

from __future__ import annotations

import ast
import csv
import io
import re
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from benchmark import labels, text
from benchmark.cli import complain, main
from benchmark.paths import ROOT
from benchmark.report import image, render
from benchmark.report.cells import Mean, Table
from benchmark.report.picture import Picture, in_legend

HOSTILE = [
    *(
        "\x1b[2J\x1b[31mred",
        "a\rb",
        "a\nb",
        "a\x07",
        "\x9b2J",
        "\x00",
        "\x7f",
        "a\u2028b",
        "a\u2029b",
    ),
    *("\u202egnp.exe", "\u2066x", "\u200fx", "\ufeffx", "\u061cx", "\ud800", "\U000e0041"),
]
MARKUP = [
    *(
        "<script>alert(1)</script>",
        "<img src=x onerror=y>",
        "a|b",
        "![x](http://y)",
        "[x](http://y)",
    ),
    *(
        "\\<b>",
        "\\|",
        "**best**",
        "_x_",
        "`x`",
        "$x^2$",
        "&lt;b>",
        "&#60;",
        "~~x~~",
        "<!-- x",
        "a\n| b",
    ),
]
TABLE_ENDS = [
    "[x]",
    "*x",
    "a & b",
    "50%",
    "$x$",
    "a_b",
    "\\input{x}",
    "^x",
    "~x",
    "#1",
    "a\n\nb",
    "{x",
]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_nothing_that_a_terminal_obeys_is_shown(name):
    shown = text.visible(name)
    assert "\\" in shown
    assert shown.isprintable()
    assert shown == text.visible(shown)
    shown.encode()


@pytest.mark.parametrize(
    "name", ["mult-vae[latent=8]", "données", "日本", "می\u200cخواهم", "👩‍🚀", "±†²"]
)
def test_plain_text_stays(name):
    assert text.visible(name) == name


@given(st.text())
def test_no_text_at_all_reaches_a_terminal_unseen(given_text):
    shown = text.visible(given_text, keep="\n")
    assert all(c in "\n\u200c\u200d" or ord(c) >= 32 for c in shown)
    assert not set(shown) & {"\x1b", "\x7f", "\x9b", "\u202e", "\r"}


def test_only_one_function_prints():
    """But for a trial's messages to its runner, which are JSON, and a stop before all imports."""
    found = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "benchmark").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
    ]
    assert found == ["benchmark/interrupt.py", "benchmark/run/process.py", "benchmark/text.py"]


def test_an_error_with_escapes_is_told_without_them(tmp_path, capsys):
    plugin = tmp_path / "bad.py"
    plugin.write_text("raise ValueError('\\x1b]0;owned\\x07\\u202e')\n")
    assert main(["list", "--plugin", str(plugin)]) == 2
    said = capsys.readouterr().err
    assert r"ValueError: \x1b]0;owned\x07\u202e" in said
    assert "\x1b" not in said
    complain("\x1b[1m")
    text.say_traceback(ValueError, ValueError("\x1b[1m"), None)
    assert capsys.readouterr().err == "run_all.py: \\x1b[1m\nValueError: \\x1b[1m\n"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_what_a_command_writes_is_printed_without_escapes(stream, capsys):
    written = r"b'\x1b[2Jred\n\n\xff \xe2\x80\xae'"
    code = f"import sys; sys.{stream}.buffer.write({written}); sys.exit(3)"
    assert text.say_output([sys.executable, "-c", code], ROOT, {}) == 3
    assert capsys.readouterr().out == "\\x1b[2Jred\n\n\\xff \\u202e\n"


def test_what_a_command_writes_is_printed_as_it_comes(tmp_path, monkeypatch):
    """The command ends well only once its first line was printed."""
    seen = tmp_path / "seen"
    monkeypatch.setattr(text, "say", lambda line: seen.touch())
    code = (
        "import sys, time; from pathlib import Path; print('a line', flush=True)\n"
        "for _ in range(200):\n"
        "    if Path(sys.argv[1]).exists(): sys.exit(0)\n"
        "    time.sleep(0.1)\n"
        "sys.exit(1)"
    )
    assert text.say_output([sys.executable, "-c", code, str(seen)], ROOT, {}) == 0


def test_the_contract_tests_of_a_plugin_print_no_escapes_of_its_own(tmp_path, registries, capsys):
    """Only the process of the tests has BENCH_PLUGIN; there the plugin fails."""
    plugin = tmp_path / "plugin.py"
    plugin.write_text(
        "import os\n"
        "if 'BENCH_PLUGIN' in os.environ:\n"
        "    print('\\x1b[2Jred')\n"
        "    raise ValueError\n" + Path(ROOT, "examples", "my_model.py").read_text()
    )
    assert main(["contract", str(plugin)]) == 1
    said = capsys.readouterr().out
    assert "\n\\x1b[2Jred\n" in said
    assert "\x1b" not in said


def test_a_trial_that_a_person_waits_for_has_a_plain_name(monkeypatch):
    monkeypatch.setattr(labels, "model_label", lambda spec: "\x1b[2J")
    monkeypatch.setattr(labels, "dataset_label", lambda *_: "a\rb")

    job = SimpleNamespace(
        spec=SimpleNamespace(seed=1, dataset=""), data=SimpleNamespace(options={})
    )
    assert labels.trial_label(job) == r"a\rb \x1b[2J seed 1"


def tables(name: str) -> list[Table]:
    """A table with the name in every place that a name can have."""
    rows = [[name, Mean(0.5, bold=True, sd=0.1)], [name, name]]
    return [
        Table(f"{name}: 600 test users", ["model", name], rows, [f"{name} failed: {name}"], "m")
    ]


@pytest.mark.parametrize("name", [*HOSTILE, *MARKUP], ids=ascii)
def test_markdown_has_no_html_lines_or_cells_of_a_names_own(name):
    shown = render.markdown(tables(name))
    assert "<" not in shown
    assert "](" not in shown
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202e\ud800]", shown)
    assert len(shown.splitlines()) == len(render.markdown(tables("x")).splitlines())
    lines = [line for line in shown.splitlines() if line.startswith("|")]
    assert len(lines) == 4
    assert {line.count("|") for line in lines} == {3}
    assert shown.count("**") == 2


@pytest.mark.parametrize("name", [*HOSTILE, *MARKUP, *TABLE_ENDS], ids=ascii)
def test_latex_has_no_commands_or_rows_of_a_names_own(name):
    shown = render.latex(tables(name))
    assert len(shown.splitlines()) == len(render.latex(tables("x")).splitlines())
    assert shown.count(r" \\") == 3
    assert not re.search(r"\\\\\s*[\[*]", shown)
    commands = set(re.findall(r"\\[a-zA-Z]+", shown))
    assert commands <= {
        *(
            "\\usepackage",
            "\\begin",
            "\\caption",
            "\\toprule",
            "\\midrule",
            "\\bottomrule",
            "\\end",
        ),
        *("\\centering", "\\small", "\\textwidth", "\\textheight", "\\par", "\\smallskip"),
        *("\\footnotesize", "\\raggedright"),
        *("\\textbf", "\\pm", "\\textbackslash", "\\textasciicircum", "\\textasciitilde"),
    }


@pytest.mark.parametrize("name", ["$x", "$x$", "$\\frac{$", "a$b$c_", "_x", "__", "{}", "\\alpha"])
def test_pictures_show_names_as_they_are_written(name):
    figure = Figure()
    axes = figure.subplots()
    axes.plot([1, 2], [1, 2], label=in_legend(name))
    axes.set_title(name)
    axes.set_xlabel(name)
    axes.set_yscale("log")
    axes.legend()
    figure.suptitle(name)
    figure.legend()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert image.png(Picture(figure, name)).startswith(b"\x89PNG")
        assert image.png(render.drawn(tables(name))).startswith(b"\x89PNG")
    shown = [found.get_text().strip() for found in image._drawn_texts(figure)]
    assert shown.count(name) == 5
    assert not any(
        found.get_parse_math() for found in image._drawn_texts(figure) if found.get_text()
    )
    # the powers of ten at a log axis are ours, and mathematics
    assert axes.get_yticklabels()[0].get_parse_math()


def test_a_picture_of_any_name_has_a_size_that_can_be_drawn():
    picture = render.drawn(tables("x" * 3_000))
    image.png(picture)
    assert max(picture.figure.get_size_inches()) <= image.LARGEST


FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "=", "-1-", "--"]


@pytest.mark.parametrize(
    "name", [*HOSTILE, *FORMULAS, "a,b", 'a"b', "-", "-0.5", "ease"], ids=ascii
)
def test_csv_has_no_lines_escapes_or_formulas_of_a_names_own(name):
    numbers = {"mean": -0.5, "seeds": 3, "busy": False, "low": None}
    (table,) = tables(name)
    shown = render.to_csv([replace(table, data=[{"model": name, f"{name}!": 0.1} | numbers])])
    head, row = csv.reader(io.StringIO(shown))
    assert len(shown.splitlines()) == 2
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202e\ud800]", shown)
    guard = "'" if name in FORMULAS and name != "=" else ""
    assert row == [f"{guard}{text.visible(name)}", "0.1", "-0.5", "3", "False", ""]
    guard = "'" if name[0] in "=+-@" else ""
    assert head == ["model", f"{guard}{text.visible(name)}!", *numbers]
