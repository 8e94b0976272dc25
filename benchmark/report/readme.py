"""The parts of README.md and docs/ that are made of the records in results/reference: ``make readme``.

Each stands between the comments ``<!-- NAME -->`` and ``<!-- end -->``; the text around them is written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from benchmark import records
from benchmark.metrics import HEADLINE
from benchmark.records import Record
from benchmark.report import format, parity, precision
from benchmark.report.curves import draw
from benchmark.report.table import results
from benchmark.report.timing import timings
from benchmark.report.tuning import tunings

ROOT = Path(__file__).resolve().parent.parent.parent
REFERENCE = ROOT / "results" / "reference"
PAGES = ("README.md", "docs/results.md", "docs/tuning.md")
PARITY = ROOT / "results" / "parity.csv"


@cache
def stored(folder: str = "") -> list[Record]:
    """The records of real runs, or those of another kind in a folder of their own."""
    return records.read_all(REFERENCE / folder)


def result_tables(*datasets: str) -> str:
    """Of the ``datasets`` named."""
    found = [record for record in stored() if record.spec.dataset in datasets]
    return format.markdown(results(found, REFERENCE, HEADLINE))


PARTS: dict[str, Callable[[], str]] = {
    "results": lambda: result_tables("ml1m"),
    "others": lambda: result_tables("ml-latest-small", "gowalla"),
    "parity": lambda: parity.tables(stored(), PARITY),
    "precision": lambda: precision.table(stored()),
    "cost": lambda: format.markdown(timings(stored())),
    "rehearsal": lambda: format.markdown(timings(stored("rehearsal"))),
    "tuning": lambda: format.markdown(tunings(stored("tuning"))),
}


def rebuilt(text: str) -> str:
    """``text`` with every generated part made anew; what stands between other comments stays."""
    return re.sub(
        rf"(<!-- ({'|'.join(PARTS)}) -->\n).*?(<!-- end -->)",
        lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n\n{found[3]}",
        text,
        flags=re.DOTALL,
    )


if __name__ == "__main__":
    exact = [r for r in stored() if r.spec.dataset == "ml1m" and r.spec.precision == "fp32"]
    if figure := draw(exact):
        (ROOT / "docs" / "curves-ml1m.png").write_bytes(format.png(figure))
    for page in PAGES:
        path = ROOT / page
        path.write_text(rebuilt(path.read_text()))
