"""Runs the trial of a record again, from the record alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmark.conduct import prepare
from benchmark.errors import UsageError
from benchmark.evaluation import truth
from benchmark.paths import ROOT
from benchmark.plan import choose
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.run.child import write_spec
from benchmark.spec import Job
from datasets import cache, own
from datasets.errors import DataError


def rerun(record: Record, out: Path, data_dir: Path, plugins: Sequence[Path]) -> int:
    """Run the trial of a record in ``out`` and compare; returns the exit code, 1 for other results.

    The record stays as it is. Raises UsageError for lists made elsewhere, DataError if this
    checkout has other code or the split cannot be had.
    """
    if record.spec.stage == "external":
        raise UsageError(
            f"the record {record.id} is of lists made elsewhere; evaluate scores them again"
        )
    truth.check_code(record.spec, store.path_of(out, record.id))
    with TemporaryDirectory() as folder:
        job = Job(
            spec=record.spec,
            data=record.data,
            split=split_of(record, data_dir),
            out=Path(folder),
            threads=record.environment.threads,
            plugins=tuple(path.resolve() for path in plugins),
        )
        spec = str(write_spec(job))
        words = [sys.executable, "-m", "benchmark.trial", spec, "--out", str(out.resolve())]
        return subprocess.run(words, cwd=ROOT).returncode


def split_of(record: Record, data_dir: Path) -> Path:
    """Return the folder of a record's split, which is made if it is not in the cache.

    Raises DataError if the data cannot be had, or give another split.
    """
    spec = record.spec
    if found := cache.of_hash(spec.split_hash, cache.default_folder()):
        return found.folder
    if spec.dataset.startswith(own.PREFIX):
        raise DataError(
            f"the split {spec.split_hash[:12]} of {spec.dataset} is not in the cache; make it with "
            f"the verb prepare, as in prepare --datasets {own.PREFIX}PATH, with the options that "
            f"show {record.id} prints"
        )
    data = choose.changed(choose.data_set(spec.dataset), "the record", record.data.options)
    made = prepare(data, data_dir)
    if made.split_hash != spec.split_hash:
        raise DataError(
            f"{spec.dataset} in {data_dir} gives the split {made.split_hash[:12]}, and the record "
            f"{record.id} is of {spec.split_hash[:12]}; find the raw files that it was made from"
        )
    return made.folder
