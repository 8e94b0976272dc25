"""Runs on a Slurm cluster: a real one where Slurm is installed, for the slow tests."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmark.cli import main
from benchmark.errors import UsageError
from benchmark.paths import ROOT
from benchmark.records import store
from benchmark.run import slurm
from benchmark.run.executor import Resources
from tests.conftest import run_tiny
from tests.slurm_cluster import Cluster, cluster, missing
from tests.test_merge import SAME, without_times

KILLS = int(os.environ.get("NODE_KILLS", "10"))
"""How often a node is lost, in the tests that lose many."""
NOISE = '''
"""A slow model whose scores depend on all epochs before. Differences from the paper: none."""
import os
import time
import torch
from models.base import Config, Recommender
from models.registry import register


class NoiseConfig(Config):
    epochs: int = 24


@register("noise", NoiseConfig(), paper="none")
class Noise(Recommender[NoiseConfig]):
    net = {}

    def train_epoch(self, data):
        time.sleep(float(os.environ.get("SECONDS_OF_AN_EPOCH", "0.3")))
        before = self.net.get("noise", torch.zeros(data.shape[1]))
        self.net = {"noise": 0.9 * before + torch.randn(data.shape[1])}
        return {"total": float(self.net["noise"].sum())}

    def score(self, history, users=None):
        return self.net["noise"].expand(history.shape[0], -1)
'''


class Command:
    """A run of the noise with three seeds, on the cluster."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        self.out, self.cluster = folder / "out", cluster
        (folder / "noise.py").write_text(NOISE)
        data = ["--set", "synthetic.users=240", "synthetic.items=60", "synthetic.density=0.15"]
        trials = ["--plugin", str(folder / "noise.py"), "--models", "noise", "--seeds", "0", "1"]
        how = ["--threads", "1", "--minutes", "10", "--checkpoint-seconds", "0.1"]
        self.words = [*data, *trials, *SAME, *how]

    def on_cluster(self, *more: str) -> subprocess.Popen[str]:
        """Start the run in a process of its own."""
        return start([*self.words, "--out", str(self.out), "--executor", "slurm", *more])

    def checkpoints(self) -> list[Path]:
        return list(self.out.glob(".*.checkpoint"))

    def ends_well(self, run: subprocess.Popen[str]) -> str:
        """What a run says that ends well, and whose records are those of a run on this machine."""
        said, wrong = run.communicate(timeout=300)
        assert (run.returncode, wrong) == (0, "")
        assert results(self.out) == undisturbed(self.words, self.out.with_name("here"))
        assert not list(self.out.glob(".*"))
        return said


def start(words: list[str], **variables: str) -> subprocess.Popen[str]:
    """Start a run of these words in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "run_all.py", *words],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **variables},
    )


def undisturbed(words: list[str], out: Path) -> dict[str, dict]:
    """The results of a run on this machine, whose trials do not wait."""
    here = start([*words, "--out", str(out)], SECONDS_OF_AN_EPOCH="0")
    assert here.communicate(timeout=300)[1] == ""
    return results(out)


def results(out: Path) -> dict[str, dict]:
    return {record.id: result(record) for record in store.read_all(out)}


def result(record) -> dict:
    """A record without what may differ on another machine or after an interruption."""
    environment = record.environment.model_dump()
    rest = without_times(record)
    return rest | {"resumed": None, "environment": environment["matrix_product"]}


@pytest.fixture(scope="session")
def slurm_cluster(tmp_path_factory):
    if absent := missing():
        pytest.skip(f"Slurm is not installed here: no {', '.join(absent)}")
    if os.geteuid() != 0:
        pytest.skip("a cluster for tests can be started by root only")
    with cluster(tmp_path_factory.mktemp("slurm")) as made:
        yield made


@pytest.fixture
def command(tmp_path, slurm_cluster) -> Command:
    return Command(tmp_path, slurm_cluster)


@pytest.mark.slow
def test_the_cluster_gives_the_bits_of_this_machine(command):
    said = command.ends_well(command.on_cluster())
    assert "4 jobs submitted to Slurm; 0 were in its queue before" in said
    assert "| noise " in said


@pytest.mark.slow
def test_a_detached_run_is_collected_by_the_same_command(command):
    command.words += ["--set", "noise.epochs=90"]
    said, wrong = command.on_cluster("--detach").communicate(timeout=60)
    assert wrong == ""
    assert said.endswith(
        "the same command, without --detach, waits for them and prints the tables\n"
    )
    assert "|" not in said
    said = command.ends_well(command.on_cluster())
    assert "0 jobs submitted to Slurm" in said


@pytest.mark.slow
def test_a_preempted_job_goes_on_from_its_checkpoint(command, slurm_cluster):
    run = command.on_cluster()
    slurm_cluster.until(command.checkpoints)
    for number, state in slurm_cluster.jobs().items():
        if state == "RUNNING":
            slurm_cluster.ask("scancel", "--signal=USR2", number)
    slurm_cluster.until(lambda: "RUNNING" not in slurm_cluster.jobs().values())
    assert command.checkpoints()
    slurm_cluster.start_waiting()
    command.ends_well(run)
    assert any(record.resumed for record in store.read_all(command.out))


@pytest.mark.slow
def test_a_lost_node_costs_nothing(command, slurm_cluster):
    run = command.on_cluster()
    slurm_cluster.until(command.checkpoints)
    slurm_cluster.lose("s1")
    slurm_cluster.until(lambda: slurm_cluster.is_lost("s1"))
    slurm_cluster.start_waiting()
    command.ends_well(run)
    slurm_cluster.return_("s1")


@pytest.mark.slow
def test_a_node_with_a_full_disk_costs_nothing(command, slurm_cluster):
    slurm_cluster.lose("s2")
    slurm_cluster.return_full("s2")
    try:
        said = command.ends_well(command.on_cluster())
    finally:
        slurm_cluster.lose("s2")
        slurm_cluster.until(lambda: slurm_cluster.is_lost("s2"))
        slurm_cluster.return_("s2")
    assert "a node could not start " in said, said
    slurm_cluster.until(lambda: slurm_cluster.states()["s2"] == "idle")


@pytest.mark.slow
def test_a_controller_that_starts_anew_costs_nothing(command, slurm_cluster):
    run = command.on_cluster()
    slurm_cluster.until(command.checkpoints)
    slurm_cluster.crash()
    command.ends_well(run)


@pytest.mark.slow
def test_nodes_that_are_lost_again_and_again_cost_nothing(command, slurm_cluster):
    draw, kills = random.Random(0), 0
    command.words += ["--set", "noise.epochs=40", "--seeds", *map(str, range(4))]
    while kills < KILLS:
        run = command.on_cluster()
        slurm_cluster.until(slurm_cluster.jobs)
        while run.poll() is None:
            time.sleep(draw.uniform(0, 20))
            lost = draw.sample(["s1", "s2"], draw.randint(1, 2))
            for node in lost:
                slurm_cluster.lose(node)
                slurm_cluster.give_up(node)
            for node in lost:
                slurm_cluster.return_(node)
            slurm_cluster.start_waiting()
            kills += len(lost)
        command.ends_well(run)
        command.out = command.out.with_name(f"out-{kills}")


@pytest.mark.slow
def test_a_job_whose_time_is_over_goes_on_from_its_checkpoint(command, slurm_cluster):
    command.words += ["--minutes", "2", "--set", "noise.epochs=500", "--seeds", "0"]
    run = command.on_cluster()
    while run.poll() is None:
        slurm_cluster.start_waiting()
        time.sleep(1)
    command.ends_well(run)
    records = store.read_all(command.out)
    assert [record.resumed for record in records if record.spec.model == "noise"] == [True]


@pytest.mark.slow
def test_a_killed_run_is_taken_up_by_the_same_command(command, slurm_cluster):
    command.words += ["--set", "noise.epochs=90"]
    run = command.on_cluster()
    slurm_cluster.until(command.checkpoints)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    said = command.ends_well(command.on_cluster())
    assert re.search(r"\n0 jobs submitted to Slurm; [2-4] were in its queue before\n", said)


@pytest.mark.slow
def test_a_cancelled_job_is_named_and_submitted_again(command, slurm_cluster):
    run = command.on_cluster("--checkpoint-seconds", "9999")
    slurm_cluster.until(lambda: "RUNNING" in slurm_cluster.jobs().values())
    slurm_cluster.ask("scancel", "--user", "root")
    _, wrong = run.communicate(timeout=200)
    assert run.returncode == 2
    assert "ended without a record, as scancel ends them: " in wrong
    assert "noise seed 0" in wrong
    command.ends_well(command.on_cluster())


@pytest.mark.slow
def test_what_slurm_refuses_is_one_sentence(command):
    _, wrong = command.on_cluster("--partition", "nowhere").communicate(timeout=60)
    assert wrong.startswith("run_all.py: Slurm did not take the jobs: ")
    assert "nowhere" in wrong or "partition" in wrong
    assert len(wrong.splitlines()) == 1


def test_without_a_cluster_it_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run_tiny(tmp_path / "out", "--models", "ease", *SAME, "--executor", "slurm") == 2
    assert "there is no srun on this machine" in capsys.readouterr().err


def test_without_submitit_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(UsageError, match=r"pip install -r requirements-slurm\.txt"):
        slurm.Slurm(Path("out"), lambda job: Resources(1, 1), {})


def test_machines_must_agree_on_what_auto_means(capsys):
    assert main(["--models", "ease", "--executor", "slurm"]) == 2
    assert "--executor slurm needs --device and --precision" in capsys.readouterr().err
