"""Tables and figures as files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from benchmark.report import render
from benchmark.report.cells import Table
from datasets import atomic


def write(
    to: Path,
    tables: Mapping[str, Sequence[Table]],
    figures: Mapping[str, Figure],
    drawn: bool = False,
) -> list[Path]:
    """Write tables in three formats, and figures, by the names of their files.

    With ``drawn``, tables are written as pictures too. Returns the paths of the files that were not
    there as they should be.
    """
    contents = dict(_texts(tables, drawn))
    contents |= {f"{name}.png": render.png(figure) for name, figure in figures.items()}
    written = []
    for name, content in contents.items():
        path = to / name
        if not path.exists() or path.read_bytes() != content:
            atomic.write(path, content)
            written.append(path)
    return written


def _texts(named: Mapping[str, Sequence[Table]], drawn: bool) -> Iterator[tuple[str, bytes]]:
    for name, tables in named.items():
        if tables:
            yield f"{name}.md", f"{render.markdown(tables)}\n".encode()
            yield f"{name}.tex", render.latex(tables).encode()
            yield f"{name}.csv", render.to_csv(tables).encode()
            if drawn:
                yield f"{name}.png", render.png(render.drawn(tables))
