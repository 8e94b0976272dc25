"""The headline table: scores with the usual and with tuned options, and published ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmark.records.searched import Searched
from benchmark.report.cells import Cell, Table
from benchmark.report.page.spec import Json
from benchmark.report.paper import PUBLISHED, SEARCHED
from benchmark.report.paper_rows import PaperRow, paper_rows
from benchmark.report.published import PROTOCOLS, published
from benchmark.report.rows import Row, names
from benchmark.report.table import ABOUT, Scored, about
from benchmark.stats import MARGIN
from models.variants import LIKELIHOODS

KINDS = {"default": "usual options", "tuned": "tuned", "published": "published"}
"""The kinds of columns of a metric, each with its name."""


@dataclass
class HeadRow:
    """A row of the headline table."""

    model: str
    """The registered name of the model."""
    shown: Sequence[str]
    """The names that the row has in plots."""
    about: list[str]
    """The cells of ABOUT."""
    scores: list[Cell]
    """The cells of each metric, by kind."""
    trials: list[tuple[str, str]] = field(default_factory=list)
    """What each trial of the row is called beside it, and its id."""

    @property
    def likelihood(self) -> str:
        """The likelihood of the model; "" if it has none by name."""
        return likelihood_of(self.model)


@dataclass(frozen=True)
class Headline:
    """The headline table of one data set and split."""

    dataset: str
    table: Table
    """The result table, of which the title and the notes are shown."""
    metrics: Sequence[str]
    kinds: Sequence[str]
    """The kinds of columns that each metric has."""
    rows: list[HeadRow]
    notes: list[str]
    """What the tuned and published scores are, if there are any."""

    @property
    def columns(self) -> Sequence[str]:
        """The kind of each column with scores."""
        return list(self.kinds) * len(self.metrics)


def likelihood_of(model: str) -> str:
    """Return the likelihood of a registered model; "" if it has none by name."""
    name, _, network = model.rpartition("-")
    return name if network in ("vae", "dae") and name in LIKELIHOODS else ""


def headline(split: Scored, table: Table, searches: Mapping[str, Searched]) -> Headline:
    """Return the headline table of a split with its result ``table`` and the searches there."""
    first, metrics = split.group[0], [column.metric for column in split.columns]
    known = published(first.data_label, first.data.task)
    rows = paper_rows(split.rows, split.columns, known, metrics, searches)
    kinds = ["default"]
    kinds += ["tuned"] if any(any(row.tuned) for row in rows) else []
    kinds += ["published"] if any(row.known for row in rows) else []
    columns = [kind for _ in metrics for kind in KINDS]
    shown = [_row(row, [kind in kinds for kind in columns]) for row in rows]
    _add_trials(shown, split.rows)
    protocol = PROTOCOLS[first.data.task]
    notes = {"tuned": SEARCHED, "published": PUBLISHED.format(protocol=protocol, margin=MARGIN)}
    said = [text for kind, text in notes.items() if kind in kinds]
    return Headline(first.data_label, table, list(map(str, metrics)), kinds, shown, said)


def _row(row: PaperRow, wanted: Sequence[bool]) -> HeadRow:
    """Return a row with the ``wanted`` ones of the columns of all metrics and kinds."""
    cells = row.cells(beside=True)
    scores = cells[len(ABOUT) :]
    kept = [cell for cell, is_wanted in zip(scores, wanted, strict=True) if is_wanted]
    return HeadRow(row.model, [], row.about, kept)


def _add_trials(shown: Sequence[HeadRow], table_rows: Sequence[Row]) -> None:
    """Add to each row its trials, and to a row with tuned scores those of the tuned options."""
    by_about = {tuple(row.about): row for row in shown}
    usual: dict[tuple[str, str | None, str | None], HeadRow] = {}
    hidden: list[tuple[Row, str]] = []
    for row, name in zip(table_rows, names(table_rows), strict=True):
        key = row.spec.model, row.device, row.precision
        if beside := by_about.get(tuple(about(row))):
            beside.model, beside.shown = row.spec.model, _names(row, name)
            beside.trials += _trials(row)
            usual.setdefault(key, beside)
        else:
            hidden.append((row, name))
    for row, name in hidden:
        beside = usual[row.spec.model, row.device, row.precision]
        beside.shown = [*beside.shown, *_names(row, name)]
        beside.trials += [(f"tuned {called}", trial) for called, trial in _trials(row)]


def _names(row: Row, name: str) -> list[str]:
    """Return what a row with this name in tables is called in plots; costs name the precision."""
    return [name, f"{row.label} ({row.precision or '-'})"]


def _trials(row: Row) -> Iterator[tuple[str, str]]:
    for record in row.records:
        yield "trial" if record.spec.seed is None else f"seed {record.spec.seed}", record.id


def of_rows(tables: Sequence[Headline]) -> list[Json]:
    """Return what the filter of the page must know of each row."""
    return [
        {
            "dataset": table.dataset,
            "model": row.model,
            "likelihood": row.likelihood,
            "names": [*row.shown, row.model],
        }
        for table in tables
        for row in table.rows
    ]
