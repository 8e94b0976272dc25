"""The command line. Only argparse is imported before a verb is known, so that help is immediate."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from benchmark.grid import Grid
    from datasets.base import DatasetConfig
    from datasets.cache import Prepared
    from datasets.registry import Entry as DatasetEntry

ROOT = Path(__file__).resolve().parent.parent
DESCRIPTION = """\
Train recommenders on data sets under the strong-generalisation protocol of Liang et al. (WWW 2018), and
print their Recall and NDCG on test users whom no model has seen.

Without any option: every model on the small synthetic data set, which needs no download."""
EXAMPLES = """\
examples:
  python run_all.py                                   all models on synthetic data, in about two minutes
  python run_all.py --datasets ml1m --models ease     one model on MovieLens-1M, downloaded if need be
  python run_all.py --datasets ml1m --models mult-vae --set mult-vae.latent=100 --seeds 0 1 2
  python run_all.py report --metrics Recall@10 MRR@10 tables from the stored records, without training
  python run_all.py list                              data sets and models with their options

A trial with a record in --out is not run again. Exit code: 0, or 1 while a selected trial has failed, or 2 for
a request that cannot be met."""


def main(argv: list[str] | None = None) -> int:
    """Do what ``argv`` says; returns the exit code."""
    top = parser()
    top.check_options(sys.argv[1:] if argv is None else argv)
    arguments = top.parse_args(argv)
    from benchmark.catalog import UsageError
    from datasets.errors import DataError

    try:
        return arguments.do(arguments)
    except (DataError, UsageError) as error:
        return complain(str(error))
    except KeyboardInterrupt:
        print("\nstopped; the records written so far stay, and the same command goes on from there", file=sys.stderr)
        return 130


def complain(sentence: str) -> int:
    """Say what is wrong with a request; returns its exit code."""
    print(f"run_all.py: {sentence}", file=sys.stderr)
    return 2


class Parser(argparse.ArgumentParser):
    """One sentence for a mistake, with the nearest option where one was mistyped."""

    verbs: argparse._SubParsersAction[Parser] | None = None

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")

    def check_options(self, argv: list[str]) -> None:
        """End, naming the nearest, at an option that no verb has; argparse would take its value for a verb."""
        from benchmark.catalog import suggestion

        parsers = [self, *(self.verbs.choices.values() if self.verbs else [])]
        known = [option for parser in parsers for option in parser._option_string_actions]
        for word in argv:
            if word.startswith("--") and (option := word.partition("=")[0]) not in known:
                self.error(f"there is no option {option}{suggestion(option, known)}")


def parser() -> Parser:
    """The parser: no verb means run."""
    style = argparse.RawDescriptionHelpFormatter
    top = Parser("run_all.py", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=style, allow_abbrev=False)
    top.set_defaults(do=run)
    add = top.add_argument
    add("--datasets", nargs="+", default=["synthetic"], metavar="NAME", help="data sets (default: synthetic)")
    add("--models", nargs="+", metavar="NAME", help="models (default: all; see the verb list)")
    add("--seeds", nargs="+", type=seed, default=[0, 1], metavar="N", help="seeds of each trial (default: 0 1)")
    add(
        "--device",
        choices=["auto", "cpu", "cuda"],
        default="auto",
        help="auto (default): a GPU where the model can use one",
    )
    add(
        "--precision",
        choices=["auto", "fp32", "bf16"],
        default="auto",
        help="of the output layer's products in training; auto (default) is fp32, and scores always are",
    )
    add("--threads", type=positive, default=os.cpu_count(), metavar="N", help="CPU threads (default: all cores)")
    add(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME.OPTION=VALUE",
        help="an option of a model or data set; OPTION=VALUE sets it for every chosen model that has it",
    )
    add(
        "--data-dir",
        type=Path,
        default=data_dir(),
        metavar="DIR",
        help="raw files (default: $BENCH_DATA_DIR, else data/)",
    )
    add_out(top)
    add("--force", action="store_true", help="run trials again that have a record, and replace it")
    add("--dry-run", action="store_true", help="print the trials with their settings, and run nothing")

    top.verbs = verbs = top.add_subparsers(title="verbs", metavar="", description="without one, trials are run")
    verb = verbs.add_parser("report", help="rebuild the tables from the stored records", allow_abbrev=False)
    verb.set_defaults(do=report)
    add_out(verb)
    verb.add_argument(
        "--metrics",
        nargs="+",
        metavar="KIND@CUTOFF",
        help="Recall, NDCG or MRR at any cutoff up to 100 (default: Recall@20 Recall@50 NDCG@100)",
    )
    verb = verbs.add_parser("list", help="data sets and models, with their options", allow_abbrev=False)
    verb.set_defaults(do=list_all)
    verb = verbs.add_parser(
        "export-split", help="write a data set's split as the authors' six files", allow_abbrev=False
    )
    verb.set_defaults(do=export_split)
    verb.add_argument("name", metavar="NAME", help="a data set")
    verb.add_argument("folder", type=Path, metavar="DIR", help="where to write; made if it is missing")
    verb.add_argument("--data-dir", type=Path, default=data_dir(), metavar="DIR", help="raw files, as in a run")
    verb.add_argument("--set", nargs="+", action="extend", default=[], metavar="NAME.OPTION=VALUE", help="as in a run")
    return top


def add_out(to: argparse.ArgumentParser) -> None:
    """The folder of records."""
    to.add_argument(
        "--out",
        type=Path,
        default=ROOT / "results" / "runs",
        metavar="DIR",
        help="folder of the records (default: results/runs)",
    )


def data_dir() -> Path:
    """Where raw files are looked for and downloaded to."""
    return Path(os.environ.get("BENCH_DATA_DIR") or ROOT / "data")


def seed(text: str) -> int:
    """A whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a seed: a whole number from 0")
    return int(text)


def positive(text: str) -> int:
    """A whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of threads: a whole number from 1")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Train what has no record yet, print the table and every path written; 1 if a selected trial failed."""
    from benchmark import grid, records, runner
    from benchmark.catalog import UsageError
    from benchmark.metrics import HEADLINE
    from benchmark.report.table import tables

    asked = grid.resolve(
        arguments.datasets,
        arguments.models or list(grid.MODELS),
        arguments.seeds,
        arguments.set,
        arguments.device,
        arguments.precision,
    )
    if arguments.dry_run:
        return dry_run(asked, arguments)
    if arguments.out.exists() and not arguments.out.is_dir():
        raise UsageError(f"--out {arguments.out} is a file, and records need a folder; name another")
    written, trials = [], []
    for entry, config in asked.datasets:
        prepared = prepare(entry, config, arguments.data_dir)
        written += [prepared.folder] if prepared.made else []
        trials += grid.trials(asked, entry, config, prepared)
    to_do = runner.unsettled(trials, arguments.out, arguments.force)
    for t in trials:
        if t not in to_do:
            records.read(arguments.out / f"{t.spec.id}.json")  # one that cannot be read stops here, not after hours
    print(f"{len(trials)} trials: {len(trials) - len(to_do)} done before, {len(to_do)} to run")
    written += runner.run(to_do, arguments.out, arguments.threads)
    selected = [records.read(arguments.out / f"{t.spec.id}.json") for t in trials]
    print(f"\n{tables(selected, arguments.out, HEADLINE)}")
    if written:
        print("\nWritten:", *written, sep="\n  ")
    return int(any(record.status != "ok" for record in selected))


def prepare(entry: DatasetEntry, config: DatasetConfig, data_dir: Path) -> Prepared:
    """The split of a data set; its notes are printed."""
    from benchmark.spec import PROTOCOL
    from datasets import cache

    made = cache.prepare(entry.name, entry.dataset(config), data_dir, cache.default_folder(), PROTOCOL)
    for note in made.notes:
        print(f"{entry.name}: {note}")
    return made


def dry_run(asked: Grid, arguments: argparse.Namespace) -> int:
    """Print each trial with its settings and whether it has a record; nothing is downloaded, trained or written."""
    from benchmark import grid, runner
    from benchmark.spec import PROTOCOL
    from datasets import cache

    for entry, config in asked.datasets:
        dataset = entry.dataset(config)
        print(f"{grid.label(entry.name, config, entry.config)}  {config.model_dump_json()}")
        made = cache.at_hand(entry.name, dataset, arguments.data_dir, cache.default_folder(), PROTOCOL)
        if made is None:
            print("  not split yet; a run would make the split")
            for model, options in asked.models:
                seeds = "" if model.deterministic else f" seeds {' '.join(map(str, asked.seeds))}"
                print(f"  {grid.label(model.name, options, model.config)}{seeds}  {options.model_dump_json()}")
            continue
        trials = grid.trials(asked, entry, config, made)
        to_do = runner.unsettled(trials, arguments.out, arguments.force)
        for t in trials:
            print(f"  {'to run' if t in to_do else 'done'}  {runner.title(t)}  {t.config.model_dump_json()}")
    return 0


def report(arguments: argparse.Namespace) -> int:
    """Print the tables of all records in a folder."""
    from benchmark import records
    from benchmark.catalog import UsageError
    from benchmark.metrics import HEADLINE, Metric
    from benchmark.report.table import tables

    metrics = [Metric.parse(text) for text in arguments.metrics] if arguments.metrics else HEADLINE
    found = records.read_all(arguments.out)
    if not found:
        raise UsageError(f"--out {arguments.out} holds no record; name the folder that a run wrote")
    print(tables(found, arguments.out, metrics))
    return 0


def list_all(arguments: argparse.Namespace) -> int:
    """Print every data set and model with its options, their defaults and meanings."""
    from benchmark.grid import DATASETS, MODELS

    for title, entries in (("data sets", DATASETS.values()), ("models", MODELS.values())):
        print(f"{title}:")
        for entry in entries:
            print(f"  {entry.name}: {entry.about}")
            for option, field in type(entry.config).model_fields.items():
                print(f"    {option} = {getattr(entry.config, option)!r:<8} {field.description or ''}")
        print()
    return 0


def export_split(arguments: argparse.Namespace) -> int:
    """Write the six files of a split, and print their hashes as sha256sum does."""
    from benchmark import grid
    from datasets import fetch, pro_sg

    asked = grid.resolve([arguments.name], [], [], arguments.set, "cpu", "fp32")
    made = prepare(*asked.datasets[0], arguments.data_dir)
    for path in sorted(pro_sg.write(made.split, arguments.folder)):
        print(f"{fetch.sha256(path)}  {path}")
    print(f"split {made.split_hash}")
    return 0
