"""Carries out a study: splits are made, what has no record is trained, and the study plans on by
the records.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from benchmark import plugins
from benchmark.errors import UsageError
from benchmark.plan import choose, forecast
from benchmark.plan import plan as plans
from benchmark.plan.deal import Deal
from benchmark.plan.dry_run import Measure
from benchmark.plan.plan import ChosenData, Plan, Process
from benchmark.plan.study import Study
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.run import calibrate, local
from benchmark.run.display import Display, Events, for_person
from benchmark.run.executor import Executor, Resources
from benchmark.run.local import Local
from benchmark.spec import PROTOCOL, Job, TrialSpec
from benchmark.text import say
from datasets import cache, own
from datasets.cache import Prepared
from datasets.errors import DataError
from datasets.preprocess import Ratings, preprocess

MARGIN = 1.5
"""How much more time and memory than is forecast a trial may take on a cluster."""
UNKNOWN_MINUTES, UNKNOWN_GIGABYTES = 60.0, 4.0
"""What a trial may take there of which nothing is known."""
FEWEST_MINUTES, FEWEST_GIGABYTES = 10, 2.0
"""What it may take in any case."""


class Detached(Exception):
    """Trials are under way elsewhere, and the run does not wait for them."""


def check_out(out: Path) -> None:
    """Raise UsageError if records cannot be written into the folder ``out``: better at once."""
    try:
        there = next(path for path in (out, *out.absolute().parents) if path.exists())
        reason = None if there.is_dir() else f"{there} is a file"
    except OSError as error:
        reason = error.strerror
    if reason:
        raise UsageError(f"--out {out} can be no folder ({reason}); name another")


def conduct(study: Study, train: Callable[[Plan], list[Record]]) -> list[Record]:
    """Return the records of all trials of a study; ``train`` gives those of one plan."""
    found: dict[str, Record] = {}
    plan = next(study, None)
    while plan:
        records = train(plan)
        found |= {record.id: record for record in records}
        try:
            plan = study.send(records)
        except StopIteration:
            plan = None
    return list(found.values())


def display_of(arguments: argparse.Namespace) -> Display:
    """Return what tells of a run, as the command line asks for it.

    Raises UsageError if a dry run is to tell it otherwise than in its own lines.
    """
    if arguments.dry_run and (arguments.quiet or arguments.json):
        raise UsageError(
            f"--dry-run only prints lines, and {'--quiet' if arguments.quiet else '--json'} rules "
            "them out; leave one of them out"
        )
    if arguments.quiet:
        return Display()
    if arguments.json:
        return Events()
    if arguments.executor != "local":  # how many trials run at a time is known to the cluster
        return for_person()
    return for_person(
        lambda job, records: forecast.trial_seconds(job.spec, job.data, records), arguments.jobs
    )


def prepared(plan: Plan, data_dir: Path, written: list[Path]) -> Plan:
    """The plan with the split of every data set; adds the folders that are made to ``written``.

    Raises DataError with a sentence for each that cannot be had.
    """
    lineups, missing = [], []
    for lineup in plan.lineups:
        try:
            split = lineup.prepared or prepare(lineup.data, data_dir)
        except DataError as error:
            missing.append(str(error))
            continue
        if split.made and not lineup.prepared:
            written.append(split.folder)
        lineups.append(replace(lineup, prepared=split))
    if missing:
        raise DataError("\n".join(missing))
    return replace(plan, lineups=lineups)


def train(
    plan: Plan, arguments: argparse.Namespace, written: list[Path], display: Display
) -> list[Record]:
    """The records of all trials of a plan, after those that have none were run; adds new files to
    ``written``.
    """
    whole = jobs_of(plan, arguments, written)
    jobs = Deal(arguments.shard).keep(whole)
    done = local.settled(jobs, arguments.force, arguments.retry)
    todo = [job for job in jobs if job.spec.id not in done]
    display.records += done.values()
    shared = f" (of {len(whole)} that the shards share)" if arguments.shard else ""
    said = f"trials: {len(done)} done before, {len(todo)} to run{shared}"
    display.tell("trials", said, done=len(done), to_run=len(todo))
    local.tidy(arguments.out, (job for job in jobs if job.spec.id in done))
    with closing(executor_of(arguments, display).run(todo)) as ended:
        for job, record in ended:
            written += store.files_of(job.out, record.id)
    if arguments.detach and todo:
        raise Detached
    return [store.read(store.path_of(job.out, job.spec.id)) for job in jobs]


def jobs_of(plan: Plan, arguments: argparse.Namespace, written: list[Path]) -> list[Job]:
    """Return all trials of a plan, after its splits are made, each with the memory that it needs:
    what is asked for, else by the forecast.
    """
    process = Process(
        arguments.out,
        arguments.threads,
        arguments.jobs,
        arguments.checkpoint_seconds,
        arguments.keep_weights,
        tuple(path.resolve() for path in arguments.plugin),
    )
    asked = arguments.gigabytes and 1e9 * arguments.gigabytes
    return [
        job.model_copy(update={"needed_bytes": asked or forecast.trial_bytes(job.spec, job.data)})
        for job in plans.jobs(prepared(plan, arguments.data_dir, written), process)
    ]


def calibrated(jobs: Iterable[Job]) -> Measure:
    """Return what measures about how long each of some trials takes, once for all its seeds."""
    by_id = {job.spec.id: job for job in jobs}
    found: dict[str, float | None] = {}

    def measure(spec: TrialSpec) -> float | None:
        key = spec.model_copy(update={"seed": None}).id
        if key not in found:
            found[key] = calibrate.seconds(by_id[spec.id])
        return found[key]

    return measure


def executor_of(arguments: argparse.Namespace, display: Display) -> Executor:
    """Return what runs the trials, as the command line asks for it.

    Raises UsageError if that is not to be had here.
    """
    fresh = arguments.force or arguments.retry
    if arguments.executor == "local":
        return Local(arguments.jobs, arguments.timeout, fresh, display)
    needed = resources_by(store.read_all(arguments.out), arguments.minutes, arguments.gigabytes)
    if arguments.executor == "ray":
        from benchmark.run.ray import Ray

        return Ray(arguments.address, needed, arguments.timeout, display)
    from benchmark.run.slurm import Slurm

    asked = {"partition": arguments.partition, "account": arguments.account}
    options = {name: value for name, value in asked.items() if value}
    wait = not arguments.detach
    return Slurm(arguments.out, needed, options, arguments.timeout, fresh, wait, display)


def resources_by(
    stored: Sequence[Record], minutes: int | None, gigabytes: float | None
) -> Callable[[Job], Resources]:
    """Return what says how much a trial is given: what is asked for, else by the forecast."""

    def resources(job: Job) -> Resources:
        seconds = forecast.trial_seconds(job.spec, job.data, stored)
        size = forecast.trial_bytes(job.spec, job.data)
        time = UNKNOWN_MINUTES if seconds is None else MARGIN * seconds / 60
        memory = UNKNOWN_GIGABYTES if size is None else MARGIN * size / 1e9
        return Resources(
            minutes or max(FEWEST_MINUTES, math.ceil(time)),
            math.ceil(1000 * (gigabytes or max(FEWEST_GIGABYTES, memory))),
        )

    return resources


def histories(path: Path, settings: Iterable[str]) -> Ratings:
    """Return the rows of a file of histories, each pair once, and print what was left out.

    Its columns are found, and its ratings count, as those of a person's own data set. Raises
    DataError if the file is malformed, and UsageError if it is none or an option is wrong.
    """
    if not path.is_file():
        raise UsageError(f"--histories {path} is no file; name one with users and their items")
    data = choose.data_set(f"{own.PREFIX}{path}", settings)
    dataset = data.entry.dataset(data.config)
    with plugins.blamed(data.entry.dataset):
        # a column that is not used is worth a word only where rows are split
        rows = replace(dataset.read(dataset.find(path.parent)), unused=())
    least = data.config.min_rating
    kept, dropped = preprocess(rows, min_rating=least, min_users_per_item=0, min_items_per_user=0)
    for line in dataset.account(rows, kept, dropped):
        say(f"{path.name}: {line}")
    return kept


def prepare(data: ChosenData, data_dir: Path) -> Prepared:
    """Return the split of a data set, and print its notes.

    Raises DataError if it cannot be had, also for a mistake in a plugin that defines it.
    """
    name = data.entry.name
    with plugins.blamed(data.entry.dataset):
        dataset = data.entry.dataset(data.config)
        made = cache.prepare(name, dataset, data_dir, cache.default_folder(), PROTOCOL)
    for note in (*filter(None, [made.notice]), *made.notes):
        say(f"{name}: {note}")
    return made
