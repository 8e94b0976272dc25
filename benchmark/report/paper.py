"""The paper's tables, with the published numbers beside those found here.

They are tables 2 (models), 3 (NCF's protocol) and 4 (likelihoods); report/sizes.py makes table 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmark.evaluation.metrics import Metric, headline
from benchmark.records.record import Record
from benchmark.report.cells import Cell, Quoted, Table
from benchmark.report.published import (
    DATASETS,
    PROTOCOLS,
    Published,
    first,
    published,
    verdict,
)
from benchmark.report.rows import Row, outside_grids, rows
from benchmark.report.sizes import NOT_RUN, data_table
from benchmark.report.table import (
    ABOUT,
    CELLS,
    SAMPLED,
    TESTS,
    Column,
    Score,
    about,
    columns_of,
    leading,
    remarks,
)
from benchmark.stats import MARGIN
from datasets.task import TASKS, Name
from models.variants import LIKELIHOODS

PUBLISHED = (
    'Published: a number under the same protocol ("{protocol}"), the paper\'s own if there is '
    "one, ± its standard error over users where that is known; † marks what was written from "
    "memory: look it up in its source before you quote it. Then our mean - the published one, and "
    'a verdict. Both sides score the same users, so "equal" means that two one-sided t-tests find '
    "the difference to be within {margin:g}, given the spread over our seeds for either side and "
    "the rounding of the published number; a single seed can show this only of a model that has "
    'none. "Within sampling error": not so, but the difference is at most two standard errors of '
    "the difference of two other samples of users, which on the same users says little; "
    '"differs": it is larger. A row without brackets has the options of suites/paper.toml, which '
    "are the published ones where these are known; they are not known for ALS, BPR, the Gaussian's "
    "c and the logistic's start. Sources: results/published.csv."
)


def model_tables(records: Sequence[Record], folder: Path, absent: bool) -> list[Table]:
    """Return table 2, every model, as a table for each data set and split.

    Raises DataError if a per-user file is not its record's.
    """
    return _tables("2", records, folder, absent)


def ncf_tables(records: Sequence[Record], folder: Path, absent: bool) -> list[Table]:
    """Return table 3, every model under NCF's protocol, as a table for each data set and split.

    Raises DataError if a per-user file is not its record's.
    """
    return _tables("3", records, folder, absent, "leave-one-out")


def likelihood_tables(records: Sequence[Record], folder: Path, absent: bool) -> list[Table]:
    """Return table 4, each likelihood with either network, as a table for each data set and split.

    Raises DataError if a per-user file is not its record's.
    """
    networks = {f"{name}-{kind}" for kind in ("vae", "dae") for name in LIKELIHOODS}
    return _tables("4", records, folder, absent, wanted=networks.__contains__)


TABLES: dict[str, Callable[[Sequence[Record], Path, bool], list[Table]]] = {
    "1": data_table,
    "2": model_tables,
    "3": ncf_tables,
    "4": likelihood_tables,
}
"""The functions that make the paper's tables, by the paper's numbers."""


def _tables(
    number: str,
    records: Sequence[Record],
    folder: Path,
    absent: bool,
    task: Name = "strong generalisation",
    wanted: Callable[[str], bool] = lambda model: True,
) -> list[Table]:
    """Return a table of the ``wanted`` models for each split, and for each data set not run."""
    groups = outside_grids(
        record for record in records if record.data.task == task and wanted(record.spec.model)
    )
    # a list, since two splits of a data set are two tables
    run = [(group[0].data_label, group) for group in groups]
    papers = DATASETS[task]
    missing = [(name, []) for name in papers if absent and name not in dict(run)]
    place = {name: n for n, name in enumerate(papers)}
    ordered = sorted([*run, *missing], key=lambda entry: place.get(entry[0], len(place)))
    tables = []
    for name, group in ordered:
        known = [value for value in published(name, task) if wanted(value.model)]
        tables.append(_table(number, name, group, folder, known, task))
    definitions = " ".join(_definitions(task, bool(run)))
    return [replace(table, definitions=definitions) for table in tables]


def _definitions(task: Name, run: bool) -> Iterator[str]:
    """Yield the sentences that define the words and numbers of a task's tables."""
    if run:
        yield from (CELLS, TESTS)
    if TASKS[task].sampled:
        yield SAMPLED
    yield PUBLISHED.format(protocol=PROTOCOLS[task], margin=MARGIN)


def _table(
    number: str,
    name: str,
    group: Sequence[Record],
    folder: Path,
    known: Sequence[Published],
    task: Name,
) -> Table:
    """Return the table of one split, or of a data set that was not run."""
    split = f"split {group[0].spec.split_hash[:12]}" if group else NOT_RUN
    ours, metrics = rows(group), headline(task)
    columns = columns_of(ours, folder, metrics)
    paper_rows = _paper_rows(ours, columns, known, metrics)
    return Table(
        f"Table {number}: {name} ({split})",
        [*ABOUT, *(text for m in metrics for text in (str(m), "published"))],
        [row.cells for row in paper_rows],
        [*leading(columns), *remarks(ours)],
        data=[{"dataset": name, **numbers} for row in paper_rows for numbers in row.numbers],
    )


@dataclass(frozen=True)
class PaperRow:
    """A row of one of the paper's tables: a model that was run here, or is only published."""

    model: str
    """Its label, or the name of a model that is only published."""
    about: list[str]
    """The first cells: model, device, precision and seeds."""
    seeded: bool
    """Whether its trials have seeds."""
    metrics: Sequence[Metric]
    scores: Sequence[Score | None]
    """A score for each of the metrics; None if the model was not run."""
    known: Sequence[Published]
    """The published values of the model, the paper's own first."""

    @property
    def _by_metric(self) -> Iterator[tuple[Metric, Score | None, list[Published]]]:
        """Each metric with our score and the published values."""
        for metric, score in zip(self.metrics, self.scores, strict=True):
            yield metric, score, [value for value in self.known if value.metric == str(metric)]

    def _quoted(self, score: Score | None, theirs: Sequence[Published]) -> Quoted | None:
        """Return the published value to compare with, and how ours compares; None without one."""
        if (shown := first(theirs)) is None:
            return None
        ours = score.summary if score else None
        away = ours.mean - shown.value if ours else None
        return Quoted(shown, away, verdict(ours, shown, self.seeded))

    @property
    def cells(self) -> list[Cell]:
        """The cells of the row."""
        cells: list[Cell] = [*self.about]
        for _, score, theirs in self._by_metric:
            cells.append(score.cell if score else NOT_RUN)
            cells.append(self._quoted(score, theirs) or "-")
        return cells

    @property
    def numbers(self) -> Iterator[dict[str, Any]]:
        """The rows of the CSV file, one for each metric."""
        _, device, precision, _ = self.about
        for metric, score, theirs in self._by_metric:
            quoted, ours = self._quoted(score, theirs), score.summary if score else None
            shown = quoted and quoted.published
            yield {
                "model": self.model,
                "device": device,
                "precision": precision,
                "metric": str(metric),
                "mean": ours and ours.mean,
                "sd_over_seeds": ours and ours.sd,
                "stderr_over_users": ours and ours.stderr,
                "published": shown and shown.value,
                "published_stderr": shown and shown.stderr,
                "stderr_verified": shown and shown.stderr and shown.stderr_verified,
                "verified": shown and shown.verified,
                "role": shown and shown.role,
                "source": shown and shown.source,
                "also_published": "; ".join(
                    f"{other.value:g} ({other.name})" for other in theirs[1:]
                ),
                "difference": quoted and quoted.difference,
                "verdict": quoted and quoted.verdict,
            }


def _paper_rows(
    ours: list[Row],
    columns: Sequence[Column],
    known: Sequence[Published],
    metrics: Sequence[Metric],
) -> list[PaperRow]:
    """Return the rows of one split's table: our own, then the models that are only published."""

    def paper_row(
        model: str, first_cells: list[str], seeded: bool, scores: Sequence[Score | None]
    ) -> PaperRow:
        values = [value for value in known if value.model == model]
        return PaperRow(model, first_cells, seeded, metrics, scores, values)

    run = [
        paper_row(
            row.label,
            about(row),
            row.spec.seed is not None,
            [column.scores[n] for column in columns],
        )
        for n, row in enumerate(ours)
    ]
    labels = {row.label for row in ours}
    absent = dict.fromkeys(value.model for value in known if value.model not in labels)
    none = [None] * len(metrics)
    return [*run, *(paper_row(model, [model, "-", "-", "-"], False, none) for model in absent)]
