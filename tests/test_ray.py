"""Runs on a Ray cluster: a real one of two nodes where Ray is installed, for the slow tests."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from benchmark.cli import main
from benchmark.paths import ROOT
from benchmark.records import store
from tests.test_merge import SAME
from tests.test_slurm import NOISE, result


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed here; pip install -r requirements-ray.txt")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    yield made
    made.shutdown()


@pytest.fixture
def nodes(cluster):
    """The two nodes of the cluster that run trials."""
    made = [cluster.add_node(num_cpus=1) for _ in range(2)]
    cluster.wait_for_nodes()
    yield made
    for node in made:
        if node in cluster.worker_nodes:
            cluster.remove_node(node)


class Command:
    """A run of a slow model with two seeds."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.out = folder, folder / "out"
        (folder / "noise.py").write_text(NOISE)
        data = ["--set", "synthetic.users=240", "synthetic.items=60", "synthetic.density=0.15"]
        trials = ["--plugin", str(folder / "noise.py"), "--models", "noise", "--seeds", "0", "1"]
        self.words = [*data, *trials, *SAME, "--threads", "1"]
        self.there = ["--executor", "ray", "--address", address, "--gigabytes", "0.5"]

    def start(self, out: Path, *more: str) -> subprocess.Popen[str]:
        words = [*self.words, "--out", str(out), *more]
        command = [sys.executable, "run_all.py", *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=ROOT, text=True, stdout=pipe, stderr=pipe)

    def on_cluster(self) -> subprocess.Popen[str]:
        return self.start(self.out, *self.there)

    def ends_well(self, run: subprocess.Popen[str]) -> str:
        """What a run says that ends well, and whose records are those of a run on this machine."""
        said, wrong = run.communicate(timeout=300)
        assert (run.returncode, wrong) == (0, "")
        here = self.folder / "here"
        assert self.start(here).communicate(timeout=300)[1] == ""
        expected = {record.id: result(record) for record in store.read_all(here)}
        assert {record.id: result(record) for record in store.read_all(self.out)} == expected
        assert main(["verify", str(self.out)]) == 0
        assert not list(self.out.glob(".*"))
        return said


def under_way() -> list[psutil.Process]:
    """The processes on this machine in which a node runs a trial."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.name().startswith("ray::on_node"):
                found.append(process)
    return found


def until(ready, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.1)


@pytest.fixture
def command(tmp_path, cluster, nodes) -> Command:
    return Command(tmp_path, cluster.address)


@pytest.mark.slow
def test_the_cluster_gives_the_bits_of_this_machine(command):
    said = command.ends_well(command.on_cluster())
    assert "4 trials sent to 3 nodes" in said
    commits = {record.environment.commit for record in store.read_all(command.out)}
    assert len(commits) == 1
    assert None not in commits


@pytest.mark.slow
def test_a_killed_worker_costs_nothing(command):
    run = command.on_cluster()
    until(lambda: len(under_way()) == 2)
    os.kill(under_way()[0].pid, signal.SIGKILL)
    command.ends_well(run)


@pytest.mark.slow
def test_a_lost_node_costs_nothing(command, cluster, nodes):
    run = command.on_cluster()
    until(lambda: len(under_way()) == 2)
    cluster.remove_node(nodes[0], allow_graceful=False)
    command.ends_well(run)


@pytest.mark.slow
def test_a_killed_run_ends_its_trials_and_goes_on(command):
    run = command.on_cluster()
    until(lambda: len(under_way()) == 2)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    until(lambda: not under_way())
    command.ends_well(command.on_cluster())


def test_without_ray_it_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["--models", "ease", *SAME, "--executor", "ray"]) == 2
    assert "pip install -r requirements-ray.txt" in capsys.readouterr().err


def test_only_slurm_is_left_alone(capsys):
    for executor in ("local", "ray"):
        words = ["--models", "ease", *SAME, "--executor", executor, "--detach"]
        assert main(words) == 2
        assert f"the executor is {executor}; leave it out" in capsys.readouterr().err
