"""The report on a set of records: all their tables and figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmark.evaluation.metrics import Metric
from benchmark.records.record import Record
from benchmark.report import compare, curves, pareto, sweep, table, timing, tuning
from benchmark.report.cells import Table
from benchmark.report.picture import PAGE, Picture
from benchmark.report.rows import by_split


@dataclass(frozen=True)
class Report:
    """The tables and figures of a set of records, each made once, when it is first asked for.

    Making a table raises DataError if a per-user file is not its record's.
    """

    records: Sequence[Record]
    folder: Path
    """The folder that holds the records' files."""
    metrics: Sequence[Metric] | None = None
    """The metrics that are columns of the result table; with None those of each data set's task."""
    width: float = PAGE
    """How wide figures are, in inches."""

    @cached_property
    def results(self) -> list[Table]:
        """The result table of each data set and split, without the points of grids."""
        return list(map(table.table, self.scored))

    @cached_property
    def scored(self) -> list[table.Scored]:
        """The rows of each data set and split with their scores, without the points of grids."""
        return table.scored(self.records, self.folder, self.metrics)

    @cached_property
    def differences(self) -> list[Table]:
        """A table for each result table, with the difference of every pair of its rows."""
        return compare.differences(self.records, self.folder, self.metrics)

    @cached_property
    def standings(self) -> list[Table]:
        """The table of ranks over several data sets; none if there is only one."""
        return compare.standings(self.records, self.folder)

    @cached_property
    def betas(self) -> list[Table]:
        """A table for each beta sweep."""
        return [sweep.table(beta_sweep) for beta_sweep in self.sweeps]

    @cached_property
    def tunings(self) -> list[Table]:
        """A table for each data set and split that a model was tuned on."""
        return tuning.tunings(self.records)

    @cached_property
    def timings(self) -> list[Table]:
        """A table for each data set and split of what its models cost."""
        return timing.timings(self.records)

    @property
    def shown(self) -> list[Table]:
        """The tables that a screen has room for."""
        return [*self.results, *self.standings, *self.betas, *self.tunings, *self.timings]

    @property
    def tables(self) -> dict[str, list[Table]]:
        """Every table, by the name of its file without the end."""
        return {
            "results": self.results,
            "differences": self.differences,
            "standings": self.standings,
            "beta": self.betas,
            "tuning": self.tunings,
            "timing": self.timings,
        }

    @cached_property
    def figures(self) -> dict[str, Picture]:
        """Every figure, by the name of its file without the end."""
        return dict(self._figures())

    @cached_property
    def sweeps(self) -> list[sweep.Sweep]:
        """The beta sweeps."""
        return list(sweep.sweeps(self.records))

    def _figures(self) -> Iterator[tuple[str, Picture]]:
        for group in by_split(self.records):
            if figure := curves.draw(group, self.width):
                yield f"curves-{_split_name(group)}", figure
        for group in timing.trained(self.records):
            if figure := pareto.draw(group, self.width):
                yield f"cost-{_split_name(group)}", figure
        for beta_sweep in self.sweeps:
            name = f"beta-{'-'.join(beta_sweep.family)}-{_split_name(beta_sweep.group)}"
            yield name, sweep.draw(beta_sweep, self.width)


def _split_name(group: Sequence[Record]) -> str:
    return f"{group[0].spec.dataset}-{group[0].spec.split_hash[:8]}"
