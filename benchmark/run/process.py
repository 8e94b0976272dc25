"""What the process of a trial does: it runs under a run, or by hand.

``python -m benchmark.trial SPEC.json`` runs a trial by hand and compares it with the record that is
there; a run does the same, each in a process of its own, and stores the record.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark import labels
from benchmark.errors import UsageError, of_path
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.records.store import Result
from benchmark.run import checkpoint, display, outcome
from benchmark.run.launch import surroundings
from benchmark.run.progress import News
from benchmark.run.training import Trial
from benchmark.run.trial import job_of, load, run, write
from benchmark.run.under_way import UnderWay
from benchmark.text import say, storable
from datasets import atomic
from datasets.errors import DataError


def settle(spec: Path) -> None:
    """Begin anew in the environment that a run gives its trials, if this is another: equal bits
    need equal kernels.
    """
    own = surroundings(job_of(spec).threads)
    if own != os.environ:
        os.execve(sys.executable, [sys.executable, "-m", "benchmark.trial", *sys.argv[1:]], own)


def main(argv: list[str] | None = None) -> int:
    """Run the trial of a SPEC.json; 0 if it is ok, 1 if its record is a failure's, 2 if it cannot
    be run.
    """
    parser = argparse.ArgumentParser(
        "python -m benchmark.trial", description="Run one trial and write its record."
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "spec", nargs="?", type=Path, metavar="SPEC.json", help="as a run writes it to OUT/specs"
    )
    which.add_argument(
        "--with-parent",
        type=int,
        metavar="DESCRIPTOR",
        help="for the runner, which names the spec there: report on standard output, end with "
        "standard input",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder of the record (default: the one whose folder specs holds SPEC.json)",
    )
    arguments = parser.parse_args(argv)
    try:
        if arguments.spec is None:
            return under_parent(arguments.with_parent)
        if argv is None:
            settle(arguments.spec)
        return by_hand(arguments.spec, arguments.out or folder_of(arguments.spec))
    except (DataError, UsageError) as error:
        say(f"trial: {error}", to=sys.stderr)
        return 2
    except OSError as error:
        say(f"trial: {of_path(error)}", to=sys.stderr)
        return 2
    except KeyboardInterrupt:
        say("\ntrial: stopped; the same command goes on from its checkpoint", to=sys.stderr)
        return 130


def under_parent(line: int) -> int:
    """Run the trial that the runner names on ``line``, and tell it in JSON of each epoch, at last
    of the files.
    """
    # the runner died before it could have the kernel see to that
    if select.select([0], [], [], 0)[0]:
        return 2
    with socket.socket(fileno=line) as told:
        # the lock is held until this process ends, and by none that a model starts
        content, (lock,), _, _ = socket.recv_fds(told, 2**16, 1)
    os.set_inheritable(lock, False)
    token, _, spec = content.partition(b" ")
    messages = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a model prints is not a message

    def tell(**message: Any) -> None:
        print(json.dumps(message | {"token": token.decode()}), file=messages, flush=True)

    try:
        trial = load(Path(os.fsdecode(spec)))
        result = run(trial, lambda news: tell(news=news.model_dump()))
        write(trial.job, result)
    except (DataError, UsageError) as error:
        tell(refused=storable(str(error)))
        return 2
    tell(ended=True)
    return int(result.record.status != "ok")


def folder_of(spec: Path) -> Path:
    """Return the folder of the run that wrote a SPEC.json; raise UsageError if it lies elsewhere.

    Never the folder that the file names: a stranger's file names any.
    """
    folder = spec.absolute().parent
    if folder.name != store.SPECS:
        raise UsageError(f"{spec} is in no folder {store.SPECS} of a run; say --out DIR")
    return folder.parent


def by_hand(spec: Path, out: Path) -> int:
    """Run a trial, show how far it is, and print its result.

    It is stored in ``out``, or compared with the trial's record that is there.
    """
    loaded = load(spec, check=True)
    trial = replace(loaded, job=loaded.job.model_copy(update={"out": out}))
    job, record = trial.job, store.path_of(out, trial.job.spec.id)
    before = store.read(record) if record.exists() else None
    try:
        with atomic.lock(out, job.spec.id, wait=False):
            result = with_progress(trial)
            checkpoint.path_of(job).unlink(missing_ok=True)
            if before:
                return compared(result, before, record)
            written = write(job, result)
    except atomic.Busy:
        raise DataError(
            f"the trial {job.spec.id} runs in "
            f"{atomic.holders(atomic.lock_path(out, job.spec.id))}; wait for it, or stop it"
        ) from None
    files = (f"  {path}" for path in written)
    say(f"{labels.trial_label(job)}: {outcome.line(result.record)}", *files)
    return int(result.record.status != "ok")


def with_progress(trial: Trial) -> Result:
    """Run a trial, and show how far it is."""
    shown, under_way = display.for_person(), UnderWay(trial.job, os.getpid())

    def notify(news: News) -> None:
        under_way.hear(news)
        shown.show([under_way])

    with shown.watching([trial.job]):
        return run(trial, notify)


def compared(result: Result, before: Record, path: Path) -> int:
    """Print whether a trial ended in the bits of the record ``before``, which stays; 1 if not."""
    record = result.record
    other = record.differs(before)
    what = f"other than in {path}: {', '.join(other)}" if other else f"the same bits as in {path}"
    say(f"{outcome.line(record)}\n  {what}")
    if other:
        made = (before.environment, record.environment)
        say(*(f"  made with {e.threads} threads and {e.matrix_product}" for e in made))
        say("  the record stays as it was; --out DIR stores the new one elsewhere")
    return int(bool(other) or record.status != "ok")
