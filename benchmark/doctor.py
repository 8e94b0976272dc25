"""Checks this environment and says how to mend what is wrong: ``run_all.py doctor``.

A missing package is one of the faults, so packages are imported inside the checks only.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

from benchmark.paths import ROOT
from benchmark.text import say

OURS = ("datasets", "models", "benchmark")
DISK_BYTES = 5e9
"""The free space below which a person is warned; ML-20M's archive, raw file and split take 2 GB."""
MEMORY_BYTES = 4e9
"""The free memory below which a person is warned."""


@dataclass(frozen=True)
class Finding:
    """What one check has found."""

    good: bool
    what: str
    cure: str = ""
    """What mends it, if it is not good."""


def examine(data_dir: Path, out: Path) -> int:
    """Run all checks and print what they find; return 1 if anything needs mending, else 0."""
    findings = [finding for check in CHECKS for finding in check()]
    findings += [*places(data_dir, out), *data(data_dir)]
    for finding in findings:
        cure = "" if finding.good else f": {finding.cure}"
        say(f"{'ok   ' if finding.good else 'WRONG'} {finding.what}{cure}")
    wrong = sum(not finding.good for finding in findings)
    say(
        f"{wrong} of {len(findings)} need mending"
        if wrong
        else f"all {len(findings)} as they should be"
    )
    return int(wrong > 0)


def python() -> Iterator[Finding]:
    """Check the version of Python."""
    yield Finding(
        (3, 11) <= sys.version_info < (3, 14),
        f"Python {sys.version.split()[0]} in {sys.prefix}",
        "3.11, 3.12 or 3.13 is needed; make demo finds one, or name it: make PYTHON=... demo",
    )


def packages() -> Iterator[Finding]:
    """Check that the packages of requirements.txt are there in their pinned versions."""
    pins = re.findall(
        r"^([\w-]+)==(\S+)$", (ROOT / "requirements.txt").read_text(), flags=re.MULTILINE
    )
    other = []
    for name, pinned in pins:
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "missing"
        if found.split("+")[0] != pinned:
            other.append(f"{name} {found} instead of {pinned}")
    yield Finding(
        not other,
        f"{len(pins) - len(other)} of {len(pins)} pinned packages"
        + (f" ({'; '.join(other)})" if other else ""),
        "python -m pip install -r requirements.txt",
    )


def names() -> Iterator[Finding]:
    """Check that the packages datasets, models and benchmark are this project's."""
    for name in OURS:
        found = importlib.util.find_spec(name)
        place = Path((found and found.origin) or "nowhere")
        yield Finding(
            ROOT in place.parents,
            f"the package {name} is {place}",
            f"another package has that name; run python run_all.py in {ROOT}, without python -P, "
            "and without the other's folder in PYTHONPATH",
        )
    foreign = {name: found for name, found in packages_distributions().items() if name in OURS}
    for name, distributions in foreign.items():
        yield Finding(
            False,
            f"the distribution {', '.join(distributions)} has installed a package {name} too",
            "it is found first by python -P and by programs started elsewhere; keep this project "
            "in an environment of its own, as make demo does",
        )


def torch_build() -> Iterator[Finding]:
    """Check that torch can be imported, uses MKL, and finds the GPU if there is one."""
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Finding(
            False, f"torch does not import ({error})", "python -m pip install -r requirements.txt"
        )
        return
    library = "MKL" if torch.backends.mkl.is_available() else "no MKL"
    yield Finding(
        library == "MKL" or not sys.platform.startswith("linux"),
        f"torch {torch.__version__}, {library}, {torch.backends.cpu.get_cpu_capability()}",
        "matrix products will be slow; install torch's own wheel with pip",
    )
    yield from precision()
    gpu = Path("/dev/nvidiactl").exists()
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA device"
    yield Finding(
        torch.cuda.is_available() or not gpu,
        f"{cuda} for torch{', though this machine has an NVIDIA driver' if gpu else ''}",
        "install a CUDA build of torch for that driver",
    )


def precision() -> Iterator[Finding]:
    """Say what --precision auto means here, and by which rule."""
    try:
        from benchmark.environment import auto_precision
    except ImportError:
        return  # a missing package is named under packages
    yield Finding(True, f"--precision auto is {auto_precision()[1]}")


def threads() -> Iterator[Finding]:
    """Check that neither variables nor libraries set a number of threads other than the cores."""
    cores = os.cpu_count() or 1
    pinned = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    given = {name: os.environ[name] for name in pinned if name in os.environ}
    yield Finding(
        all(value == str(cores) for value in given.values()),
        f"{cores} cores; threads in the environment: {given or 'not set'}",
        "a run sets a trial's threads itself, but other programs use as many as the variables say; "
        "unset them",
    )
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        # the check of packages names it
        return
    pools = {
        f"{pool['internal_api']} {pool['version'] or ''}".strip(): pool["num_threads"]
        for pool in threadpool_info()
    }
    yield Finding(
        all(count <= cores for count in pools.values()),
        "threads by library: "
        + (", ".join(f"{name}: {count}" for name, count in pools.items()) or "none loaded"),
        "more threads than cores make every library slow; unset the variables that ask for them",
    )


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    python,
    packages,
    names,
    torch_build,
    threads,
)


def places(data_dir: Path, out: Path) -> Iterator[Finding]:
    """Check free space and permissions in the folders that a run uses, and free memory."""
    cache = Path(os.environ.get("BENCH_CACHE_DIR") or ROOT / ".cache")
    for what, folder in (("raw files", data_dir), ("splits", cache), ("records", out)):
        there = next(place for place in (folder, *folder.resolve().parents) if place.exists())
        free = shutil.disk_usage(there).free
        yield Finding(
            free >= DISK_BYTES,
            f"{what} in {folder}: {free / 1e9:.1f} GB free",
            "make room, or name another folder",
        )
        # raw files may be read from a folder that cannot be written to
        if what != "raw files":
            yield Finding(
                os.access(there, os.W_OK),
                f"{what} in {folder}: may be written",
                "name another folder",
            )
    try:
        import psutil
    except ImportError:
        # the check of packages names it
        return
    free = psutil.virtual_memory().available
    yield Finding(
        free >= MEMORY_BYTES, f"{free / 1e9:.1f} GB of memory free", "close other programs"
    )


def data(data_dir: Path) -> Iterator[Finding]:
    """Check that there are raw files of any data set, and say how to get those of the others."""
    try:
        from datasets import fetch
        from datasets.registry import DATASETS
    except ImportError as error:
        yield Finding(False, f"data sets do not import ({error})", "mend the packages first")
        return
    found = {
        entry: entry.dataset.source and fetch.find(entry.dataset.source, data_dir)
        for entry in DATASETS.values()
    }
    # a folder without any raw file may not be the one that was meant
    right = any(found.values())
    for entry, raw in found.items():
        if (source := entry.dataset.source) is None:
            yield Finding(True, f"{entry.name} is generated")
        elif raw:
            yield Finding(
                True, f"{entry.name}: {raw[0]}{f' and {len(raw) - 1} more' if raw[1:] else ''}"
            )
        else:
            absent = f"{entry.name}: no raw file in {data_dir}"
            url = source.url + Path(source.files[0]).name
            cure = f"a run will download {url}; or {source.by_hand(data_dir)}"
            yield Finding(right, f"{absent}: {cure}" if right else absent, cure)
