"""A table, and how it is written: Markdown for a screen, LaTeX for a paper, CSV for a program."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tabulate import tabulate


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
