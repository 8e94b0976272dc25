"""What parts of the command line share: the parser's class, options, and types of values."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from benchmark.paths import ROOT


class Parser(argparse.ArgumentParser):
    """A parser that answers a mistake with one sentence, and names the nearest known option."""

    verbs: argparse._SubParsersAction[Parser] | None = None
    alone: tuple[str, ...] = ()
    """Options of other verbs whose value stands alone here."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")

    def check_words(self, argv: list[str]) -> None:
        """End with exit code 2 if the first word is no verb, or an option is not the verb's.

        argparse would take the value of an unknown option for a verb, and would name neither the
        nearest option nor the verb that has it.
        """
        assert self.verbs is not None
        parsers = {"": self, **self.verbs.choices}
        verb = argv[0] if argv and not argv[0].startswith("-") else ""
        if verb not in parsers:
            self._no_verb(verb)
        for option in (word.partition("=")[0] for word in argv if word.startswith("--")):
            if option not in parsers[verb].options:
                self.error(
                    f"{verb or 'a run'} has no option {option}{_hint(option, verb, parsers)}"
                )

    def read(self, argv: list[str]) -> argparse.Namespace:
        """Return what ``argv`` says; end with exit code 2 if a word has no place in it."""
        arguments, left = self.parse_known_args(argv)
        if left:
            assert self.verbs is not None
            named = "--out" in self.verbs.choices.get(argv[0], self).options
            cure = f"; the folder is named by --out, as in --out {left[0]}" if named else ""
            self.error(f"there is no place for {left[0]!r}{cure}")
        return arguments

    def _no_verb(self, word: str) -> NoReturn:
        from benchmark.catalog import suggestion

        assert self.verbs is not None
        verbs = self.verbs.choices
        self.error(
            f"there is no verb {word!r}{suggestion(word, verbs)}; the verbs are "
            f"{', '.join(verbs)}, and a run names its data by --datasets"
        )

    def _check_value(self, action: argparse.Action, value: str) -> None:
        if self.verbs and action is self.verbs and value not in self.verbs.choices:
            self._no_verb(value)
        super()._check_value(action, value)

    @property
    def options(self) -> list[str]:
        """The options of this parser, without its verbs'."""
        return list(self._option_string_actions)


def _hint(option: str, verb: str, parsers: Mapping[str, Parser]) -> str:
    """Return what a person who gave a ``verb`` an option that it has not may have meant."""
    from benchmark.catalog import nearest

    def owners(option: str) -> str:
        return " and ".join(name or "a run" for name, of in parsers.items() if option in of.options)

    own = parsers[verb]
    if option in own.alone:
        return f": the name stands alone, as in {verb} NAME"
    if owners(option):
        near = nearest(option, own.options, cutoff=0.9)
        return f", did you mean {near!r}?" if near else f"; it is an option of {owners(option)}"
    # those of this verb come first, and so are taken of two that are equally near
    every = [*own.options, *(each for of in parsers.values() for each in of.options)]
    near = nearest(option, every, cutoff=0.75)
    if near is None:
        return ""
    return f", did you mean {near!r}{'' if near in own.options else f' of {owners(near)}'}?"


def add_out(to: argparse.ArgumentParser) -> None:
    """Add the option that names the folder of records."""
    about = "folder of the records (default: results/runs)"
    to.add_argument(
        "--out", type=folder, default=ROOT / "results" / "runs", metavar="DIR", help=about
    )


def add_told(to: argparse.ArgumentParser) -> None:
    """Add the options that say how much is told of a run, and to whom."""
    told = to.add_mutually_exclusive_group()
    add_verbose(told)
    told.add_argument("--quiet", action="store_true", help="print the tables and nothing else")
    about = "for scripts: print what happens, and the tables last, each as JSON on a line"
    told.add_argument("--json", action="store_true", help=about)


def add_verbose(to: argparse.ArgumentParser | argparse._MutuallyExclusiveGroup) -> None:
    """Add the option that says how much is told of the files written."""
    about = "name every file that is written, not only its folder"
    to.add_argument("--verbose", action="store_true", help=about)


def add_data_dir(to: argparse.ArgumentParser) -> None:
    """Add the option that names the folder in which raw files are looked for and downloaded to."""
    about = "raw files (default: $BENCH_DATA_DIR, else data/)"
    to.add_argument("--data-dir", type=Path, default=data_dir(), metavar="DIR", help=about)


def data_dir() -> Path:
    """Return the folder of raw files where none is named."""
    return Path(os.environ.get("BENCH_DATA_DIR") or ROOT / "data")


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


def add_split_seeds(to: argparse.ArgumentParser) -> None:
    """Add the option that names the splits of each data set."""
    about = "the splits with these seeds (default: the authors' split, 98765)"
    to.add_argument("--split-seeds", nargs="+", type=whole(0), default=[], metavar="N", help=about)


def folder(text: str) -> Path:
    """Return the path of a folder; an empty text would be the one that a person is in."""
    if not text:
        raise argparse.ArgumentTypeError("'' will not do: it must name a folder, as . or results")
    return Path(text)


def add_cluster(to: argparse.ArgumentParser) -> None:
    """Add the options that say on which machines trials are run."""
    add = to.add_argument
    add(
        "--executor",
        choices=["local", "slurm", "ray"],
        default="local",
        help="what runs the trials: this machine (default), or a cluster of Slurm or Ray",
    )
    add("--address", metavar="HOST:PORT", help="of Ray's cluster (default: one on this machine)")
    add("--detach", action="store_true", help="do not wait for Slurm")
    add("--partition", metavar="NAME", help="of Slurm")
    add("--account", metavar="NAME", help="of Slurm")
    add(
        "--minutes",
        type=whole(2),  # Slurm warns a trial up to two minutes before its end
        metavar="N",
        help="after which a trial is stopped, to go on later (default: by the forecast)",
    )
    add(
        "--gigabytes",
        type=number,
        metavar="N",
        help="of memory for a trial (default: by the forecast)",
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


def shard(text: str) -> tuple[int, int]:
    """Return a text like 2/8 as the number of a shard, from 1, and how many there are."""
    number, _, count = text.partition("/")
    if not all(part.isascii() and part.isdecimal() for part in (number, count)) or not (
        1 <= int(number) <= int(count)
    ):
        raise argparse.ArgumentTypeError(
            f"{text!r} will not do: it must be like 2/8, the second of eight parts"
        )
    return int(number), int(count)


def number(text: str) -> float:
    """Return a text as a number, not below 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} will not do: it must be a number from 0")
    return value
