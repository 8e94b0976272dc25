"""The rows of the paper's tables: a model's scores, with its published ones beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmark.evaluation.metrics import Metric
from benchmark.records.searched import Searched
from benchmark.report.cells import Cell, Quoted
from benchmark.report.published import Published, first, verdict
from benchmark.report.rows import Row
from benchmark.report.sizes import NOT_RUN
from benchmark.report.table import Column, Score, about


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
    tuned: Sequence[Score | None]
    """The scores with the options that a search chose; None for each if no such row was run."""

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

    def cells(self, beside: bool) -> list[Cell]:
        """Return the cells of the row, with those of tuned scores if there is room ``beside``."""
        cells: list[Cell] = [*self.about]
        for tuned, (_, score, theirs) in zip(self.tuned, self._by_metric, strict=True):
            cells.append(score.cell if score else NOT_RUN)
            if beside:
                cells.append(tuned.cell if tuned else NOT_RUN)
            cells.append(self._quoted(score, theirs) or "-")
        return cells

    @property
    def numbers(self) -> Iterator[dict[str, Any]]:
        """The rows of the CSV file, one for each metric."""
        _, device, precision, _ = self.about
        for beside, (metric, score, theirs) in zip(self.tuned, self._by_metric, strict=True):
            quoted, ours = self._quoted(score, theirs), score.summary if score else None
            shown = quoted and quoted.published
            tuned = beside.summary if beside else None
            yield {
                "model": self.model,
                "device": device,
                "precision": precision,
                "metric": str(metric),
                "mean": ours and ours.mean,
                "sd_over_seeds": ours and ours.sd,
                "stderr_over_users": ours and ours.stderr,
                "tuned_mean": tuned and tuned.mean,
                "tuned_sd_over_seeds": tuned and tuned.sd,
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


def paper_rows(
    ours: Sequence[Row],
    columns: Sequence[Column],
    known: Sequence[Published],
    metrics: Sequence[Metric],
    searches: Mapping[str, Searched],
) -> list[PaperRow]:
    """Return the rows of one split's table: our own, then the models that are only published.

    A row with the options that a search chose is beside that of the usual ones, if there is one.
    """
    scores = [[column.scores[n] for column in columns] for n in range(len(ours))]
    usual = {_key(row): n for n, row in enumerate(ours) if is_default(row, searches)}
    tuned = {_key(row): n for n, row in enumerate(ours) if is_chosen(row, searches)}
    none = [None] * len(metrics)

    def paper_row(
        model: str,
        first_cells: list[str],
        seeded: bool,
        of_usual: Sequence[Score | None],
        of_tuned: Sequence[Score | None],
    ) -> PaperRow:
        values = [value for value in known if value.model == model]
        return PaperRow(model, first_cells, seeded, metrics, of_usual, values, of_tuned)

    run = []
    for n, row in enumerate(ours):
        beside = tuned.get(_key(row)) if usual.get(_key(row)) == n else None
        if tuned.get(_key(row)) == n and usual.get(_key(row), n) != n:
            continue
        of_tuned = none if beside is None else scores[beside]
        seeded = row.spec.seed is not None
        run.append(paper_row(row.label, about(row), seeded, scores[n], of_tuned))
    labels = {row.label for row in ours}
    absent = dict.fromkeys(value.model for value in known if value.model not in labels)
    return [*run, *(paper_row(m, [m, "-", "-", "-"], False, none, none) for m in absent)]


def renamed(row: Row, searches: Mapping[str, Searched]) -> Row:
    """Return a row with a short label if it has options that a search chose and are not usual."""
    if is_chosen(row, searches) and not is_default(row, searches):
        return replace(row, label=f"{row.spec.model} (tuned)")
    return row


def is_chosen(row: Row, searches: Mapping[str, Searched]) -> bool:
    """Return whether a row has the options that its model's search chose."""
    search = searches.get(row.spec.model)
    return search is not None and row.spec.config == search.chosen


def is_default(row: Row, searches: Mapping[str, Searched]) -> bool:
    """Return whether a row has the options of the default attempt of its model's search."""
    search = searches.get(row.spec.model)
    default = search.default if search else None
    return default is not None and row.spec.config == default.spec.config


def _key(row: Row) -> tuple[str, str | None, str | None]:
    return row.spec.model, row.device, row.precision
