"""Is a folder of records whole and unaltered, and do its numbers follow from its hit ranks?

Everything is recomputed from the files alone, without the data and without training; nothing in
them is trusted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from benchmark.records import checks, store, together
from benchmark.records.parse import content_of, parse
from benchmark.records.record import Record
from benchmark.spec import TrialSpec
from datasets.errors import DataError


@dataclass(frozen=True)
class Verdict:
    """What was found out about a folder."""

    checked: int
    """How many records there are, in folders within it too."""
    faults: list[str]
    """A sentence for each thing that is wrong."""
    notes: list[str]
    """What a person should know and is no fault."""


def verify(*folders: Path) -> Verdict:
    """Check all records in ``folders`` and in folders within them, and each beside all others."""
    seen, count = together.Seen(), 0
    faults: list[str] = []
    notes: list[str] = []
    for folder in folders:
        files = sorted(folder.rglob("*.json"))
        specs = [path for path in files if path.parent.name == store.SPECS]
        paths = [path for path in files if path.parent.name != store.SPECS]
        for path in paths:
            name = path.relative_to(folder) if len(folders) == 1 else path
            faults += of_file(path, name, seen)
        faults += [fault for path in specs for fault in of_spec(path)]
        faults += strays(folder, paths)
        notes += unfinished(specs)
        count += len(paths)
    return Verdict(count, faults + list(seen.faults()), notes)


def of_file(path: Path, name: Path, seen: together.Seen) -> Iterator[str]:
    """Yield what is wrong with one record, called ``name``, and the files beside it.

    What is to be compared with other records is added to ``seen``.
    """
    try:
        record, content = parse(path)
    except DataError as error:
        yield str(error)
        return
    wrong = list(checks.of_record(record, content, path))
    yield from (f"{name}: {fault}" for fault in wrong)
    yield from (f"{name}: {fault}" for fault in beside(path, record))
    results, top = None, None
    if not wrong and record.per_user:
        try:
            results = store.results_of(path.parent, record)
            yield from (f"{name}: {fault}" for fault in store.of_metrics(record, results))
            top = store.top_of(path.parent, record, results)
        except DataError as error:
            yield str(error)
    if not wrong:
        seen.add(str(name), record, content, results, top)


def beside(path: Path, record: Record) -> Iterator[str]:
    """Yield a sentence for each file beside a record that a trial which ended so does not have."""
    due = {
        ".parquet": record.per_user is not None,
        ".top.parquet": record.per_user is not None,
        ".safetensors": record.status == "ok",
    }
    for ending, may_be in due.items():
        if not may_be and (file := path.with_suffix(ending)).exists():
            yield (
                f"{file.name} is beside it, which no trial of status {record.status} and stage "
                f"{record.spec.stage} has; delete that file, or get its own record back"
            )


def of_spec(path: Path) -> Iterator[str]:
    """Yield what is wrong with a file in a folder of specs."""
    try:
        content: Any = content_of(path)
        if "record_version" in content:
            yield (
                f"{path} is a record in a folder of specs, where no table finds it; move it to "
                f"{path.parent.parent}"
            )
            return
        spec = TrialSpec.model_validate(content["spec"])
        if spec.id != path.stem:
            yield f"{path} is the spec of {spec.id}; it was renamed or altered, so delete it"
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        told = type(error).__name__ if isinstance(error, ValidationError) else repr(error)
        yield f"{path} is not the spec of a trial ({told}); delete it"


def strays(folder: Path, records: Iterable[Path]) -> Iterator[str]:
    """Yield a sentence for what is named like a trial's file and has no record, or is no file."""
    known = {path.with_suffix("") for path in records}
    endings = [ending for ending in store.SUFFIXES if ending != ".json"]
    for path in sorted(folder.rglob("*")):
        if not path.name.endswith(tuple(endings)):
            continue
        if path.with_name(path.name.split(".")[0]) not in known:
            yield (
                f"{path.relative_to(folder)} belongs to no record; a run was killed, or its "
                "record was lost"
            )
        elif not path.is_file():
            yield f"{path.relative_to(folder)} is not a plain file; delete it"


def unfinished(specs: Iterable[Path]) -> Iterator[str]:
    """Yield a line on the specs whose trial has no record beside them, if there are any."""
    without = [path.stem for path in specs if not (path.parent.parent / path.name).exists()]
    if without:
        yield (
            f"no fault: {len(without)} specs have no record, as a run leaves them that was stopped "
            f"before a trial's end: {', '.join(without)}"
        )
