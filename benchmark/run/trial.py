"""One trial: train a model on a split, choose the best epoch, score the test users once, write the
record.

``python -m benchmark.trial SPEC.json`` runs one by hand; a run does the same, each in a process of
its own.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import sys
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from benchmark import labels, plugins
from benchmark.errors import UsageError
from benchmark.evaluation import truth
from benchmark.evaluation.metrics import SELECTION
from benchmark.evaluation.ranking import Ranking, evaluate
from benchmark.evaluation.truth import code_of
from benchmark.records import store
from benchmark.records.record import Status
from benchmark.records.store import Result
from benchmark.run import checkpoint, outcome, weights
from benchmark.run.clock import Clock
from benchmark.run.launch import surroundings
from benchmark.run.progress import Progress
from benchmark.run.training import Notify, Trial, build, test, train
from benchmark.spec import PROTOCOL, Job
from benchmark.text import say
from datasets import atomic, cache
from datasets.errors import DataError
from models.base import Config
from models.registry import MODELS


def run(trial: Trial, notify: Notify) -> Result:
    """Run ``trial``; whatever happens to the model, the result is a record and the files that
    belong beside it.

    What stops a person's program (KeyboardInterrupt) passes through; so does DataError, for a disk
    without room for a checkpoint.
    """
    job, progress = trial.job, Progress(Clock(trial.job.spec.device))
    status: Status = "ok"
    reason, ranking, kept = None, None, None
    torch.set_num_threads(job.threads)
    with threadpool_limits(job.threads):
        try:
            build_matrices(trial)
            if trial.entry is None:
                ranking = rank_by_truth(trial, progress)
            else:
                model = build(trial, trial.entry, progress)
                train(model, trial, progress, notify)
                progress.weights_bytes = sum(tensor.nbytes for tensor in model.weights.values())
                ranking = test(model, trial.split, progress) if job.spec.stage == "test" else None
                kept = weights.pack(model, job, trial.split) if job.keep_weights else None
        except DataError:
            raise
        except (Exception, SystemExit) as error:
            ranking, (status, reason) = None, outcome.failure(error)
    record = outcome.record_of(
        job.spec, job.data, status, reason, ranking, progress, threads=job.threads, alone=job.alone
    )
    return store.packed(record, ranking, kept)


def build_matrices(trial: Trial) -> None:
    """Build the matrices that the trial needs before any clock runs: it is not the model's work."""
    split, stage = trial.split, trial.job.spec.stage
    folds = [split.validation, split.test] if stage == "test" else [split.validation]
    for part in (split.train, *(part for fold in folds for part in (fold.history, fold.target))):
        _ = part.matrix


def write(job: Job, result: Result) -> list[Path]:
    """Store a trial's result, after which it needs no checkpoint; returns the paths of the files
    written.
    """
    written = store.write(job.out, result)
    checkpoint.path_of(job).unlink(missing_ok=True)
    return written


def rank_by_truth(trial: Trial, progress: Progress) -> Ranking:
    """Return the ranking of a row that knows the generator's own probabilities."""
    assert trial.split.truth is not None, "only a generated split has such rows"
    with progress.clock("test"):
        return evaluate(truth.ROWS[trial.job.spec.model](trial.split.truth), trial.split.test)


def load(path: Path) -> Trial:
    """The trial of a SPEC.json.

    Raises DataError if the file is not one, if this checkout would compute other numbers than the
    spec names, or if the split is not in the cache.
    """
    job = job_of(path)
    spec = job.spec
    plugins.load(job.plugins)
    if (PROTOCOL, code_of(spec.model)) != (spec.protocol, spec.code):
        raise DataError(
            f"{path} is of other code for {spec.model} than this checkout has (or another "
            "protocol version than "
            f"{PROTOCOL}); check out the code that wrote it, or start the run again"
        )
    prepared = cache.read(job.split)
    if prepared.split_hash != spec.split_hash:
        raise DataError(f"{job.split} holds another split than {path} names; start the run again")
    entry = MODELS.get(spec.model)
    return Trial(
        job, entry, type(entry.config)(**spec.config) if entry else Config(), prepared.split
    )


def job_of(path: Path) -> Job:
    """Return the job in a SPEC.json; raises DataError if the file is not one."""
    try:
        return Job.model_validate_json(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} is not the spec of a trial ({error}); a run writes them to OUT/specs"
        ) from error


def settle(spec: Path) -> None:
    """Begin anew in the environment that a run gives its trials, if this is another: equal bits
    need equal kernels.
    """
    own = surroundings(job_of(spec).threads)
    if own != os.environ:
        os.execve(sys.executable, [sys.executable, "-m", "benchmark.trial", str(spec)], own)


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
    arguments = parser.parse_args(argv)
    try:
        if arguments.spec and argv is None:
            settle(arguments.spec)
        return by_hand(arguments.spec) if arguments.spec else under_parent(arguments.with_parent)
    except (DataError, UsageError) as error:
        say(f"trial: {error}", to=sys.stderr)
        return 2


def under_parent(line: int) -> int:
    """Run the trial that the runner names on ``line``, and tell it in JSON of each epoch, at last
    of the files.
    """
    # the runner died before it could have the kernel see to that
    if select.select([0], [], [], 0)[0]:
        return 2
    with socket.socket(fileno=line) as told:
        # and the trial's lock, held until this process ends
        spec, _, _, _ = socket.recv_fds(told, 2**16, 1)
    messages = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a model prints is not a message

    def tell(**message: Any) -> None:
        print(json.dumps(message), file=messages, flush=True)

    trial = load(Path(os.fsdecode(spec)))
    result = run(trial, lambda epoch, planned, best: tell(epoch=epoch, planned=planned))
    write(trial.job, result)
    tell(ended=True)
    return int(result.record.status != "ok")


def by_hand(spec: Path) -> int:
    """Run a trial with a progress bar, and print its result and the files written."""
    trial = load(spec)
    job = trial.job
    try:
        with (
            atomic.lock(job.out, job.spec.id, wait=False),
            tqdm(
                desc=labels.trial_label(job),
                unit="epoch",
                leave=False,
                disable=not sys.stderr.isatty(),
            ) as bar,
        ):

            def notify(epoch: int, planned: int, best: float) -> None:
                bar.total = planned
                bar.set_postfix_str(f"best validation {SELECTION} {best:.4f}", refresh=False)
                bar.update(epoch - bar.n)

            result = run(trial, notify)
            written = write(job, result)
    except atomic.Busy:
        raise DataError(
            f"another process runs the trial {job.spec.id}; wait for it, or stop it"
        ) from None
    say(
        f"{labels.trial_label(job)}: {outcome.line(result.record)}",
        *(f"  {path}" for path in written),
    )
    return int(result.record.status != "ok")


if __name__ == "__main__":
    sys.exit(main())
