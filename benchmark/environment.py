"""The machine and the software that a trial ran on, and how busy other processes kept them."""

from __future__ import annotations

import os
import platform
import re
import resource
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from benchmark.paths import ROOT
from models.base import Device, Precision

COMMIT = "BENCH_COMMIT"
"""The variable that holds the commit of the checkout where this is a copy without a repository,
and after it the word dirty if tracked files differed."""
FAST_BF16_FAMILY = 25
"""AMD's CPU family from which on bf16 products were seen to be faster than fp32 ones
(docs/performance.md)."""
LIMITS = {
    "": Path("sys/fs/cgroup/memory.max"),
    "memory": Path("sys/fs/cgroup/memory/memory.limit_in_bytes"),
}
"""The file that holds a control group's limit of memory, below whose folder are those of the groups
within, by the group's controllers: none in version 2."""
BESIDE_OTHERS = 0.10
"""The share of all cores that other processes may use before a timing is worthless."""


def by_numpy(device: Device) -> frozenset[Precision]:
    """Return the precisions in which NumPy's library is to multiply a model's large matrices here.

    This follows from facts about the machine, not from a timing. float32 is among them where torch
    uses MKL on a CPU that is not Intel's, for which MKL picks slow kernels. bfloat16 is among them
    where the CPU has no instructions for it: torch's own product is then many times slower than
    rounding to bfloat16 and multiplying in float32.
    """
    if device != "cpu":
        return frozenset()
    vendor = cpuinfo().get("vendor_id")
    slow_mkl = torch.backends.mkl.is_available() and vendor not in ("GenuineIntel", None)
    found: set[Precision] = set()
    if slow_mkl:
        found.add("fp32")
    if not has_bf16():
        found.add("bf16")
    return frozenset(found)


def has_bf16() -> bool:
    """Return whether the system says that the CPU has instructions for bfloat16."""
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(_flags())


def auto_precision() -> tuple[Precision, str]:
    """Return the precision that ``--precision auto`` means on this CPU, and the rule that says so.

    It is a rule of CPU facts, never a timing: a run means the same whatever else the machine does.
    """
    if "amx_bf16" in _flags():
        return "bf16", "bf16: the CPU has AMX, a matrix unit for it"
    if not has_bf16():
        return "fp32", "fp32: the CPU has no instructions for bf16"
    amd = cpuinfo().get("vendor_id") == "AuthenticAMD"
    if amd and int(cpuinfo()["cpu family"]) >= FAST_BF16_FAMILY:
        return (
            "bf16",
            f"bf16: AMD's CPUs of family {FAST_BF16_FAMILY} and later multiply it faster than fp32",
        )
    return "fp32", "fp32: bf16 products are known to be faster only with AMX or on AMD's later CPUs"


def _flags() -> set[str]:
    """Return the names that Linux has for the instructions of the CPU."""
    return set(cpuinfo().get("flags", cpuinfo().get("Features", "")).split())


@cache
def git() -> tuple[str | None, bool | None]:
    """Return the commit of this checkout and whether tracked files differ from it, as they were
    when this process asked first.

    Outside a repository they are those that the variable COMMIT holds, or None.
    """

    def ask(*words: str) -> str:
        run = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
        return run.stdout.strip()

    try:
        changed = ask("status", "--porcelain", "--untracked-files=no")
        return ask("rev-parse", "HEAD"), bool(changed)
    except (OSError, subprocess.CalledProcessError):
        commit, _, dirty = os.environ.get(COMMIT, "").partition(" ")
        return (commit, bool(dirty)) if commit else (None, None)


def carried() -> dict[str, str]:
    """Return the variable that tells a copy of this checkout its commit; empty outside one."""
    commit, dirty = git()
    return {COMMIT: f"{commit} dirty" if dirty else commit} if commit else {}


def cpu_model() -> str:
    """Return the CPU's name with its family and model numbers, as far as the system says them.

    The numbers are there because different CPUs may have the same name.
    """
    found = cpuinfo()
    if not found:
        return platform.processor() or platform.machine()
    name = found.get("model name", platform.machine())
    return f"{name}, family {found.get('cpu family', '?')}, model {found.get('model', '?')}"


@cache
def cpuinfo() -> dict[str, str]:
    """Return the facts about the last core, as Linux tells them; an empty dict elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return {}
    return dict(re.findall(r"^([^\t:]+)\s*: (.*)$", text, flags=re.MULTILINE))


def blas() -> list[dict[str, Any]]:
    """Return the loaded libraries that have threads.

    For each these are its kind, version, kernels and number of threads, and whether it came with
    NumPy.
    """
    from threadpoolctl import threadpool_info

    kept = ("internal_api", "version", "architecture", "num_threads")
    return [
        {key: pool.get(key) for key in kept}
        | {"of_numpy": "numpy" in Path(pool["filepath"]).parent.name}
        for pool in threadpool_info()
    ]


@cache
def matrix_product() -> str:
    """Return which libraries multiply matrices, and for which CPU instructions.

    Only runs with the same answer can give the same bits.
    """
    build = re.search(r"Math Kernel Library Version ([\d.]+)", torch.__config__.show())
    library = (
        f"MKL {build[1]}"
        if build
        else torch.__config__.show().split("BLAS_INFO=")[-1].split(",")[0]
    )
    kernels = torch.backends.cpu.get_cpu_capability()
    told = f"torch {torch.__version__.split('+')[0]}, {library}, {kernels}"
    if precisions := sorted(by_numpy("cpu")):
        told += f"; large {' and '.join(precisions)} products by NumPy {np.__version__}"
        told += "".join(
            f", {b['internal_api']} {b['version']}, {b['architecture']}"
            for b in blas()
            if b["of_numpy"]
        )
    return told


def process_peak_bytes() -> int:
    """Return the largest resident size, in bytes, that this process has had.

    Linux counts the peak of the process that started this one in ``ru_maxrss``, but not in VmHWM.
    """
    if (kilobytes := _kernels_number("/proc/self/status", r"VmHWM:\s*(\d+) kB")) is not None:
        return kilobytes * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def oom_kills() -> int:
    """Return how many processes the kernel has killed for lack of memory since the machine started.

    It is 0 where the kernel does not say.
    """
    return _kernels_number("/proc/vmstat", r"oom_kill (\d+)") or 0


def memory_limit(system: Path = Path("/")) -> int:
    """Return the bytes of memory that this process may have: the machine's, or what the control
    groups that it is in are given, if that is less.

    ``system`` is the root of the file system, in which the kernel tells of the groups.
    """
    limits = [psutil.virtual_memory().total]
    groups = system / "proc/self/cgroup"
    for line in groups.read_text().splitlines() if groups.exists() else ():
        _, controllers, path = line.split(":", 2)
        if (limit := LIMITS.get(controllers)) is not None:
            top, own = system / limit.parent, Path(path.lstrip("/"))
            files = (top / group / limit.name for group in (own, *own.parents))
            limits += [found for file in files if (found := _kernels_number(file, r"(\d+)"))]
    return min(limits)


def _kernels_number(file: str | Path, line: str) -> int | None:
    """Return the number in the ``line`` of a file of the kernel's, a pattern with one group.

    It is None where there is no such file or line.
    """
    try:
        found = re.search(rf"^{line}$", Path(file).read_text(), flags=re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) if found else None


class OtherWork:
    """Measures how much processor time other processes take from now on."""

    def __init__(self, wall_seconds: float = 0.0, other_seconds: float = 0.0) -> None:
        """Start measuring, on top of the seconds measured in an earlier process of the trial."""
        self._before = wall_seconds, other_seconds
        self._start = self._now()

    @staticmethod
    def _now() -> tuple[float, float, float]:
        machine = psutil.cpu_times()._asdict()
        busy = sum(
            seconds for kind, seconds in machine.items() if kind in ("user", "nice", "system")
        )
        own = psutil.Process().cpu_times()
        mine = own.user + own.system + own.children_user + own.children_system
        return time.perf_counter(), busy, mine

    def seconds(self) -> tuple[float, float]:
        """Return the seconds of wall time and of other processes' processor time."""
        wall, busy, mine = (now - then for now, then in zip(self._now(), self._start, strict=True))
        return self._before[0] + wall, self._before[1] + max(0.0, busy - mine)

    def share(self) -> float:
        """Return the share of all cores that other processes used: from 0 to 1."""
        wall, other = self.seconds()
        # the system counts ticks, of which a short trial may see one more than it lasted
        return min(1.0, other / (wall * (os.cpu_count() or 1)))
