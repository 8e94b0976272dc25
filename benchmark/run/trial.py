"""One trial: train a model on a split, choose the best epoch, score the test users once, write the
record.
"""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import ValidationError
from threadpoolctl import threadpool_limits

from benchmark import environment, plugins
from benchmark.evaluation import truth
from benchmark.evaluation.ranking import Ranking, evaluate
from benchmark.records import store
from benchmark.records.parse import told
from benchmark.records.record import Status
from benchmark.records.store import Result
from benchmark.run import checkpoint, outcome, weights
from benchmark.run.clock import Clock
from benchmark.run.outcome import Unstored
from benchmark.run.progress import Progress
from benchmark.run.training import Notify, Trial, build, test, train
from benchmark.spec import Job
from datasets import cache
from datasets.cache import Prepared
from datasets.errors import DataError
from models.base import Config
from models.registry import MODELS


def run(trial: Trial, notify: Notify) -> Result:
    """Run ``trial``; whatever happens to the model, the result is a record and the files that
    belong beside it.

    What stops a person's program (KeyboardInterrupt) passes through; so does Unstored, for a disk
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
        except (KeyboardInterrupt, Unstored):
            raise
        except BaseException as error:  # polars and other libraries have more than Exceptions
            ranking, (status, reason) = None, outcome.failure(error, trial.files)
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


def load(path: Path, check: bool = False) -> Trial:
    """The trial of a SPEC.json; ``check`` reads its whole split, as a run does before its trials.

    Raises DataError if the file is not one, if this checkout would compute other numbers than the
    spec names, or if the split is not in the cache.
    """
    job = job_of(path)
    spec = job.spec
    environment.git()  # now, since the checkout may change while the trial runs
    plugins.load(job.plugins)
    truth.check_code(spec, path)
    prepared = _split_of(job, path, check)
    if prepared.split_hash != spec.split_hash:
        raise DataError(f"{job.split} holds another split than {path} names; start the run again")
    entry = MODELS.get(spec.model)
    try:
        config = type(entry.config)(**spec.config) if entry else Config()
    except (ValueError, TypeError) as error:
        raise _no_spec(path, error) from error
    return Trial(job, entry, config, prepared.split)


def _split_of(job: Job, path: Path, check: bool) -> Prepared:
    """Return the split that a job names; raises DataError if it is not a whole one.

    Only in the cache may a person be told to delete it: a stranger's file names any folder.
    """
    try:
        return cache.read(job.split, check=check)
    except DataError as error:
        if job.split.resolve().is_relative_to(cache.default_folder().resolve()):
            raise
        raise DataError(
            f"{path} names {job.split}, which is no split that can be read ({error.__cause__}); "
            "start the run again"
        ) from error


def job_of(path: Path) -> Job:
    """Return the job in a SPEC.json; raises DataError if the file is not one."""
    try:
        return Job.model_validate_json(path.read_text())
    except (OSError, ValueError) as error:
        raise _no_spec(path, error) from error


def _no_spec(path: Path, error: Exception) -> DataError:
    why = told(error) if isinstance(error, ValidationError) else error
    return DataError(f"{path} is not the spec of a trial ({why}); a run writes them to OUT/specs")
