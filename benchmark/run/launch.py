"""Starts the process of a trial, if need be before it is known which trial it will be.

Importing torch takes longer than all else before the first update, so a run's first process imports
it while the run does. That is why only the standard library is imported here.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchmark.paths import ROOT

_ahead: list[Launched] = []


def variables(threads: int) -> dict[str, str]:
    """Environment of a trial's process: threads of every library, and an allocator that keeps its
    large blocks.

    Idle threads soon sleep: torch's (OpenMP) and NumPy's (OpenBLAS) would keep each other from the
    cores. glibc returns large blocks to the kernel and pays for their page faults again at the next
    step, unless told so.
    """
    pools = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    waiting = {"GOMP_SPINCOUNT": 1000, "OPENBLAS_THREAD_TIMEOUT": 4}
    allocator = {
        "MALLOC_MMAP_THRESHOLD_": 2**32,
        "MALLOC_TRIM_THRESHOLD_": 2**36,
        "MALLOC_TOP_PAD_": 2**26,
    }
    return {
        name: str(value)
        for name, value in (dict.fromkeys(pools, threads) | waiting | allocator).items()
    }


def surroundings(threads: int) -> dict[str, str]:
    """This process's environment with those variables, less all that may pin a library's threads or
    kernels.
    """
    pins = ("OPENBLAS_", "MKL_", "OMP_", "GOMP_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(pins)}
    return kept | variables(threads)


@dataclass(eq=False)
class Launched:
    """A process that imports what trials need, waits to be told which one it is, and never outlives
    this one.
    """

    threads: int
    process: subprocess.Popen[bytes]
    held: int
    """The other end of its standard input."""
    line: socket.socket
    """To it."""
    log: IO[bytes]
    """What it writes to standard error."""

    @classmethod
    def start(cls, threads: int) -> Launched:
        """Start a process with so many CPU ``threads``."""
        log = tempfile.TemporaryFile()  # noqa: SIM115  (it lives as long as the process)
        line, its = socket.socketpair()
        listening, held = os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmark.trial", "--with-parent", str(its.fileno())],
            cwd=ROOT,
            env=surroundings(threads),
            stdin=listening,
            stdout=subprocess.PIPE,
            stderr=log,
            pass_fds=(its.fileno(),),
            start_new_session=True,  # a terminal's Ctrl-C is for the runner alone
        )
        its.close()
        end_with(listening, process.pid)
        return cls(threads, process, held, line, log)

    def tell(self, spec: Path, lock: int) -> None:
        """Have it run the trial of ``spec``, and hold its ``lock`` too."""
        with suppress(BrokenPipeError):  # it has died already, as its exit code will say
            socket.send_fds(self.line, [os.fsencode(spec)], [lock])

    def kill(self) -> None:
        """End the process and its children."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """Let go of everything, at the latest now."""
        self.kill()
        assert self.process.stdout is not None
        os.close(self.held)
        for end in (self.process.stdout, self.line, self.log):
            end.close()


def end_with(listening: int, group: int) -> None:
    """Have the kernel end a process group when the other end of the pipe ``listening``, which this
    closes, is closed.

    It does so however this process dies, and whatever the interpreters of the group are doing then.
    """
    fcntl.fcntl(listening, fcntl.F_SETOWN, -group)
    fcntl.fcntl(listening, fcntl.F_SETFL, fcntl.fcntl(listening, fcntl.F_GETFL) | os.O_ASYNC)
    os.close(listening)


@contextmanager
def ahead(threads: int) -> Iterator[None]:
    """Start a process for the first ``launch`` inside the block; ended after it if there was none."""
    _ahead.append(Launched.start(threads))
    try:
        yield
    finally:
        while _ahead:
            _ahead.pop().close()


def launch(threads: int) -> Launched:
    """A process for a trial: the one that was started ahead, if there is one with as many threads."""
    if _ahead and _ahead[-1].threads == threads:
        return _ahead.pop()
    return Launched.start(threads)
