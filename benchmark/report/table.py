"""The result table: a row per model and options, a column per metric, seeds averaged and nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate

from benchmark import records
from benchmark.metrics import Metric, standard_error
from benchmark.records import Record
from benchmark.stats import Summary, summarize

EXPLANATION = (
    "Cells: mean over seeds ± standard deviation over seeds (ddof=1; - for one run), and in parentheses the standard "
    "error of the mean over the test users. Bold: the best mean. Weights of the epoch with the best validation "
    "NDCG@100, scored on the test users once."
)


@dataclass(frozen=True)
class Row:
    """Records that differ only in their seed."""

    model: str
    device: str
    precision: str
    records: list[Record]
    older: int
    """Records of other versions of the code or the protocol, left out."""

    @property
    def scored(self) -> list[Record]:
        """Those that have metrics."""
        return [record for record in self.records if record.metrics is not None]

    def summary(self, metric: Metric, folder: Path) -> Summary:
        """Computed from the per-user results."""
        per_user = [metric(*records.hits(folder, record)) for record in self.scored]
        return summarize([float(p.mean()) for p in per_user], [standard_error(p) for p in per_user])


def tables(found: Sequence[Record], folder: Path, metrics: Sequence[Metric]) -> str:
    """One Markdown table for each data set and split in ``found``, and what its cells mean."""
    splits: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in found:
        splits[record.data["label"], record.spec.split_hash].append(record)
    parts = [_table(name, split, group, folder, metrics) for (name, split), group in splits.items()]
    return "\n\n".join([*parts, EXPLANATION])


def rows(found: Iterable[Record]) -> list[Row]:
    """Group one split's records; where several versions of code or protocol match, the newest counts."""
    groups: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
    for record in sorted(found, key=lambda r: r.finished):
        groups[record.label, record.spec.device, record.spec.precision].append(record)
    made = []
    for key, group in groups.items():
        current = [r for r in group if _version(r) == _version(group[-1])]
        current.sort(key=lambda r: r.spec.seed or 0)
        made.append(Row(*key, current, older=len(group) - len(current)))
    return made


def _version(record: Record) -> tuple[int, str]:
    return record.spec.protocol, record.spec.code


def _table(name: str, split: str, group: list[Record], folder: Path, metrics: Sequence[Metric]) -> str:
    made = rows(group)
    columns = [[row.summary(m, folder) if row.scored else None for row in made] for m in metrics]
    best = [max((s.mean for s in column if s), default=None) for column in columns]
    cells = [
        [row.model, row.device, row.precision, _seeds(row)]
        + [_cell(column[i], top) for column, top in zip(columns, best, strict=True)]
        for i, row in enumerate(made)
    ]
    head = ["model", "device", "precision", "seeds", *map(str, metrics)]
    data = group[-1].data
    title = (
        f"{name}: {data['test_users']} test users, {data['training_users']} training users, {data['items']} items; "
        f"split {split[:12]}"
    )
    return "\n\n".join([title, tabulate(cells, head, tablefmt="pipe", disable_numparse=True), *_remarks(made)])


def _seeds(row: Row) -> str:
    if row.records[0].spec.seed is None:
        return "-"
    scored, all_of_them = len(row.scored), len(row.records)
    return str(scored) if scored == all_of_them else f"{scored} of {all_of_them}"


def _cell(summary: Summary | None, best: float | None) -> str:
    if summary is None:
        return "failed"
    mean = f"{summary.mean:.4f}"
    spread = "-" if summary.sd is None else f"{summary.sd:.4f}"
    return f"{f'**{mean}**' if summary.mean == best else mean} ± {spread} ({summary.stderr:.4f})"


def _remarks(made: list[Row]) -> list[str]:
    """What a reader must know of this table: failures, and records left out."""
    remarks = [
        f"{row.model} seed {record.spec.seed}: {record.status}: {(record.reason or '').splitlines()[-1]}"
        for row in made
        for record in row.records
        if record.status != "ok"
    ]
    older = sum(row.older for row in made)
    if older:
        remarks.append(f"{older} records of older code or protocol versions were left out.")
    return remarks
