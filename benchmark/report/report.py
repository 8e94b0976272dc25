"""A report of records: all their tables and figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from matplotlib.figure import Figure

from benchmark.evaluation.metrics import Metric
from benchmark.records.record import Record
from benchmark.report import compare, curves, sweep, table, timing, tuning
from benchmark.report.cells import Table
from benchmark.report.rows import by_split


@dataclass(frozen=True)
class Report:
    """The tables and figures of some records, each made when it is first asked for, and once.

    A table raises DataError if a per-user file is not its record's.
    """

    found: Sequence[Record]
    folder: Path
    """Where the records' files are."""
    metrics: Sequence[Metric]
    """The columns of the result table."""

    @cached_property
    def results(self) -> list[Table]:
        """A table for each data set and split, without the points of grids."""
        return table.results(self.found, self.folder, self.metrics)

    @cached_property
    def differences(self) -> list[Table]:
        """Every pair of rows of each result table."""
        return compare.differences(self.found, self.folder, self.metrics)

    @cached_property
    def standings(self) -> list[Table]:
        """Ranks over several data sets, if there are several."""
        return compare.standings(self.found, self.folder)

    @cached_property
    def betas(self) -> list[Table]:
        """A table for each beta sweep."""
        return [sweep.table(each) for each in self._sweeps]

    @cached_property
    def tunings(self) -> list[Table]:
        """A table for each data set and split that something was tuned on."""
        return tuning.tunings(self.found)

    @cached_property
    def timings(self) -> list[Table]:
        """What each model costs, a table for each data set and split."""
        return timing.timings(self.found)

    @property
    def shown(self) -> list[Table]:
        """The tables that a screen has room for."""
        return [*self.results, *self.standings, *self.betas, *self.tunings, *self.timings]

    @property
    def tables(self) -> dict[str, list[Table]]:
        """Every table, by the name of the file that it is in."""
        return {
            "results": self.results,
            "differences": self.differences,
            "standings": self.standings,
            "beta": self.betas,
            "tuning": self.tunings,
            "timing": self.timings,
        }

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """Every figure by the name of its file."""
        return dict(self._figures())

    @cached_property
    def _sweeps(self) -> list[sweep.Sweep]:
        return list(sweep.sweeps(self.found))

    def _figures(self) -> Iterator[tuple[str, Figure]]:
        for group in by_split(self.found):
            if figure := curves.draw(group):
                yield f"curves-{_place(group)}", figure
        for group in timing.trained(self.found):
            if figure := timing.pareto(group):
                yield f"cost-{_place(group)}", figure
        for each in self._sweeps:
            yield f"beta-{'-'.join(each.family)}-{_place(each.group)}", sweep.draw(each)


def _place(group: Sequence[Record]) -> str:
    return f"{group[0].spec.dataset}-{group[0].spec.split_hash[:8]}"
