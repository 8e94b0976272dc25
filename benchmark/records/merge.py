"""Puts folders of records together, as those of machines that each ran a part of the trials."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark import labels
from benchmark.errors import UsageError
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.records.verify import verify
from datasets import atomic
from datasets.errors import DataError


@dataclass(frozen=True)
class Copy:
    """A record, and the folder that it is in."""

    folder: Path
    record: Record


@dataclass(frozen=True)
class Merged:
    """What came of putting folders together."""

    written: list[Path]
    """The files that were copied."""
    copied: int
    """How many trials they are of."""
    trials: int
    """How many trials the folder has now."""
    repeated: int
    """How many of these were in several folders."""


def merge(folders: Sequence[Path], out: Path) -> Merged:
    """Copy the trials of all ``folders`` into ``out``, each once; folders within them are left out.

    Of several records of a trial the first one counts, an ok one before a failure. Raises
    UsageError for a folder without records, and DataError with a sentence for each fault of a
    folder and each trial whose records have other results; then nothing has been written. What is
    in ``out`` is never replaced.
    """
    sources = list(dict.fromkeys(folder.resolve() for folder in (out, *folders)))
    if faults := verify(*filter(Path.is_dir, sources)).faults:
        raise DataError("\n".join([*faults, "nothing was merged; mend or leave out what is wrong"]))
    records = {folder: store.read_all(folder) for folder in sources}
    for folder in folders:
        if not records[folder.resolve()]:
            raise UsageError(f"{folder} holds no record; name folders that runs wrote")
    copies = by_trial(records)
    if wrong := [s for found in copies.values() for s in contradictions(found, sources[0])]:
        raise DataError("\n".join([*wrong, "nothing was merged"]))
    new = [copy for copy in map(first, copies.values()) if copy.folder != sources[0]]
    written = [path for copy in new for path in copied(copy, out)]
    repeated = sum(len(found) > 1 for found in copies.values())
    return Merged(written, len(new), len(copies), repeated)


def by_trial(records: Mapping[Path, Iterable[Record]]) -> dict[str, list[Copy]]:
    """Return the records of each trial by its id, in the order of their folders."""
    found: dict[str, list[Copy]] = defaultdict(list)
    for folder, of_folder in records.items():
        for record in of_folder:
            found[record.id].append(Copy(folder, record))
    return found


def first(found: Sequence[Copy]) -> Copy:
    """Return the copy that counts: the first that is ok, else the first."""
    return next((copy for copy in found if copy.record.status == "ok"), found[0])


def contradictions(found: Sequence[Copy], out: Path) -> Iterator[str]:
    """Yield a sentence for each copy of a trial that has other results than the one that counts.

    A failure says nothing about the result of another machine, but in ``out`` nothing may take its
    place.
    """
    counts = first(found)
    for copy in found:
        what = f"the trial {counts.record.id} ({labels.trial_label(counts.record)})"
        if copy.record.status != "ok":
            if counts.record.status == "ok" and copy.folder == out:
                yield (
                    f"{what} is ok in {counts.folder} and a failure in {out}; delete its files "
                    "there, or name another --out"
                )
        elif unlike := counts.record.differs(copy.record):
            yield (
                f"{what} has other results in {counts.folder} than in {copy.folder}: "
                f"{', '.join(unlike)}; delete its files in one of them"
            )


def copied(copy: Copy, out: Path) -> list[Path]:
    """Copy the files of a trial into ``out``; returns their new paths.

    Raises DataError, with nothing changed, if a record of it has come there meanwhile.
    """
    trial = copy.record.id
    with atomic.lock(out, trial, wait=True):
        if store.path_of(out, trial).exists():
            raise DataError(f"{out} has got the trial {trial} meanwhile; give the command again")
        return store.copy(copy.folder, trial, out)
