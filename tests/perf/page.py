"""Writes docs/performance.md and docs/growth.png from the measurements of ``make perf``.

The command is ``python -m tests.perf.page JSON``.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

from benchmark.paths import ROOT
from benchmark.run.facts import facts
from tests.perf.growth import growth
from tests.perf.interactions import ML20M
from tests.perf.measured import Measured, table
from tests.perf.test_overhead import CACHED, FIRST, OVERHEAD, TRIAL
from tests.perf.test_perf import (
    CLOSED,
    DAE,
    EVALUATOR,
    FACTORS,
    FAMILIES,
    GROWTH_GROUP,
    OTHER_NETWORKS,
    PLAIN,
    VAE,
)
from tests.perf.work import BATCH

DOCS = ROOT / "docs"
HEAD = """\
# Performance

Written by `make perf`: medians and quartiles of one run on one machine; only ratios carry over to another. Everything
is measured in a process of its own, on generated interactions of ML-20M's size: 20,108 items, about 73 of them a user.
"""
STEP = """\
A step is an update on 500 users. *Plain* is what one writes first in PyTorch: dense batches, nn.Linear, log_softmax,
the default Adam; RecVAE's also computes the last encoder's output for each batch anew. The roof is what no step can do
without: the output layer's three products by the fastest library, and one pass over memory for what Adam reads and
writes."""
GPU = """\
## GPU

Not measured: no GPU was at hand. Numbers will stand here once there has been one.
"""
NO_GROWTH = f"""\
## {GROWTH_GROUP}

Left out of this run.
"""


def timings(measured: list[Measured], yardstick: str) -> str:
    """Return a table of medians and quartiles, and of the speed relative to ``yardstick``.

    That is the name of one of the measurements.
    """
    (reference,) = [m for m in measured if m.name == yardstick]
    rows = [
        [
            m.name,
            f"{1e3 * m.median:.1f}",
            f"{1e3 * m.low:.1f} to {1e3 * m.high:.1f}",
            f"{reference.median / m.median:.2f}",
        ]
        for m in measured
    ]
    return table(rows, ["", "median (ms)", "quartiles (ms)", f"times as fast as: {yardstick}"])


def step(network: str, measured: list[Measured]) -> str:
    """Return a network's table, and what share of the roof its step reaches in each precision."""
    group = {m.name: m for m in measured if m.group == network}
    seconds = {name: m.median for name, m in group.items()}
    adam = seconds["roof: Adam's traffic"]
    parts = [f"### {network}\n", timings(list(group.values()), PLAIN)]
    for precision in ("fp32", "bf16"):
        products = [
            s for name, s in seconds.items() if name.startswith(f"roof: products, {precision}")
        ]
        if products:
            roof = min(products) + adam
            parts.append(
                f"{precision}: the roof is {1e3 * roof:.0f} ms, of which the step reaches "
                f"{roof / seconds[f'ours, {precision}']:.0%}; the roof itself is "
                f"{seconds[PLAIN] / roof:.1f} times as fast as plain.\n"
            )
        else:
            parts.append(
                f"{precision}: this CPU has no such instructions. Operands are rounded and "
                "multiplied in float32: the "
                "same numbers at no gain; there is no roof to compare with.\n"
            )
    return "\n".join(parts)


def other_step(network: str, measured: list[Measured]) -> str:
    """Return the table of a network that is not the paper's own."""
    return f"### {network}\n\n{timings([m for m in measured if m.group == network], PLAIN)}"


def factors(measured: list[Measured]) -> str:
    """Return the seconds that an epoch of each factor model takes."""
    group = [m for m in measured if m.group == FACTORS]
    return (
        f"## {FACTORS}\n\nAn epoch of 256 factors after the first: implicit's ALS with its three "
        f"steps of conjugate gradients, and iALS with exact solves.\n\n{timings(group, 'als')}"
    )


def likelihoods(measured: list[Measured]) -> str:
    """Return a table for each network: a step of each likelihood beside the multinomial's."""
    parts = [
        "## Likelihoods\n\nA step of each, in the precision that `--precision auto` means on "
        "this CPU.\n"
    ]
    parts += [
        timings([m for m in measured if m.group == group], f"mult-{kind}")
        for kind, group in FAMILIES.items()
    ]
    return "\n".join(parts)


def evaluator(measured: list[Measured]) -> str:
    """Return the evaluator's table, and its share of the time of an epoch with validation."""
    group = [m for m in measured if m.group == EVALUATOR]
    ours = next(m.median for m in group if m.name == "ours")
    lines = [
        f"## {EVALUATOR}\n\nRecall@20, Recall@50 and NDCG@100 with per-user values, from ready "
        "scores.\n"
    ]
    lines.append(timings(group, "the authors'"))
    for network in (VAE, DAE):
        (update,) = [m.median for m in measured if (m.group, m.name) == (network, "ours, fp32")]
        epoch = update * math.ceil(ML20M[0] / BATCH)
        lines.append(
            f"{network}: {ours / (epoch + ours):.1%} of an epoch ({epoch:.0f} s) with validation.\n"
        )
    return "\n".join(lines)


def closed(measured: list[Measured]) -> str:
    """Return the seconds and the memory that EASE takes."""
    (ease,) = [m for m in measured if m.group == CLOSED]
    matrix = 4 * ease.work.items**2
    ready, peak = ease.peak_bytes
    return (
        f"## {CLOSED}\n\nEASE: {ease.median:.0f} s; {(peak - ready) / 1e9:.2f} GB of memory "
        "besides the interactions, "
        f"{(peak - ready) / matrix:.2f} times the item matrix of {matrix / 1e9:.2f} GB.\n"
    )


def overhead(measured: list[Measured]) -> str:
    """Return a table of what starting takes, without the models' own work."""
    group = {m.name: m for m in measured if m.group == OVERHEAD}
    torch = group["import torch"].median
    left = {name: m.median - m.own_seconds for name, m in group.items()}
    rows = [
        ["`run_all.py --help`", left["run_all.py --help"]],
        ["`import torch`", torch],
        [
            "from `run_all.py` to the first update, split in the cache (and the record's writing)",
            left[FIRST],
        ],
        ["a trial's process, besides the model's own work and `import torch`", left[TRIAL] - torch],
        [CACHED, left[CACHED]],
    ]
    cells = [[name, f"{seconds:.2f}"] for name, seconds in rows]
    return f"## {OVERHEAD}\n\nMedians.\n\n{table(cells, ['', 's'])}"


def machine(date: str, measured: list[Measured]) -> str:
    """Return a line on the machine of the measurements, with their date."""
    product = next(m.matrix_product for m in measured if m.name == "ours, fp32")
    here = facts("cpu", threads=0)
    cores = f"{here.cores} cores, {here.memory_bytes / 1e9:.0f} GB of memory"
    return f"{date[:10]}; {here.cpu}; {cores}; Python {here.python}; {product}.\n"


def main(*paths: Path) -> None:
    """Write the page and the picture, from one JSON file or several of the same machine."""
    files = [json.loads(path.read_text()) for path in paths]
    measured = [Measured.of(entry) for file in files for entry in file["benchmarks"]]
    parts = [
        HEAD,
        machine(files[0]["datetime"], measured),
        f"## Training step\n\n{STEP}\n",
        *(step(network, measured) for network in (VAE, DAE)),
        *(other_step(network, measured) for network in OTHER_NETWORKS),
        likelihoods(measured),
        evaluator(measured),
        closed(measured),
        factors(measured),
        overhead(measured),
        GPU,
        growth(measured, DOCS / "growth.png")
        if any(m.group == GROWTH_GROUP for m in measured)
        else NO_GROWTH,
    ]
    text = "\n".join(parts)
    (DOCS / "performance.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
