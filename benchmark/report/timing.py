"""What a model costs, on the CPU and on a GPU side by side: a table, and quality against time.

Only trials that ran alone count, and machines are never averaged: another CPU or GPU, number of
threads, precision or library of matrix products is another row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from operator import attrgetter
from statistics import median
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from benchmark.evaluation.metrics import SELECTION
from benchmark.records.record import Record
from benchmark.report.cells import Cell, Number, Table, counted
from benchmark.report.curves import in_legend
from benchmark.report.rows import by_split, rows, title

SIDES = {"cpu": "CPU", "cuda": "GPU"}
NOT_MEASURED = "not measured here"
Quantity = Callable[[Record], float | None]


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
"""What is shown of a trial's cost; the last of them on a GPU only."""
DEFINITIONS = (
    "Medians over the trials of a row. Seconds of wall time, the device's queue empty at start and "
    "stop; median epoch: without the first; to best: preparation and the epochs up to the one that "
    "was tested; total: preparation, training, validation after every epoch, test. users/s: test "
    "users scored and ranked in a second. Weights: the learned tensors; memory: largest resident "
    "size of the trial's process, libraries included; GPU memory: largest that tensors took (MB: "
    "1e6 bytes)."
)


@dataclass(frozen=True)
class Cost:
    """What the trials of one row cost on one machine."""

    label: str
    device: str
    precision: str
    machine: str
    trials: list[Record]

    def median(self, quantity: Quantity) -> float | None:
        """The median over the trials that have the quantity; None if none has."""
        values = [value for value in map(quantity, self.trials) if value is not None]
        return float(median(values)) if values else None


def costs(group: Sequence[Record]) -> Iterator[Cost]:
    """The costs of one split's trials that ran alone."""
    groups: dict[tuple[str, str, str, str], list[Record]] = defaultdict(list)
    for row in rows(group):
        for record in row.records:
            if not record.beside_others:
                key = (
                    row.label,
                    record.spec.device or "-",
                    record.spec.precision or "-",
                    _machine(record),
                )
                groups[key].append(record)
    for key, trials in groups.items():
        yield Cost(*key, trials)


def _machine(record: Record) -> str:
    facts = record.environment
    where = "; ".join(filter(None, [facts.gpu, facts.cpu]))
    keeps = "MALLOC_TRIM_THRESHOLD_" in facts.variables
    allocator = "; allocator keeps its blocks" if keeps else ""
    return f"{where}; {facts.threads} threads; {facts.matrix_product}{allocator}"


def trained(found: Sequence[Record]) -> list[list[Record]]:
    """Return each split's trials that trained a model to its end, so no bounds or lists."""
    return by_split(r for r in found if r.metrics and r.curve)


def timings(found: Sequence[Record]) -> list[Table]:
    """A table for each data set and split in ``found``."""
    return [_table(group) for group in trained(found)]


def _table(group: list[Record]) -> Table:
    measured = list(costs(group))
    machines = dict.fromkeys(cost.machine for cost in measured)
    letters = {machine: chr(ord("A") + n) for n, machine in enumerate(machines)}
    # a side that nothing ran on has one column, which says so
    shown = {
        side: _quantities(side) if any(cost.device == side for cost in measured) else []
        for side in SIDES
    }
    head = ["model", "epochs"]
    for side, name in SIDES.items():
        head += [name, *shown[side]]
    notes = [f"{letter}: {machine}." for machine, letter in letters.items()]
    left_out = sum(record.beside_others for row in rows(group) for record in row.records)
    if left_out:
        trials = counted(left_out, "trial")
        notes.append(f"Left out: {trials} that ran beside other trials or other work.")
    cells = [_cells(line, shown, letters) for line in _lines(measured)]
    data = [_numbers(cost) for cost in measured]
    return Table(f"Cost on {title(group)}", head, cells, notes, DEFINITIONS, data)


def _quantities(side: str) -> list[str]:
    return list(QUANTITIES)[: None if side == "cuda" else -1]


def _lines(measured: Sequence[Cost]) -> Iterator[dict[str, Cost]]:
    """What stands beside each other: one row's costs on one machine of each side."""
    for label in dict.fromkeys(cost.label for cost in measured):
        of_label = [cost for cost in measured if cost.label == label]
        sides = [[cost for cost in of_label if cost.device == side] for side in SIDES]
        for line in zip_longest(*sides):
            yield {side: cost for side, cost in zip(SIDES, line, strict=True) if cost}


def _cells(
    line: Mapping[str, Cost], shown: Mapping[str, Sequence[str]], letters: Mapping[str, str]
) -> list[Cell]:
    """A line of the table; ``letters`` stand for machines."""
    epochs = {len(record.curve) for cost in line.values() for record in cost.trials}
    (label,) = {cost.label for cost in line.values()}
    cells: list[Cell] = [label, "/".join(map(str, sorted(epochs)))]
    for side, names in shown.items():
        if cost := line.get(side):
            trials = counted(len(cost.trials), "trial")
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
    first = cost.trials[0]
    known = (record.cost.model_dump(exclude_none=True) for record in cost.trials)
    keys = dict.fromkeys(key for of_one in known for key in of_one)
    return {
        "dataset": first.data_label,
        "split_hash": first.spec.split_hash,
        "model": cost.label,
        "device": cost.device,
        "precision": cost.precision,
        "machine": cost.machine,
        "trials": len(cost.trials),
        "epochs": median(len(record.curve) for record in cost.trials),
        "users_per_second": cost.median(_users_per_second),
        **{key: cost.median(attrgetter(f"cost.{key}")) for key in keys},
    }


def pareto(group: Sequence[Record]) -> Figure | None:
    """One split's models: test NDCG@100 against total seconds, a panel for each machine.

    The line joins those that no other beats in both. None if none ran alone.
    """
    machines: dict[str, list[Cost]] = defaultdict(list)
    for cost in costs(group):
        machines[cost.machine].append(cost)
    if not machines:
        return None
    figure = Figure(figsize=(8, 4.2 * len(machines)), layout="constrained")
    panels = figure.subplots(len(machines), 1, squeeze=False)[:, 0]
    for axes, (machine, there) in zip(panels, machines.items(), strict=True):
        _panel(axes, there)
        axes.set_title(fill(machine, 100), fontsize=6)
    figure.suptitle(title(group), fontsize=9)
    return figure


def _panel(axes: Axes, there: Sequence[Cost]) -> None:
    points = [
        (cost.median(QUANTITIES["total (s)"]) or 0.0, cost.median(_quality) or 0.0, cost)
        for cost in there
    ]
    line = frontier([(seconds, quality) for seconds, quality, _ in points])
    axes.plot(*zip(*line, strict=True), color="0.6", linewidth=1)
    for n, (seconds, quality, cost) in enumerate(sorted(points, key=lambda point: -point[1])):
        # a long one would squeeze the axes
        name = in_legend(fill(f"{cost.label.replace(',', ', ')} ({cost.precision})", 36))
        marker = "os^vDPX"[n % 7]
        axes.plot(seconds, quality, marker, color=f"C{n}", linestyle="none", label=name)
    # the best first
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=7)
    spent = [seconds for seconds, _, _ in points]
    # two numbers or more on either
    axes.set_xscale("log" if max(spent) >= 100 * min(spent) else "linear")
    axes.set_xlabel("seconds of training, validation and test, median over trials")
    axes.set_ylabel(f"test {SELECTION}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _quality(record: Record) -> float | None:
    return record.metrics[str(SELECTION)].mean if record.metrics else None


def frontier(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those (cost, quality) that no other beats or equals in both, the cheapest first."""
    best: list[tuple[float, float]] = []
    for cost, quality in sorted(points, key=lambda point: (point[0], -point[1])):
        if not best or quality > best[-1][1]:
            best.append((cost, quality))
    return best
