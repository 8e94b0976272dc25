"""What is wrong with this environment, and how to mend it: ``run_all.py doctor``.

Nothing but the standard library is imported before it is known to be there.
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

OURS = ("datasets", "models", "benchmark")
DISK_BYTES = 5e9
"""Below which a person is warned: ML-20M's archive, its raw file and its split take about 2 GB."""
MEMORY_BYTES = 4e9


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    good: bool
    what: str
    cure: str = ""


def examine(data_dir: Path, out: Path) -> int:
    """Print what was found; 1 if anything needs mending."""
    findings = [finding for check in CHECKS for finding in check()]
    findings += [*places(data_dir, out), *data(data_dir)]
    for finding in findings:
        cure = "" if finding.good else f": {finding.cure}"
        print(f"{'ok   ' if finding.good else 'WRONG'} {finding.what}{cure}")
    wrong = sum(not finding.good for finding in findings)
    print(
        f"{wrong} of {len(findings)} need mending"
        if wrong
        else f"all {len(findings)} as they should be"
    )
    return int(wrong > 0)


def python() -> Iterator[Finding]:
    """Its version."""
    yield Finding(
        (3, 11) <= sys.version_info < (3, 14),
        f"Python {sys.version.split()[0]} in {sys.prefix}",
        "3.11, 3.12 or 3.13 is needed; make demo finds one, or name it: make PYTHON=... demo",
    )


def packages() -> Iterator[Finding]:
    """Those of requirements.txt, in their pinned versions."""
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
    """That `datasets` is this project's."""
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
            "it is found first by python -P and by programs started elsewhere; keep this project in an environment of "
            "its own, as make demo does",
        )


def torch_build() -> Iterator[Finding]:
    """That torch imports, and what it can use."""
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
    gpu = Path("/dev/nvidiactl").exists()
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA device"
    yield Finding(
        torch.cuda.is_available() or not gpu,
        f"{cuda} for torch{', though this machine has an NVIDIA driver' if gpu else ''}",
        "install a CUDA build of torch for that driver",
    )


def threads() -> Iterator[Finding]:
    """That nothing in the environment pins threads."""
    cores = os.cpu_count() or 1
    pinned = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    given = {name: os.environ[name] for name in pinned if name in os.environ}
    yield Finding(
        all(value == str(cores) for value in given.values()),
        f"{cores} cores; threads in the environment: {given or 'not set'}",
        "a run sets a trial's threads itself, but other programs will not use all cores; unset them",
    )
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return  # told under packages
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
    """Room and permission where files will be written, and memory."""
    cache = Path(os.environ.get("BENCH_CACHE_DIR") or ROOT / ".cache")
    for what, folder in (("raw files", data_dir), ("splits", cache), ("records", out)):
        there = next(place for place in (folder, *folder.resolve().parents) if place.exists())
        free = shutil.disk_usage(there).free
        yield Finding(
            free >= DISK_BYTES,
            f"{what} in {folder}: {free / 1e9:.1f} GB free",
            "make room, or name another",
        )
        if what != "raw files":  # which may be read from a folder that cannot be written
            yield Finding(
                os.access(there, os.W_OK),
                f"{what} in {folder}: may be written",
                "name another folder",
            )
    try:
        import psutil
    except ImportError:
        return  # told under packages
    free = psutil.virtual_memory().available
    yield Finding(
        free >= MEMORY_BYTES, f"{free / 1e9:.1f} GB of memory free", "close other programs"
    )


def data(data_dir: Path) -> Iterator[Finding]:
    """Raw files, found or not."""
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
    right = any(found.values())  # without any raw file it may be another folder than was meant
    for entry, raw in found.items():
        if (source := entry.dataset.source) is None:
            yield Finding(True, f"{entry.name} is generated")
        elif raw:
            yield Finding(
                True, f"{entry.name}: {raw[0]}{f' and {len(raw) - 1} more' if raw[1:] else ''}"
            )
        else:
            absent = f"{entry.name}: no raw file in {data_dir}"
            cure = f"a run will download {source.url}{Path(source.files[0]).name}; or {source.by_hand(data_dir)}"
            yield Finding(right, f"{absent}: {cure}" if right else absent, cure)
