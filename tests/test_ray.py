"""Runs on a Ray cluster: a real one of two nodes where Ray is installed, for the slow tests."""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from benchmark.cli import main
from benchmark.records import store
from tests.test_merge import SAME
from tests.test_slurm import KILLS, NOISE, results, start, undisturbed


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

    def on_cluster(self) -> subprocess.Popen[str]:
        return start([*self.words, "--out", str(self.out), *self.there])

    def ends_well(self, run: subprocess.Popen[str]) -> str:
        """What a run says that ends well, and whose records are those of a run on this machine."""
        said, wrong = run.communicate(timeout=300)
        assert (run.returncode, wrong) == (0, "")
        assert results(self.out) == undisturbed(self.words, self.folder / "here")
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


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A disk with room for a small file, but not for a split."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a file system can be mounted by root only")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_a_node_with_a_full_disk_is_left_out(command, cluster, small_disk):
    full = cluster.add_node(num_cpus=1, env_vars={"TMPDIR": str(small_disk)})
    try:
        said = command.ends_well(command.on_cluster())
    finally:
        cluster.remove_node(full)
    assert said.count("a node is left out, as it could not run a trial: ") == 1
    assert "No space left on device" in said


@pytest.mark.slow
def test_without_a_node_that_can_run_it_it_says_so(command, cluster, nodes, small_disk):
    for node in nodes:
        cluster.remove_node(node)
    full = cluster.add_node(num_cpus=1, env_vars={"TMPDIR": str(small_disk)})
    try:
        _, wrong = command.on_cluster().communicate(timeout=120)
    finally:
        cluster.remove_node(full)
    assert wrong.startswith("run_all.py: no node of the cluster could run a trial: ")
    assert len(wrong.splitlines()) == 1
    assert not store.read_all(command.out)


@pytest.mark.slow
def test_nodes_that_are_lost_again_and_again_cost_nothing(command, cluster, nodes):
    draw, kills = random.Random(0), 0
    command.words += ["--seeds", *map(str, range(4)), "--set", "noise.epochs=10"]
    while kills < KILLS:
        run = command.on_cluster()
        while run.poll() is None:
            time.sleep(draw.uniform(5, 25))  # a trial needs some ten seconds
            at = draw.randrange(2)
            cluster.remove_node(nodes[at], allow_graceful=False)
            nodes[at] = cluster.add_node(num_cpus=1)
            kills += 1
        command.ends_well(run)
        command.out = command.folder / f"out-{kills}"


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
