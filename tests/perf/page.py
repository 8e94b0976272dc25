"""docs/performance.md and docs/growth.png from what ``make perf`` measured: ``python -m
tests.perf.page JSON``.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from tabulate import tabulate

from benchmark.paths import ROOT
from benchmark.run.facts import facts
from tests.perf.interactions import ML20M
from tests.perf.test_overhead import CACHED, FIRST, OVERHEAD, TRIAL
from tests.perf.test_perf import BASE, CLOSED, DAE, EVALUATOR, FAMILIES, GROWTH_GROUP, PLAIN, VAE
from tests.perf.work import BATCH, Work

DOCS = ROOT / "docs"
HEAD = """\
# Performance

Written by `make perf`: medians and quartiles of one run on one machine; only ratios carry over to another. Everything
is measured in a process of its own, on generated interactions of ML-20M's size: 20,108 items, about 73 of them a user.
"""
STEP = """\
A step is an update on 500 users. *Plain* is what one writes first in PyTorch: dense batches, nn.Linear, log_softmax,
the default Adam. The roof is what no step can do without: the output layer's three products by the fastest library,
and one pass over memory for what Adam reads and writes."""
GPU = """\
## GPU

Not measured: no GPU was at hand. Numbers will stand here once there has been one.
"""
NO_GROWTH = f"""\
## {GROWTH_GROUP}

Left out of this run.
"""
AXES = {"users": "users", "items": "items", "per_user": "interactions per user"}
EXPECTED = {
    "mult-vae": {
        "users": "1: updates",
        "items": "1: output layer and Adam",
        "per_user": "0: only the first layer",
    },
    "mult-dae": {
        "users": "1: updates",
        "items": "1: output layer and Adam",
        "per_user": "0: only the first layer",
    },
    "ease": {
        "users": "0 to 1: Gram matrix",
        "items": "up to 3: inverse",
        "per_user": "0 to 2: Gram matrix",
    },
}


@dataclass(frozen=True)
class Measured:
    """One line of pytest-benchmark's file; times are the seconds of one piece of work."""

    group: str
    name: str
    work: Work | None
    median: float
    low: float
    high: float
    rounds: int
    peak_bytes: tuple[int, int]
    """When it was ready, and at the end."""
    own_seconds: float
    """The seconds of the models' own work within."""
    matrix_product: str
    """What multiplied there."""

    @classmethod
    def of(cls, entry: dict[str, Any]) -> Measured:
        """Return the measurement that is in an entry of the file."""
        stats = entry["stats"]
        usual = {
            "pieces": 1,
            "work": None,
            "peak_bytes": (0, 0),
            "own_seconds": 0.0,
            "matrix_product": "",
        }
        extra = usual | entry["extra_info"]
        seconds = (stats[name] / extra["pieces"] for name in ("median", "q1", "q3"))
        work = Work(**extra["work"]) if extra["work"] else None
        memory = tuple(extra["peak_bytes"])
        told = extra["own_seconds"], extra["matrix_product"]
        return cls(entry["group"], entry["name"], work, *seconds, stats["rounds"], memory, *told)


def table(rows: list[list[str]], head: list[str]) -> str:
    """Return the rows as a Markdown table."""
    return tabulate(rows, head, tablefmt="pipe", disable_numparse=True) + "\n"


def timings(found: list[Measured], yardstick: str) -> str:
    """Medians and quartiles, and how many times as long the one called ``yardstick`` took."""
    (first,) = [m for m in found if m.name == yardstick]
    rows = [
        [
            m.name,
            f"{1e3 * m.median:.1f}",
            f"{1e3 * m.low:.1f} to {1e3 * m.high:.1f}",
            f"{first.median / m.median:.2f}",
        ]
        for m in found
    ]
    return table(rows, ["", "median (ms)", "quartiles (ms)", f"times as fast as: {yardstick}"])


def step(network: str, found: list[Measured]) -> str:
    """A network's table, and what share of its roof each precision reaches."""
    group = {m.name: m for m in found if m.group == network}
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


def likelihoods(found: list[Measured]) -> str:
    """A step of each, beside the multinomial's."""
    parts = [
        "## Likelihoods\n\nA step of each, in the precision that `--precision auto` means on "
        "this CPU.\n"
    ]
    parts += [
        timings([m for m in found if m.group == group], f"mult-{kind}")
        for kind, group in FAMILIES.items()
    ]
    return "\n".join(parts)


def evaluator(found: list[Measured]) -> str:
    """Return the evaluator's table, and its share of an epoch with validation."""
    group = [m for m in found if m.group == EVALUATOR]
    ours = next(m.median for m in group if m.name == "ours")
    lines = [
        f"## {EVALUATOR}\n\nRecall@20, Recall@50 and NDCG@100 with per-user values, from ready "
        "scores.\n"
    ]
    lines.append(timings(group, "the authors'"))
    for network in (VAE, DAE):
        (one,) = [m.median for m in found if (m.group, m.name) == (network, "ours, fp32")]
        epoch = one * -(-ML20M[0] // BATCH)
        lines.append(
            f"{network}: {ours / (epoch + ours):.1%} of an epoch ({epoch:.0f} s) with validation.\n"
        )
    return "\n".join(lines)


def closed(found: list[Measured]) -> str:
    """Seconds and memory of EASE."""
    (ease,) = [m for m in found if m.group == CLOSED]
    matrix = 4 * ease.work.items**2
    ready, peak = ease.peak_bytes
    return (
        f"## {CLOSED}\n\nEASE: {ease.median:.0f} s; {(peak - ready) / 1e9:.2f} GB of memory "
        "besides the interactions, "
        f"{(peak - ready) / matrix:.2f} times the item matrix of {matrix / 1e9:.2f} GB.\n"
    )


def overhead(found: list[Measured]) -> str:
    """What starting takes, less the models' own work."""
    group = {m.name: m for m in found if m.group == OVERHEAD}
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


def growth(found: list[Measured]) -> str:
    """Draw seconds per epoch against size; a table of the fitted exponents."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(
        1, len(AXES), figsize=(11, 3.6), sharey=True, layout="constrained"
    )
    rows = []
    for model, expected in EXPECTED.items():
        for panel, (axis, label) in zip(panels, AXES.items(), strict=True):
            points = along(
                axis, [m for m in found if m.group == GROWTH_GROUP and m.work.kind == model]
            )
            sizes, seconds = np.array([(getattr(m.work, axis), m.median) for m in points]).T
            exponent, offset = np.polyfit(np.log(sizes), np.log(seconds), 1)
            (line,) = panel.loglog(sizes, seconds, "o", label=f"{model}, exponent {exponent:.2f}")
            panel.loglog(
                sizes, np.exp(offset) * sizes**exponent, color=line.get_color(), linewidth=0.8
            )
            panel.set_xlabel(label)
            panel.set_xticks(sizes, [f"{size:,.0f}" for size in sizes])
            panel.set_xticks([], minor=True)
            shown = ", ".join(f"{s:.2f}" for s in seconds)
            rows.append(
                [
                    model,
                    label,
                    ", ".join(f"{s:,.0f}" for s in sizes),
                    shown,
                    f"{exponent:.2f}",
                    expected[axis],
                ]
            )
    panels[0].set_ylabel("seconds per epoch")
    for panel in panels:
        panel.legend(fontsize="small")
        panel.grid(alpha=0.3)
    figure.savefig(DOCS / "growth.png", dpi=110, metadata={"Software": None})
    base = f"{BASE['users']:,} users, {BASE['items']:,} items, {BASE['per_user']} interactions per user"
    head = ["model", "against", "sizes", "seconds per epoch", "exponent", "should be"]
    return (
        f"## {GROWTH_GROUP}\n\nSeconds per epoch as one size changes and the others stay at "
        f"{base}. Small networks do "
        "not fill the machine, so that exponents stay below their "
        "limit.\n\n![growth](growth.png)\n\n" + table(rows, head)
    )


def along(axis: str, found: list[Measured]) -> list[Measured]:
    """Return the measurements that differ from the base in ``axis`` only, sorted by size."""
    others = [name for name in AXES if name != axis]
    kept = [m for m in found if all(getattr(m.work, name) == BASE[name] for name in others)]
    return sorted(kept, key=lambda m: getattr(m.work, axis))


def machine(date: str, found: list[Measured]) -> str:
    """Return a text on the machine of the measurements."""
    multiplied = next(m.matrix_product for m in found if m.name == "ours, fp32")
    told = facts("cpu", threads=0)
    cores = f"{told.cores} cores, {told.memory_bytes / 1e9:.0f} GB of memory"
    return f"{date[:10]}; {told.cpu}; {cores}; Python {told.python}; {multiplied}.\n"


def main(*paths: Path) -> None:
    """Write both, from one file or several of the same machine."""
    made = [json.loads(path.read_text()) for path in paths]
    found = [Measured.of(entry) for one in made for entry in one["benchmarks"]]
    steps = [f"## Training step\n\n{STEP}\n", *(step(network, found) for network in (VAE, DAE))]
    parts = [
        HEAD,
        machine(made[0]["datetime"], found),
        *steps,
        likelihoods(found),
        evaluator(found),
        closed(found),
        overhead(found),
        GPU,
        growth(found) if any(m.group == GROWTH_GROUP for m in found) else NO_GROWTH,
    ]
    text = "\n".join(parts)
    (DOCS / "performance.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
