"""What the command line may say: the options of a run, and the verbs with theirs."""

from __future__ import annotations

import argparse

from benchmark.arguments import (
    Parser,
    add_cluster,
    add_data_dir,
    add_out,
    add_plugin,
    add_set,
    add_split_seeds,
    add_told,
    number,
    shard,
    whole,
)
from benchmark.verb_parsers import add_verb, add_verbs

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
  python run_all.py tune --datasets ml1m --models ease mult-dae --trials 16
  python run_all.py report --metrics Recall@10 MRR@10      tables from the stored records
  python run_all.py list                            data sets and models with their options

A trial with a record in --out is not run again, and one that was stopped goes on from its
checkpoint. Exit code: 0, or 1 while a selected trial has failed, or 2 for a request that cannot be
met."""


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
    add_run(top)
    add_studies(top)
    add_verbs(top)
    add_tune(top)
    return top


def add_run(to: argparse.ArgumentParser) -> None:
    """Add the options that a run and a search share."""
    add_trials(to)
    about = (
        "an option of a model or data set; OPTION=VALUE sets it for every chosen model that has it"
    )
    add_set(to, about)
    add_plugin(to)
    add_data_dir(to)
    add_out(to)
    add_told(to)
    add_process(to)
    add_cluster(to)
    add_which(to)
    to.add_argument(
        "--calibrate",
        action="store_true",
        help="with --dry-run, make the splits and train ten batches of each model that trains in "
        "batches, to say how long its trials take",
    )


def add_tune(top: Parser) -> None:
    """Add the verb that searches the options of models."""
    about = (
        "search the options of each model, with the same budget for each; such trials score the "
        "validation users only"
    )
    made = add_verb(top, "tune", about)
    add_run(made)
    add = made.add_argument
    budget = made.add_mutually_exclusive_group()
    budget.add_argument(
        "--trials",
        type=whole(1),
        default=16,
        metavar="N",
        help="trials of each model (default: 16); the first has the options of a plain run",
    )
    budget.add_argument(
        "--seconds",
        type=number,
        metavar="N",
        help="instead: begin trials of a model until they have taken so long in all",
    )
    add(
        "--sampler",
        choices=["random", "tpe"],
        default="random",
        help="tpe (Optuna's) looks near the best trials so far (default: random)",
    )
    add("--search-seed", type=whole(0), default=0, metavar="N", help="of the search (default: 0)")
    add(
        "--patience",
        type=whole(1),
        metavar="EPOCHS",
        help="stop a trial after so many epochs without a better score; a VAE not before beta is "
        "at its cap (default: all epochs run)",
    )


def add_trials(to: argparse.ArgumentParser) -> None:
    """Add the options that say what is trained, and on what."""
    add = to.add_argument
    suite = "demo, paper or FILE.toml: data sets, models, seeds and settings"
    datasets = "data sets; file:PATH is your own (default: the suite's)"
    device = (
        "auto (default): a GPU where the model can use one; cpu cuda: both, for the timing table"
    )
    precision = (
        "of the output layer's products in training (tf32: of all, on a GPU); auto (default): bf16 "
        "on a CPU where that is known to be faster, else fp32; scores are always fp32"
    )
    seeds = "seeds of each trial (default: the suite's)"
    add("--suite", metavar="NAME", help=suite)
    add("--datasets", nargs="+", metavar="NAME", help=datasets)
    add("--models", nargs="+", metavar="NAME", help="models (default: the suite's)")
    add("--seeds", nargs="+", type=whole(0), metavar="N", help=seeds)
    add("--device", nargs="+", choices=["auto", "cpu", "cuda"], default=["auto"], help=device)
    choices = ["auto", "fp32", "tf32", "bf16"]
    add("--precision", choices=choices, default="auto", help=precision)


def add_studies(to: argparse.ArgumentParser) -> None:
    """Add the options that study beta, a grid of options, the outcome of a search, or splits."""
    add_split_seeds(to)
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
    many.add_argument(
        "--tuned",
        action="store_true",
        help="train each model with the options that did best in its search (the verb tune), whose "
        "records are in --out",
    )


def add_process(to: argparse.ArgumentParser) -> None:
    """Add the options that say how trials are run."""
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


def add_which(to: argparse.ArgumentParser) -> None:
    """Add the options that say which of the trials are run, if any."""
    again = to.add_mutually_exclusive_group()
    again.add_argument("--retry", action="store_true", help="run trials again that failed")
    again.add_argument(
        "--force", action="store_true", help="run trials again that have a record, and replace it"
    )
    to.add_argument(
        "--shard",
        type=shard,
        metavar="I/N",
        help="only every N-th trial, from the I-th on, as one of N machines that share the run; "
        "the verb merge puts their folders together",
    )
    to.add_argument(
        "--dry-run",
        action="store_true",
        help="print the trials, done or not, and where each setting comes from",
    )
