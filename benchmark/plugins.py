"""Loads plugins: a person's own models, likelihoods and data sets, from files or from packages.

A plugin registers what it defines in the way of the files in models/ and datasets/. It is code, and
runs with all the rights of whoever starts the run.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.machinery import SourceFileLoader
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

from benchmark.errors import UsageError
from datasets.errors import DataError
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
        told(f"the plugin {path}", lambda path=path: import_file(path.resolve()), [path])


def told(what: str, do: Callable[[], Any], files: Iterable[Path] = ()) -> None:
    """Call ``do``, which imports ``what`` of ``files``; raise UsageError, with that name, if it
    fails.
    """
    try:
        do()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise UsageError(
            f"{what} cannot be imported ({sentence(error, files)}); mend it"
        ) from error


def sentence(error: BaseException, files: Iterable[Path]) -> str:
    """Return what kind of error it is, what it says, and where the last line is in ``files``."""
    said = " ".join(str(error).split())
    known = {path.resolve() for path in files}
    where = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).resolve() in known:
            where = f" ({Path(frame.filename).name}, line {frame.lineno})"
    return f"{type(error).__name__}{': ' if said else ''}{said}{where}"


@contextmanager
def blamed(dataset: type) -> Iterator[None]:
    """Turn what goes wrong inside the block while ``dataset`` is read into a DataError.

    That is any error in a data set of a plugin, and in one of this project a panic of polars, which
    it has for some damaged files. Another error is a bug of this project's.
    """
    files = [Path(inspect.getfile(kind)) for kind in dataset.__mro__ if foreign(kind)]
    try:
        yield
    except (DataError, UsageError, KeyboardInterrupt):
        raise
    except BaseException as error:
        if files:
            why = f"of the plugin {files[0].name} went wrong ({sentence(error, files)}); mend it"
            raise DataError(f"the data set {dataset.__name__} {why}") from error
        if type(error).__name__ == "PanicException":
            raise DataError(
                f"the data set {dataset.__name__} cannot be read: polars says "
                f"{' '.join(str(error).split())}; check that its files are whole"
            ) from error
        raise


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
    found = [kind for kind in kinds if foreign(kind)]
    return f" (from {Path(inspect.getfile(found[0])).name})" if found else ""


def foreign(kind: type) -> bool:
    """Return whether a class comes from a plugin: not from this project, nor from Python."""
    ours = ("models", "datasets", "builtins", "abc", "typing")
    return kind.__module__.split(".")[0] not in ours
