"""Writes docs/forecasts.md: what --dry-run --calibrate forecasts of trials, and what they took.

The command is ``python -m tests.perf.forecasts``. One that was stopped goes on, since its
forecasts and records stay in .cache/forecasts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import date

from benchmark.conduct import calibrated, jobs_of
from benchmark.parser import parser
from benchmark.paths import ROOT
from benchmark.plan.forecast import trial_bytes, trial_seconds
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.request import plan_of
from benchmark.run.facts import facts
from models.registry import MODELS
from tests.perf.archives import WRITERS
from tests.perf.measured import table

FOLDER = ROOT / ".cache" / "forecasts"
RECORDS = FOLDER / "records"
THREADS = 2
NOT_HERE = ("neumf", "neumf-pretrained")
"""Models that score their training users only."""
EPOCHS = {"ml-latest-small": None, "ml1m": None, "gowalla": 3, "ml20m": 2}
"""How many epochs a trial has on each data set; None for the model's own. On the first, models only
leave the records by which closed forms are forecast on the next."""
NEAR = 0.2
"""How far a forecast may be from what was taken, as a share of it."""
ABOUT = """
Written by `make forecasts`: before each trial, what `--dry-run --calibrate` says of it, and then
what it took. Seconds of a model that trains in batches are those of ten batches, scaled; those of
the others are those of their trials on the data sets before, scaled by how their work grows
(`ml-latest-small` is the first, and has no rows here). Memory is by each model's formula. `ml20m`
is generated, in the real one's size. Trials have {gowalla} epochs on gowalla and {ml20m} on ml20m.
"""
COLUMNS = 120
"""The width of the page's text."""


def words(dataset: str) -> list[str]:
    """Return the words of the command that trains all models on a data set."""
    epochs = EPOCHS[dataset]
    models = [name for name in MODELS if name not in NOT_HERE]
    how = ["--threads", str(THREADS), "--device", "cpu", "--precision", "fp32", "--seeds", "0"]
    few = ["--set", f"epochs={epochs}"] if epochs else []
    data = ["--data-dir", str(FOLDER / dataset)] if dataset in WRITERS else []
    return ["--datasets", dataset, "--models", *models, *few, *how, *data, "--out", str(RECORDS)]


def told(dataset: str) -> dict[str, tuple[float | None, float | None]]:
    """Return the seconds and bytes that are forecast of each trial, by its id, before it ran."""
    path = FOLDER / f"{dataset}.json"
    if not path.exists():
        arguments = parser().read(words(dataset))
        jobs = jobs_of(plan_of(arguments, arguments.seeds)[0], arguments, [])
        measure, stored = calibrated(jobs), store.read_all(RECORDS)
        made = {
            job.spec.id: (
                measure(job.spec) or trial_seconds(job.spec, job.data, stored),
                trial_bytes(job.spec, job.data),
            )
            for job in jobs
        }
        path.write_text(json.dumps(made))
    return json.loads(path.read_text())


def rows(dataset: str) -> Iterator[tuple[list[str], list[bool]]]:
    """Yield each trial's row, and whether its seconds and its memory are near."""
    forecast = told(dataset)
    found = {record.id: record for record in store.read_all(RECORDS)}
    for key, (seconds, size) in forecast.items():
        record: Record = found[key]
        if record.status != "ok":
            yield [dataset, record.label, *7 * [""], record.sentence], []
            continue
        took, peak = record.cost.spent_seconds, record.cost.process_peak_bytes
        cells = [*cell(seconds, took, 1.0, ".3g"), *cell(size, peak, 1e9, ".2f")]
        shown = [dataset, record.label, *cells, f"{record.other_work:.0%}", ""]
        yield shown, [is_near(seconds, took), is_near(size, peak)]


def is_near(said: float | None, took: float | None) -> bool:
    """Return whether what was forecast is near what was taken."""
    return bool(said and took and abs(said / took - 1) <= NEAR)


def cell(said: float | None, took: float | None, unit: float, form: str) -> list[str]:
    """Return what was forecast, what was taken and their ratio."""
    shown = [format(value / unit, form) if value else "-" for value in (said, took)]
    return [*shown, f"{said / took:.2f}" if said and took else "-"]


def page() -> str:
    """Return the page as Markdown."""
    here = facts("cpu", threads=THREADS)
    found = [row for dataset in list(EPOCHS)[1:] for row in rows(dataset)]
    near = [both for _, both in found if both]
    counted = ", ".join(
        f"{what} of {sum(both[n] for both in near)} of {len(near)} trials"
        for n, what in enumerate(("seconds", "memory"))
    )
    machine = f"{date.today()}; {here.cpu}; {THREADS} threads; {here.memory_bytes / 1e9:.0f} GB."
    head = ["data set", "model", "s forecast", "s taken", "ratio"]
    head += ["GB forecast", "GB taken", "ratio", "other work", ""]
    about = textwrap.fill(ABOUT.format(**EPOCHS).strip(), COLUMNS)
    said = f"Within {NEAR:.0%} are the {counted}."
    return "\n\n".join(
        ["# Forecasts", about, machine, said, table([row for row, _ in found], head)]
    )


def main() -> None:
    """Do what is not done yet, and write the page."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("BENCH_CACHE_DIR", str(FOLDER / "cache"))
    for dataset in EPOCHS:
        if dataset in WRITERS and not (folder := FOLDER / dataset).exists():
            writer, size = WRITERS[dataset]
            folder.mkdir()
            writer(folder, size)
        told(dataset)
        command = [sys.executable, "run_all.py", *words(dataset), "--timeout", "3600", "--quiet"]
        subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=False)
    (ROOT / "docs" / "forecasts.md").write_text(page())


if __name__ == "__main__":
    main()
