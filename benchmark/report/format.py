"""A table, and how it is written: Markdown for a screen, LaTeX for a paper, CSV for a program, PNG for a slide."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
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
    """What a reader must know: units, definitions, what was left out."""
    data: list[dict[str, Any]] = field(default_factory=list)
    """The same in full precision, for CSV."""


def markdown(tables: Sequence[Table]) -> str:
    """Title, table and notes of each."""
    return "\n\n".join(
        "\n\n".join([t.title, tabulate(t.cells, t.head, tablefmt="pipe", disable_numparse=True), *t.notes])
        for t in tables
    )


def latex(tables: Sequence[Table]) -> str:
    """One floating table each, with the rules of the booktabs package; the notes stand in the caption."""
    return "% needs \\usepackage{booktabs}\n" + "\n".join(map(_latex, tables))


def _latex(table: Table) -> str:
    rows = [" & ".join(map(_escaped, row)) + r" \\" for row in table.cells]
    caption = " ".join(_escaped(text if text.endswith(".") else f"{text}.") for text in [table.title, *table.notes])
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
    writer = csv.DictWriter(buffer, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def png(figure: Figure) -> bytes:
    """A picture, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return buffer.getvalue()


def drawn(tables: Sequence[Table]) -> Figure:
    """All tables one below the other, without their notes, bold cells bold."""
    from matplotlib.figure import Figure

    rows = [len(table.cells) + 1 for table in tables]
    widths = [[max(map(len, column)) for column in zip(t.head, *t.cells, strict=True)] for t in tables]
    size = 0.085 * max(sum(width) + 3 * len(width) for width in widths), 0.28 * (sum(rows) + 2 * len(tables))
    figure = Figure(figsize=size, layout="constrained")
    places = figure.subplots(len(tables), 1, squeeze=False, height_ratios=[n + 2 for n in rows])[:, 0]
    for axes, table, width in zip(places, tables, widths, strict=True):
        axes.set_axis_off()
        axes.set_title(table.title, fontsize=9, loc="left")
        plain = [[cell.replace("**", "") for cell in row] for row in table.cells]
        shares = [(one + 3) / sum(each + 3 for each in width) for one in width]
        made = axes.table(
            plain, colLabels=table.head, colWidths=shares, cellLoc="left", loc="upper left", edges="horizontal"
        )
        made.auto_set_font_size(False)
        made.set_fontsize(8)
        for (row, column), cell in made.get_celld().items():
            if row == 0 or "**" in table.cells[row - 1][column]:
                cell.set_text_props(weight="bold")
    return figure
