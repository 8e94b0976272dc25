"""The paper's tables, with what was published beside what was found here.

They are 1 (data), 2 (models) and 4 (likelihoods).
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
from benchmark.report.table import ABOUT, CELLS, PAIRS, Score, about, remarks, scores_of
from benchmark.spec import Data
from datasets.registry import DATASETS as REGISTERED
from models.variants import LIKELIHOODS

NOT_RUN = "not run"
PUBLISHED = (
    f'Published: under the same protocol ("{PROTOCOL}"), the paper\'s own number first, ± its '
    "standard error where one is known; † recalled, not read again in its source. agrees, differs: "
    "within 2 sqrt(ours² + theirs²) of the standard errors over users, or not. Options are those "
    "of suites/paper.toml: the published ones where they are known; of ALS and BPR, the Gaussian's "
    "c and the logistic's start they are not. Sources: results/published.csv."
)
DATA = (
    "Users and interactions of all parts of the split, those with items of no training user left "
    "out; items: those of training users. Held-out users: validation and as many for test. "
    "Published: users / items / interactions, the last with what ours leave out."
)
COUNTS = ("users", "items", "interactions", "training_users", "validation_users", "test_users")


def data_table(found: Sequence[Record], folder: Path) -> list[Table]:
    """Table 1: the size of each data set after preprocessing."""
    counts = {
        record.data_label: record.data for record in found if record.data.interactions is not None
    }
    called = [*DATASETS, *sorted(counts.keys() - set(DATASETS))]
    head = ["data set", "users", "items", "interactions", "density", "held-out users", "published"]
    data = [
        {"dataset": name, **{what: getattr(of_one, what) for what in COUNTS}}
        for name, of_one in counts.items()
    ]
    cells = [_data_row(name, counts.get(name)) for name in called]
    return [Table("Table 1: data sets", head, cells, definitions=DATA, data=data)]


def _data_row(name: str, data: Data | None) -> list[Cell]:
    known = getattr(REGISTERED[name].dataset, "published", None) if name in REGISTERED else None
    counts = (known.users, known.training_items or known.items, known.interactions) if known else ()
    said = " / ".join(f"{count:,}" for count in counts) or "-"
    if data is None or data.users is None or data.interactions is None:
        return [name, *[NOT_RUN] * 5, said]
    users, items, interactions = data.users, data.items, data.interactions
    held_out = (users - data.training_users) // 2
    return [
        name,
        *(Number(number, ",") for number in (users, items, interactions)),
        Number(interactions / users / items, ".2%"),
        Number(held_out, ","),
        said,
    ]


def model_tables(found: Sequence[Record], folder: Path) -> list[Table]:
    """Table 2: every model, a table for each data set."""
    return _tables("2", found, folder, lambda model: True)


def likelihood_tables(found: Sequence[Record], folder: Path) -> list[Table]:
    """Table 4: the likelihoods with either network, a table for each data set."""
    networks = {f"{name}-{kind}" for kind in ("vae", "dae") for name in LIKELIHOODS}
    return _tables("4", found, folder, networks.__contains__)


TABLES: dict[str, Callable[[Sequence[Record], Path], list[Table]]] = {
    "1": data_table,
    "2": model_tables,
    "4": likelihood_tables,
}
"""By the paper's number."""


def _tables(
    number: str, found: Sequence[Record], folder: Path, wanted: Callable[[str], bool]
) -> list[Table]:
    groups = outside_grids(record for record in found if wanted(record.spec.model))
    # two splits of a data set are two tables
    run = [(group[0].data_label, group) for group in groups]
    missing = [(name, []) for name in DATASETS if name not in dict(run)]
    place = {name: n for n, name in enumerate(DATASETS)}
    every = sorted([*run, *missing], key=lambda one: place.get(one[0], len(place)))
    definitions = " ".join([*([CELLS, PAIRS] if run else []), PUBLISHED])
    tables = []
    for name, group in every:
        where = f"split {group[0].spec.split_hash[:12]}" if group else NOT_RUN
        known = [one for one in published(name) if wanted(one.model)]
        made = rows(group)
        lines = _lines(made, folder, known)
        tables.append(
            Table(
                f"Table {number}: {name} ({where})",
                [*ABOUT, *(text for m in HEADLINE for text in (str(m), "published"))],
                [line.cells for line in lines],
                remarks(made),
                definitions,
                [{"dataset": name, **numbers} for line in lines for numbers in line.numbers],
            )
        )
    return tables


@dataclass(frozen=True)
class Line:
    """A row of ours, or one that was published and not run here."""

    about: list[str]
    """Its first cells: model, device, precision, seeds."""
    scores: Sequence[Score | None]
    """One for each headline metric; None if it was not run."""
    known: Sequence[Published]
    """What was published of the model, the paper's own first."""

    @property
    def _pairs(self) -> Iterator[tuple[Metric, Score | None, list[Published]]]:
        """Each metric with our score and what was published."""
        for metric, score in zip(HEADLINE, self.scores, strict=True):
            yield metric, score, [one for one in self.known if one.metric == str(metric)]

    @property
    def cells(self) -> list[Cell]:
        """What stands in the table."""
        cells: list[Cell] = [*self.about]
        for _, score, theirs in self._pairs:
            cells.append(score.cell if score else NOT_RUN)
            cells.append(Quoted(theirs[0], _verdict(score, theirs)) if theirs else "-")
        return cells

    @property
    def numbers(self) -> Iterator[dict[str, Any]]:
        """What stands in the CSV file, for each metric."""
        model, device, precision, _ = self.about
        for metric, score, theirs in self._pairs:
            first, ours = next(iter(theirs), None), score.summary if score else None
            yield {
                "model": model,
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
                "also_published": "; ".join(f"{one.value:g} ({one.name})" for one in theirs[1:]),
                "verdict": _verdict(score, theirs),
            }


def _verdict(score: Score | None, theirs: Sequence[Published]) -> Verdict | None:
    return verdict(score.summary if score else None, next(iter(theirs), None))


def _lines(made: list[Row], folder: Path, known: Sequence[Published]) -> list[Line]:
    """One data set's rows, then the published ones that were not run."""

    def line(first: list[str], scores: Sequence[Score | None]) -> Line:
        return Line(first, scores, [one for one in known if one.model == first[0]])

    run = [
        line(about(row), scores)
        for row, scores in zip(made, scores_of(made, folder, HEADLINE), strict=True)
    ]
    ours = {row.label for row in made}
    absent = dict.fromkeys(one.model for one in known if one.model not in ours)
    return [*run, *(line([model, *["-"] * 3], [None] * len(HEADLINE)) for model in absent)]
