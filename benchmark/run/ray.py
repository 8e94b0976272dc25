"""Runs trials on a Ray cluster, whose nodes share no disk.

The code travels as Ray's working directory, and a split once to each node. There the runner of this
machine runs a trial in a folder of its own, and its files come back to be stored.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from benchmark import environment
from benchmark.errors import UsageError
from benchmark.paths import ROOT
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.run.display import Display, Lines
from benchmark.run.executor import Resources
from benchmark.run.local import Local
from benchmark.spec import Job
from benchmark.text import counted
from datasets import atomic, cache
from datasets.errors import DataError

CODE = ("benchmark", "datasets", "models", "suites", "run_all.py")
"""What of this project travels to the nodes."""
SPLITS = "strong-generalization-splits"
"""The folder for splits in the folder for temporary files of a node."""
TICK_SECONDS = 1.0
"""How long trials are waited for before a look at the clock."""

Files = Mapping[str, bytes]
"""Contents of files by their names."""


class Sent(NamedTuple):
    """A trial as it travels to a node."""

    job: str
    """The job as JSON; its paths mean nothing there."""
    plugins: tuple[tuple[str, bytes], ...]
    """The name and content of each plugin."""
    timeout: float | None


class NodeFailed(Exception):
    """A node cannot run a trial at all, as with a full disk."""

    def __init__(self, node: str, reason: str) -> None:
        super().__init__(node, reason)
        self.node, self.reason = node, reason


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

        If this ends early, so do the trials. A trial that a node cannot run goes to another one.
        Raises DataError if no node can run it.
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
                            record = stored(job, self.answer(done))
                        except NodeFailed as failed:
                            self.leave_out(failed, job)
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
            "scheduling_strategy": "SPREAD",
        }
        if self.left_out:
            options["label_selector"] = {"ray.io/node-id": f"!in({','.join(self.left_out)})"}
        plugins = tuple((path.name, path.read_bytes()) for path in job.plugins)
        sent = Sent(job.model_dump_json(), plugins, self.timeout)
        return self.ray.remote(**options)(on_node).remote(sent, split)

    def answer(self, reference: Any) -> Files:
        """Return what came back; raises NodeFailed if the node could not run the trial at all."""
        try:
            return self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, NodeFailed):
                raise error.cause from error
            raise DataError(f"a node could not run a trial: {error.cause}") from error

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
    try:
        return import_module("ray")
    except ModuleNotFoundError as error:
        raise UsageError(
            "--executor ray needs the package ray; install it by "
            "`pip install -r requirements-ray.txt`"
        ) from error


def on_node(sent: Sent, split: Files) -> dict[str, bytes]:
    """Run a trial on this node; returns its files by name. Raises NodeFailed if it cannot."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            return run_in(Path(folder), sent, split)
    except (OSError, DataError) as error:
        node = library().get_runtime_context().get_node_id()
        raise NodeFailed(node, str(error)) from error


def run_in(out: Path, sent: Sent, split: Files) -> dict[str, bytes]:
    """Run a trial in a folder; returns its files by name."""
    job = Job.model_validate_json(sent.job)
    plugins = [out / plugin for plugin, _ in sent.plugins]
    for path, (_, content) in zip(plugins, sent.plugins, strict=True):
        path.write_bytes(content)
    here = {"split": unpacked(split, job.spec.split_hash), "out": out, "plugins": plugins}
    job = job.model_copy(update=here)
    with closing(Local(1, sent.timeout).run([job])) as ended:
        for _ in ended:
            pass
    files = store.files_of(out, job.spec.id)
    return {path.name: path.read_bytes() for path in files if path.parent == out}


def unpacked(split: Files, split_hash: str) -> Path:
    """Return the folder of a split on this node, which the first trial that needs it writes."""
    parent = Path(tempfile.gettempdir()) / SPLITS
    folder = parent / split_hash
    with atomic.lock(parent, split_hash, wait=True):
        if not folder.exists():
            with atomic.folder(folder) as new:
                for name, content in split.items():
                    (new / name).write_bytes(content)
    cache.read(folder, check=True)
    return folder


def files_in(folder: Path) -> dict[str, bytes]:
    """Return the files in a folder by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def stored(job: Job, files: Files) -> Record:
    """Store the files of a trial, and return its record."""
    store.put(job.out, job.spec.id, files)
    return store.read(store.path_of(job.out, job.spec.id))
