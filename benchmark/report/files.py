"""Tables and figures as files, and what is told of the files written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from benchmark.records.store import SPECS
from benchmark.report import render
from benchmark.report.cells import Table, counted
from datasets import atomic
from datasets.names import file_name


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
        stem, _, ending = name.rpartition(".")
        path = to / f"{file_name(stem)}.{ending}"
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


def summary(written: Sequence[Path], verbose: bool) -> str:
    """What was written, a line for each folder, or with ``verbose`` every path; empty if there is
    nothing.

    A path that is a folder itself is a split's.
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
    """How many records or, where there are none, files or splits the paths are."""
    records = sum(path.suffix == ".json" for path in paths)
    splits = sum(path.is_dir() for path in paths)
    what = "record" if records else "split" if splits else "file"
    return counted(records or splits or len(paths), what)
