"""Writes tables and figures to files, and says which files were written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmark.records.store import SPECS
from benchmark.report import image, render
from benchmark.report.cells import Table
from benchmark.report.picture import Picture
from benchmark.text import counted
from datasets import atomic
from datasets.names import file_name


def write(
    to: Path,
    tables: Mapping[str, Sequence[Table]],
    figures: Mapping[str, Picture],
    pages: Mapping[str, bytes] | None = None,
    drawn: bool = False,
    vectors: bool = False,
) -> list[Path]:
    """Write figures, tables in three formats, and ``pages`` to the folder ``to``; returns the paths
    written.

    The keys are the names of the files without their ends. With ``drawn``, tables are written as
    pictures too; with ``vectors``, figures also as PDF and SVG, and their captions as figures.tex.
    A file that already has the right content is not written again.
    """
    contents = dict(_table_files(tables, drawn))
    contents |= dict(_figure_files(figures, vectors))
    contents |= {f"{name}.html": page for name, page in (pages or {}).items()}
    written = []
    for name, content in contents.items():
        stem, _, ending = name.rpartition(".")
        path = to / f"{file_name(stem)}.{ending}"
        if not path.exists() or path.read_bytes() != content:
            atomic.write(path, content)
            written.append(path)
    return written


def _table_files(
    tables_by_name: Mapping[str, Sequence[Table]], drawn: bool
) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of each file; there is none for an empty list of tables."""
    for name, tables in tables_by_name.items():
        if tables:
            yield f"{name}.md", f"{render.markdown(tables)}\n".encode()
            yield f"{name}.tex", render.latex(tables).encode()
            yield f"{name}.csv", render.to_csv(tables).encode()
            if drawn:
                yield f"{name}.png", image.png(render.drawn(tables))


def _figure_files(figures: Mapping[str, Picture], vectors: bool) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of each file."""
    for name, picture in figures.items():
        yield f"{name}.png", image.png(picture)
        if vectors:
            yield from ((f"{name}.{end}", image.vector(picture, end)) for end in ("pdf", "svg"))
    if vectors and figures:
        called = {file_name(name): picture for name, picture in figures.items()}
        yield "figures.tex", image.figures_latex(called).encode()


def summary(written: Sequence[Path], verbose: bool) -> str:
    """Return a text that says what was written, or an empty one if nothing was.

    It has a line for each folder, or with ``verbose`` a line for each path. A path that is itself a
    folder is that of a split.
    """
    if verbose:
        lines = [str(path) for path in written]
    else:
        folders: dict[Path, list[Path]] = defaultdict(list)
        for path in written:
            if path.parent.name != SPECS:
                folders[path.parent].append(path)
        lines = [f"{_counted(paths)} in {folder}" for folder, paths in folders.items()]
    return "\n  ".join(["\nWritten:", *lines]) if lines else ""


def _counted(paths: Sequence[Path]) -> str:
    """Return the number of records among the paths; without records, that of splits or of files."""
    records = sum(path.suffix == ".json" for path in paths)
    splits = sum(path.is_dir() for path in paths)
    what = "record" if records else "split" if splits else "file"
    return counted(records or splits or len(paths), what)
