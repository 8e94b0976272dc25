"""Runs the contract tests on a plugin's models, likelihoods and data sets."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from benchmark import plugins
from benchmark.errors import UsageError
from benchmark.paths import ROOT
from benchmark.text import say, say_output


def examine(file: Path) -> int:
    """Run the contract tests on what the plugin in ``file`` registers; 1 if one fails.

    Raises UsageError if it registers nothing, or if there is no pytest.
    """
    before = plugins.names()
    plugins.load([file])
    if not (new := sorted(plugins.names() - before)):
        raise UsageError(
            f"{file} registers no model, likelihood or data set; see the README's example"
        )
    if not find_spec("pytest"):
        raise UsageError(
            f"{sys.executable} has no package pytest; pip install -r requirements-dev.txt"
        )
    say(f"{file} registers {', '.join(new)}")
    chosen = " or ".join(f"[{name}]" for name in new)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests",
        "-m",
        "contract",
        "-k",
        chosen,
    ]
    # unbuffered, so that each line comes when it is written
    environment = {"BENCH_PLUGIN": str(file.resolve()), "PYTHONUNBUFFERED": "1"}
    return int(say_output(command, ROOT, os.environ | environment) != 0)
