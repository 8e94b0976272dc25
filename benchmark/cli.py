"""The command line: parser.py reads it, verbs/ does what it says. For help only argparse is
imported.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext

from benchmark.parser import parser
from benchmark.run import launch
from benchmark.text import say, say_traceback


def main(argv: list[str] | None = None, imported: Callable[[], object] = lambda: None) -> int:
    """Do what ``argv`` says; returns the exit code.

    ``imported`` is called when the libraries that every verb needs are there.
    """
    sys.excepthook = say_traceback
    top = parser()
    words = sys.argv[1:] if argv is None else argv
    top.check_words(words)
    arguments = top.read(words)
    if arguments.verb == "doctor":  # must run where nothing else does
        from benchmark import doctor

        return doctor.examine(arguments.data_dir, arguments.out)
    if arguments.verb not in ("run", "tune"):
        return do(arguments, imported)
    arguments.threads = arguments.threads or max(1, (os.cpu_count() or 1) // arguments.jobs)
    with nullcontext() if arguments.dry_run else launch.ahead(arguments.threads):
        return do(arguments, imported)


def do(arguments: argparse.Namespace, imported: Callable[[], object]) -> int:
    """Do what the verb says; returns the exit code."""
    try:
        from benchmark import plugins, verbs
        from benchmark.errors import UsageError, of_path
        from datasets.errors import DataError
    except ModuleNotFoundError as error:
        cure = "run .venv/bin/python, which make demo makes, or pip install -r requirements.txt"
        return complain(f"{sys.executable} has no package {error.name}; {cure}")
    try:
        imported()
        plugins.load(getattr(arguments, "plugin", ()))
        code = getattr(verbs, arguments.verb)(arguments)
        sys.stdout.flush()
        return code
    except (DataError, UsageError) as error:
        return complain(str(error))
    except KeyboardInterrupt:
        say(
            "\nstopped; the records written so far stay, and the same command goes on from there",
            to=sys.stderr,
        )
        return 130
    except BrokenPipeError:  # who reads this has enough, as head has
        # for what is flushed at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        return complain(of_path(error))


def complain(sentence: str) -> int:
    """Say what is wrong with a request; returns its exit code."""
    say(f"run_all.py: {sentence}", to=sys.stderr)
    return 2
