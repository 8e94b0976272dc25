"""What a trial ran on, and what else ran there."""

from __future__ import annotations

import os
import platform
import re
import resource
import subprocess
import sys
import time
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from benchmark.paths import ROOT
from benchmark.run.launch import variables
from models.base import Device, Precision

BESIDE_OTHERS = 0.10
"""Share of all cores from which on other processes' work makes a timing worthless."""


def by_numpy(device: Device) -> frozenset[Precision]:
    """Precisions in which NumPy's library is to multiply a model's large matrices on this machine: a rule, no timing.

    float32 where torch uses MKL on a CPU not of Intel's, for which it picks slow kernels; bfloat16 where the CPU has
    no instructions for it, and rounding to it before a float32 product is many times faster than torch's own.
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
    """Whether the CPU multiplies bfloat16 numbers in hardware, as far as the system says."""
    flags = cpuinfo().get("flags", cpuinfo().get("Features", "")).split()
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(flags)


def facts(device: str | None, threads: int) -> dict[str, Any]:
    """Where and with what a trial runs; everything a stranger needs to judge or repeat a timing."""
    return {
        **git(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {name: version(name) for name in ("torch", "numpy", "scipy")},
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "gpu": torch.cuda.get_device_name() if device == "cuda" else None,
        "threads": threads,
        "variables": {name: os.environ[name] for name in variables(threads) if name in os.environ},
        "blas": blas(),
        "matrix_product": matrix_product(),
    }


@cache
def git() -> dict[str, Any]:
    """Commit of this checkout and whether tracked files differ from it; nulls outside a repository."""

    def ask(*words: str) -> str:
        run = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
        return run.stdout.strip()

    try:
        return {
            "commit": ask("rev-parse", "HEAD"),
            "dirty": bool(ask("status", "--porcelain", "--untracked-files=no")),
        }
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}


def cpu_model() -> str:
    """As the system names it, with family and model numbers where it says them: names alone are coarse."""
    found = cpuinfo()
    if not found:
        return platform.processor() or platform.machine()
    name = found.get("model name", platform.machine())
    return f"{name}, family {found.get('cpu family', '?')}, model {found.get('model', '?')}"


@cache
def cpuinfo() -> dict[str, str]:
    """Of the last core, as Linux tells it; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return {}
    return dict(re.findall(r"^([^\t:]+)\s*: (.*)$", text, flags=re.MULTILINE))


def blas() -> list[dict[str, Any]]:
    """The threaded libraries loaded: kind, version, kernels, threads, and whether it came with NumPy."""
    from threadpoolctl import threadpool_info

    kept = ("internal_api", "version", "architecture", "num_threads")
    return [
        {key: pool.get(key) for key in kept}
        | {"of_numpy": "numpy" in Path(pool["filepath"]).parent.name}
        for pool in threadpool_info()
    ]


@cache
def matrix_product() -> str:
    """Which libraries multiply matrices, and for which instructions: equal bits need an equal answer."""
    build = re.search(r"Math Kernel Library Version ([\d.]+)", torch.__config__.show())
    library = (
        f"MKL {build[1]}"
        if build
        else torch.__config__.show().split("BLAS_INFO=")[-1].split(",")[0]
    )
    told = f"torch {torch.__version__.split('+')[0]}, {library}, {torch.backends.cpu.get_cpu_capability()}"
    if precisions := sorted(by_numpy("cpu")):
        told += f"; large {' and '.join(precisions)} products by NumPy {np.__version__}"
        told += "".join(
            f", {b['internal_api']} {b['version']}, {b['architecture']}"
            for b in blas()
            if b["of_numpy"]
        )
    return told


def process_peak_bytes() -> int:
    """Largest resident size of this process since it began."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def oom_kills() -> int:
    """How many processes the kernel has killed for memory since it started; 0 where it does not say."""
    try:
        found = re.search(r"^oom_kill (\d+)$", Path("/proc/vmstat").read_text(), flags=re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0


class OtherWork:
    """Measures, from its making, how much processor time processes other than this one took."""

    def __init__(self, wall_seconds: float = 0.0, other_seconds: float = 0.0) -> None:
        """Go on from what was measured in an earlier process."""
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
        """Of wall time, and of other processes' processor time."""
        wall, busy, mine = (now - then for now, then in zip(self._now(), self._start, strict=True))
        return self._before[0] + wall, self._before[1] + max(0.0, busy - mine)

    def share(self) -> float:
        """0 when this process had the machine for itself, 1 when others used every core."""
        wall, other = self.seconds()
        return other / (wall * (os.cpu_count() or 1))
