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

import psutil
import torch

ROOT = Path(__file__).resolve().parent.parent
BESIDE_OTHERS = 0.10
"""Share of all cores from which on other processes' work makes a timing worthless."""


def facts(device: str) -> dict[str, Any]:
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
        "threads": torch.get_num_threads(),
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


@cache
def cpu_model() -> str:
    """As the system names it, with family and model numbers where it says them: names alone are coarse."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    found = dict(re.findall(r"^(model name|cpu family|model)\s*: (.*)$", text, flags=re.MULTILINE))
    name = found.get("model name", platform.machine())
    return f"{name}, family {found.get('cpu family', '?')}, model {found.get('model', '?')}"


def blas() -> list[dict[str, Any]]:
    """The threaded libraries loaded: kind, version, kernels, threads."""
    from threadpoolctl import threadpool_info

    kept = ("internal_api", "version", "architecture", "num_threads")
    return [{key: pool.get(key) for key in kept} for pool in threadpool_info()]


@cache
def matrix_product() -> str:
    """Which library multiplies matrices for torch, and for which instructions: equal bits need an equal answer."""
    build = re.search(r"Math Kernel Library Version ([\d.]+)", torch.__config__.show())
    library = f"MKL {build[1]}" if build else torch.__config__.show().split("BLAS_INFO=")[-1].split(",")[0]
    return f"torch {torch.__version__.split('+')[0]}, {library}, {torch.backends.cpu.get_cpu_capability()}"


def process_peak_bytes() -> int:
    """Largest resident size of this process since it began."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class OtherWork:
    """Measures, from its making, what share of all cores processes other than this one used."""

    def __init__(self) -> None:
        self._start = self._now()

    @staticmethod
    def _now() -> tuple[float, float, float]:
        machine = psutil.cpu_times()._asdict()
        busy = sum(seconds for kind, seconds in machine.items() if kind in ("user", "nice", "system"))
        own = psutil.Process().cpu_times()
        mine = own.user + own.system + own.children_user + own.children_system
        return time.perf_counter(), busy, mine

    def share(self) -> float:
        """0 when this process had the machine for itself, 1 when others used every core."""
        wall, busy, mine = (now - then for now, then in zip(self._now(), self._start, strict=True))
        return max(0.0, busy - mine) / (wall * (os.cpu_count() or 1))
