"""What parts of the command line share: the parser's class, options, and types of values."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from benchmark.paths import ROOT


class Parser(argparse.ArgumentParser):
    """A parser that answers a mistake with one sentence, and names the nearest known option."""

    verbs: argparse._SubParsersAction[Parser] | None = None

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")

    def check_options(self, argv: list[str]) -> None:
        """End, naming the nearest, at an option that no verb has; argparse would take its value for
        a verb.
        """
        from benchmark.catalog import suggestion

        parsers = [self, *(self.verbs.choices.values() if self.verbs else [])]
        known = [option for parser in parsers for option in parser._option_string_actions]
        for word in argv:
            if word.startswith("--") and (option := word.partition("=")[0]) not in known:
                self.error(f"there is no option {option}{suggestion(option, known)}")


def add_out(to: argparse.ArgumentParser) -> None:
    """Add the option that names the folder of records."""
    about = "folder of the records (default: results/runs)"
    to.add_argument(
        "--out", type=Path, default=ROOT / "results" / "runs", metavar="DIR", help=about
    )


def add_verbose(to: argparse.ArgumentParser) -> None:
    """Add the option that says how much is told of the files written."""
    about = "name every file that is written, not only its folder"
    to.add_argument("--verbose", action="store_true", help=about)


def add_data_dir(to: argparse.ArgumentParser) -> None:
    """Add the option that names the folder in which raw files are looked for and downloaded to."""
    default = Path(os.environ.get("BENCH_DATA_DIR") or ROOT / "data")
    about = "raw files (default: $BENCH_DATA_DIR, else data/)"
    to.add_argument("--data-dir", type=Path, default=default, metavar="DIR", help=about)


def add_plugin(to: argparse.ArgumentParser) -> None:
    """Add the option that names plugins."""
    about = "a file that registers models, likelihoods or data sets; it is code, and is run"
    to.add_argument(
        "--plugin", nargs="+", action="extend", type=Path, default=[], metavar="FILE.py", help=about
    )


def add_set(to: argparse.ArgumentParser, about: str) -> None:
    """Add the option that sets options of models and data sets."""
    to.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="NAME.OPTION=VALUE", help=about
    )


def whole(least: int) -> Callable[[str], int]:
    """Return a converter of text to a whole number, not below ``least``."""

    def convert(text: str) -> int:
        if not (text.isascii() and text.isdecimal()) or int(text) < least:
            raise argparse.ArgumentTypeError(
                f"{text!r} will not do: it must be a whole number from {least}"
            )
        return int(text)

    return convert


def number(text: str) -> float:
    """Return a text as a number, not below 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} will not do: it must be a number from 0")
    return value
