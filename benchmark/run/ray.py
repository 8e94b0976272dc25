"""Runs trials on a Ray cluster, whose nodes share no disk.

The code travels as Ray's working directory, and a split once to each node. There node.py runs a
trial, and its files come back to be stored.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmark import environment, labels
from benchmark.errors import UsageError
from benchmark.paths import ROOT
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.run.display import Display, Lines
from benchmark.run.executor import Resources
from benchmark.run.node import Files, NodeFailed, Sent, on_node
from benchmark.spec import Job
from benchmark.text import counted
from datasets.errors import DataError

CODE = ("benchmark", "datasets", "models", "suites", "run_all.py")
"""What of this project travels to the nodes."""
TRIES = 5
"""How often a trial is sent whose workers fail before it begins."""
QUIET = {"RAY_DEDUP_LOGS_SKIP_REGEX": "^"}
"""Keeps Ray's words on nodes that end, which it prints whatever log_to_driver says, off stdout."""
TICK_SECONDS = 1.0
"""How long trials are waited for before a look at the clock."""


class Ray:
    """Sends trials to the cluster, and stores what comes back."""

    def __init__(
        self,
        address: str | None,
        resources: Callable[[Job], Resources],
        timeout: float | None = None,
        display: Display | None = None,
    ) -> None:
        """``address``: of the cluster; None for one that runs on this machine; ``resources``: what
        a trial is to get; ``display``: what tells how far it is, else lines. Raises UsageError
        without the package ray, or without a cluster.
        """
        self.ray, self.display = library(), display or Lines()
        self.resources, self.timeout = resources, timeout
        self.left_out: list[str] = []
        """The ids of the nodes that get no more trials."""
        self.failures = Counter[str]()
        """How often a worker failed before its trial began, by the trial's id."""
        excluded = [f"/{path.name}" for path in ROOT.iterdir() if path.name not in CODE]
        carried = {
            "working_dir": str(ROOT),
            "excludes": excluded,
            "env_vars": environment.carried(),
        }
        try:
            self.ray.init(
                address=address or "auto",
                runtime_env=carried,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UsageError(
                f"--executor ray: no cluster answers at {address or 'this machine'} "
                f"({' '.join(str(error).split())[:200]}); start one, as docs/cluster.md says"
            ) from error

    def run(self, jobs: Sequence[Job]) -> Generator[tuple[Job, Record], None, None]:
        """Run every job; give each with its record, once that is stored in the job's folder.

        If this ends early, so do the trials. A trial that a node cannot run is sent to another one.
        Raises DataError if none can.
        """
        splits = {job.split: self.ray.put(files_in(job.split)) for job in jobs}
        nodes = counted(len(self.ray.nodes()), "node")
        self.display.note(f"{counted(len(jobs), 'trial')} sent to {nodes}")
        with self.display.watching(jobs):
            under_way = {self.send(job, splits[job.split]): job for job in jobs}
            try:
                while under_way:
                    ended, _ = self.ray.wait(list(under_way), timeout=TICK_SECONDS)
                    for done in ended:
                        job = under_way.pop(done)
                        try:
                            record = stored(job, self.ray.get(done))
                        except self.ray.exceptions.RayTaskError as error:
                            self.failed(job, error.cause)
                            under_way[self.send(job, splits[job.split])] = job
                        else:
                            self.display.finished(job, record)
                            yield job, record
                    self.display.show([])  # Ray does not say which have started
            finally:
                for reference in under_way:
                    self.ray.cancel(reference, force=True)
                self.ray.shutdown()

    def send(self, job: Job, split: Any) -> Any:
        """Send a trial to the cluster; returns Ray's reference to what will come back."""
        needed = self.resources(job)
        options = {
            "num_cpus": job.threads,
            "num_gpus": int(job.spec.device == "cuda"),
            "memory": needed.megabytes * 10**6,
            "max_retries": -1,  # of what a lost node or a killed worker did, not of a trial's error
            "max_calls": 1,  # Ray may interrupt a worker that imports torch, and call it again
            "scheduling_strategy": "SPREAD",
        }
        if self.left_out:
            options["label_selector"] = {"ray.io/node-id": f"!in({','.join(self.left_out)})"}
        plugins = tuple((path.name, path.read_bytes()) for path in job.plugins)
        sent = Sent(job.model_dump_json(), plugins, self.timeout)
        return self.ray.remote(**options)(on_node).remote(sent, split)

    def failed(self, job: Job, cause: BaseException) -> None:
        """Take note of a trial that a node could not run and that is to be sent again.

        Raises DataError where that is no use.
        """
        if isinstance(cause, NodeFailed):
            self.leave_out(cause, job)
            return
        self.failures[job.spec.id] += 1
        if self.failures[job.spec.id] == TRIES:
            said = " ".join(str(cause).split())[:300]
            raise DataError(f"Ray could not run {labels.trial_label(job)}: {said}") from cause

    def leave_out(self, failed: NodeFailed, job: Job) -> None:
        """Send no more trials to a node; raises DataError if no other one is left for ``job``."""
        if failed.node not in self.left_out:
            self.left_out.append(failed.node)
            self.display.note(f"a node is left out, as it could not run a trial: {failed.reason}")
        for node in self.ray.nodes():
            large_enough = node["Resources"].get("CPU", 0) >= job.threads
            if node["Alive"] and large_enough and node["NodeID"] not in self.left_out:
                return
        raise DataError(f"no node of the cluster could run a trial: {failed.reason}")


def library() -> Any:
    """Return the package ray, which not every environment of this project has.

    Raises UsageError without it.
    """
    os.environ.update(QUIET)
    try:
        return import_module("ray")
    except ModuleNotFoundError as error:
        raise UsageError(
            "--executor ray needs the package ray; install it by "
            "`pip install -r requirements-ray.txt`"
        ) from error


def files_in(folder: Path) -> dict[str, bytes]:
    """Return the files in a folder by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def stored(job: Job, files: Files) -> Record:
    """Store the files of a trial, and return its record."""
    store.put(job.out, job.spec.id, files)
    return store.read(store.path_of(job.out, job.spec.id))
