"""Writes tables as Markdown for a screen, LaTeX for a paper, CSV for a program, PNG for a slide."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from textwrap import wrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tabulate import tabulate

from benchmark import text
from benchmark.report.cells import Cell, Number, Table
from benchmark.report.picture import Picture


def markdown(tables: Sequence[Table]) -> str:
    """Return the title, cells, notes and definitions of each table, as Markdown.

    Definitions that several tables share stand only below the last of them.
    """
    parts: list[str] = []
    for table, below in zip(tables, paragraphs(tables), strict=True):
        shown = map(text.markdown, below)
        parts += filter(None, [text.markdown(table.title), grid(table), *shown])
    return "\n\n".join(parts)


def grid(table: Table) -> str:
    """Return the cells of a table, without its title and notes, as Markdown."""
    cells = [list(map(marked, row)) for row in table.cells]
    head = list(map(text.markdown, table.head))
    return tabulate(cells, head, tablefmt="pipe", disable_numparse=True)


def marked(cell: Cell, shown: Callable[[str], str] = text.markdown) -> str:
    """Return the text of a cell with Markdown's marks of bold type; ``shown`` makes it safe."""
    if isinstance(cell, Number) and cell.bold:
        return f"**{cell.main}**{cell.rest}"
    return shown(str(cell))


def paragraphs(tables: Sequence[Table]) -> list[list[str]]:
    """Return the paragraphs that stand below each table."""
    last = {table.definitions: n for n, table in enumerate(tables)}
    return [
        [*table.notes, *([table.definitions] if last[table.definitions] == n else [])]
        for n, table in enumerate(tables)
    ]


def latex(tables: Iterable[Table]) -> str:
    """Return each table as a LaTeX float with booktabs' rules, and its notes below it.

    A table that is wider or higher than the page is set smaller.
    """
    return "% needs \\usepackage{booktabs,adjustbox}\n" + "\n".join(map(_latex, tables))


def _latex(table: Table) -> str:
    from pandas import DataFrame

    notes = [text.latex(note) for note in (*table.notes, table.definitions) if note]
    names = list(map(text.latex, table.head))
    cells = DataFrame([[_tex(cell) for cell in row] for row in table.cells], dtype=object)
    style = cells.style.hide(axis="index")
    # the names are set only here, since a DataFrame may not have two columns of one name
    style.format_index(names.__getitem__, axis="columns")
    tabular = style.to_latex(hrules=True, column_format="l" * len(names))
    return FLOAT.format(
        caption=text.latex(table.title),
        tabular=tabular,
        notes="\n".join(rf"\par {n}" for n in notes),
    )


FLOAT = r"""\begin{{table*}}
\centering
\caption{{{caption}}}
\small
\begin{{adjustbox}}{{max width=\textwidth, max totalheight=0.8\textheight}}
{tabular}\end{{adjustbox}}
\par\smallskip
\begin{{minipage}}{{\textwidth}}
\footnotesize\raggedright
{notes}
\end{{minipage}}
\end{{table*}}
"""
"""A table over the width of the page; what is in braces is filled in."""


def _tex(cell: Cell) -> str:
    if isinstance(cell, Number) and cell.bold:
        return rf"\textbf{{{text.latex(cell.main)}}}{text.latex(cell.rest)}"
    return text.latex(str(cell))


def to_csv(tables: Iterable[Table]) -> str:
    """Return the numbers of all tables as one CSV file with one header."""
    from pandas import DataFrame

    csv_rows = [
        {text.spreadsheet(name): _field(value) for name, value in row.items()}
        for table in tables
        for row in table.data
    ]
    # of type object, so that whole numbers stay whole beside an empty field
    return DataFrame(csv_rows, dtype=object).to_csv(index=False, lineterminator="\n")


def _field(value: Any) -> Any:
    """Return a value as a CSV file has it: a text made safe, all else as it is."""
    return text.spreadsheet(value) if isinstance(value, str) else value


def drawn(tables: Sequence[Table]) -> Picture:
    """Return a figure of what ``markdown`` writes, with bold cells and the rules of booktabs."""
    starts = [_starts(table) for table in tables]
    width = max(*(start[-1] for start in starts), *(len(table.title) for table in tables))
    # notes are set in smaller type
    texts = [_wrapped(below, width * 4 // 3) for below in paragraphs(tables)]
    height = sum(_lines(table, notes) for table, notes in zip(tables, texts, strict=True))
    figure = Figure(figsize=((width + 4) * 0.08, height * 0.2), dpi=150)
    # a unit is a character across and a line down
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-2, width + 2), ylim=(height, 0))
    axes.set_axis_off()
    y = 1.0
    for table, start, notes in zip(tables, starts, texts, strict=True):
        _draw(axes, y, table, start, notes)
        y += _lines(table, notes)
    return Picture(figure, "")


def _wrapped(paragraphs: Sequence[str], width: int) -> list[str]:
    """Return the lines of the paragraphs, none longer than ``width`` characters."""
    return [line for paragraph in paragraphs for line in wrap(paragraph, width)]


def _starts(table: Table) -> list[int]:
    """Return where each column begins, and where the last one ends, in characters."""
    # bold type is wider, and its marks make the text longer by about as much
    head = [f"**{name}**" for name in table.head]
    texts = [head, *(list(map(marked, row)) for row in table.cells)]
    return [0, *accumulate(max(map(len, column)) for column in zip(*texts, strict=True))]


def _lines(table: Table, notes: Sequence[str]) -> int:
    """Return how many lines a table takes, with its title, head and notes and the space between."""
    return len(table.cells) + len(notes) + 4


def _draw(axes: Axes, y: float, table: Table, start: Sequence[int], notes: Sequence[str]) -> None:
    """Draw one table, with its title at the line ``y``."""
    end = y + len(table.cells) + 1.6
    axes.text(0, y, table.title, size=9)
    axes.hlines([y + 0.4, y + 1.6, end], 0, start[-1], "black", linewidth=[1.2, 0.6, 1.2])
    for n, row in enumerate([table.head, *table.cells]):
        for x, cell in zip(start[:-1], row, strict=True):
            bold = n == 0 or (isinstance(cell, Number) and cell.bold)
            axes.text(x, y + 1.3 + n, str(cell), size=8, weight="bold" if bold else "normal")
    for n, note in enumerate(notes):
        axes.text(0, end + 1 + n, note, size=7)
