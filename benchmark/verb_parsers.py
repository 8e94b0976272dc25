"""The verbs of the command line with their own options."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmark.arguments import (
    Parser,
    add_data_dir,
    add_out,
    add_plugin,
    add_set,
    add_split_seeds,
    add_verbose,
    folder,
    whole,
)


def add_verbs(top: Parser) -> None:
    """Add the verbs with their own options; each is a function of benchmark/verbs/."""
    top.verbs = top.add_subparsers(
        title="verbs", metavar="", description="without one, trials are run"
    )

    def verb(name: str, about: str, function: str | None = None) -> Parser:
        return add_verb(top, name, about, function)

    add_report(verb("report", "rebuild the tables from the stored records, without training"))
    made = verb(
        "verify",
        "check a folder of records and those in it: whole, unaltered, and their metrics those "
        "of the hit ranks",
    )
    made.add_argument("folder", type=Path, metavar="DIR", help="records, also a stranger's")
    add_one(
        verb("show", "one record: what was trained, where, how it went, and how to run it again")
    )
    made = verb("rerun", "run the trial of a record again, and compare the results bit by bit")
    add_one(made)
    add_plugin(made)
    add_data_dir(made)
    add_merge(verb("merge", "put the records of several folders into one"))
    add_evaluate(
        verb("evaluate", "score recommendation lists made elsewhere, on the same test users")
    )
    about = "recommend items to users by their histories, with weights that a run has kept"
    add_recommend(verb("recommend", about))
    add_plugin(verb("list", "data sets and models, with their options", "list_all"))
    made = verb(
        "contract", "run the contract tests on the models, likelihoods and data sets of a plugin"
    )
    made.add_argument(
        "file", type=Path, metavar="FILE.py", help="the plugin; it is code, and is run"
    )
    about = "download data sets and make their splits, for machines that have no network"
    add_prepare(verb("prepare", about, "prepare_all"))
    about = "write a data set's split as the authors' six files"
    add_export_split(verb("export-split", about, "export_split"))
    made = verb("doctor", "what is wrong with this environment, and how to mend it")
    add_data_dir(made)
    add_out(made)
    made = verb("selftest", "check the evaluator and the protocol by what must come out")
    made.add_argument(
        "--dataset", default="synthetic", metavar="NAME", help="on which data (default: synthetic)"
    )
    add_plugin(made)
    add_data_dir(made)


def add_verb(top: Parser, name: str, about: str, function: str | None = None) -> Parser:
    """Add a verb, done by the function of its name in benchmark/verbs/ unless another is named."""
    assert top.verbs is not None
    made = top.verbs.add_parser(name, help=about, description=about, allow_abbrev=False)
    made.set_defaults(verb=function or name)
    return made


def add_one(to: argparse.ArgumentParser) -> None:
    """Add the options that name one record."""
    to.add_argument("id", metavar="ID", help="of the record, or the beginning of its id")
    add_out(to)


def add_merge(to: argparse.ArgumentParser) -> None:
    """Add the options that say which folders are put together, and where."""
    about = "folders of records; each is verified first, and none is changed"
    to.add_argument("folders", nargs="+", type=Path, metavar="DIR", help=about)
    add_out(to)
    add_verbose(to)


def add_prepare(to: argparse.ArgumentParser) -> None:
    """Add the options that say which splits are made."""
    to.add_argument("--datasets", nargs="+", required=True, metavar="NAME", help="data sets")
    add_split_seeds(to)
    add_set(to, "an option of a data set")
    add_plugin(to)
    add_data_dir(to)


def add_export_split(to: Parser) -> None:
    """Add the options that say which split is exported, and to where."""
    to.alone = ("--dataset", "--datasets")
    to.add_argument("name", metavar="NAME", help="a data set")
    to.add_argument(
        "folder", type=Path, metavar="DIR", help="where to write; made if it is missing"
    )
    add_set(to, "an option of the data set")
    add_plugin(to)
    add_data_dir(to)


def add_report(to: argparse.ArgumentParser) -> None:
    """Add the options that say which records are reported, and how."""
    add = to.add_argument
    add("--datasets", nargs="+", metavar="NAME", help="of these only (default: all there are)")
    add("--models", nargs="+", metavar="NAME", help="of these only (default: all there are)")
    add(
        "--table",
        nargs="+",
        choices=["1", "2", "3", "4"],
        default=[],
        help="the paper's tables instead",
    )
    add("--figure", nargs="+", choices=["1", "3"], default=[], help="the paper's figures instead")
    add(
        "--contest",
        action="store_true",
        help="the models that were tuned, compared over splits: tables and figures",
    )
    add(
        "--compare",
        type=folder,
        metavar="DIR",
        help="instead: what differs from another folder of records",
    )
    add(
        "--metrics",
        nargs="+",
        metavar="KIND@CUTOFF",
        help="Recall, NDCG, MRR, MAP, Precision, HR (hit rate), Coverage or Novelty at a cutoff up "
        "to 100 (default: Recall@20 Recall@50 NDCG@100)",
    )
    about = "also write report.html, one page with all of it, into --to or else OUT/report"
    add("--html", action="store_true", help=about)
    about = (
        "also write tables (Markdown, LaTeX, CSV) and figures (PNG, PDF, SVG) there; without it "
        "figures go to OUT/report"
    )
    add("--to", type=folder, metavar="DIR", help=about)
    about = "also write per-user.csv there: each metric of each trial and test user"
    add("--per-user", action="store_true", help=about)
    about = "of the tables only these, after the first; a table with none of them is left out"
    add("--columns", nargs="+", metavar="NAME", help=about)
    about = "how wide figures are: one column of a paper (3.3 inches) or a page (7, the default)"
    add("--width", choices=["column", "page"], default="page", help=about)
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


def add_recommend(to: argparse.ArgumentParser) -> None:
    """Add the options that say which model recommends to whom, and where the lists go."""
    add = to.add_argument
    about = "weights that --keep-weights has stored"
    add("--weights", required=True, type=Path, metavar="FILE.safetensors", help=about)
    about = "a text or Parquet file with the raw ids of users and of their items, one pair a row"
    add("--histories", required=True, type=Path, metavar="FILE", help=about)
    about = "items for each user, at most 100 (default: 20)"
    add("--top", type=whole(1), default=20, metavar="N", help=about)
    about = "a .parquet or .csv file to write: user, rank, item, score (default: %(default)s)"
    add("--to", type=Path, default=Path("recommendations.csv"), metavar="FILE", help=about)
    add_set(to, "an option of the file of histories, as user_column=NAME")
    add_plugin(to)
