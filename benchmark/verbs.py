"""What each verb of the command line does; returns its exit code."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmark import grid, records, runner
from benchmark.catalog import UsageError
from benchmark.grid import DATASETS, MODELS, Grid, Process
from benchmark.metrics import HEADLINE, Metric
from benchmark.spec import PROTOCOL, Job
from datasets import cache, own
from datasets.base import DatasetConfig
from datasets.cache import Prepared
from datasets.registry import Entry as DatasetEntry


def run(arguments: argparse.Namespace) -> int:
    """Train what has no record yet, print the tables and every path written; 1 if a selected trial failed."""
    from benchmark.report import files

    names = arguments.models or list(MODELS)
    asked = grid.resolve(
        arguments.datasets, names, arguments.seeds, arguments.set, arguments.device, arguments.precision
    )
    process = Process(
        arguments.out, arguments.threads, arguments.jobs, arguments.checkpoint_seconds, arguments.keep_weights
    )
    if arguments.dry_run:
        return dry_run(asked, arguments, process)
    if arguments.out.exists() and not arguments.out.is_dir():
        raise UsageError(f"--out {arguments.out} is a file, and records need a folder; name another")
    written: list[Path] = []
    jobs: list[Job] = []
    for entry, config in asked.datasets:
        prepared = prepare(entry, config, arguments.data_dir)
        written += [prepared.folder] if prepared.made else []
        jobs += grid.jobs(asked, entry, config, prepared, process)
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


def prepare(entry: DatasetEntry, config: DatasetConfig, data_dir: Path) -> Prepared:
    """The split of a data set; its notes are printed."""
    made = cache.prepare(entry.name, entry.dataset(config), data_dir, cache.default_folder(), PROTOCOL)
    for note in made.notes:
        print(f"{entry.name}: {note}")
    return made


def dry_run(asked: Grid, arguments: argparse.Namespace, process: Process) -> int:
    """Print each trial with its settings and whether it has a record; nothing is downloaded, trained or written."""
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
        jobs = grid.jobs(asked, entry, config, made, process)
        todo = runner.unsettled(jobs, arguments.force, arguments.retry)
        for job in jobs:
            print(f"  {'to run' if job in todo else 'done'}  {job.title}  {json.dumps(job.spec.config)}")
    return 0


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

    asked = grid.resolve([arguments.dataset], [], [], arguments.set, "cpu", "fp32")
    entry, config = asked.datasets[0]
    prepared = prepare(entry, config, arguments.data_dir)
    data = grid.describe(grid.label(entry.name, config, entry.config), config, prepared)
    written = external.evaluate(arguments.name, arguments.lists, entry.name, data, prepared, arguments.out)
    print(files.markdown(stored(arguments.out), arguments.out, HEADLINE))
    print("\nWritten:", *written, sep="\n  ")
    return 0


def list_all(arguments: argparse.Namespace) -> int:
    """Print every data set and model with its options, their defaults and meanings."""
    for title, entries in (("data sets", [*DATASETS.values(), own.entry(Path("PATH"))]), ("models", MODELS.values())):
        print(f"{title}:")
        for entry in entries:
            print(f"  {entry.name}: {entry.about}")
            for option, field in type(entry.config).model_fields.items():
                print(f"    {option} = {getattr(entry.config, option)!r:<8} {field.description or ''}")
        print()
    return 0


def export_split(arguments: argparse.Namespace) -> int:
    """Write the six files of a split, and print their hashes as sha256sum does."""
    from datasets import fetch, pro_sg

    asked = grid.resolve([arguments.name], [], [], arguments.set, "cpu", "fp32")
    made = prepare(*asked.datasets[0], arguments.data_dir)
    for path in sorted(pro_sg.write(made.split, arguments.folder)):
        print(f"{fetch.sha256(path)}  {path}")
    print(f"split {made.split_hash}")
    return 0


def selftest(arguments: argparse.Namespace) -> int:
    """Check evaluator and protocol; 1 if anything came out otherwise than it must."""
    from benchmark.selftest import examine

    ((entry, config),) = grid.resolve([arguments.dataset], [], [], [], "cpu", "fp32").datasets
    return examine(entry.name, prepare(entry, config, arguments.data_dir))
