"""Which records a report is on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmark.catalog import data_sets, look_up, suggestion
from benchmark.errors import UsageError
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.report.cells import Table
from datasets import own
from datasets.registry import canonical


def stored(folder: Path) -> list[Record]:
    """Return all records in ``folder``; raise UsageError if there is none."""
    records = store.read_all(folder)
    if not records:
        raise UsageError(f"{folder} holds no record; name the folder that a run wrote")
    return records


def of(
    records: list[Record], datasets: Sequence[str] | None, models: Sequence[str] | None
) -> list[Record]:
    """Return the records of some data sets and models, given by their names or labels.

    Raises UsageError for a name that no record has, or for a model's that none of these data sets
    has.
    """
    names = [
        next(iter(data_sets([name]))) if name.startswith(own.PREFIX) else canonical(name)
        for name in datasets or []
    ]
    records = _with(names, records, "data set", lambda r: {r.spec.dataset, r.data_label})
    return _with(models or [], records, "model", lambda r: {r.spec.model, r.label})


def _with(
    names: Sequence[str], records: list[Record], kind: str, names_of: Callable[[Record], set[str]]
) -> list[Record]:
    """Return the records that have one of the ``names`` of a ``kind`` of thing; all for no name."""
    there = dict.fromkeys(sorted({name for record in records for name in names_of(record)}))
    for name in names:
        look_up(f"record of the {kind}", name, there)
    return [record for record in records if not names or names_of(record) & set(names)]


def columns(
    tables: Mapping[str, Sequence[Table]], names: Sequence[str] | None
) -> dict[str, list[Table]]:
    """Return the tables with these columns only, in the order of ``names``, behind the first.

    A table that has none of them is left out. Raises UsageError for a name that no table has.
    """
    if names is None:
        return {file: list(made) for file, made in tables.items()}
    there = dict.fromkeys(name for made in tables.values() for table in made for name in table.head)
    for name in names:
        look_up("column", name, there)
    return {file: list(_with_columns(made, names)) for file, made in tables.items()}


def _with_columns(tables: Sequence[Table], names: Sequence[str]) -> Iterator[Table]:
    """Yield each table that has one of these columns, with those, its first, and their notes."""
    for table in tables:
        wanted = [n for name in names for n, head in enumerate(table.head) if n and head == name]
        if wanted:
            cells = [[row[n] for n in (0, *wanted)] for row in table.cells]
            head = [table.head[n] for n in (0, *wanted)]
            others = set(table.head) - set(head)
            notes = [note for note in table.notes if note.partition(":")[0] not in others]
            yield replace(table, head=head, cells=cells, notes=notes)


def one(folder: Path, start: str) -> Record:
    """Return the record in ``folder`` whose id begins with ``start``.

    Raises UsageError unless there is exactly one; DataError if it cannot be read.
    """
    paths = [path for path in folder.glob("*.json") if path.stem.startswith(start)]
    if not paths:
        known = dict.fromkeys(path.stem for path in folder.glob("*.json"))
        raise UsageError(
            f"{folder} has no record whose id begins with {start!r}{suggestion(start, known)}; "
            "name the folder that has it by --out"
        )
    if len(paths) > 1:
        raise UsageError(
            f"{len(paths)} records in {folder} have an id that begins with {start!r}; give more of "
            "its 16 digits"
        )
    return store.read(paths[0])
