"""Starts the process of a trial, if need be before it is known which trial it will be.

Importing torch takes longer than all else before the first update, so a run's first process imports
it while the run does. That is why only the standard library is imported here.
"""

from __future__ import annotations

import fcntl
import os
import secrets
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

LOG_BYTES = 2**16
"""The most that is read of what a trial's process wrote to standard error."""
TUNABLES, HUGE_PAGES = "GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"
"""The variable with settings of glibc, and the one that a trial has; an older glibc ignores it."""
_ahead: list[Launched] = []


def variables(threads: int) -> dict[str, str]:
    """Return the environment variables that a run sets for a trial's process.

    They fix the number of threads of each library. Idle threads soon sleep, since torch's (OpenMP)
    and NumPy's (OpenBLAS) would keep each other from the cores. The allocator keeps its large
    blocks: by default glibc returns them to the kernel, and the next step pays for their page
    faults again. It asks for huge pages, of which the processor keeps more in sight.
    """
    pools = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    waiting = {"GOMP_SPINCOUNT": 1000, "OPENBLAS_THREAD_TIMEOUT": 4}
    allocator = {
        "MALLOC_MMAP_THRESHOLD_": 2**32,
        "MALLOC_TRIM_THRESHOLD_": 2**36,
        "MALLOC_TOP_PAD_": 2**26,
        TUNABLES: HUGE_PAGES,
    }
    return {
        name: str(value)
        for name, value in (dict.fromkeys(pools, threads) | waiting | allocator).items()
    }


def surroundings(threads: int) -> dict[str, str]:
    """Return the environment of a trial's process: this one's with ``variables``, and without any
    other variable that sets a library's threads or kernels. A person's own settings of glibc stay.
    """
    pins = ("OPENBLAS_", "MKL_", "OMP_", "GOMP_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(pins)}
    name, _, _ = HUGE_PAGES.partition("=")
    own = [s for s in kept.get(TUNABLES, "").split(":") if s and not s.startswith(f"{name}=")]
    return kept | variables(threads) | {TUNABLES: ":".join([*own, HUGE_PAGES])}


@dataclass(eq=False)
class Launched:
    """A process that imports what trials need, waits to be told which one it is, and never outlives
    this one.
    """

    threads: int
    process: subprocess.Popen[bytes]
    held: int
    """The writing end of the pipe that is its standard input; it ends when this is closed."""
    line: socket.socket
    """The socket over which it is told its trial."""
    log: IO[bytes]
    """What it writes to standard error."""
    token: str
    """What each of its messages must repeat: a model that writes to its pipe does not know it."""

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
        return cls(threads, process, held, line, log, secrets.token_hex(8))

    def tell(self, spec: Path, lock: int) -> None:
        """Have the process run the trial of ``spec``, and inherit the trial's ``lock``."""
        with suppress(BrokenPipeError):  # it has died already, as its exit code will say
            socket.send_fds(self.line, [self.token.encode(), b" ", os.fsencode(spec)], [lock])

    def said(self) -> str:
        """Return the last LOG_BYTES of what it wrote to standard error."""
        size = self.log.seek(0, os.SEEK_END)
        self.log.seek(max(0, size - LOG_BYTES))
        return self.log.read().decode(errors="replace")

    def kill(self) -> None:
        """End the process and its children."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """End the process if it still runs, and close all that belongs to it."""
        self.kill()
        assert self.process.stdout is not None
        os.close(self.held)
        for end in (self.process.stdout, self.line, self.log):
            end.close()


def end_with(listening: int, group: int) -> None:
    """Have the kernel end a process group when the writing end of the pipe ``listening`` is closed.

    It does so however this process dies, and whatever the interpreters of the group are doing then.
    """
    fcntl.fcntl(listening, fcntl.F_SETOWN, -group)
    # by default the signal is SIGIO, which a stopped process does not get and a model may ignore
    fcntl.fcntl(listening, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(listening, fcntl.F_SETFL, fcntl.fcntl(listening, fcntl.F_GETFL) | os.O_ASYNC)
    os.close(listening)


@contextmanager
def ahead(threads: int) -> Iterator[None]:
    """Start a process that the first ``launch`` inside the block takes; end it if none does."""
    _ahead.append(Launched.start(threads))
    try:
        yield
    finally:
        while _ahead:
            _ahead.pop().close()


def launch(threads: int) -> Launched:
    """Return a process for a trial: the one started ahead if its threads fit, or a new one."""
    if _ahead and _ahead[-1].threads == threads:
        return _ahead.pop()
    return Launched.start(threads)
