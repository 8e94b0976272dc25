"""Writes docs/large.md: what a catalogue of a million items takes, for as many users.

The command is ``python -m tests.perf.large``. The interactions are generated; they are split and
trained on by the usual command, with one epoch a model. Of Mult-DAE, whose epoch has ten thousand
updates, a process of its own does the first ones.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import torch

from benchmark import environment
from benchmark.evaluation.ranking import evaluate
from benchmark.paths import ROOT
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.run.facts import facts
from datasets import cache
from models.base import Compute
from models.registry import MODELS
from tests.perf.archives import Size, pairs
from tests.perf.measured import table

SIZE = Size(rows=50_000_000, users=1_000_000, items=1_000_000)
SCORED = 1000
"""The validation users, and the test users."""
SETTINGS = ("als.factors=64", "bpr.factors=64", "epochs=1")
TRAINED = ("popularity", "item-knn", "als", "bpr")
REFUSED = ("ease", "mult-vae")
UPDATES, BATCH = 20, 100
"""The updates of Mult-DAE, and the users in each."""
THREADS = 2

ABOUT = """
Written by `make large`: {rows:,} generated interactions of {users:,} users with {items:,} items,
read from a Parquet file of ids and split; then one epoch of each model, and {scored:,} validation
and {scored:,} test users scored and ranked among all items. Peak memory is that of the process.
`als` and `bpr` have 64 factors. `mult-dae` has its defaults but for batches of {batch} users, of
which it trained on the first {updates}; it is measured without the copies of weights that a whole
trial keeps. What cannot fit is refused before it starts.
"""
COLUMNS = 120
"""The width of the page's text."""


def write(folder: Path) -> dict[str, Any]:
    """Write the file of interactions."""
    user, item = pairs(SIZE)
    pl.DataFrame({"user": user, "item": item}).write_parquet(folder / "large.parquet")
    return {}


def split(folder: Path) -> dict[str, Any]:
    """Make the split by the usual command; return its seconds and peak memory."""
    from benchmark.cli import main

    start = time.perf_counter()
    assert main(["prepare", *data(folder)]) == 0
    return used(start)


def updates(folder: Path) -> dict[str, Any]:
    """Train Mult-DAE for some updates and score the test users; return seconds and peak memory."""
    torch.set_num_threads(THREADS)
    (made,) = [path.parent for path in (folder / "cache").glob("*/header.json")]
    there = cache.read(made).split
    entry = MODELS["mult-dae"]
    config = entry.config.model_copy(update={"batch": BATCH})
    model = entry.model(config, there.train.shape, Compute(threads=THREADS))
    rows = model.prepare(there.train.matrix[: UPDATES * BATCH])
    torch.manual_seed(0)
    start = time.perf_counter()
    model.train_epoch(rows)
    trained = used(start)
    evaluate(lambda history, users: model.score(history), there.test)
    whole = used(start)
    return whole | {"seconds": trained["seconds"], "scoring": whole["seconds"] - trained["seconds"]}


def used(start: float) -> dict[str, Any]:
    """Return the seconds since ``start`` and the most memory that this process had."""
    return {"seconds": time.perf_counter() - start, "peak": environment.process_peak_bytes()}


def data(folder: Path) -> list[str]:
    """Return the words of a command that name the data set."""
    chosen = ["--datasets", f"file:{folder / 'large.parquet'}"]
    return [*chosen, "--set", f"file:large.held_out={SCORED}"]


def started(folder: Path, *words: str) -> str:
    """Return what a Python process says, whose cache is in the folder."""
    variables = os.environ | {"BENCH_CACHE_DIR": str(folder / "cache")}
    told = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=variables, stdout=subprocess.PIPE, text=True
    )
    print(told.stdout, flush=True)
    return told.stdout


def child(job: str, folder: Path) -> dict[str, Any]:
    """Run one of the functions above in another process, and return what it returns."""
    return json.loads(started(folder, "-m", "tests.perf.large", job, str(folder)).splitlines()[-1])


def trials(folder: Path) -> list[Record]:
    """Train the models, each in its process, and try those that cannot fit."""
    words = [*data(folder), *SETTINGS, "--models", *TRAINED, *REFUSED, "--seeds", "0"]
    how = ["--threads", str(THREADS), "--device", "cpu", "--precision", "fp32"]
    started(folder, "run_all.py", *words, *how, "--out", str(folder / "out"))
    found = {record.spec.model: record for record in store.read_all(folder / "out")}
    return [found[name] for name in (*TRAINED, *REFUSED)]


def row(record: Record) -> list[str]:
    """Return a model's row of the table."""
    if record.status != "ok":
        return [record.spec.model, record.status, "", "", record.sentence]
    cost, users = record.cost, record.data.validation_users + record.data.test_users
    scoring = (cost.validation_seconds or 0) + (cost.test_seconds or 0)
    return cells(
        record.spec.model,
        (cost.preparation_seconds or 0) + (cost.training_seconds or 0),
        scoring * SCORED / users,
        cost.process_peak_bytes or 0,
        f"one epoch; {record.other_work:.0%} of the cores taken by other programs",
    )


def cells(what: str, seconds: float, scoring: float | None, peak: int, remark: str) -> list[str]:
    """Return a row of the table."""
    scored = "" if scoring is None else f"{scoring:.1f}"
    return [what, f"{seconds:.1f}", scored, f"{peak / 1e9:.1f}", remark]


def page(made: dict[str, Any], dae: dict[str, Any], records: list[Record]) -> str:
    """Return the page as Markdown."""
    here = facts("cpu", threads=THREADS)
    about = ABOUT.format(**vars(SIZE), scored=SCORED, batch=BATCH, updates=UPDATES)
    text = f"# A large catalogue\n\n{textwrap.fill(about.strip(), COLUMNS)}\n"
    memory = f"{here.memory_bytes / 1e9:.0f} GB of memory"
    machine = f"{date.today()}; {here.cpu}; {THREADS} threads, {memory}; Python {here.python}.\n"
    remark = f"{UPDATES} updates of {BATCH} users"
    rows = [
        cells("the split", made["seconds"], None, made["peak"], ""),
        *map(row, records),
        cells("mult-dae", dae["seconds"], dae["scoring"], dae["peak"], remark),
    ]
    head = ["", "seconds", f"{SCORED:,} users scored (s)", "peak memory (GB)", ""]
    return "\n".join([text, machine, table(rows, head)])


def main() -> None:
    """Do all, and write the page."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        child("write", folder)
        made, dae = child("split", folder), child("updates", folder)
        text = page(made, dae, trials(folder))
    (ROOT / "docs" / "large.md").write_text(text)


JOBS = {"write": write, "split": split, "updates": updates}

if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(JOBS[sys.argv[1]](Path(sys.argv[2]))))
    else:
        main()
