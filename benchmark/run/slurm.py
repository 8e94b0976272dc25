"""Runs trials on a Slurm cluster, through submitit.

Each trial is a job of a job array, in which the runner of this machine runs it on a node. The
project, the splits and the records must be on a disk that all nodes share.
"""

from __future__ import annotations

import io
import shlex
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing, redirect_stderr
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmark import labels
from benchmark.errors import UsageError
from benchmark.paths import ROOT
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.run.child import Stamp, stamp_of, write_spec
from benchmark.run.display import Display, Lines
from benchmark.run.executor import Resources
from benchmark.run.local import Local
from benchmark.run.slurm_queue import HELD, TICK_SECONDS, Queued, queue, release, when_answered
from benchmark.run.trial import job_of
from benchmark.run.under_way import UnderWay
from benchmark.spec import Job
from benchmark.text import counted
from datasets import atomic
from datasets.errors import DataError

FOLDER = ".slurm"
"""The folder beside the records for jobs under way: their logs, and the number of each trial's."""
LONGEST_ARRAY = 1000
"""The most jobs of an array; by default Slurm takes 1,001."""
SIGNAL_SECONDS = 60
"""How long before its time limit a job is told to end, so that it is queued again."""
GONE_SECONDS = 60.0
"""How long a record may take to be seen on a shared disk after its job has ended."""


@dataclass(frozen=True)
class OnNode:
    """What a job does: it runs one trial, as a run on that node would."""

    spec: Path
    stamp: Stamp
    """That of the trial's record before; once it is another, the trial is settled."""
    timeout: float | None
    fresh: bool

    def __call__(self) -> None:
        job = job_of(self.spec)
        if stamp_of(job) == self.stamp:
            with closing(Local(1, self.timeout, self.fresh).run([job])) as ended:
                for _ in ended:
                    pass

    def checkpoint(self) -> Any:
        """Return what to do when the job is queued again, for submitit: to go on.

        It is called when a job is pre-empted or at the end of its time.
        """
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(replace(self, fresh=False))


class Slurm:
    """Submits trials as jobs, and waits for their records."""

    def __init__(
        self,
        out: Path,
        resources: Callable[[Job], Resources],
        options: Mapping[str, str],
        timeout: float | None = None,
        fresh: bool = False,
        wait: bool = True,
        display: Display | None = None,
    ) -> None:
        """``out``: the folder of the records; ``resources``: what a trial is to get; ``options``:
        other ones of sbatch, as partition; ``display``: what tells how far it is, else lines.
        Raises UsageError without submitit or Slurm.
        """
        try:
            import submitit
        except ModuleNotFoundError as error:
            raise UsageError(
                "--executor slurm needs the package submitit; install it by "
                "`pip install -r requirements-slurm.txt`"
            ) from error
        if submitit.SlurmExecutor.affinity() < 0:
            raise UsageError(
                "--executor slurm: there is no srun on this machine; give the command on a node "
                "of the cluster from which jobs are submitted"
            )
        self.folder, self.resources, self.options = out.resolve() / FOLDER, resources, options
        self.timeout, self.fresh, self.wait = timeout, fresh, wait
        self.display = display or Lines()

    def run(self, jobs: Sequence[Job]) -> Generator[tuple[Job, Record], None, None]:
        """Submit what is not in the queue; give each job with its record, as they end.

        The cluster goes on if this ends early. Raises DataError if Slurm takes no jobs, or in the
        end if some have ended without a record.
        """
        queued = queue()
        new = [job for job in jobs if self.number_of(job) not in queued]
        stamps = {job.spec.id: stamp_of(job) for job in jobs}
        for resources, alike in grouped(new, self.resources):
            self.submit(resources, alike, stamps)
        if jobs:
            there = len(jobs) - len(new)
            submitted = f"{counted(len(new), 'job')} submitted to Slurm"
            self.display.note(f"{submitted}; {there} were in its queue before")
        if self.wait:
            yield from self.collect(jobs, stamps)
            self.tidy(jobs)

    def submit(self, resources: Resources, jobs: Sequence[Job], stamps: dict[str, Stamp]) -> None:
        """Submit an array of jobs that need the same, and note the number of each."""
        from submitit import SlurmExecutor
        from submitit.core.utils import FailedJobError

        executor = SlurmExecutor(self.folder, max_num_timeout=10**6)
        executor.update_parameters(
            job_name="trials",
            time=resources.minutes,
            mem=f"{resources.megabytes}MB",
            cpus_per_task=jobs[0].threads,
            gpus_per_node=1 if jobs[0].spec.device == "cuda" else None,
            signal_delay_s=SIGNAL_SECONDS,
            setup=[f"cd {shlex.quote(str(ROOT))}"],
            stderr_to_stdout=True,
            **self.options,
        )
        todo = [
            OnNode(write_spec(job), stamps[job.spec.id], self.timeout, self.fresh) for job in jobs
        ]
        try:
            with redirect_stderr(io.StringIO()):  # the error that is raised says the same
                submitted = executor.submit_array(todo)
        except FailedJobError as error:
            raise DataError(
                f"Slurm did not take the jobs: {' '.join(str(error).split())}"
            ) from error
        for job, made in zip(jobs, submitted, strict=True):
            atomic.write(self.number_path(job), made.job_id.encode())

    def collect(
        self, jobs: Sequence[Job], stamps: Mapping[str, Stamp]
    ) -> Generator[tuple[Job, Record], None, None]:
        """Give each job with its record once that is there.

        Raises DataError in the end if jobs have left the queue without a record.
        """
        waiting, lost = list(jobs), list[Job]()
        gone_at: dict[str, float] = {}
        running: dict[str, UnderWay] = {}
        with self.display.watching(jobs):
            while waiting:
                queued, now = self.queued(), time.monotonic()
                for job in list(waiting):
                    if stamp_of(job) != stamps[job.spec.id]:
                        record = store.read(store.path_of(job.out, job.spec.id))
                        self.display.finished(job, record)
                        yield job, record
                    elif self.number_of(job) not in queued and now > gone_at.setdefault(
                        job.spec.id, now + GONE_SECONDS
                    ):
                        lost.append(job)
                    else:
                        self.look(job, queued, running)
                        continue
                    waiting.remove(job)
                    running.pop(job.spec.id, None)
                self.display.show(list(running.values()))
                time.sleep(TICK_SECONDS if waiting else 0)
        if lost:
            names = ", ".join(map(labels.trial_label, lost))
            raise DataError(
                f"{counted(len(lost), 'job')} ended without a record, as scancel ends them: {names}"
                f"; their logs are in {self.folder}, and the same command submits them again"
            )

    def look(self, job: Job, queued: Mapping[str, Queued], running: dict[str, UnderWay]) -> None:
        """Note in ``running`` whether a trial without a record runs, and tell that it has started.

        A job that was pre-empted waits again, and so does one that Slurm holds, until it is
        released here.
        """
        number = self.number_of(job) or ""
        state, reason = queued.get(number, Queued("", ""))
        if state != "RUNNING":
            running.pop(job.spec.id, None)
        elif job.spec.id not in running:
            running[job.spec.id] = UnderWay(job)
            self.display.started(job)
        if reason == HELD:
            trial = labels.trial_label(job)
            self.display.note(f"a node could not start {trial}; its job goes to another node")
            release(number)

    def queued(self) -> dict[str, Queued]:
        """Return the jobs in the queue, once Slurm answers; raises DataError if it never does."""
        return when_answered(self.display.note)

    def tidy(self, jobs: Sequence[Job]) -> None:
        """Delete what belongs to jobs, once these have left the queue and no other is in it.

        A job ends a little later than its trial.
        """
        end = time.monotonic() + GONE_SECONDS
        waited_for = {self.number_of(job) for job in jobs}
        while self.queued().keys() & waited_for and time.monotonic() < end:
            time.sleep(TICK_SECONDS)
        if not self.queued().keys() & {path.read_text() for path in self.folder.glob("*.job")}:
            shutil.rmtree(self.folder, ignore_errors=True)

    def number_path(self, job: Job) -> Path:
        """Return the path of the file that holds the number of a trial's job."""
        return self.folder / f"{job.spec.id}.job"

    def number_of(self, job: Job) -> str | None:
        """Return the number of the job that was last submitted for a trial; None if none was."""
        path = self.number_path(job)
        return path.read_text() if path.exists() else None


def grouped(
    jobs: Iterable[Job], resources: Callable[[Job], Resources]
) -> list[tuple[Resources, list[Job]]]:
    """Return the arrays to submit: jobs that need the same, and not too many at a time."""
    alike: dict[tuple[Resources, int, str | None], list[Job]] = defaultdict(list)
    for job in jobs:
        alike[resources(job), job.threads, job.spec.device].append(job)
    return [
        (needed, group[start : start + LONGEST_ARRAY])
        for (needed, _, _), group in alike.items()
        for start in range(0, len(group), LONGEST_ARRAY)
    ]
