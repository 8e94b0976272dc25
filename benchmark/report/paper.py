"""The paper's tables, with the published numbers beside those found here.

They are tables 1 (data sets), 2 (models) and 4 (likelihoods).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.evaluation.metrics import HEADLINE, Metric
from benchmark.records.record import Record
from benchmark.report.cells import Cell, Number, Quoted, Table
from benchmark.report.published import DATASETS, PROTOCOL, Published, Verdict, published, verdict
from benchmark.report.rows import Row, outside_grids, rows
from benchmark.report.table import (
    ABOUT,
    CELLS,
    TESTS,
    Column,
    Score,
    about,
    columns_of,
    leading,
    remarks,
)
from benchmark.spec import Data
from datasets.registry import DATASETS as REGISTERED
from models.variants import LIKELIHOODS

NOT_RUN = "not run"
PUBLISHED = (
    f'Published: a number under the same protocol ("{PROTOCOL}"), the paper\'s own if there is '
    "one, ± its standard error where that is known; † marks a number written from memory: look it "
    'up in its source before you quote it. "agrees" means that our mean and the published one '
    "differ by at most 2 sqrt(a² + b²), where a and b are their standard errors over users; else "
    'it says "differs". A row without brackets has the options of suites/paper.toml, which are the '
    "published ones where these are known; they are not known for ALS, BPR, the Gaussian's c and "
    "the logistic's start. "
    "Sources: results/published.csv."
)
DATA = (
    "Users and interactions: those in all parts of the split, without interactions with items that "
    "no training user has. Items: those of training users. Held-out users: those for validation, "
    "and as many again for test. Published: users / items / interactions, where interactions "
    "include those that ours leave out."
)
COUNTS = ("users", "items", "interactions", "training_users", "validation_users", "test_users")
"""The fields of Data that the CSV file of table 1 has."""


def data_table(records: Sequence[Record], folder: Path, papers: Sequence[str]) -> list[Table]:
    """Return table 1: the size of each data set after preprocessing.

    ``papers`` are the paper's data sets that have a row even if they were not run; so in the other
    tables.
    """
    described = {r.data_label: r.data for r in records if r.data.interactions is not None}
    place = {name: n for n, name in enumerate(DATASETS)}
    data_sets = sorted({*papers, *described}, key=lambda name: (place.get(name, len(place)), name))
    head = ["data set", "users", "items", "interactions", "density", "held-out users", "published"]
    data = [{"dataset": name, **_counts(description)} for name, description in described.items()]
    cells = [_data_row(name, described.get(name)) for name in data_sets]
    return [Table("Table 1: data sets", head, cells, definitions=DATA, data=data)]


def _counts(data: Data) -> dict[str, int | None]:
    return {name: getattr(data, name) for name in COUNTS}


def _data_row(name: str, data: Data | None) -> list[Cell]:
    dataset = REGISTERED[name].dataset if name in REGISTERED else None
    sizes = getattr(dataset, "published", None)
    counts = (sizes.users, sizes.training_items or sizes.items, sizes.interactions) if sizes else ()
    text = " / ".join(f"{count:,}" for count in counts) or "-"
    if data is None or data.users is None or data.interactions is None:
        return [name, *[NOT_RUN] * 5, text]
    users, items, interactions = data.users, data.items, data.interactions
    held_out = (users - data.training_users) // 2
    return [
        name,
        *(Number(number, ",") for number in (users, items, interactions)),
        Number(interactions / users / items, ".2%"),
        Number(held_out, ","),
        text,
    ]


def model_tables(records: Sequence[Record], folder: Path, papers: Sequence[str]) -> list[Table]:
    """Return table 2, every model, as a table for each data set and split.

    Raises DataError if a per-user file is not its record's.
    """
    return _tables("2", records, folder, papers, lambda model: True)


def likelihood_tables(
    records: Sequence[Record], folder: Path, papers: Sequence[str]
) -> list[Table]:
    """Return table 4, each likelihood with either network, as a table for each data set and split.

    Raises DataError if a per-user file is not its record's.
    """
    networks = {f"{name}-{kind}" for kind in ("vae", "dae") for name in LIKELIHOODS}
    return _tables("4", records, folder, papers, networks.__contains__)


TABLES: dict[str, Callable[[Sequence[Record], Path, Sequence[str]], list[Table]]] = {
    "1": data_table,
    "2": model_tables,
    "4": likelihood_tables,
}
"""The functions that make the paper's tables, by the paper's numbers."""


def _tables(
    number: str,
    records: Sequence[Record],
    folder: Path,
    papers: Sequence[str],
    wanted: Callable[[str], bool],
) -> list[Table]:
    """Return a table of the ``wanted`` models for each split, and for each data set not run."""
    groups = outside_grids(record for record in records if wanted(record.spec.model))
    # a list, since two splits of a data set are two tables
    run = [(group[0].data_label, group) for group in groups]
    missing = [(name, []) for name in papers if name not in dict(run)]
    place = {name: n for n, name in enumerate(DATASETS)}
    ordered = sorted([*run, *missing], key=lambda entry: place.get(entry[0], len(place)))
    definitions = " ".join([*([CELLS, TESTS] if run else []), PUBLISHED])
    tables = []
    for name, group in ordered:
        split = f"split {group[0].spec.split_hash[:12]}" if group else NOT_RUN
        known = [value for value in published(name) if wanted(value.model)]
        ours = rows(group)
        columns = columns_of(ours, folder, HEADLINE)
        paper_rows = _paper_rows(ours, columns, known)
        tables.append(
            Table(
                f"Table {number}: {name} ({split})",
                [*ABOUT, *(text for m in HEADLINE for text in (str(m), "published"))],
                [row.cells for row in paper_rows],
                [*leading(columns), *remarks(ours)],
                definitions,
                [{"dataset": name, **numbers} for row in paper_rows for numbers in row.numbers],
            )
        )
    return tables


@dataclass(frozen=True)
class PaperRow:
    """A row of one of the paper's tables: a model that was run here, or is only published."""

    model: str
    """Its label, or the name of a model that is only published."""
    about: list[str]
    """The first cells: model, device, precision and seeds."""
    scores: Sequence[Score | None]
    """A score for each headline metric; None if the model was not run."""
    known: Sequence[Published]
    """The published values of the model, the paper's own first."""

    @property
    def _by_metric(self) -> Iterator[tuple[Metric, Score | None, list[Published]]]:
        """Each metric with our score and the published values."""
        for metric, score in zip(HEADLINE, self.scores, strict=True):
            yield metric, score, [value for value in self.known if value.metric == str(metric)]

    @property
    def cells(self) -> list[Cell]:
        """The cells of the row."""
        cells: list[Cell] = [*self.about]
        for _, score, theirs in self._by_metric:
            cells.append(score.cell if score else NOT_RUN)
            cells.append(Quoted(theirs[0], _verdict(score, theirs)) if theirs else "-")
        return cells

    @property
    def numbers(self) -> Iterator[dict[str, Any]]:
        """The rows of the CSV file, one for each metric."""
        _, device, precision, _ = self.about
        for metric, score, theirs in self._by_metric:
            first, ours = next(iter(theirs), None), score.summary if score else None
            yield {
                "model": self.model,
                "device": device,
                "precision": precision,
                "metric": str(metric),
                "mean": ours and ours.mean,
                "sd_over_seeds": ours and ours.sd,
                "stderr_over_users": ours and ours.stderr,
                "published": first and first.value,
                "published_stderr": first and first.stderr,
                "verified": first and first.verified,
                "source": first and first.source,
                "also_published": "; ".join(
                    f"{other.value:g} ({other.name})" for other in theirs[1:]
                ),
                "verdict": _verdict(score, theirs),
            }


def _verdict(score: Score | None, theirs: Sequence[Published]) -> Verdict | None:
    return verdict(score.summary if score else None, next(iter(theirs), None))


def _paper_rows(
    ours: list[Row], columns: Sequence[Column], known: Sequence[Published]
) -> list[PaperRow]:
    """Return the rows of one split's table: our own, then the models that are only published."""

    def paper_row(model: str, first_cells: list[str], scores: Sequence[Score | None]) -> PaperRow:
        values = [value for value in known if value.model == model]
        return PaperRow(model, first_cells, scores, values)

    run = [
        paper_row(row.label, about(row), [column.scores[n] for column in columns])
        for n, row in enumerate(ours)
    ]
    labels = {row.label for row in ours}
    absent = dict.fromkeys(value.model for value in known if value.model not in labels)
    none = [None] * len(HEADLINE)
    return [*run, *(paper_row(model, [model, "-", "-", "-"], none) for model in absent)]
