"""What the command line may say: the options of a run, and the verbs with theirs."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from benchmark.paths import ROOT

DESCRIPTION = """\
Train recommenders on data sets under the strong-generalisation protocol of Liang et al. (WWW 2018),
and print their Recall and NDCG on test users whom no model has seen.

Without --datasets and --suite: the suite demo, on the small synthetic data set, which needs no
download. With --datasets: the suite paper, every model with the seeds 0 1 2 and the settings that
were published for a data set."""
EXAMPLES = """\
examples:
  python run_all.py                                 a first table in a minute, on generated data
  python run_all.py --datasets ml20m netflix        all models with their published settings
  python run_all.py --datasets ml1m --models ease   one model on MovieLens-1M, downloaded if need be
  python run_all.py --datasets ml1m --models mult-vae --set mult-vae.latent=100 --seeds 0 1 2
  python run_all.py report --metrics Recall@10 MRR@10      tables from the stored records
  python run_all.py list                            data sets and models with their options

A trial with a record in --out is not run again, and one that was stopped goes on from its
checkpoint. Exit code: 0, or 1 while a selected trial has failed, or 2 for a request that cannot be
met."""


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


def parser() -> Parser:
    """Return the parser of the command line; without a verb, trials are run."""
    style = argparse.RawDescriptionHelpFormatter
    top = Parser(
        "run_all.py",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=style,
        allow_abbrev=False,
    )
    top.set_defaults(verb="run")
    add = top.add_argument
    add(
        "--suite",
        metavar="NAME",
        help="demo, paper or FILE.toml: data sets, models, seeds and settings",
    )
    add(
        "--datasets",
        nargs="+",
        metavar="NAME",
        help="data sets; file:PATH is your own (default: the suite's)",
    )
    add("--models", nargs="+", metavar="NAME", help="models (default: the suite's)")
    add(
        "--seeds",
        nargs="+",
        type=whole(0),
        metavar="N",
        help="seeds of each trial (default: the suite's)",
    )
    about = (
        "auto (default): a GPU where the model can use one; cpu cuda: both, for the timing table"
    )
    add("--device", nargs="+", choices=["auto", "cpu", "cuda"], default=["auto"], help=about)
    add(
        "--precision",
        choices=["auto", "fp32", "tf32", "bf16"],
        default="auto",
        help="of the output layer's products in training (tf32: of all, on a GPU); auto (default): "
        "bf16 on a CPU where that is known to be faster, else fp32; scores are always fp32",
    )
    add_studies(top)
    add_set(
        top,
        "an option of a model or data set; OPTION=VALUE sets it for every chosen model that has it",
    )
    add_plugin(top)
    add_data_dir(top)
    add_out(top)
    add_verbose(top)
    add_process(top)
    add_verbs(top)
    return top


def add_studies(to: argparse.ArgumentParser) -> None:
    """Add the options that study beta, or a grid of options."""
    many = to.add_mutually_exclusive_group()
    many.add_argument(
        "--beta-sweep",
        nargs="+",
        type=number,
        default=[],
        metavar="BETA",
        help="train each chosen VAE with these caps of beta too: annealed to each, and constant",
    )
    many.add_argument(
        "--beta-heuristic",
        action="store_true",
        help="train each chosen VAE annealed to 1, then up to the beta at which its validation "
        "score was best",
    )
    many.add_argument(
        "--grid",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME.OPTION=VALUE,VALUE",
        help="tune: try every combination of the values; such trials score validation users "
        "only, never test users",
    )


def add_process(to: argparse.ArgumentParser) -> None:
    """Add the options that say how trials are run, and which of them."""
    add = to.add_argument
    add(
        "--jobs",
        type=whole(1),
        default=1,
        metavar="N",
        help="trials at a time (default: 1, the only fair timing)",
    )
    add(
        "--threads",
        type=whole(1),
        metavar="N",
        help="CPU threads of a trial (default: cores / jobs)",
    )
    add(
        "--timeout",
        type=number,
        metavar="SECONDS",
        help="a trial that takes longer becomes a failure",
    )
    add(
        "--checkpoint-seconds",
        type=number,
        default=60.0,
        metavar="SECONDS",
        help="shortest time between checkpoints, from which a killed trial goes on (default: 60)",
    )
    add(
        "--keep-weights",
        action="store_true",
        help="store the best weights of each trial as safetensors",
    )
    again = to.add_mutually_exclusive_group()
    again.add_argument("--retry", action="store_true", help="run trials again that failed")
    again.add_argument(
        "--force", action="store_true", help="run trials again that have a record, and replace it"
    )
    add(
        "--dry-run",
        action="store_true",
        help="print the trials, done or not, and where each setting comes from",
    )


def add_verbs(top: Parser) -> None:
    """Add the verbs with their own options; each is a function of verbs.py."""
    top.verbs = top.add_subparsers(
        title="verbs", metavar="", description="without one, trials are run"
    )

    def verb(name: str, about: str, function: str | None = None) -> Parser:
        assert top.verbs is not None
        made = top.verbs.add_parser(name, help=about, description=about, allow_abbrev=False)
        made.set_defaults(verb=function or name)
        return made

    add_report(verb("report", "rebuild the tables from the stored records, without training"))
    made = verb(
        "verify",
        "check a folder of records and those in it: whole, unaltered, and their metrics those "
        "of the hit ranks",
    )
    made.add_argument("folder", type=Path, metavar="DIR", help="records, also a stranger's")
    add_evaluate(
        verb("evaluate", "score recommendation lists made elsewhere, on the same test users")
    )
    add_plugin(verb("list", "data sets and models, with their options", "list_all"))
    made = verb(
        "contract", "run the contract tests on the models, likelihoods and data sets of a plugin"
    )
    made.add_argument(
        "file", type=Path, metavar="FILE.py", help="the plugin; it is code, and is run"
    )
    made = verb(
        "export-split", "write a data set's split as the authors' six files", "export_split"
    )
    made.add_argument("name", metavar="NAME", help="a data set")
    made.add_argument(
        "folder", type=Path, metavar="DIR", help="where to write; made if it is missing"
    )
    add_set(made, "an option of the data set")
    add_plugin(made)
    add_data_dir(made)
    made = verb("doctor", "what is wrong with this environment, and how to mend it")
    add_data_dir(made)
    add_out(made)
    made = verb("selftest", "check the evaluator and the protocol by what must come out")
    made.add_argument(
        "--dataset", default="synthetic", metavar="NAME", help="on which data (default: synthetic)"
    )
    add_plugin(made)
    add_data_dir(made)


def add_report(to: argparse.ArgumentParser) -> None:
    """Add the options that say which records are reported, and how."""
    add = to.add_argument
    add("--datasets", nargs="+", metavar="NAME", help="of these only (default: all there are)")
    add("--models", nargs="+", metavar="NAME", help="of these only (default: all there are)")
    add(
        "--table", nargs="+", choices=["1", "2", "4"], default=[], help="the paper's tables instead"
    )
    add("--figure", nargs="+", choices=["1", "3"], default=[], help="the paper's figures instead")
    add(
        "--metrics",
        nargs="+",
        metavar="KIND@CUTOFF",
        help="Recall, NDCG or MRR at any cutoff up to 100 (default: Recall@20 Recall@50 NDCG@100)",
    )
    add(
        "--to",
        type=Path,
        metavar="DIR",
        help="also write tables (Markdown, LaTeX, CSV) and plots there; figures go to "
        "OUT/report without it",
    )
    add_plugin(to)
    add_out(to)
    add_verbose(to)


def add_evaluate(to: argparse.ArgumentParser) -> None:
    """Add the options that say which lists are evaluated, and on which data set."""
    add = to.add_argument
    add("--dataset", required=True, metavar="NAME", help="a data set")
    add(
        "--lists",
        required=True,
        type=Path,
        metavar="FILE.parquet",
        help="columns user (position in the test fold) and items (ranked raw item ids, the "
        "best first)",
    )
    add("--name", required=True, metavar="NAME", help="of the row in the table")
    add_set(to, "an option of the data set")
    add_plugin(to)
    add_data_dir(to)
    add_out(to)


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
