"""Tables as values: what their cells hold, before anything is written as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmark.report.published import Published, Verdict


@dataclass(frozen=True)
class Number:
    """A number, and the format that it is shown in."""

    value: float
    form: str = ".4f"
    """The Python format specification of every number in the cell."""
    bold: bool = False

    @property
    def main(self) -> str:
        """The part of the cell that is set in bold where ``bold`` is true."""
        return format(self.value, self.form)

    @property
    def rest(self) -> str:
        """The text after ``main``, which is never bold."""
        return ""

    def __str__(self) -> str:
        return self.main + self.rest


@dataclass(frozen=True)
class Mean(Number):
    """A mean over seeds, with their spread."""

    sd: float | None = None
    """The standard deviation over seeds; None for a single trial."""

    @property
    def spread(self) -> str:
        """The text of the standard deviation."""
        return " ± " + self._or_dash(self.sd)

    @property
    def rest(self) -> str:
        return self.spread

    def _or_dash(self, value: float | None) -> str:
        return "-" if value is None else format(value, self.form)


@dataclass(frozen=True)
class UserMean(Mean):
    """A mean over seeds and test users, with its uncertainty."""

    stderr: float | None = None
    """The standard error over the test users; None for one user."""

    @property
    def error(self) -> str:
        """The text of the standard error."""
        return f" ({self._or_dash(self.stderr)})"

    @property
    def rest(self) -> str:
        return self.spread + self.error


@dataclass(frozen=True)
class Quoted:
    """A published number, and how ours compares with it."""

    published: Published
    difference: float | None
    """Our mean - the published value; None without ours."""
    verdict: Verdict | None
    """None where ours has no standard error."""

    def __str__(self) -> str:
        away = "" if self.difference is None else f", {self.difference:+.4f}"
        return self.published.text + away + (f", {self.verdict}" if self.verdict else "")


Cell = str | Number | Quoted
"""What a table cell holds; ``str(cell)`` is its plain text, and report/render.py adds bold type."""


@dataclass(frozen=True)
class Table:
    """A table: cells for a person to read, and the numbers behind them for a program."""

    title: str
    head: Sequence[str]
    """The names of the columns."""
    cells: Sequence[Sequence[Cell]]
    """The rows of the table, each as its cells."""
    notes: Sequence[str] = ()
    """What a reader must know about this table: failures, machines, records left out. One about a
    column begins with its name and a colon."""
    definitions: str = ""
    """What the words and numbers in the table mean; it is printed once for tables that share it."""
    data: Sequence[dict[str, Any]] = field(default_factory=list)
    """The rows of the CSV file, with the same numbers in full precision; None is an empty field."""
