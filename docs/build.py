"""Writes the parts of README.md and docs/ that are made from the records in results/reference.

``make readme`` runs this module. Each part stands between the comments ``<!-- NAME -->`` and ``<!--
end -->``; the text around them is written by hand.
"""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from statistics import fmean

from benchmark.evaluation.metrics import SELECTION
from benchmark.labels import flat_values
from benchmark.paths import ROOT
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.report import (
    contest_figures,
    contest_tables,
    curves,
    figures,
    paper,
    pareto,
    parity,
    precision,
    sweep,
)
from benchmark.report.image import png
from benchmark.report.render import markdown
from benchmark.report.report import Report
from benchmark.report.rows import rows
from benchmark.stats import ALPHA, MARGIN, Difference, difference, holm
from docs import contest, introduction, scale

REFERENCE = ROOT / "results" / "reference"
PAGES = ("README.md", "docs/results.md", "docs/tuning.md", "docs/scale.md")
PARITY = ROOT / "results" / "parity.csv"


@cache
def stored(folder: str = "") -> list[Record]:
    """Return the records in results/reference, or in one of its folders."""
    return store.read_all(REFERENCE / folder)


@cache
def report(folder: str = "") -> Report:
    """Return the report on the records that ``stored`` returns."""
    return Report(stored(folder), REFERENCE / folder)


def of(*datasets: str) -> list[Record]:
    """Return the records of some data sets."""
    return [record for record in stored() if record.spec.dataset in datasets]


def usual(*datasets: str) -> list[Record]:
    """Return the records of some data sets, each model's in one precision only.

    It is the precision that ``--precision auto`` means: bf16 for a model with records in bf16.
    """
    records = of(*datasets)
    rounded = {record.spec.model for record in records if record.spec.precision == "bf16"}
    return [r for r in records if r.spec.precision == "bf16" or r.spec.model not in rounded]


@cache
def usual_report(*datasets: str) -> Report:
    """Return the report on the records that ``usual`` returns."""
    return Report(usual(*datasets), REFERENCE)


FINDINGS = ROOT / "docs" / "findings.toml"


def findings() -> str:
    """Return a line for each pair in FINDINGS: the difference in NDCG@100, with its uncertainty."""
    values = {row.label: row.per_user([SELECTION], REFERENCE)[0] for row in rows(usual("ml1m"))}
    pairs = tomllib.loads(FINDINGS.read_text())["finding"]
    found = [difference(values[pair["first"]], values[pair["second"]]) for pair in pairs]
    adjusted = holm([each.p for each in found])
    lines = [
        f"- {_finding(pair['first'], pair['second'], each, p)}: {each.mean:+.4f} "
        f"({each.interval()[0]:+.4f} to {each.interval()[1]:+.4f}; p {_p(p)}). {pair['remark']}"
        for pair, each, p in zip(pairs, found, adjusted, strict=True)
    ]
    return "\n".join([*lines, "", tried()])


def _finding(first: str, second: str, found: Difference, p: float) -> str:
    """Return what is shown of two models; ``p`` is that of their difference after correction."""
    if p < ALPHA:
        return f"`{first}` is {'above' if found.mean > 0 else 'below'} `{second}`"
    shown = f"are equal within {MARGIN:g}" if found.equal else "are not told apart"
    return f"`{first}` and `{second}` {shown}"


def _p(value: float) -> str:
    return "< .001" if value < 0.001 else f"= {value:.3f}".replace("0.", ".", 1)


def tried() -> str:
    """Return how many settings of each model were tried on ml1m's validation users."""
    tuned: dict[str, list[Record]] = defaultdict(list)
    for record in stored("tuning"):
        if record.spec.dataset == "ml1m":
            tuned[record.spec.model].append(record)
    most_first = sorted(tuned.items(), key=lambda item: -len(item[1]))
    numbers = [f"`{model}` {len(points)}{_edges(points)}" for model, points in most_first]
    dropout, betas = (_gain("mult-vae", stored(folder)) for folder in ("dropout", "sweep"))
    return (
        f"The chances were not equal. How many settings were tried on ml1m's validation "
        f"users: {', '.join(numbers)}. The others have their papers' or authors' settings, which "
        f"need not be their best: on validation, `mult-vae` is {dropout:+.4f} with a `dropout` of "
        f"0.7 and {betas:+.4f} with the best beta of the sweep, mean over three seeds."
    )


def _gain(model: str, records: list[Record]) -> float:
    """Return how far the best row's validation score is above that of a model's usual options."""
    means = {
        row.label: fmean(record.best_validation or 0 for record in row.records)
        for row in rows(records)
    }
    return max(means.values()) - means[model]


def _edges(points: list[Record]) -> str:
    """Return a remark on the options whose best value is the least or the largest one tried."""
    configs = [flat_values(record.spec.config) for record in points]
    best = flat_values(max(points, key=lambda r: r.best_validation or 0).spec.config)
    values = {option: {config[option] for config in configs} for option in best}
    edges = [
        f"`{option}` {value:g}"
        for option, value in best.items()
        if len(values[option]) > 1 and value in (min(values[option]), max(values[option]))
    ]
    return f" (the best has {', '.join(edges)}, at the edge of what was tried)" if edges else ""


@cache
def timed() -> list[Record]:
    """Return the records from whose times the paper's grid is forecast."""
    return scale.quiet([*stored(), *stored("rehearsal")])


def all_rows() -> str:
    """Return the tables of NeuMF's trials on all rows but the test's.

    Their data sets are an example's, and so it is not known here which of their options are usual.
    """
    tables = report("ncf-all-rows").results
    return markdown([replace(t, title=t.data[0]["dataset"].partition("[")[0]) for t in tables])


PARTS: dict[str, Callable[[], str]] = {
    "results": lambda: markdown(usual_report("ml1m").results),
    "findings": findings,
    "differences": lambda: markdown(usual_report("ml1m").differences),
    "answer": contest.answer,
    "contest": lambda: markdown(contest_tables.tables(contest.held())),
    "elsewhere": contest.elsewhere,
    "others": lambda: markdown(usual_report("ml-latest-small", "gowalla").results),
    "ncf": lambda: markdown(paper.ncf_tables(stored(), REFERENCE, absent=False)),
    "all_rows": all_rows,
    "parity": lambda: markdown(parity.tables(stored(), PARITY)),
    "precision": lambda: markdown([precision.table(of("ml1m"))]),
    "bias": lambda: markdown(report("output-bias").results),
    "sweep": lambda: markdown(report("sweep").betas),
    "cost": lambda: markdown(report().timings),
    "needs": lambda: markdown([scale.needs(timed())]),
    "grid": lambda: markdown([scale.grid(timed())]),
    "rehearsal": lambda: markdown(report("rehearsal").timings),
    "tuning": lambda: markdown(report("tuning").tunings),
    "dropout": lambda: markdown(report("dropout").tunings),
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


CURVES = ("popularity", "ease", "als", "bpr", "mult-vae", "mult-dae")
"""The models in the figure of learning curves."""


def pictures() -> dict[str, bytes]:
    """Return the pictures of docs/ as PNG, by the names of their files."""
    exact = [
        record
        for record in of("ml1m")
        if record.spec.precision == "fp32" and record.spec.model in CURVES
    ]
    networks = [
        record
        for record in usual("ml1m")
        if record.spec.model in ("mult-vae", "mult-dae", "logistic-dae")
    ]
    (betas,) = sweep.sweeps(stored("sweep"))
    drawn = {
        "curves-ml1m.png": curves.draw(exact),
        "cost-ml1m.png": pareto.draw(usual("ml1m")),
        "beta-ml1m.png": sweep.draw(betas),
        "figure-1.png": figures.annealing(stored("sweep"), REFERENCE / "sweep"),
        "figure-3.png": figures.activity(networks, REFERENCE),
        **{f"{name}.png": each for name, each in contest_figures.figures(contest.held()).items()},
        **introduction.pictures(usual_report("ml1m").results[0]),
    }
    return {name: png(picture) for name, picture in drawn.items() if picture}


if __name__ == "__main__":
    for page in PAGES:
        path = ROOT / page
        path.write_text(rebuilt(path.read_text()))
    for name, content in pictures().items():
        (ROOT / "docs" / name).write_bytes(content)
