"""The parts of README.md and docs/ that are made of the records in results/reference.

``make readme`` runs it. Each part stands between the comments ``<!-- NAME -->`` and ``<!-- end
-->``; the text around them is written by hand.
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
    """The records of real runs, or those of another kind in a folder of their own."""
    return store.read_all(REFERENCE / folder)


@cache
def report(folder: str = "") -> Report:
    """The report of the records in one of those folders."""
    return Report(stored(folder), REFERENCE / folder, HEADLINE)


def usual(*datasets: str) -> list[Record]:
    """The records of some data sets, each model in the precision that ``auto`` is.

    These are the rounded ones, where a model has any.
    """
    found = [record for record in stored() if record.spec.dataset in datasets]
    rounded = {record.spec.model for record in found if record.spec.precision == "bf16"}
    return [r for r in found if r.spec.precision == "bf16" or r.spec.model not in rounded]


@cache
def usual_report(*datasets: str) -> Report:
    """The report of the records that ``usual`` gives."""
    return Report(usual(*datasets), REFERENCE, HEADLINE)


FINDINGS = (
    (
        "mult-dae",
        "mult-vae",
        "They are different networks, I-200-I and I-600-200-600-I, as in the paper. On ML-20M the "
        "paper's VAE is the better one; on ml1m the authors' own code agrees with this result.",
    ),
    ("ease", "mult-dae", "On ML-20M their published values are nearly equal."),
    (
        "logistic-dae",
        "mult-dae",
        "On ML-20M the paper has the multinomial ahead of the logistic, for both networks.",
    ),
    (
        "gaussian-dae",
        "mult-dae",
        "On ML-20M the paper has the multinomial ahead of the Gaussian, for both networks. Neither "
        "this lead nor the logistic's comes from the start of the output bias (docs/results.md).",
    ),
    ("logistic-vae", "mult-vae", "On ML-20M the paper has the multinomial ahead."),
    ("gaussian-vae", "mult-vae", "On ML-20M the paper has the multinomial ahead."),
    ("logistic-dae", "ease", "The first is the best network here, the second a closed form."),
    ("poisson-dae", "mult-dae", "The paper has no Poisson likelihood."),
    (
        "als",
        "mult-dae",
        "Well regularised, ALS is a strong baseline; in the paper it is far behind the networks.",
    ),
    (
        "als",
        "bpr",
        "The library implicit trains both, each with the best settings of a small grid.",
    ),
)
"""Pairs on ml1m, and what to know of them."""


def findings() -> str:
    """A line for each pair: the difference in NDCG@100 with its uncertainty, from the records."""
    (table,) = usual_report("ml1m").differences
    by_pair = {
        (row["model"], row["other"]): row for row in table.data if row["metric"] == str(SELECTION)
    }
    pairs, tried = len(by_pair), resamples(len(by_pair))
    return "\n".join(
        [
            *(_finding(by_pair, *finding) for finding in FINDINGS),
            f"\nNo p here can be below {pairs / (tried + 1):.3f}, so a p of this size is an upper "
            f"bound: the test tries {tried:,} random sets of signs, and Holm's correction "
            f"multiplies its smallest p by the number of pairs, {pairs}.",
        ]
    )


def _finding(
    by_pair: Mapping[tuple[str, str], Mapping[str, Any]], first: str, second: str, remark: str
) -> str:
    there = (first, second) in by_pair
    row, sign = (by_pair[first, second], 1) if there else (by_pair[second, first], -1)
    difference, *interval = (sign * row[key] for key in ("difference", "low", "high"))
    how = "is above" if difference > 0 else "is below"
    verb = how if row["p_holm"] < ALPHA else "is not shown to differ from"
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
"""The generated parts, by the names of their comments."""


def rebuilt(text: str) -> str:
    """``text`` with every generated part made anew; what stands between other comments stays."""
    return re.sub(
        rf"(<!-- ({'|'.join(PARTS)}) -->\n).*?(<!-- end -->)",
        lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n\n{found[3]}",
        text,
        flags=re.DOTALL,
    )


def pictures() -> dict[str, bytes]:
    """The pictures of docs/, by their names."""
    ml1m = [record for record in stored() if record.spec.dataset == "ml1m"]
    exact = [record for record in ml1m if record.spec.precision == "fp32"]
    networks = [
        record
        for record in usual("ml1m")
        if record.spec.model in ("mult-vae", "mult-dae", "logistic-dae")
    ]
    (betas,) = sweep.sweeps(stored("sweep"))
    made = {
        "curves-ml1m.png": curves.draw(exact),
        "cost-ml1m.png": pareto(usual("ml1m")),
        "beta-ml1m.png": sweep.draw(betas),
        "figure-1.png": figures.annealing(stored("sweep"), REFERENCE / "sweep"),
        "figure-3.png": figures.activity(networks, REFERENCE),
    }
    return {name: png(figure) for name, figure in made.items() if figure}


if __name__ == "__main__":
    for page in PAGES:
        path = ROOT / page
        path.write_text(rebuilt(path.read_text()))
    for name, content in pictures().items():
        (ROOT / "docs" / name).write_bytes(content)
