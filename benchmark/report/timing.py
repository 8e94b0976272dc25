"""The cost of models, with CPU and GPU side by side.

Trials that ran beside others are shown only where none ran alone, marked. Nothing is averaged over
machines: another CPU or GPU, number of threads, precision or library of matrix products makes
another row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from operator import attrgetter
from statistics import median
from typing import Any

from benchmark.records.record import Record
from benchmark.report.cells import Cell, Number, Table
from benchmark.report.rows import by_split, is_number, rows, title
from benchmark.text import counted

SIDES = {"cpu": "CPU", "cuda": "GPU"}
"""The devices whose costs stand side by side, each with the name of its column."""
NOT_MEASURED = "not measured here"
Quantity = Callable[[Record], float | None]
"""Returns a number of a record; None if the record does not have it."""


def _users_per_second(record: Record) -> float | None:
    seconds = record.cost.test_seconds
    return record.data.test_users / seconds if seconds else None


QUANTITIES: dict[str, Quantity] = {
    "first epoch (s)": lambda record: record.cost.first_epoch_seconds,
    "median epoch (s)": lambda record: record.cost.median_epoch_seconds,
    "to best (s)": lambda record: record.cost.to_best_seconds,
    "total (s)": lambda record: record.cost.total_seconds,
    "users/s": _users_per_second,
    "weights (MB)": lambda record: record.cost.weights_bytes,
    "memory (MB)": lambda record: record.cost.process_peak_bytes,
    "GPU memory (MB)": lambda record: record.cost.gpu_peak_bytes,
}
"""The columns of each side, with the number each shows; the last is for GPUs only."""
DEFINITIONS = (
    "Numbers are medians over the trials of a row. Seconds are wall time, and the device's queue "
    "is empty whenever they start or stop. Median epoch: the first one is left out. To best: "
    "preparation, and training up to the epoch that was tested. Total: preparation, training, "
    "validation after every epoch, and test. Users/s: test users scored and ranked in a second. "
    "Weights: the size of the learned tensors. Memory: the largest resident size of the trial's "
    "process, libraries included. GPU memory: the most that tensors took. 1 MB is 1e6 bytes."
)


BUSY = (
    "Busy trials ran beside other trials or other work, and took longer than alone; a row shows "
    "them only if none of its trials ran alone."
)


@dataclass(frozen=True)
class Cost:
    """The cost of the trials of one row that ran on one machine."""

    label: str
    device: str
    precision: str
    machine: str
    """The CPU or GPU, threads and libraries, as printed."""
    busy: bool
    """Whether the trials ran beside other trials or other work, so that they took longer."""
    trials: list[Record]

    def median(self, quantity: Quantity) -> float | None:
        """Return the median over the trials that have the quantity; None if none has."""
        found = [value for value in map(quantity, self.trials) if value is not None]
        values = [value for value in found if is_number(value)]
        return float(median(values)) if values else None


def costs(group: Sequence[Record]) -> Iterator[Cost]:
    """Yield the costs of each row of one split: of the trials that ran alone, or else of all."""
    for row in rows(group):
        alone = [record for record in row.records if not record.beside_others]
        by_machine: dict[str, list[Record]] = defaultdict(list)
        for record in alone or row.records:
            by_machine[machine(record)].append(record)
        for name, trials in by_machine.items():
            device, precision = row.device or "-", row.precision or "-"
            yield Cost(row.label, device, precision, name, not alone, trials)


def machine(record: Record) -> str:
    """Return the processor, threads and libraries that a trial ran with."""
    facts = record.environment
    keeps = "MALLOC_TRIM_THRESHOLD_" in facts.variables
    huge = "glibc.malloc.hugetlb=1" in facts.variables.get("GLIBC_TUNABLES", "")
    where = " in huge pages" if huge else ""
    allocator = f"; allocator keeps its blocks{where}" if keeps else ""
    return f"{processors(record)}; {facts.threads} threads; {facts.matrix_product}{allocator}"


def processors(record: Record) -> str:
    """Return the GPU, if there is one, and the CPU of the machine on which a trial ran."""
    return "; ".join(filter(None, [record.environment.gpu, record.environment.cpu]))


def trained(records: Sequence[Record]) -> list[list[Record]]:
    """Return each split's trials that trained a model to its end, so no bounds or lists."""
    return by_split(r for r in records if r.metrics and r.curve)


def timings(records: Sequence[Record]) -> list[Table]:
    """Return a table for each data set and split."""
    return [_table(group) for group in trained(records)]


def _table(group: list[Record]) -> Table:
    measured = list(costs(group))
    machines = dict.fromkeys(cost.machine for cost in measured)
    letters = {machine: chr(ord("A") + n) for n, machine in enumerate(machines)}
    devices = {cost.device for cost in measured}
    # a side that nothing ran on has one column, which says so
    shown = {side: _quantities(side) if side in devices else [] for side in SIDES}
    head = ["model", "epochs"]
    for side, name in SIDES.items():
        head += [name, *shown[side]]
    notes = [f"{letter}: {machine}." for machine, letter in letters.items()]
    if any(cost.busy for cost in measured):
        notes.append(BUSY)
    there = sum(len(row.records) for row in rows(group))
    left_out = there - sum(len(cost.trials) for cost in measured)
    if left_out:
        trials = counted(left_out, "trial")
        notes.append(f"Left out: {trials} that ran beside other trials or other work.")
    cells = [_cells(by_side, shown, letters) for by_side in _side_by_side(measured)]
    data = [_numbers(cost) for cost in measured]
    return Table(f"Cost on {title(group)}", head, cells, notes, DEFINITIONS, data)


def _quantities(side: str) -> list[str]:
    return list(QUANTITIES)[: None if side == "cuda" else -1]


def _side_by_side(measured: Sequence[Cost]) -> Iterator[dict[str, Cost]]:
    """Yield the costs of each table row by side: those of one model on a machine of each side."""
    by_key: dict[tuple[str, str], list[Cost]] = defaultdict(list)
    for cost in measured:
        by_key[cost.label, cost.device].append(cost)
    for label in dict.fromkeys(cost.label for cost in measured):
        for costs_of_row in zip_longest(*(by_key[label, side] for side in SIDES)):
            yield {side: cost for side, cost in zip(SIDES, costs_of_row, strict=True) if cost}


def _cells(
    by_side: Mapping[str, Cost], shown: Mapping[str, Sequence[str]], letters: Mapping[str, str]
) -> list[Cell]:
    """Return the cells of a row, where ``letters`` stand for machines."""
    epochs = {len(record.curve) for cost in by_side.values() for record in cost.trials}
    (label,) = {cost.label for cost in by_side.values()}
    cells: list[Cell] = [label, "/".join(map(str, sorted(epochs)))]
    for side, names in shown.items():
        if cost := by_side.get(side):
            trials = counted(len(cost.trials), "busy trial" if cost.busy else "trial")
            cells.append(f"{cost.precision}, {letters[cost.machine]}, {trials}")
            cells += [_cell(name, cost.median(QUANTITIES[name])) for name in names]
        else:
            cells += [NOT_MEASURED, *[""] * len(names)]
    return cells


def _cell(name: str, value: float | None) -> Cell:
    if value is None:
        return "-"
    value = value / 1e6 if name.endswith("(MB)") else value
    return Number(value, ".3g" if value < 1000 else ".0f")


def _numbers(cost: Cost) -> dict[str, Any]:
    """Return the CSV row of a cost, with every field that one of its trials has."""
    first = cost.trials[0]
    fields = (record.cost.model_dump(exclude_none=True) for record in cost.trials)
    keys = dict.fromkeys(chain.from_iterable(fields))
    return {
        "dataset": first.data_label,
        "split_hash": first.spec.split_hash,
        "model": cost.label,
        "device": cost.device,
        "precision": cost.precision,
        "machine": cost.machine,
        "busy": cost.busy,
        "trials": len(cost.trials),
        "epochs": median(len(record.curve) for record in cost.trials),
        "users_per_second": cost.median(_users_per_second),
        **{key: cost.median(attrgetter(f"cost.{key}")) for key in keys},
    }
