"""Runs the trials that have no record yet, one after another, and says how far it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from benchmark import trial
from benchmark.metrics import SELECTION
from benchmark.records import Record
from benchmark.trial import Notify, Trial


def unsettled(trials: Sequence[Trial], out: Path, force: bool) -> list[Trial]:
    """Those without a record of any status in ``out``; all of them if ``force``."""
    return [t for t in trials if force or not (out / f"{t.spec.id}.json").exists()]


def run(trials: Sequence[Trial], out: Path, threads: int) -> list[Path]:
    """Run every trial and write its record; returns the paths of all files written."""
    written = []
    for number, t in enumerate(trials, start=1):
        name = title(t)
        with progress(f"[{number}/{len(trials)}] {name}") as notify:
            record, paths = trial.run(t, out, threads, notify)
        print(f"[{number}/{len(trials)}] {name}: {outcome(record)}", flush=True)
        written += paths
    return written


def title(t: Trial) -> str:
    """Data set, model and seed, for a person."""
    seed = "" if t.spec.seed is None else f" seed {t.spec.seed}"
    return f"{t.data['label']} {t.label}{seed}"


def outcome(record: Record) -> str:
    """The result of a trial on one line."""
    if record.metrics is None:
        return f"{record.status}: {(record.reason or '').splitlines()[-1]}"
    seconds = sum(record.cost[f"{part}_seconds"] for part in ("preparation", "training", "validation", "test"))
    score = record.metrics[str(SELECTION)].mean
    return f"{SELECTION} {score:.4f} at epoch {record.best_epoch} of {len(record.curve)}, {seconds:.0f} s"


@contextmanager
def progress(title: str) -> Iterator[Notify]:
    """A bar with the time left on a terminal; nothing elsewhere, where the line at the end must do."""
    with tqdm(desc=title, unit="epoch", leave=False, disable=not sys.stderr.isatty()) as bar:

        def notify(epoch: int, planned: int, best: float) -> None:
            bar.total = planned
            bar.set_postfix_str(f"best validation {SELECTION} {best:.4f}", refresh=False)
            bar.update(epoch - bar.n)

        yield notify
