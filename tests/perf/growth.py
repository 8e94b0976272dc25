"""How the time of an epoch grows with the numbers of users, items and interactions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from tests.perf.measured import Measured, table
from tests.perf.test_perf import BASE, GROWTH_GROUP

AXES = {"users": "users", "items": "items", "per_user": "interactions per user"}
"""The sizes that the growth is measured along, each with its name on the page."""
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
"""The exponent of each model's time in each size, as theory has it, with the reason."""


def growth(measured: list[Measured], path: Path) -> str:
    """Return the page's section on growth, with a table of the fitted exponents.

    The figure of seconds per epoch against each size is written to ``path``.
    """
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(
        1, len(AXES), figsize=(11, 3.6), sharey=True, layout="constrained"
    )
    rows = []
    for model in EXPECTED:
        group = [m for m in measured if m.group == GROWTH_GROUP and m.work.kind == model]
        rows += [
            growth_row(panel, model, axis, along(axis, group))
            for panel, axis in zip(panels, AXES, strict=True)
        ]
    panels[0].set_ylabel("seconds per epoch")
    for panel in panels:
        panel.legend(fontsize="small")
        panel.grid(alpha=0.3)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    base = ", ".join(f"{BASE[axis]:,} {name}" for axis, name in AXES.items())
    head = ["model", "against", "sizes", "seconds per epoch", "exponent", "should be"]
    text = (
        f"Seconds per epoch as one size changes and the others stay at {base}. Small networks do "
        "not fill the machine, so that exponents stay below their limit."
    )
    return f"## {GROWTH_GROUP}\n\n{text}\n\n![growth]({path.name})\n\n{table(rows, head)}"


def growth_row(panel: Any, model: str, axis: str, measured: list[Measured]) -> list[str]:
    """Draw a model's seconds per epoch along one size, with the fitted line; return its row."""
    sizes, seconds = np.array([(getattr(m.work, axis), m.median) for m in measured]).T
    exponent, offset = np.polyfit(np.log(sizes), np.log(seconds), 1)
    (line,) = panel.loglog(sizes, seconds, "o", label=f"{model}, exponent {exponent:.2f}")
    panel.loglog(sizes, np.exp(offset) * sizes**exponent, color=line.get_color(), linewidth=0.8)
    size_texts = [f"{size:,.0f}" for size in sizes]
    panel.set_xlabel(AXES[axis])
    panel.set_xticks(sizes, size_texts)
    panel.set_xticks([], minor=True)
    return [
        model,
        AXES[axis],
        ", ".join(size_texts),
        ", ".join(f"{s:.2f}" for s in seconds),
        f"{exponent:.2f}",
        EXPECTED[model][axis],
    ]


def along(axis: str, measured: list[Measured]) -> list[Measured]:
    """Return the measurements whose size differs from BASE in ``axis`` only, sorted by size."""
    others = [name for name in AXES if name != axis]
    kept = [m for m in measured if all(getattr(m.work, name) == BASE[name] for name in others)]
    return sorted(kept, key=lambda m: getattr(m.work, axis))
