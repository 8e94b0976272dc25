"""The measurements of ``make perf`` as pytest-benchmark stores them, and their tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tabulate import tabulate

from tests.perf.work import Work


@dataclass(frozen=True)
class Measured:
    """One measurement of pytest-benchmark; times are the seconds of one piece of work."""

    group: str
    name: str
    work: Work | None
    """The work that was measured; None for a measurement of overhead."""
    median: float
    low: float
    """The first quartile."""
    high: float
    """The third quartile."""
    rounds: int
    peak_bytes: tuple[int, int]
    """The largest memory of the process when it was ready, and at the end."""
    own_seconds: float
    """The seconds of that time which were the models' own work."""
    matrix_product: str
    """The library that multiplied matrices."""

    @classmethod
    def of(cls, entry: dict[str, Any]) -> Measured:
        """Return the measurement in an entry of the JSON file."""
        stats = entry["stats"]
        defaults = {
            "pieces": 1,
            "work": None,
            "peak_bytes": (0, 0),
            "own_seconds": 0.0,
            "matrix_product": "",
        }
        extra = defaults | entry["extra_info"]
        seconds = (stats[name] / extra["pieces"] for name in ("median", "q1", "q3"))
        work = Work(**extra["work"]) if extra["work"] else None
        memory = tuple(extra["peak_bytes"])
        return cls(
            entry["group"],
            entry["name"],
            work,
            *seconds,
            stats["rounds"],
            memory,
            extra["own_seconds"],
            extra["matrix_product"],
        )


def table(rows: list[list[str]], head: list[str]) -> str:
    """Return the rows as a Markdown table."""
    return tabulate(rows, head, tablefmt="pipe", disable_numparse=True) + "\n"
