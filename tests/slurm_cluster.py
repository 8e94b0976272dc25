"""A Slurm cluster of two nodes on this machine, for test_slurm.py."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SETTLE_SECONDS = 5.0
"""How long a node that returns is given to hear which of its jobs were given up. One of these that
started there before would be ended by that message; this is why Slurm has them wait so long.
"""
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
CONFIGURATION = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0
ReturnToService=2
JobRequeue=1
KillWait=5
SlurmdTimeout=6
MpiDefault=none
NodeName=s1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=8000
NodeName=s2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 RealMemory=8000
PartitionName=main Nodes=s1,s2 Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """The programs of Slurm that this machine has not."""
    return [name for name in PROGRAMS if not shutil.which(name)]


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in listening]
    for server in listening:
        server.close()
    return ports


class Cluster:
    """What a test may do to the cluster."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: dict[str, subprocess.Popen[bytes]] = {}

    def ask(self, *command: str) -> str:
        """The output of one of Slurm's commands, once its controller answers."""
        for _ in range(60):
            asked = subprocess.run(command, capture_output=True, text=True)
            if not asked.returncode:
                return asked.stdout
            time.sleep(0.5)
        raise AssertionError(f"{command}: {asked.stderr}")

    def jobs(self) -> dict[str, str]:
        """The state of each job that waits or runs, by its number."""
        lines = self.ask("squeue", "--noheader", "--array", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)

    def until(self, ready, seconds: float = 120.0) -> None:
        """Wait until ``ready()`` is true."""
        end = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < end, f"not within {seconds} s; jobs {self.jobs()}"
            time.sleep(0.2)

    def start_waiting(self) -> None:
        """Have jobs that were queued again start soon; Slurm has them wait for two minutes."""
        for number, state in self.jobs().items():
            if state == "PENDING":
                self.ask("scontrol", "update", f"JobId={number}", "StartTime=now")

    def crash(self) -> None:
        """Kill the controller, which starts anew."""
        os.kill(int((self.folder / "slurmctld.pid").read_text()), signal.SIGKILL)

    def lose(self, node: str) -> None:
        """Kill all that runs on a node at once, as a power cut does."""
        outside = self.nodes.pop(node)
        children = Path(f"/proc/{outside.pid}/task/{outside.pid}/children").read_text()
        for first in children.split():  # none if the daemon has crashed
            # with the first process of a namespace, all in it end
            os.kill(int(first), signal.SIGKILL)
        outside.wait()

    def is_lost(self, node: str) -> bool:
        """Whether the controller knows that a node does not answer, and has given up its jobs."""
        return self.states()[node] in ("down", "down*", "drained*")

    def give_up(self, node: str) -> None:
        """Tell the controller that a node is lost, as a monitor does; it sees so after a while."""
        self.ask("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=lost")

    def return_(self, node: str) -> None:
        """Start a node that was lost, as an operator does who also ends a drain.

        Slurm 22.05 drains a node for a "duplicate jobid" if it starts a job there twice.
        """
        self.start(node, f"exec slurmd -D -N {node}")
        self.until(lambda: not self.is_lost(node))
        if "drain" in self.states()[node]:
            self.ask("scontrol", "update", f"NodeName={node}", "State=RESUME")
        time.sleep(SETTLE_SECONDS)

    def return_full(self, node: str) -> None:
        """Start a node that was lost, with a disk that has no room for the files of a job."""
        disk = self.folder / node
        mount = f"mount -t tmpfs -o size=16k,mode=755 tmpfs {disk}"
        fill = f"head -c 100000 /dev/zero > {disk}/all 2> /dev/null"
        self.start(node, f"{mount} && {fill}; exec slurmd -D -N {node}")

    def start(self, node: str, script: str) -> None:
        """Run a script in a namespace of its own, which is the node."""
        apart = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", script]
        # what it leaves of a crash is in the cluster's folder
        self.nodes[node] = subprocess.Popen(apart, cwd=self.folder, stderr=subprocess.DEVNULL)

    def states(self) -> dict[str, str]:
        """The state of each node."""
        lines = self.ask("sinfo", "-N", "-h", "-o", "%N %T").splitlines()
        return dict(line.split() for line in lines)


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Start a cluster whose files are in ``folder``, and end it."""
    for name in ("state", "s1", "s2"):
        (folder / name).mkdir(parents=True)
    host, user = socket.gethostname().split(".")[0], "root"
    text = CONFIGURATION.format(folder=folder, host=host, user=user, ports=free_ports(3))
    (folder / "slurm.conf").write_text(text)
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    (folder / "munge.key").write_bytes(os.urandom(64))
    (folder / "munge.key").chmod(0o600)
    names = {"key-file": "key", "socket": "socket", "pid-file": "pid", "seed-file": "seed"}
    paths = [f"--{option}={folder}/munge.{end}" for option, end in names.items()]
    subprocess.run(["munged", "--force", *paths, f"--log-file={folder}/munge.log"], check=True)
    made = Cluster(folder)
    # the controller of Slurm 22.05 may crash when a lost node returns; systemd would restart it
    loop = f"while true; do slurmctld -D > {folder}/slurmctld.out 2>&1; sleep 1; done"
    # what it leaves of a crash is in its folder
    controller = subprocess.Popen(["sh", "-c", loop], cwd=folder, start_new_session=True)
    try:
        for node in ("s1", "s2"):
            made.return_(node)
        made.until(lambda: made.ask("sinfo", "-h", "-o", "%T").split() == ["idle"], 30)
        yield made
    finally:
        subprocess.run(["scancel", "--user", user, "--signal=KILL"], capture_output=True)
        os.killpg(controller.pid, signal.SIGKILL)
        controller.wait()
        for node in list(made.nodes):
            made.lose(node)
        with suppress(OSError, ValueError):
            os.kill(int((folder / "munge.pid").read_text()), signal.SIGKILL)
        del os.environ["SLURM_CONF"]
