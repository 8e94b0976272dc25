"""Writes the parts of README.md and docs/ that are made from the records in results/reference.

``make readme`` runs this module. Each part stands between the comments ``<!-- NAME -->`` and ``<!--
end -->``; the text around them is written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from benchmark.evaluation.metrics import HEADLINE, SELECTION
from benchmark.paths import ROOT
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.report import curves, figures, parity, precision, sweep
from benchmark.report.render import markdown, png
from benchmark.report.report import Report
from benchmark.report.timing import pareto
from benchmark.stats import ALPHA, resamples

REFERENCE = ROOT / "results" / "reference"
PAGES = ("README.md", "docs/results.md", "docs/tuning.md")
PARITY = ROOT / "results" / "parity.csv"


@cache
def stored(folder: str = "") -> list[Record]:
    """Return the records in results/reference, or in one of its folders."""
    return store.read_all(REFERENCE / folder)


@cache
def report(folder: str = "") -> Report:
    """Return the report on the records that ``stored`` returns."""
    return Report(stored(folder), REFERENCE / folder, HEADLINE)


def usual(*datasets: str) -> list[Record]:
    """Return the records of some data sets, each model's in one precision only.

    It is the precision that ``--precision auto`` means: bf16 for a model with records in bf16.
    """
    records = [record for record in stored() if record.spec.dataset in datasets]
    rounded = {record.spec.model for record in records if record.spec.precision == "bf16"}
    return [r for r in records if r.spec.precision == "bf16" or r.spec.model not in rounded]


@cache
def usual_report(*datasets: str) -> Report:
    """Return the report on the records that ``usual`` returns."""
    return Report(usual(*datasets), REFERENCE, HEADLINE)


FINDINGS = (
    (
        "mult-dae",
        "mult-vae",
        "On ML-20M the paper has it the other way round; the authors' own code does so here too.",
    ),
    ("ease", "mult-dae", "On ML-20M their published values are nearly equal."),
    (
        "logistic-dae",
        "mult-dae",
        "On ML-20M the paper has the multinomial ahead, for either network.",
    ),
    (
        "gaussian-dae",
        "mult-dae",
        "Likewise. Neither lead comes from how the output bias starts (docs/results.md).",
    ),
    ("logistic-vae", "mult-vae", "Likewise."),
    ("gaussian-vae", "mult-vae", "Likewise."),
    ("logistic-dae", "ease", "The best network and the closed form."),
    ("poisson-dae", "mult-dae", "Not in the paper."),
    (
        "als",
        "mult-dae",
        "Well regularised, the oldest model here is no strawman; the paper's is far behind.",
    ),
    ("als", "bpr", "Both by the library implicit, each at its best settings of a small grid."),
)
"""Pairs of models that are compared on ml1m, each with a remark."""


def findings() -> str:
    """Return a line for each pair in FINDINGS: the difference in NDCG@100, with its uncertainty."""
    (table,) = usual_report("ml1m").differences
    by_pair = {
        (row["model"], row["other"]): row for row in table.data if row["metric"] == str(SELECTION)
    }
    least = len(by_pair) / (resamples(len(by_pair)) + 1)
    return "\n".join(
        [
            *(_finding(by_pair, *finding) for finding in FINDINGS),
            f"\nThe least p that this test can give is {least:.3f}.",
        ]
    )


def _finding(
    by_pair: Mapping[tuple[str, str], Mapping[str, Any]], first: str, second: str, remark: str
) -> str:
    """Return the line of one pair, of which the table has only one order."""
    has_order = (first, second) in by_pair
    row, sign = (by_pair[first, second], 1) if has_order else (by_pair[second, first], -1)
    difference, *interval = (sign * row[key] for key in ("difference", "low", "high"))
    direction = "is above" if difference > 0 else "is below"
    verb = direction if row["p_holm"] < ALPHA else "does not differ surely from"
    low, high = sorted(interval)
    return (
        f"- `{first}` {verb} `{second}`: {difference:+.4f} "
        f"({low:+.4f} to {high:+.4f}; p {_p(row['p_holm'])}). {remark}"
    )


def _p(value: float) -> str:
    return "< .001" if value < 0.001 else f"= {value:.3f}".replace("0.", ".", 1)


PARTS: dict[str, Callable[[], str]] = {
    "results": lambda: markdown(usual_report("ml1m").results),
    "findings": findings,
    "differences": lambda: markdown(usual_report("ml1m").differences),
    "others": lambda: markdown(usual_report("ml-latest-small", "gowalla").results),
    "standings": lambda: markdown(usual_report("ml1m", "ml-latest-small").standings),
    "parity": lambda: markdown(parity.tables(stored(), PARITY)),
    "precision": lambda: markdown([precision.table(stored())]),
    "bias": lambda: markdown(report("output-bias").results),
    "sweep": lambda: markdown(report("sweep").betas),
    "cost": lambda: markdown(report().timings),
    "rehearsal": lambda: markdown(report("rehearsal").timings),
    "tuning": lambda: markdown(report("tuning").tunings),
}
"""The functions that make the parts, by the names in the comments around them."""


def rebuilt(text: str) -> str:
    """Return ``text`` with every part of PARTS made anew; text between other comments stays."""
    return re.sub(
        rf"(<!-- ({'|'.join(PARTS)}) -->\n).*?(<!-- end -->)",
        lambda match: f"{match[1]}\n{PARTS[match[2]]()}\n\n{match[3]}",
        text,
        flags=re.DOTALL,
    )


def pictures() -> dict[str, bytes]:
    """Return the pictures of docs/ as PNG, by the names of their files."""
    ml1m = [record for record in stored() if record.spec.dataset == "ml1m"]
    exact = [record for record in ml1m if record.spec.precision == "fp32"]
    networks = [
        record
        for record in usual("ml1m")
        if record.spec.model in ("mult-vae", "mult-dae", "logistic-dae")
    ]
    (betas,) = sweep.sweeps(stored("sweep"))
    drawn = {
        "curves-ml1m.png": curves.draw(exact),
        "cost-ml1m.png": pareto(usual("ml1m")),
        "beta-ml1m.png": sweep.draw(betas),
        "figure-1.png": figures.annealing(stored("sweep"), REFERENCE / "sweep"),
        "figure-3.png": figures.activity(networks, REFERENCE),
    }
    return {name: png(figure) for name, figure in drawn.items() if figure}


if __name__ == "__main__":
    for page in PAGES:
        path = ROOT / page
        path.write_text(rebuilt(path.read_text()))
    for name, content in pictures().items():
        (ROOT / "docs" / name).write_bytes(content)
