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
from types import SimpleNamespace

import psutil
import pytest

from benchmark.cli import main
from benchmark.records import store
from benchmark.run import node
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
    for each in made:
        if each in cluster.worker_nodes:
            cluster.remove_node(each)


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
        assert "raylet" not in said
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
    for each in nodes:
        cluster.remove_node(each)
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
            for at in draw.sample([0, 1], draw.randint(1, 2)):
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


def raises(error: Exception):
    raise error


@pytest.mark.parametrize(
    "ran",
    [
        lambda *_: (SimpleNamespace(status="failed", reason="no such folder"), {"a": b""}),
        lambda *_: raises(FileNotFoundError()),
    ],
    ids=["its process failed", "it could not start"],
)
def test_a_trial_whose_code_was_removed_has_no_record_of_a_failure(ran, monkeypatch):
    copies = iter([(1, 1), None])
    monkeypatch.setattr(node, "code", lambda: next(copies))
    monkeypatch.setattr(node, "run_in", ran)
    with pytest.raises(node.CodeRemoved):
        node.on_node(node.Sent("", (), None), {})


def test_a_trial_that_fails_by_itself_comes_back(monkeypatch):
    failed = SimpleNamespace(status="failed", reason="nan")
    monkeypatch.setattr(node, "run_in", lambda *_: (failed, {"a": b""}))
    assert node.on_node(node.Sent("", (), None), {}) == {"a": b""}


def test_another_copy_of_the_code_is_told_from_the_first(tmp_path, monkeypatch):
    here = tmp_path / "node.py"
    monkeypatch.setattr(node, "__file__", str(here))
    assert node.code() is None
    here.write_text("")
    before = node.code()
    assert node.code() == before
    here.rename(tmp_path / "old.py")
    here.write_text("")
    assert node.code() not in (before, None)


def test_without_ray_it_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["--models", "ease", *SAME, "--executor", "ray"]) == 2
    assert "pip install -r requirements-ray.txt" in capsys.readouterr().err


def test_only_slurm_is_left_alone(capsys):
    for executor in ("local", "ray"):
        words = ["--models", "ease", *SAME, "--executor", executor, "--detach"]
        assert main(words) == 2
        assert f"the executor is {executor}; leave it out" in capsys.readouterr().err
