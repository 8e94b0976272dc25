"""From what happened to a trial to its record."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime
from typing import Any

import torch

from benchmark import environment
from benchmark.evaluation.metrics import HEADLINE, SELECTION, standard_error
from benchmark.evaluation.ranking import Ranking, ScoreError
from benchmark.records.store import Estimate, Record, Status
from benchmark.run.checkpoint import Progress
from benchmark.spec import Job


class Unavailable(Exception):
    """The model does not run on the trial's device; one sentence."""


class Diverged(Exception):
    """Training left the region where numbers mean anything; one sentence."""


def record_of(
    job: Job, status: Status, reason: str | None, ranking: Ranking | None, progress: Progress
) -> Record:
    """All that a trial's record says, but for the hash of its per-user results."""
    share = progress.others.share()
    return Record(
        id=job.spec.id,
        spec=job.spec,
        label=job.label,
        data=job.data,
        status=status,
        reason=reason,
        **results(status, ranking, progress),
        curve=progress.curve,
        cost=progress.cost(),
        resumed=progress.resumed,
        other_work=round(share, 4),
        beside_others=not job.alone or share > environment.BESIDE_OTHERS,
        environment=environment.facts(job.spec.device, job.threads),
        started=progress.started,
        finished=datetime.now(UTC).isoformat(timespec="microseconds"),
    )


def results(status: Status, ranking: Ranking | None, progress: Progress) -> dict[str, Any]:
    """The fields of a record that say how good the model is; nulls for a trial that failed."""
    if status != "ok":
        return {}
    found = test_results(ranking) if ranking else {}
    if progress.curve:
        best = progress.curve[progress.best_epoch - 1]
        found |= {"best_epoch": progress.best_epoch, "best_validation": progress.best_validation}
        found |= {"best_beta": best.get("beta")}
    return found


def test_results(ranking: Ranking) -> dict[str, Any]:
    """The fields of a record that say how good the model is on the test users."""
    per_user = {str(metric): metric(ranking.hit, ranking.targets) for metric in HEADLINE}
    return {
        "metrics": {
            name: Estimate(mean=float(values.mean()), stderr=standard_error(values))
            for name, values in per_user.items()
        },
        "tied_rows": ranking.tied,
    }


def failure(error: BaseException) -> tuple[Status, str]:
    """The status and one-sentence reason of a model's failure; a traceback follows where the cause is not plain."""
    if isinstance(error, ScoreError | Unavailable):
        return "failed", str(error)
    if isinstance(error, Diverged):
        return "diverged", str(error)
    if isinstance(error, SystemExit):
        return "failed", f"the model called sys.exit({error.code!r})"
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(
        error
    ):
        return "oom", f"out of memory: {error}"
    return "failed", "".join(traceback.format_exception(error)).strip()


def line(record: Record) -> str:
    """The result of a trial on one line."""
    if record.status != "ok":
        return f"{record.status}: {record.sentence}"
    seconds = sum(
        record.cost.get(f"{part}_seconds", 0.0)
        for part in ("preparation", "training", "validation", "test")
    )
    epoch = f" at epoch {record.best_epoch} of {len(record.curve)}" if len(record.curve) > 1 else ""
    score = record.metrics[str(SELECTION)].mean if record.metrics else record.best_validation
    return (
        f"{'' if record.metrics else 'validation '}{SELECTION} {score:.4f}{epoch}, {seconds:.0f} s"
    )
