"""The timing table: what a model costs, on one machine and with one number of threads a row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import median

from benchmark.records import Record
from benchmark.report.format import Table
from benchmark.report.table import by_split, rows, title

SECONDS = {
    "preparation": "preparation_seconds",
    "first epoch": "first_epoch_seconds",
    "median epoch": "median_epoch_seconds",
    "training": "training_seconds",
    "validation": "validation_seconds",
    "test": "test_seconds",
}
BYTES = {"weights": "weights_bytes", "peak": "process_peak_bytes"}
DEFINITIONS = (
    "Medians over the trials of a row. Seconds of wall time, the device's queue empty at start and stop: preparation "
    "once, training all epochs together, median epoch without the first, validation all epochs together, test once. "
    "Weights: MB of the learned tensors; peak: MB of the largest resident size of the trial's process, libraries "
    "included (MB: 1e6 bytes)."
)


def timings(found: Sequence[Record]) -> list[Table]:
    """A table for each data set and split in ``found`` with a trial that ran alone; bounds and lists are no models."""
    return [_table(group) for group in by_split(r for r in found if r.metrics and r.curve)]


def _table(group: list[Record]) -> Table:
    fair = [record for row in rows(group) for record in row.records if not record.beside_others]
    machines: dict[str, str] = {}
    groups: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    for record in fair:
        name = machines.setdefault(_machine(record), chr(ord("A") + len(machines)))
        groups[record.label, record.spec.device or "-", record.spec.precision or "-", name].append(record)
    head = ["model", "device", "precision", "machine", "trials", "epochs"]
    head += [f"{name} (s)" for name in SECONDS] + [f"{name} (MB)" for name in BYTES]
    cells, data = [], []
    for (label, device, precision, machine), members in groups.items():
        cost = {key: _median(members, key) for key in (*SECONDS.values(), *BYTES.values())}
        epochs = round(median(len(record.curve) for record in members))
        shown = [_seconds(cost[key]) for key in SECONDS.values()] + [_megabytes(cost[key]) for key in BYTES.values()]
        cells.append([label, device, precision, machine, str(len(members)), str(epochs), *shown])
        where = {"device": device, "precision": precision, "machine": _machine(members[0])}
        data.append(
            {"dataset": group[0].data["label"], "split_hash": group[0].spec.split_hash, "model": label}
            | where
            | {"trials": len(members), "epochs": epochs}
            | cost
        )
    left_out = len([record for row in rows(group) for record in row.records]) - len(fair)
    notes = [f"{name}: {machine}." for machine, name in machines.items()]
    if left_out:
        notes.append(f"{left_out} trials ran beside other trials or other work and are left out.")
    return Table(f"Cost on {title(group)}", head, cells, [*notes, DEFINITIONS], data)


def _machine(record: Record) -> str:
    facts = record.environment
    where = facts["gpu"] or facts["cpu"]
    allocator = "; allocator keeps its blocks" if "MALLOC_TRIM_THRESHOLD_" in facts.get("variables", {}) else ""
    return f"{where}; {facts['threads']} threads; {facts['matrix_product']}{allocator}"


def _median(members: Sequence[Record], key: str) -> float | None:
    values = [record.cost[key] for record in members if key in record.cost]
    return median(values) if values else None


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def _megabytes(value: float | None) -> str:
    return "-" if value is None else f"{value / 1e6:.1f}" if value < 1e7 else f"{value / 1e6:.0f}"
