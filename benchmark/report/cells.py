"""A table as values: what its cells hold, before anything is written as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmark.report.published import Published, Verdict


@dataclass(frozen=True)
class Number:
    """One number, and how it is shown."""

    value: float
    form: str = ".4f"
    """A format specification of Python's, for all numbers of the cell."""
    bold: bool = False

    @property
    def main(self) -> str:
        """The part that bold type marks."""
        return format(self.value, self.form)

    @property
    def rest(self) -> str:
        """What follows that part."""
        return ""

    def __str__(self) -> str:
        return self.main + self.rest


@dataclass(frozen=True)
class Mean(Number):
    """A mean over seeds."""

    sd: float | None = None
    """Standard deviation over seeds; None for one run."""
    stderr: float | None = None
    """Standard error over the test users; None where the table does not show it."""

    @property
    def rest(self) -> str:
        spread = "-" if self.sd is None else format(self.sd, self.form)
        error = "" if self.stderr is None else f" ({self.stderr:{self.form}})"
        return f" ± {spread}{error}"


@dataclass(frozen=True)
class Quoted:
    """A published number, and whether ours agrees with it."""

    published: Published
    verdict: Verdict | None
    """None where one of the two has no standard error."""

    def __str__(self) -> str:
        return self.published.text + (f", {self.verdict}" if self.verdict else "")


Cell = str | Number | Quoted
"""``str(cell)`` is its plain text; report/render.py writes it with bold type and escapes."""


@dataclass(frozen=True)
class Table:
    """Cells for a person, and the numbers behind them."""

    title: str
    head: Sequence[str]
    cells: Sequence[Sequence[Cell]]
    """One sequence for each row."""
    notes: Sequence[str] = ()
    """What a reader must know of this table: failures, machines, what was left out."""
    definitions: str = ""
    """What its words and numbers are; tables that share it may say it once."""
    data: Sequence[dict[str, Any]] = field(default_factory=list)
    """The same in full precision, for CSV; None is an empty field."""


def counted(number: int, what: str) -> str:
    """``what`` in the singular or the plural, as in "1 trial", "2 trials"."""
    return f"{number} {what}{'' if number == 1 else 's'}"
