"""A table, and how it is written: Markdown for a screen, LaTeX for a paper, CSV for a program, PNG for a slide."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Table:
    """Cells for a person, and the numbers behind them."""

    title: str
    head: list[str]
    cells: list[list[str]]
    """Text; ``**bold**``."""
    notes: list[str]
    """What a reader must know of this table: failures, machines, what was left out."""
    definitions: str
    """What its words and numbers are; tables that share it may say it once."""
    data: list[dict[str, Any]] = field(default_factory=list)
    """The same in full precision, for CSV."""


def counted(number: int, what: str) -> str:
    """``what`` in the singular or the plural, as in "1 trial", "2 trials"."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def markdown(tables: Sequence[Table]) -> str:
    """Title, table and notes of each; definitions of several tables below the last of them."""
    return "\n\n".join(
        "\n\n".join(
            [t.title, tabulate(t.cells, t.head, tablefmt="pipe", disable_numparse=True), *said]
        )
        for t, said in zip(tables, _said(tables), strict=True)
    )


def _said(tables: Sequence[Table]) -> list[list[str]]:
    """What stands below each table."""
    last = {table.definitions: n for n, table in enumerate(tables)}
    return [
        [*table.notes, *([table.definitions] if last[table.definitions] == n else [])]
        for n, table in enumerate(tables)
    ]


def latex(tables: Sequence[Table]) -> str:
    """One floating table each, with the rules of the booktabs package; the notes stand in the caption."""
    return "% needs \\usepackage{booktabs}\n" + "\n".join(map(_latex, tables))


def _latex(table: Table) -> str:
    rows = [" & ".join(map(_escaped, row)) + r" \\" for row in table.cells]
    said = [table.title, *table.notes, table.definitions]
    caption = " ".join(_escaped(text if text.endswith(".") else f"{text}.") for text in said)
    lines = [
        r"\begin{table}",
        rf"\caption{{{caption}}}",
        rf"\begin{{tabular}}{{{'l' * len(table.head)}}}",
        r"\toprule",
        " & ".join(map(_escaped, table.head)) + r" \\",
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    text = re.sub(r"[\\{}&%$#_^~]", lambda found: _ESCAPES.get(found[0], "\\" + found[0]), text)
    text = text.replace("±", r"$\pm$").replace("<", "$<$").replace(">", "$>$")
    return re.sub(r"\*\*(.+?)\*\*", r"\\textbf{\1}", text)


_ESCAPES = {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}


def to_csv(tables: Sequence[Table]) -> str:
    """The numbers of all tables, one header."""
    rows = [row for table in tables for row in table.data]
    buffer = io.StringIO()
    writer = csv.DictWriter(
        buffer, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def png(figure: Figure) -> bytes:
    """A picture, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return buffer.getvalue()


def drawn(tables: Sequence[Table]) -> Figure:
    """What ``markdown`` writes as a picture, with the rules of booktabs; bold cells bold."""
    from matplotlib.figure import Figure

    shown = [[[f"**{name}**" for name in t.head], *t.cells] for t in tables]
    starts = [
        [0, *accumulate(max(map(len, column)) for column in zip(*rows, strict=True))]
        for rows in shown
    ]
    width = max(*(start[-1] for start in starts), *(len(table.title) for table in tables))
    notes = [
        [line for note in said for line in wrap(note, width * 4 // 3)] for said in _said(tables)
    ]
    height = sum(len(rows) + len(said) + 3 for rows, said in zip(shown, notes, strict=True))
    figure = Figure(figsize=((width + 4) * 0.08, height * 0.2))
    # in characters and lines
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-2, width + 2), ylim=(height, 0))
    axes.set_axis_off()
    y = 1.0
    for table, rows, start, said in zip(tables, shown, starts, notes, strict=True):
        axes.text(0, y, table.title, size=9)
        below = [y + 0.4, y + 1.6, y + len(rows) + 0.6]
        axes.hlines(below, 0, start[-1], "black", linewidth=[1.2, 0.6, 1.2])
        for n, row in enumerate(rows):
            for x, cell in zip(start[:-1], row, strict=True):
                plain = cell.replace("**", "")
                axes.text(
                    x, y + 1.3 + n, plain, size=8, weight="normal" if plain == cell else "bold"
                )
        for n, text in enumerate(said):
            axes.text(0, below[-1] + 1 + n, text, size=7)
        y += len(rows) + len(said) + 3
    return figure
