"""What each verb of the command line does; returns its exit code."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from benchmark import grid, options, plugins, records, runner, suite, truth
from benchmark.catalog import UsageError
from benchmark.grid import DATASETS, MODELS, Grid, Planned, Process
from benchmark.launch import ROOT
from benchmark.metrics import HEADLINE, Metric
from benchmark.records import Record
from benchmark.spec import PROTOCOL, Job, TrialSpec
from datasets import cache, own
from datasets.cache import Prepared
from datasets.errors import DataError
from models.variants import LIKELIHOODS


def run(arguments: argparse.Namespace) -> int:
    """Train what has no record yet, print the tables and every path written; 1 if a selected trial failed."""
    from benchmark.report import files

    asked = resolve(arguments)
    process = Process(
        arguments.out,
        arguments.threads,
        arguments.jobs,
        arguments.checkpoint_seconds,
        arguments.keep_weights,
        tuple(path.resolve() for path in arguments.plugin),
    )
    if arguments.dry_run:
        return dry_run(asked, arguments)
    if arguments.out.exists() and not arguments.out.is_dir():
        raise UsageError(f"--out {arguments.out} is a file, and records need a folder; name another")
    written: list[Path] = []
    jobs: list[Job] = []
    for data, prepared in zip(asked.datasets, prepare_all(asked, arguments.data_dir), strict=True):
        written += [prepared.folder] if prepared.made else []
        jobs += grid.jobs(asked, data, prepared, process)
    todo = runner.unsettled(jobs, arguments.force, arguments.retry)
    print(f"{len(jobs)} trials: {len(jobs) - len(todo)} done before, {len(todo)} to run", flush=True)
    runner.tidy(job for job in jobs if job not in todo)
    written += runner.run(todo, arguments.jobs, arguments.timeout, fresh=arguments.force or arguments.retry)
    selected = [records.read(records.path_of(job.out, job.spec.id)) for job in jobs]
    print(f"\n{files.markdown(selected, arguments.out, HEADLINE)}")
    written += files.write(selected, arguments.out, HEADLINE, arguments.out / "report")
    if written:
        print("\nWritten:", *written, sep="\n  ")
    return int(any(record.status != "ok" for record in selected))


def resolve(arguments: argparse.Namespace) -> Grid:
    """What a run is asked for; without a suite, data sets or models, what suites/demo.toml says."""
    name = arguments.suite or (None if arguments.datasets else "demo")
    return grid.resolve(
        arguments.datasets,
        arguments.models,
        arguments.seeds,
        arguments.set,
        arguments.device,
        arguments.precision,
        suite.load(name) if name else None,
        arguments.grid,
    )


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
    made = cache.prepare(name, data.entry.dataset(data.config), data_dir, cache.default_folder(), PROTOCOL)
    for note in made.notes:
        print(f"{name}: {note}")
    return made


def dry_run(asked: Grid, arguments: argparse.Namespace) -> int:
    """Print each trial, whether it has a record, and where its settings come from; nothing is read, made or run."""
    stored = records.read_all(arguments.out)
    for data in asked.datasets:
        name, dataset = data.entry.name, data.entry.dataset(data.config)
        made = cache.at_hand(name, dataset, arguments.data_dir, cache.default_folder(), PROTOCOL)
        print(f"{data.label}{'' if made else ': not split yet; a run would make the split'}", *settings(data), sep="\n")
        split = made.split_hash if made else ""
        of_data = [record for record in stored if record.data["options"] == data.config.model_dump(mode="json")]
        for model in asked.models[name]:
            print(f"  {model.label}")
            for seed in grid.seeds_of(model, asked):
                spec = grid.spec_of(model, seed, asked, name, split)
                where = f"{'' if seed is None else f'seed {seed}, '}{spec.device}, {spec.precision}"
                print(f"    {where}: {stage_of(spec, of_data, arguments)}")
            for line in settings(model):
                print(line)
        for row in truth.ROWS if made and made.split.truth and asked.stage == "test" else ():
            print(f"  {row}: {stage_of(grid.truth_spec(row, name, split), of_data, arguments)}")
    return 0


def stage_of(spec: TrialSpec, stored: list[Record], arguments: argparse.Namespace) -> str:
    """Whether a trial has a record; where its split is not known yet, one of any split counts."""
    blank = {"split_hash": ""} if not spec.split_hash else {}
    found = [record for record in stored if record.spec.model_copy(update=blank) == spec]
    if not found or arguments.force or (arguments.retry and found[-1].status != "ok"):
        return "to run"
    return "done" if found[-1].status == "ok" else found[-1].status


def settings(of: Planned) -> Iterator[str]:
    """A line for each option with its value and where that comes from."""
    for option, value in options.flat(of.config).items():
        yield f"      {option} = {json.dumps(value)}  ({of.origins.get(option, 'default')})"


def report(arguments: argparse.Namespace) -> int:
    """Print the tables of all records in a folder, and write them with the learning curves where that is asked."""
    from benchmark.report import files

    metrics = [Metric.parse(text) for text in arguments.metrics] if arguments.metrics else HEADLINE
    found = stored(arguments.out)
    print(files.markdown(found, arguments.out, metrics))
    if arguments.to:
        print("\nWritten:", *files.write(found, arguments.out, metrics, arguments.to), sep="\n  ")
    return 0


def stored(folder: Path) -> list[records.Record]:
    """All records in ``folder``; raises UsageError if there is none."""
    found = records.read_all(folder)
    if not found:
        raise UsageError(f"{folder} holds no record; name the folder that a run wrote")
    return found


def verify(arguments: argparse.Namespace) -> int:
    """Say what is wrong with a folder of records; 1 if anything is."""
    from benchmark.verify import faults

    checked, wrong = faults(arguments.folder)
    if not checked:
        raise UsageError(f"{arguments.folder} holds no record; name the folder that a run wrote")
    print(*wrong, f"{checked} records checked, {len(wrong)} faults", sep="\n")
    return int(bool(wrong))


def evaluate(arguments: argparse.Namespace) -> int:
    """Score lists made elsewhere, store the record, and print the table of the folder."""
    from benchmark import external
    from benchmark.report import files

    (data,) = grid.resolve([arguments.dataset], [], settings=arguments.set).datasets
    prepared = prepare(data, arguments.data_dir)
    described = grid.describe(data, prepared)
    written = external.evaluate(arguments.name, arguments.lists, data.entry.name, described, prepared, arguments.out)
    print(files.markdown(stored(arguments.out), arguments.out, HEADLINE))
    print("\nWritten:", *written, sep="\n  ")
    return 0


def list_all(arguments: argparse.Namespace) -> int:
    """Print every data set and model with its options, their defaults and meanings, and each likelihood."""
    data = {entry.name: (entry, entry.dataset) for entry in (*DATASETS.values(), own.entry(Path("PATH")))}
    models = {name: (entry, *entry.kinds) for name, entry in MODELS.items()}
    for title, entries in (("data sets", data), ("models", models)):
        print(f"{title}:")
        for name, (entry, *kinds) in entries.items():
            print(f"  {name}: {entry.about}{plugins.origin(*kinds)}")
            meanings = options.descriptions(entry.config)
            for option, value in options.flat(entry.config).items():
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
        raise UsageError(f"{arguments.file} registers no model, likelihood or data set; see the README's example")
    if not find_spec("pytest"):
        raise UsageError(f"{sys.executable} has no package pytest; pip install -r requirements-dev.txt")
    print(f"{arguments.file} registers {', '.join(new)}", flush=True)
    chosen = " or ".join(f"[{name}]" for name in new)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", "-m", "contract", "-k", chosen]
    environment = os.environ | {"BENCH_PLUGIN": str(arguments.file.resolve())}
    return int(subprocess.run(command, cwd=ROOT, env=environment).returncode != 0)


def export_split(arguments: argparse.Namespace) -> int:
    """Write the six files of a split, and print their hashes as sha256sum does."""
    from datasets import fetch, pro_sg

    (data,) = grid.resolve([arguments.name], [], settings=arguments.set).datasets
    made = prepare(data, arguments.data_dir)
    for path in sorted(pro_sg.write(made.split, arguments.folder)):
        print(f"{fetch.sha256(path)}  {path}")
    print(f"split {made.split_hash}")
    return 0


def selftest(arguments: argparse.Namespace) -> int:
    """Check evaluator and protocol; 1 if anything came out otherwise than it must."""
    from benchmark.selftest import examine

    (data,) = grid.resolve([arguments.dataset], []).datasets
    return examine(data.entry.name, prepare(data, arguments.data_dir))
