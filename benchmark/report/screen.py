"""Tables as a person sees them on a terminal, none wider than it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from textwrap import fill

from tabulate import tabulate

from benchmark import text
from benchmark.report import render
from benchmark.report.cells import Cell, Table


def show(tables: Sequence[Table]) -> None:
    """Print tables: as Markdown, but on a terminal in parts that are no wider than it."""
    if sys.stdout.isatty():
        text.say(fitted(tables, shutil.get_terminal_size().columns))
    else:
        text.say(render.markdown(tables))


def fitted(tables: Sequence[Table], width: int) -> str:
    """Return the tables, their titles and notes, if possible in ``width`` characters."""
    shown: list[str] = []
    for table, below in zip(tables, render.paragraphs(tables), strict=True):
        brief = without_constants(table)
        parts = list(_parts(_columns(brief, width), width))
        title, *notes = (
            fill(text.visible(line), width, break_on_hyphens=False)
            for line in [brief.title, *below]
        )
        shown += filter(None, [title, *parts, *notes])
    return "\n\n".join(shown)


def without_constants(table: Table) -> Table:
    """Return the table with each column of text that says one thing only in its title instead."""
    columns = list(zip(*table.cells, strict=True))
    constant = [n for n, column in enumerate(columns) if n and _says_one_thing(column)]
    kept = [n for n in range(len(table.head)) if n not in constant]
    said = dict.fromkeys(f"{table.head[n]}: {columns[n][0]}" for n in constant)
    return replace(
        table,
        title="; ".join([table.title, *said]),
        head=[table.head[n] for n in kept],
        cells=[[row[n] for n in kept] for row in table.cells],
    )


def _says_one_thing(column: Sequence[Cell]) -> bool:
    return len(column) > 1 and isinstance(column[0], str) and len(set(column)) == 1


def _columns(table: Table, width: int) -> list[list[str]]:
    """Return the columns of a table, each with its head first; long names of rows are broken."""
    rows = [[render.marked(cell, text.visible) for cell in row] for row in table.cells]
    names, *others = zip(map(text.visible, table.head), *rows, strict=True)
    return [[text.broken(name, width // 2) for name in names], *map(list, others)]


def _parts(columns: Sequence[list[str]], width: int) -> Iterator[str]:
    """Yield the parts of a table, each with the columns that tell its rows apart."""
    key = _key(columns)
    part = key
    groups = _groups(columns[len(key) :])
    for group in chain.from_iterable(_narrowed(key, group, width) for group in groups):
        if part != key and _width(_grid([*part, *group])) > width:
            yield _grid(part)
            part = key
        part = [*part, *group]
    yield _grid(part)


def _groups(columns: Sequence[list[str]]) -> list[list[list[str]]]:
    """Return the columns, with one whose head others have too beside the column that it follows."""
    heads = [column[0] for column in columns]
    groups: list[list[list[str]]] = []
    for column in columns:
        if groups and heads.count(column[0]) > 1:
            groups[-1].append(column)
        else:
            groups.append([column])
    return groups


def _narrowed(
    key: list[list[str]], group: list[list[str]], width: int
) -> Iterator[list[list[str]]]:
    """Yield a group of columns; one by one, in broken lines, if it is too wide beside the key."""
    if _width(_grid([*key, *group])) <= width:
        yield group
        return
    # two blanks stand before a column, and tabulate leaves two beside a head
    room = max(width - _width(_grid(key)) - 4, 1)
    for column in group:
        yield [[fill(cell, room, break_on_hyphens=False) for cell in column]]


def _key(columns: Sequence[list[str]]) -> list[list[str]]:
    """Return the fewest of the first columns that no two rows have in common; else the first."""
    for count in range(1, len(columns) + 1):
        names = list(zip(*columns[:count], strict=True))
        if len(set(names)) == len(names):
            return list(columns[:count])
    return list(columns[:1])


def _grid(columns: Sequence[list[str]]) -> str:
    head, *rows = zip(*columns, strict=True)
    return tabulate(rows, head, tablefmt="simple", disable_numparse=True)


def _width(grid: str) -> int:
    return max(map(len, grid.splitlines()))
