"""The result table: a row per model and options, a column per metric, seeds averaged and nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark import records
from benchmark.metrics import MEANINGS, Metric, standard_error
from benchmark.records import Record
from benchmark.report.format import Table
from benchmark.spec import TrialSpec
from benchmark.stats import Summary, summarize
from benchmark.truth import ROWS as BOUNDS

CELLS = (
    "Cells: mean over seeds ± standard deviation over seeds (ddof=1; - for one run), and in parentheses the standard "
    "error of the mean over the test users. Bold: the best mean."
)
PROTOCOL = "Weights of the epoch with the best validation NDCG@100, scored on the test users once."
TRUTH = (
    "oracle and bayes are bounds, not models: oracle ranks by each user's true type, the best that anyone can do in "
    "expectation; bayes by the posterior over types given the history, from the generator's own probabilities."
)
EXTERNAL = "(external): lists made elsewhere, scored on the same users; how they were made is not known here."


@dataclass(frozen=True)
class Row:
    """Records that differ only in their seed."""

    model: str
    device: str | None
    precision: str | None
    records: list[Record]
    older: int
    """Records of other versions of the code or the protocol, left out."""

    @property
    def scored(self) -> list[Record]:
        """Those that have metrics."""
        return [record for record in self.records if record.metrics is not None]

    @property
    def spec(self) -> TrialSpec:
        """Of any of the records."""
        return self.records[0].spec

    def summaries(self, metrics: Sequence[Metric], folder: Path) -> list[Summary | None]:
        """Of each metric, from the per-user results; None if every record is a failure's."""
        found = [records.hits(folder, record) for record in self.scored]
        if not found:
            return [None] * len(metrics)
        per_user = ([metric(*hits) for hits in found] for metric in metrics)
        return [summarize([float(p.mean()) for p in each], [standard_error(p) for p in each]) for each in per_user]


def results(found: Sequence[Record], folder: Path, metrics: Sequence[Metric]) -> list[Table]:
    """A table for each data set and split in ``found``, without the points of grids.

    Raises DataError if a per-user file is not its record's.
    """
    return [_table(group, folder, metrics) for group in by_split(r for r in found if r.spec.stage != "validation")]


def by_split(found: Iterable[Record]) -> list[list[Record]]:
    """The records of each data set and split."""
    splits: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in found:
        splits[record.data["label"], record.spec.split_hash].append(record)
    return list(splits.values())


def rows(found: Iterable[Record]) -> list[Row]:
    """Group one split's records, bounds last; where several versions of code or protocol match, the newest counts."""
    groups: dict[tuple[str, str | None, str | None], list[Record]] = defaultdict(list)
    place = {bound: n for n, bound in enumerate(BOUNDS, start=1)}
    for record in sorted(found, key=lambda r: (place.get(r.spec.model, 0), r.finished)):
        groups[record.label, record.spec.device, record.spec.precision].append(record)
    made = []
    for key, group in groups.items():
        current = [r for r in group if _version(r) == _version(group[-1])]
        current.sort(key=lambda r: r.spec.seed or 0)
        made.append(Row(*key, current, older=len(group) - len(current)))
    return made


def _version(record: Record) -> tuple[int, str, dict[str, Any]]:
    """Options belong to it: what a label leaves out are defaults, and those may change."""
    return record.spec.protocol, record.spec.code, record.spec.config


def title(group: Sequence[Record]) -> str:
    """Of the data set and split that a group of records has."""
    data = group[-1].data
    return (
        f"{data['label']}: {data['test_users']} test users, {data['training_users']} training users, "
        f"{data['items']} items; split {group[-1].spec.split_hash[:12]}"
    )


def _table(group: list[Record], folder: Path, metrics: Sequence[Metric]) -> Table:
    made = rows(group)
    columns = list(zip(*(row.summaries(metrics, folder) for row in made), strict=True))
    best = [
        max((s.mean for s, row in zip(column, made, strict=True) if s and row.spec.model not in BOUNDS), default=None)
        for column in columns
    ]
    cells = [
        [row.model, row.device or "-", row.precision or "-", _seeds(row)]
        + [
            _cell(column[i], None if row.spec.model in BOUNDS else top)
            for column, top in zip(columns, best, strict=True)
        ]
        for i, row in enumerate(made)
    ]
    data = [
        _numbers(row, metric, column[i])
        for i, row in enumerate(made)
        for metric, column in zip(metrics, columns, strict=True)
    ]
    head = ["model", "device", "precision", "seeds", *map(str, metrics)]
    return Table(title(group), head, cells, [*_remarks(made), *_definitions(made, metrics)], data)


def _seeds(row: Row) -> str:
    if row.spec.seed is None:
        return "-"
    scored, all_of_them = len(row.scored), len(row.records)
    return str(scored) if scored == all_of_them else f"{scored} of {all_of_them}"


def _cell(summary: Summary | None, best: float | None) -> str:
    if summary is None:
        return "failed"
    mean = f"{summary.mean:.4f}"
    spread = "-" if summary.sd is None else f"{summary.sd:.4f}"
    return f"{f'**{mean}**' if summary.mean == best else mean} ± {spread} ({summary.stderr:.4f})"


def _numbers(row: Row, metric: Metric, summary: Summary | None) -> dict[str, Any]:
    return {
        "dataset": row.records[0].data["label"],
        "split_hash": row.spec.split_hash,
        "model": row.model,
        "device": row.device,
        "precision": row.precision,
        "metric": str(metric),
        "trials": len(row.records),
        "scored": len(row.scored),
        "mean": summary and summary.mean,
        "sd_over_seeds": summary and summary.sd,
        "stderr_over_users": summary and summary.stderr,
        "test_users": row.records[0].data["test_users"],
    }


def _remarks(made: list[Row]) -> list[str]:
    """What a reader must know of this table: failures, and records left out."""
    remarks = [
        f"{row.model}{'' if record.spec.seed is None else f' seed {record.spec.seed}'}: {record.status}: "
        f"{record.sentence}"
        for row in made
        for record in row.records
        if record.status != "ok"
    ]
    older = sum(row.older for row in made)
    if older:
        remarks.append(f"{older} records of older code or protocol versions were left out.")
    return remarks


def _definitions(made: list[Row], metrics: Sequence[Metric]) -> list[str]:
    """What the numbers are."""
    kinds = " ".join(MEANINGS[kind] for kind in dict.fromkeys(metric.kind for metric in metrics))
    said = [CELLS, kinds, PROTOCOL]
    if any(row.spec.model in BOUNDS for row in made):
        said.append(TRUTH)
    if any(row.spec.stage == "external" for row in made):
        said.append(EXTERNAL)
    return [" ".join(said)]
