"""Loads plugins: a person's own models, likelihoods and data sets, from files or from packages.

A plugin registers what it defines in the way of the files in models/ and datasets/. It is code, and
runs with all the rights of whoever starts the run.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from hashlib import sha256
from importlib.machinery import SourceFileLoader
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

from benchmark.errors import UsageError
from datasets.registry import DATASETS
from models.registry import MODELS
from models.variants import LIKELIHOODS

GROUP = "strong_generalization"
"""The group of the entry points by which an installed package names its plugin modules."""


def load(files: Iterable[Path]) -> None:
    """Import the plugins of installed packages and those in ``files``, each once.

    Raises UsageError if one is missing, cannot be imported, or registers a name that is taken.
    """
    for point in entry_points(group=GROUP):
        told(f"the plugin {point.value} of an installed package", point.load)
    for path in files:
        told(f"the plugin {path}", lambda path=path: import_file(path.resolve()))


def told(what: str, do: Callable[[], Any]) -> None:
    """Call ``do``, which imports ``what``; raise UsageError with that name if it fails."""
    try:
        do()
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"{what} cannot be imported ({type(error).__name__}: {error}); mend it"
        ) from error


def import_file(path: Path) -> None:
    """Run a Python file as a module, unless it has been run already."""
    name = f"plugin_{path.stem}_{sha256(bytes(path)).hexdigest()[:8]}"
    if name in sys.modules:
        return
    spec = spec_from_loader(name, SourceFileLoader(name, str(path)))
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


def names() -> set[str]:
    """Return the names of all registered data sets, models and likelihoods."""
    return {*DATASETS, *MODELS, *LIKELIHOODS}


def origin(*kinds: type) -> str:
    """Return " (from FILE)" for the first of ``kinds`` that is not this project's, else ""."""
    foreign = [
        kind for kind in kinds if kind.__module__.split(".")[0] not in ("models", "datasets")
    ]
    return f" (from {Path(inspect.getfile(foreign[0])).name})" if foreign else ""
