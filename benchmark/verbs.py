"""What each verb of the command line does; returns its exit code."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from benchmark import labels, plugins, suite
from benchmark.catalog import UsageError, data_sets, look_up
from benchmark.evaluation.metrics import HEADLINE, Metric
from benchmark.paths import ROOT
from benchmark.plan import dry_run, options, plan, study
from benchmark.plan.plan import DATASETS, MODELS, Grid, Planned, Process
from benchmark.records import store
from benchmark.records.store import Record
from benchmark.run import local
from benchmark.spec import PROTOCOL
from datasets import cache, own
from datasets.cache import Prepared
from datasets.errors import DataError
from datasets.registry import canonical
from models.variants import LIKELIHOODS


def run(arguments: argparse.Namespace) -> int:
    """Train what has no record yet, print the tables and every path written; 1 if a selected trial failed."""
    asked = resolve(arguments)
    if arguments.dry_run and arguments.beta_heuristic:
        raise UsageError(
            "--beta-heuristic: where beta stops is not known before the first run; leave --dry-run out"
        )
    if arguments.dry_run:
        return dry_run.show(asked, arguments)
    if arguments.out.exists() and not arguments.out.is_dir():
        raise UsageError(
            f"--out {arguments.out} is a file, and records need a folder; name another"
        )
    prepared = {
        data.entry.name: each
        for data, each in zip(asked.datasets, prepare_all(asked, arguments.data_dir), strict=True)
    }
    if arguments.beta_heuristic:
        asked = study.annealed_to_1(
            asked, {name: each.split.train.shape[0] for name, each in prepared.items()}
        )
    selected, written = train(asked, prepared, arguments)
    if arguments.beta_heuristic:
        second, more = train(study.stopped_at_best(asked, selected), prepared, arguments)
        selected, written = list({r.id: r for r in [*selected, *second]}.values()), written + more
    from benchmark.report import files, render  # not before the first trial has started
    from benchmark.report.report import Report

    told = Report(selected, arguments.out, HEADLINE)
    print(f"\n{render.markdown(told.shown)}")
    written += files.write(arguments.out / "report", told.tables, told.figures)
    written = [each.folder for each in prepared.values() if each.made] + written
    if written:
        print("\nWritten:", *written, sep="\n  ")
    return int(any(record.status != "ok" for record in selected))


def train(
    asked: Grid, prepared: dict[str, Prepared], arguments: argparse.Namespace
) -> tuple[list[Record], list[Path]]:
    """Run what has no record yet; returns the records of all trials and the paths of the files written."""
    process = Process(
        arguments.out,
        arguments.threads,
        arguments.jobs,
        arguments.checkpoint_seconds,
        arguments.keep_weights,
        tuple(path.resolve() for path in arguments.plugin),
    )
    jobs = [
        job
        for data in asked.datasets
        for job in plan.jobs(asked, data, prepared[data.entry.name], process)
    ]
    todo = local.unsettled(jobs, arguments.force, arguments.retry)
    print(f"trials: {len(jobs) - len(todo)} done before, {len(todo)} to run", flush=True)
    local.tidy(job for job in jobs if job not in todo)
    written = local.run(
        todo, arguments.jobs, arguments.timeout, fresh=arguments.force or arguments.retry
    )
    return [store.read(store.path_of(job.out, job.spec.id)) for job in jobs], written


def resolve(arguments: argparse.Namespace) -> Grid:
    """What a run is asked for; without a suite, data sets or models, what suites/demo.toml says."""
    name = arguments.suite or (None if arguments.datasets else "demo")
    own = suite.load(name) if name else None
    asked = plan.resolve(
        arguments.datasets,
        arguments.models,
        arguments.seeds,
        arguments.set,
        arguments.device,
        arguments.precision,
        own,
        arguments.grid,
    )
    caps: list[float] = arguments.beta_sweep
    if caps:
        return study.swept(asked, dict.fromkeys(study.vaes(asked), caps))
    if own and not (arguments.grid or arguments.beta_heuristic):
        return study.swept(asked, own.beta_sweep)
    return asked


def prepare_all(asked: Grid, data_dir: Path) -> list[Prepared]:
    """The split of every data set; raises DataError with a sentence for each that cannot be had."""
    found, missing = [], []
    for data in asked.datasets:
        try:
            found.append(prepare(data, data_dir))
        except DataError as error:
            missing.append(str(error))
    if missing:
        raise DataError("\n".join(missing))
    return found


def prepare(data: Planned, data_dir: Path) -> Prepared:
    """The split of a data set; its notes are printed."""
    name = data.entry.name
    made = cache.prepare(
        name, data.entry.dataset(data.config), data_dir, cache.default_folder(), PROTOCOL
    )
    for note in made.notes:
        print(f"{name}: {note}")
    return made


def report(arguments: argparse.Namespace) -> int:
    """Print the tables of the records in a folder, or the paper's.

    Write them and the plots where that is asked.
    """
    from benchmark.report import files, render
    from benchmark.report.report import Report

    metrics = [Metric.parse(text) for text in arguments.metrics] if arguments.metrics else HEADLINE
    found = chosen(stored(arguments.out), arguments.datasets, arguments.models)
    if arguments.table or arguments.figure:
        written = report_paper(found, arguments)
    else:
        told = Report(found, arguments.out, metrics)
        print(render.markdown(told.shown))
        written = files.write(arguments.to, told.tables, told.figures) if arguments.to else []
    if written:
        print("\nWritten:", *written, sep="\n  ")
    return 0


def report_paper(found: list[Record], arguments: argparse.Namespace) -> list[Path]:
    """Print the paper's tables, and write its tables and figures; returns the paths written."""
    from benchmark.report import files, paper, render
    from benchmark.report.figures import FIGURES

    tables = {f"table-{n}": paper.TABLES[n](found, arguments.out) for n in arguments.table}
    for made in tables.values():
        print(render.markdown(made))
    figures = {f"figure-{n}": FIGURES[n](found, arguments.out) for n in arguments.figure}
    if arguments.to:
        return files.write(arguments.to, tables, figures, drawn=True)
    return files.write(arguments.out / "report", {}, figures)


def chosen(
    found: list[Record], datasets: list[str] | None, models: list[str] | None
) -> list[Record]:
    """The records of some data sets and models, by their names, or by their labels.

    Raises UsageError for a name that no record has, or for a model's that none of these data sets
    has.
    """
    from benchmark.report.rows import dataset_of

    ours = [
        next(iter(data_sets([name]))) if name.startswith(own.PREFIX) else canonical(name)
        for name in datasets or []
    ]
    found = having(found, "data set", ours, lambda r: {r.spec.dataset, dataset_of(r)})
    return having(
        found, "model", models or [], lambda r: {r.spec.model, labels.model_label(r.spec)}
    )


def having(
    found: list[Record], kind: str, names: list[str], names_of: Callable[[Record], set[str]]
) -> list[Record]:
    """The records that have one of the ``names`` of a ``kind`` of thing; all, if there is none.

    Raises UsageError for a name that no record has.
    """
    there = dict.fromkeys(sorted({name for record in found for name in names_of(record)}))
    for name in names:
        look_up(f"record of the {kind}", name, there)
    return [record for record in found if not names or names_of(record) & set(names)]


def stored(folder: Path) -> list[store.Record]:
    """All records in ``folder``; raises UsageError if there is none."""
    found = store.read_all(folder)
    if not found:
        raise UsageError(f"{folder} holds no record; name the folder that a run wrote")
    return found


def verify(arguments: argparse.Namespace) -> int:
    """Say what is wrong with a folder of records; 1 if anything is."""
    from benchmark.records.verify import faults

    checked, wrong = faults(arguments.folder)
    if not checked:
        raise UsageError(f"{arguments.folder} holds no record; name the folder that a run wrote")
    print(*wrong, f"{checked} records checked, {len(wrong)} faults", sep="\n")
    return int(bool(wrong))


def evaluate(arguments: argparse.Namespace) -> int:
    """Score lists made elsewhere, store the record, and print the table of the folder."""
    from benchmark.report import render
    from benchmark.report.report import Report
    from benchmark.run import external

    (data,) = plan.resolve([arguments.dataset], [], settings=arguments.set).datasets
    prepared = prepare(data, arguments.data_dir)
    described = plan.describe(data, prepared)
    written = external.evaluate(
        arguments.name, arguments.lists, data.entry.name, described, prepared, arguments.out
    )
    print(render.markdown(Report(stored(arguments.out), arguments.out, HEADLINE).shown))
    print("\nWritten:", *written, sep="\n  ")
    return 0


def list_all(arguments: argparse.Namespace) -> int:
    """Print every data set and model with its options, their defaults and meanings, and each likelihood."""
    data = {
        entry.name: (entry, entry.dataset)
        for entry in (*DATASETS.values(), own.entry(Path("PATH")))
    }
    models = {name: (entry, *entry.kinds) for name, entry in MODELS.items()}
    for title, entries in (("data sets", data), ("models", models)):
        print(f"{title}:")
        for name, (entry, *kinds) in entries.items():
            print(f"  {name}: {entry.about}{plugins.origin(*kinds)}")
            meanings = options.descriptions(entry.config)
            for option, value in labels.flat(entry.config).items():
                print(f"    {option} = {value!r:<8} {meanings[option]}")
        print()
    print("likelihoods, each with models NAME-vae and NAME-dae:")
    for name, likelihood in LIKELIHOODS.items():
        print(f"  {name}: {(likelihood.__doc__ or '').splitlines()[0]}{plugins.origin(likelihood)}")
    return 0


def contract(arguments: argparse.Namespace) -> int:
    """Run the contract tests on what a plugin registers; 1 if one fails."""
    before = plugins.names()
    plugins.load([arguments.file])
    if not (new := sorted(plugins.names() - before)):
        raise UsageError(
            f"{arguments.file} registers no model, likelihood or data set; see the README's example"
        )
    if not find_spec("pytest"):
        raise UsageError(
            f"{sys.executable} has no package pytest; pip install -r requirements-dev.txt"
        )
    print(f"{arguments.file} registers {', '.join(new)}", flush=True)
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
    environment = os.environ | {"BENCH_PLUGIN": str(arguments.file.resolve())}
    return int(subprocess.run(command, cwd=ROOT, env=environment).returncode != 0)


def export_split(arguments: argparse.Namespace) -> int:
    """Write the six files of a split, and print their hashes as sha256sum does."""
    from datasets import fetch, pro_sg

    (data,) = plan.resolve([arguments.name], [], settings=arguments.set).datasets
    made = prepare(data, arguments.data_dir)
    for path in sorted(pro_sg.write(made.split, arguments.folder)):
        print(f"{fetch.sha256(path)}  {path}")
    print(f"split {made.split_hash}")
    return 0


def selftest(arguments: argparse.Namespace) -> int:
    """Check evaluator and protocol; 1 if anything came out otherwise than it must."""
    from benchmark.evaluation.selftest import examine

    (data,) = plan.resolve([arguments.dataset], []).datasets
    return examine(data.entry.name, prepare(data, arguments.data_dir))
