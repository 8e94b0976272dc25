"""Where and with what a trial runs."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

import psutil
import torch

from benchmark import environment
from benchmark.records.record import Environment, Library
from benchmark.run import launch
from models.base import Device


def facts(device: Device | None, threads: int) -> Environment:
    """Return where and with what this process runs a trial."""
    variables = launch.variables(threads)
    commit, dirty = environment.git()
    return Environment(
        commit=commit,
        dirty=dirty,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        versions={name: version(name) for name in ("torch", "numpy", "scipy")},
        cpu=environment.cpu_model(),
        cores=os.cpu_count(),
        memory_bytes=psutil.virtual_memory().total,
        gpu=torch.cuda.get_device_name() if device == "cuda" else None,
        threads=threads,
        variables={name: os.environ[name] for name in variables if name in os.environ},
        blas=tuple(Library(**pool) for pool in environment.blas()),
        matrix_product=environment.matrix_product(),
        precision_rule=environment.auto_precision()[1],
    )
