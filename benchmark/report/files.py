"""A report: tables on the screen, and tables and plots as files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmark.evaluation.metrics import Metric
from benchmark.records.record import Record
from benchmark.report import format, paper, sweep
from benchmark.report.compare import compared, standings
from benchmark.report.format import Table
from benchmark.report.table import by_split, results
from benchmark.report.timing import pareto, timings, trained
from benchmark.report.tuning import tunings
from datasets import atomic


def markdown(found: Sequence[Record], folder: Path, metrics: Sequence[Metric]) -> str:
    """The tables that a screen has room for."""
    shown = [
        *results(found, folder, metrics),
        *standings(found, folder),
        *betas(found),
        *tunings(found),
        *timings(found),
    ]
    return format.markdown(shown)


def betas(found: Sequence[Record]) -> list[Table]:
    """A table for each beta sweep."""
    return [sweep.table(each) for each in sweep.sweeps(found)]


def write(found: Sequence[Record], folder: Path, metrics: Sequence[Metric], to: Path) -> list[Path]:
    """Write every table of ``found``, whose files are in ``folder``, in three formats, and every plot.

    Returns the paths of the files that were not there as they should be.
    """
    kinds = {
        "results": results(found, folder, metrics),
        "differences": compared(found, folder, metrics),
        "standings": standings(found, folder),
        "beta": betas(found),
        "tuning": tunings(found),
        "timing": timings(found),
    }
    contents = {
        name: content for kind, tables in kinds.items() for name, content in _texts(kind, tables)
    }
    return _write(contents | dict(_plots(found)), to)


def _texts(name: str, tables: Sequence[Table]) -> Iterator[tuple[str, bytes]]:
    if tables:
        yield f"{name}.md", f"{format.markdown(tables)}\n".encode()
        yield f"{name}.tex", format.latex(tables).encode()
        yield f"{name}.csv", format.to_csv(tables).encode()


def _plots(found: Sequence[Record]) -> Iterator[tuple[str, bytes]]:
    from benchmark.report import curves

    for group in by_split(found):
        if figure := curves.draw(group):
            yield f"curves-{_place(group)}.png", format.png(figure)
    for group in trained(found):
        if figure := pareto(group):
            yield f"cost-{_place(group)}.png", format.png(figure)
    for each in sweep.sweeps(found):
        model = each.model.replace(", ", "-")
        yield f"beta-{model}-{_place(each.group)}.png", format.png(sweep.draw(each))


def _place(group: Sequence[Record]) -> str:
    return f"{group[0].spec.dataset}-{group[0].spec.split_hash[:8]}"


def write_paper(
    found: Sequence[Record], folder: Path, tables: Sequence[str], figures: Sequence[str], to: Path
) -> list[Path]:
    """Write the paper's tables, in four formats, and figures, by their numbers; returns paths as ``write`` does."""
    from benchmark.report.figures import FIGURES

    contents: dict[str, bytes] = {}
    for number in tables:
        made = paper.TABLES[number](found, folder)
        contents |= dict(_texts(f"table-{number}", made)) | {
            f"table-{number}.png": format.png(format.drawn(made))
        }
    for number in figures:
        contents[f"figure-{number}.png"] = format.png(FIGURES[number](found, folder))
    return _write(contents, to)


def _write(contents: dict[str, bytes], to: Path) -> list[Path]:
    written = []
    for name, content in contents.items():
        path = to / name
        if not path.exists() or path.read_bytes() != content:
            atomic.write(path, content)
            written.append(path)
    return written
