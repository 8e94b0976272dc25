"""A report: the tables on the screen, and as files beside the learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmark.metrics import Metric
from benchmark.records import Record
from benchmark.report import format
from benchmark.report.table import by_split, results
from benchmark.report.timing import timings
from benchmark.report.tuning import tunings
from datasets import atomic


def markdown(found: Sequence[Record], folder: Path, metrics: Sequence[Metric]) -> str:
    """Result, tuning and timing tables."""
    return format.markdown([*results(found, folder, metrics), *tunings(found), *timings(found)])


def write(found: Sequence[Record], folder: Path, metrics: Sequence[Metric], to: Path) -> list[Path]:
    """Write the tables of ``found``, whose files are in ``folder``, in three formats, and the learning curves.

    Returns the paths of the files that were not there as they should be.
    """
    from benchmark.report.curves import png

    contents: dict[str, bytes] = {}
    kinds = {"results": results(found, folder, metrics), "tuning": tunings(found), "timing": timings(found)}
    for name, tables in kinds.items():
        if tables:
            contents[f"{name}.md"] = f"{format.markdown(tables)}\n".encode()
            contents[f"{name}.tex"] = format.latex(tables).encode()
            contents[f"{name}.csv"] = format.to_csv(tables).encode()
    for group in by_split(found):
        if drawn := png(group):
            contents[f"curves-{group[0].spec.dataset}-{group[0].spec.split_hash[:8]}.png"] = drawn
    written = []
    for name, content in contents.items():
        path = to / name
        if not path.exists() or path.read_bytes() != content:
            atomic.write(path, content)
            written.append(path)
    return written
