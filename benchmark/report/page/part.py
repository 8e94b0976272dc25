"""What a part of the page is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmark.report.cells import Table
from benchmark.report.page.spec import Json


@dataclass(frozen=True)
class Figure:
    """A plot, or None, with the label of the data set that it is of and its title."""

    dataset: str
    title: str
    plot: Json | None


@dataclass(frozen=True)
class Part:
    """A part of the page."""

    name: str
    """Its id in the page."""
    title: str
    about: str
    command: str
    """The command that makes its values again."""
    figures: list[Figure] = field(default_factory=list)
    tables: Sequence[Table] = ()

    @property
    def shown(self) -> list[Figure]:
        """The figures that have a plot."""
        return [figure for figure in self.figures if figure.plot]
