"""The tables of docs/scale.md: what the paper's grid will take, forecast from stored records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from benchmark.plan import choose, forecast
from benchmark.plan import plan as plans
from benchmark.plan.plan import Lineup, Plan
from benchmark.records.record import Record
from benchmark.report.cells import Cell, Number, Table
from benchmark.spec import Data, TrialSpec
from benchmark.text import counted

PRECISION = "fp32"
THREADS = 2
NODES = (1, 8, 64, 100)
"""The numbers of machines that a grid may be divided among."""
NOT_HERE = "cannot be forecast"


def quiet(records: Iterable[Record]) -> list[Record]:
    """Return the records of trials that ran alone, on the CPU on which most of them did, with the
    same number of threads.
    """
    alone = [r for r in records if not r.beside_others and r.environment.threads == THREADS]
    ((cpu, _),) = Counter(r.environment.cpu for r in alone).most_common(1)
    return [r for r in alone if r.environment.cpu == cpu]


def sizes(lineup: Lineup) -> Data:
    """Return the published size of a data set after the paper's filters."""
    published, held_out = lineup.data.entry.dataset.published, lineup.data.config.held_out
    assert published, "each of the paper's data sets has its published size"
    assert held_out, "and a number of users to hold out"
    training = published.users - 2 * held_out
    return Data(
        options=lineup.data.config.model_dump(mode="json"),
        training_users=training,
        items=published.training_items or published.items,
        training_interactions=round(published.interactions * training / published.users),
        validation_users=held_out,
        test_users=held_out,
        raw_sha256=None,
        notes=(),
    )


@cache
def plan() -> Plan:
    """Return the paper's grid on one CPU in fp32."""
    return choose.plan(devices=["cpu"], precision=PRECISION)


def trials() -> Iterator[tuple[Lineup, TrialSpec, Data]]:
    """Yield all trials of the grid."""
    for lineup in plan().lineups:
        for model in lineup.models:
            for spec in plans.specs_of(model, plan(), lineup.dataset, ""):
                yield lineup, spec, sizes(lineup)


def needs(records: Sequence[Record]) -> Table:
    """Return the time and memory of one trial of each model on each data set."""
    names = [lineup.dataset for lineup in plan().lineups]
    cells: dict[str, dict[str, str]] = {}
    for lineup, spec, data in trials():
        seconds = forecast.trial_seconds(spec, data, records)
        size = forecast.trial_bytes(spec, data)
        told = NOT_HERE if seconds is None else f"{seconds / 3600:.2g} h"
        memory = "" if size is None else f", {size / 1e9:.3g} GB"
        cells.setdefault(spec.model, {})[lineup.dataset] = told + memory
    rows: list[list[Cell]] = [[model, *(of[name] for name in names)] for model, of in cells.items()]
    machine = f"{records[0].environment.cpu}, {THREADS} threads, {PRECISION}"
    return Table(f"One trial of each model ({machine})", ["model", *names], rows)


def grid(records: Sequence[Record]) -> Table:
    """Return how long the grid takes on some numbers of machines, by data set."""
    hours: dict[str, float] = {}
    longest: dict[str, float] = {}
    for lineup, spec, data in trials():
        name, took = lineup.dataset, (forecast.trial_seconds(spec, data, records) or 0.0) / 3600
        hours[name] = hours.get(name, 0.0) + took
        longest[name] = max(longest.get(name, 0.0), took)
    rows: list[list[Cell]] = [
        # no trial is divided
        [name, *(Number(max(hours[name] / n, longest[name]), ".3g") for n in NODES)]
        for name in hours
    ]
    head = ["data set", *(f"on {counted(n, 'machine')} (h)" for n in NODES)]
    return Table("All models, with three seeds where a model has any", head, rows)
