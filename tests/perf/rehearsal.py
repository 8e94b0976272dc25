"""Writes docs/rehearsal.md: what it takes to read and split the paper's data sets at full size.

The command is ``python -m tests.perf.rehearsal``. For each data set, one process writes a generated
archive and another reads it, so that the memory measured is that of reading alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from tabulate import tabulate

from benchmark import environment
from benchmark.paths import ROOT
from benchmark.run.facts import facts
from benchmark.spec import PROTOCOL
from datasets import cache
from datasets.registry import DATASETS
from tests.perf.archives import WRITERS

HEAD = """\
# Rehearsal

Written by `make rehearsal`: an archive in the exact layout of each of the paper's data sets, with as many ratings,
users and items but generated, is read, filtered, split, hashed and stored in the cache, by a process of its own. The
real files will leave other numbers after the filters; time and memory will be much the same.
"""


def write(name: str, folder: Path) -> dict[str, Any]:
    """Write the archive of a data set to a folder."""
    writer, size = WRITERS[name]
    writer(folder, size)
    return {}


def read(name: str, folder: Path) -> dict[str, Any]:
    """Make the split from the archive, and return the time and memory that it took."""
    entry = DATASETS[name]
    start, others = time.perf_counter(), environment.OtherWork()
    prepared = cache.prepare(name, entry.dataset(entry.config), folder, folder / "cache", PROTOCOL)
    split = prepared.split
    return {
        "seconds": time.perf_counter() - start,
        "others": others.share(),
        "peak_bytes": environment.process_peak_bytes(),
        "split": [
            sum(len(part) for part in split.parts.values()),
            len(split.train.user_ids) + 2 * (entry.config.held_out or 0),
            split.train.shape[1],
        ],
    }


def child(job: str, name: str, folder: str) -> dict[str, Any]:
    """Run ``write`` or ``read``, the ``job``, in another process, and return what it returns."""
    command = [sys.executable, "-m", "tests.perf.rehearsal", job, name, folder]
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


def page(results: dict[str, dict[str, Any]]) -> str:
    """Return the page as Markdown, from what ``read`` returned for each data set."""
    here = facts("cpu", threads=0)
    cores = f"{here.cores} cores, {here.memory_bytes / 1e9:.0f} GB of memory"
    machine = (
        f"{date.today()}; {here.cpu}; {cores}; Python {here.python}; polars {pl.__version__}.\n"
    )
    rows = [
        [
            name,
            counts(vars(WRITERS[name][1]).values()),
            counts(result["split"]),
            f"{result['seconds']:.0f}",
            f"{result['peak_bytes'] / 1e9:.1f}",
            f"{result['others']:.0%}",
        ]
        for name, result in results.items()
    ]
    head = [
        "",
        "raw: ratings / users / items",
        "split: interactions / users / items",
        "seconds",
        "peak memory (GB)",
        "cores taken by other programs",
    ]
    return (
        "\n".join([HEAD, machine, tabulate(rows, head, tablefmt="pipe", disable_numparse=True)])
        + "\n"
    )


def counts(numbers: Iterable[int]) -> str:
    """Return the text of a cell with several counts."""
    return " / ".join(f"{number:,}" for number in numbers)


def main(names: list[str]) -> None:
    """Rehearse each data set, and write the page."""
    results = {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            child("write", name, folder)
            results[name] = child("read", name, folder)
        print(name, results[name], flush=True)
    (ROOT / "docs" / "rehearsal.md").write_text(page(results))


if __name__ == "__main__":
    if sys.argv[1:2] in (["write"], ["read"]):
        print(
            json.dumps({"write": write, "read": read}[sys.argv[1]](sys.argv[2], Path(sys.argv[3])))
        )
    else:
        main(sys.argv[1:] or list(WRITERS))
