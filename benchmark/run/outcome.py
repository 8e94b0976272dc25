"""Makes the record of a trial from what happened to it."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from benchmark import environment, plugins
from benchmark.evaluation.metrics import headline, standard_error
from benchmark.evaluation.ranking import Ranking, ScoreError
from benchmark.records.record import Estimate, Record, Status
from benchmark.run.facts import facts
from benchmark.run.progress import Progress
from benchmark.spec import Data, TrialSpec
from benchmark.text import storable
from datasets.errors import DataError
from datasets.task import Name


class Unavailable(Exception):
    """The model does not run on the trial's device; one sentence."""


class TooLarge(Exception):
    """The trial needs more memory than there is; one sentence."""


class Diverged(Exception):
    """Training left the region where numbers mean anything; one sentence."""


class LogError(Exception):
    """A model has logged something else than numbers under names of its own; one sentence."""


class Unstored(DataError):
    """A checkpoint could not be written, which is no fault of the model's; one sentence."""


def record_of(
    spec: TrialSpec,
    data: Data,
    status: Status,
    reason: str | None,
    ranking: Ranking | None,
    progress: Progress,
    *,
    threads: int,
    alone: bool,
) -> Record:
    """Return a trial's record, without the hash of its per-user file and without a checksum."""
    share = progress.others.share()
    return Record(
        id=spec.id,
        spec=spec,
        data=data,
        status=status,
        reason=reason and storable(reason),
        **results(status, ranking, progress, data.task),
        curve=progress.curve,
        cost=progress.cost(),
        resumed=progress.resumed,
        other_work=round(share, 4),
        beside_others=not alone or share > environment.BESIDE_OTHERS,
        environment=facts(spec.device, threads),
        started=progress.started,
        finished=datetime.now(UTC).isoformat(timespec="microseconds"),
    )


def results(
    status: Status, ranking: Ranking | None, progress: Progress, task: Name
) -> dict[str, Any]:
    """Return the fields of a record that say how good the model is; none for a failed trial."""
    if status != "ok":
        return {}
    found = test_results(ranking, task) if ranking else {}
    if progress.curve:
        found |= {"best_epoch": progress.best_epoch, "best_validation": progress.best_validation}
    return found


def test_results(ranking: Ranking, task: Name) -> dict[str, Any]:
    """Return the fields of a record that say how good the model is on the test users."""
    per_user = {str(metric): metric(ranking.hit, ranking.targets) for metric in headline(task)}
    return {
        "metrics": {
            name: Estimate(mean=float(values.mean()), stderr=standard_error(values))
            for name, values in per_user.items()
        },
        "tied_rows": ranking.tied,
    }


def failure(error: BaseException, files: Iterable[Path]) -> tuple[Status, str]:
    """The status and reason of a failure of the model that ``files`` define.

    The last line of the reason is one sentence; before it comes the traceback where the cause is
    not plain.
    """
    told = " ".join(str(error).split())
    if isinstance(error, ScoreError | Unavailable | LogError):
        return "failed", told
    if isinstance(error, Diverged):
        return "diverged", told
    if isinstance(error, TooLarge):
        return "oom", told
    if isinstance(error, SystemExit):
        return "failed", f"the model called sys.exit({error.code!r})"
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(
        error
    ):
        return "oom", f"out of memory: {told}"
    said = "".join(traceback.format_exception(error)).strip()
    return "failed", f"{said}\n{plugins.sentence(error, files)}"


def line(record: Record) -> str:
    """Return the result of a trial on one line."""
    if record.status != "ok":
        return f"{record.status}: {record.sentence}"
    seconds = record.cost.total_seconds
    epoch = f" at epoch {record.best_epoch} of {len(record.curve)}" if len(record.curve) > 1 else ""
    tested = record.tested
    score, what = (tested, "") if tested is not None else (record.best_validation, "validation ")
    return f"{what}{record.selection} {score:.4f}{epoch}, {seconds:.0f} s"
