"""The figures of docs/introduction.md, drawn by the project's own split, likelihoods and table."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.sparse import csr_matrix

from benchmark.report.cells import Table, UserMean
from benchmark.report.picture import Picture
from datasets.split import Split
from datasets.synthetic import Synthetic, SyntheticConfig
from models.batches import CSR
from models.variants import LIKELIHOODS

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#999999"
"""Colours that people with any kind of colour vision tell apart (Okabe and Ito)."""
LINES = {
    "mult": ("multinomial", "-", BLUE),
    "gaussian": ("Gaussian", "--", ORANGE),
    "logistic": ("logistic", "-.", GREEN),
    "poisson": ("Poisson", ":", PURPLE),
}
"""The name, line style and colour of each likelihood."""
SMALL, WIDTH, DPI = 9, 6.5, 150
"""The size of the text in points, the width of a figure in inches, and its dots per inch."""


def small_split() -> Split:
    """Return a split that is small enough to be drawn."""
    config = SyntheticConfig(users=24, items=26, density=0.36, types=3, held_out=4)
    made, _ = Synthetic(config).split()
    return made


def strong_generalisation() -> Figure:
    """Return the figure of a split: a row for each user, a column for each item."""
    split = small_split()
    figure = Figure(figsize=(WIDTH, 4.2), layout="constrained", dpi=DPI)
    axes = figure.subplots()
    blocks = {
        "training users:\nthe model learns\nfrom all their items": (split.train.matrix, None),
        "validation users:\nthey choose\nthe epoch": (
            split.validation.history.matrix,
            split.validation.target.matrix,
        ),
        "test users:\nscored once": (split.test.history.matrix, split.test.target.matrix),
    }
    top = 0
    for label, (seen, target) in blocks.items():
        _squares(axes, seen, top, BLUE if target is None else GREEN)
        if target is not None:
            _squares(axes, target, top, ORANGE)
        axes.text(-1.2, top + (seen.shape[0] - 1) / 2, label, ha="right", va="center", size=SMALL)
        top += seen.shape[0] + 1
    for label, color in {
        "item of a training user": BLUE,
        "history: the model sees it": GREEN,
        "target: the model must find it": ORANGE,
    }.items():
        axes.plot([], [], "s", color=color, label=label)
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.4, 0),
        ncols=3,
        frameon=False,
        fontsize=SMALL,
        handletextpad=0,
    )
    axes.set(xlim=(-9, split.train.shape[1]), ylim=(top - 1, -1.8), aspect="equal")
    axes.text(split.train.shape[1] / 2, -1.2, "items", ha="center", size=SMALL)
    axes.set_axis_off()
    return figure


def _squares(axes: Axes, matrix: csr_matrix, top: int, color: str) -> None:
    """Draw a square for each entry of a matrix, whose first row is at ``top``."""
    rows, items = matrix.nonzero()
    axes.plot(items, rows + top, "s", color=color, markersize=6)


VAE = (
    ("x", "I items", "input", GREY),
    ("tanh", "600", "encoder", BLUE),
    ("μ, log σ²", "2 × 200", "", BLUE),
    ("z = μ + σε", "200", "sample", ORANGE),
    ("tanh", "600", "decoder", GREEN),
    ("f", "I items", "scores", GREEN),
)
DAE = (
    ("x", "I items", "input", GREY),
    ("z = tanh", "200", "encoder", BLUE),
    ("f", "I items", "scores", GREEN),
)
"""The layers of each network: what it computes, its size, what it is, and its colour."""
HEIGHTS = {"I items": 4.0, "600": 2.4, "2 × 200": 1.6, "200": 1.2}
"""The height at which a layer of each size is drawn; not to scale."""


def networks() -> Figure:
    """Return the figure of the two networks, layer by layer."""
    figure = Figure(figsize=(WIDTH, 4.8), layout="constrained", dpi=DPI)
    for axes, name, layers in zip(figure.subplots(2, 1), ("VAE", "DAE"), (VAE, DAE), strict=True):
        places = np.linspace(0, 10, len(layers))
        for n, (x, (what, size, role, color)) in enumerate(zip(places, layers, strict=True)):
            height = HEIGHTS[size]
            axes.bar(x, height, 0.5, bottom=-height / 2, color=color)
            axes.text(x, -2.3, f"{what}\n{size}", ha="center", va="top", size=SMALL)
            axes.text(x, 2.15, role, ha="center", va="bottom", size=SMALL)
            if n:
                start = places[n - 1]
                arrow = {"arrowstyle": "->", "color": "black"}
                axes.annotate("", (x - 0.35, 0), (start + 0.35, 0), arrowprops=arrow)
        axes.set(xlim=(-1.5, 11), ylim=(-3.8, 2.8))
        axes.text(-1.4, 0, name, size=SMALL + 2, weight="bold", va="center")
        axes.set_axis_off()
    return figure


ITEMS, OWN = 100, 10
"""The number of items, and of those that the user of the figure has."""


def gains(name: str, own: bool, f: np.ndarray) -> np.ndarray:
    """Return by how much log p(x | f) changes if one item's f is not 0 but ``f``: (n,) -> (n,).

    The item is one of the user's ``own`` or not; all other items have the f of 0.
    """
    likelihood = LIKELIHOODS[name]()
    moved = torch.zeros(len(f) + 1, ITEMS, dtype=torch.float64)
    moved[1:, 0 if own else OWN] = torch.from_numpy(f)
    x = CSR.of(csr_matrix(np.tile(np.arange(ITEMS) < OWN, (len(f) + 1, 1)).astype(np.float32)))
    found = likelihood.log_prob(moved, x).numpy()
    return found[1:] - found[0]


def likelihoods() -> Figure:
    """Return the figure of what each likelihood rewards."""
    f = np.linspace(-4, 4, 161)
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained", dpi=DPI)
    for axes, own in zip(figure.subplots(1, 2, sharey=True), (True, False), strict=True):
        for name, (label, style, color) in LINES.items():
            axes.plot(f, gains(name, own, f), style, color=color, label=label)
        axes.axhline(0, color="black", linewidth=0.5)
        axes.set_ylim(-6, 4)
        axes.set_xlabel("f of the item", fontsize=SMALL)
        title = "an item that the user has" if own else "an item that the user does not have"
        axes.set_title(title, fontsize=SMALL)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=SMALL - 1)
    figure.axes[0].set_ylabel("change of the log-likelihood", fontsize=SMALL)
    figure.axes[0].legend(frameon=False, fontsize=SMALL, loc="upper left")
    return figure


SHOWN = "logistic-dae"
"""The model whose row is explained."""
COLUMN = "NDCG@100"


def row_of(table: Table) -> list[tuple[str, str, str]]:
    """Return the parts of a row, left to right: the column, the text, and what it means."""
    row = next(row for row in table.cells if str(row[0]) == SHOWN)
    cells = dict(zip(table.head, row, strict=True))
    score = cells[COLUMN]
    assert isinstance(score, UserMean)
    assert score.sd is not None
    assert score.stderr is not None
    return [
        ("model", SHOWN, "network and likelihood,\nwith the options\nthat are not the usual"),
        ("device", str(cells["device"]), "where it\nwas trained"),
        ("precision", str(cells["precision"]), "of the large products\nin training"),
        ("seeds", str(cells["seeds"]), "how many times\nit was trained"),
        (COLUMN, score.main, "mean over users\nand seeds; bold: not\nshown to be below\nthe best"),
        ("", f"± {score.sd:.4f}", "standard\ndeviation\nover seeds"),
        ("", f"({score.stderr:.4f})", "standard error\nof the mean over\nthe test users"),
    ]


def reading(table: Table) -> Figure:
    """Return the figure of one row of a table of results, with what each part means."""
    figure = Figure(figsize=(WIDTH + 1, 2.4), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 100), ylim=(0, 10))
    axes.set_axis_off()
    for n, (x, (head, text, meaning)) in enumerate(zip(_places(), row_of(table), strict=True)):
        bold = "bold" if head == COLUMN else "normal"
        axes.text(x, 9, head, size=SMALL, weight="bold", ha="left" if bold == "bold" else "center")
        axes.text(x, 7.4, text, size=SMALL + 1, ha="center", weight=bold)
        low = 5.4 if n % 2 == 0 else 3.0
        arrow = {"arrowstyle": "->", "color": GREY, "shrinkB": 1}
        axes.annotate(
            meaning, (x, 7.2), (x, low), size=SMALL, ha="center", va="top", arrowprops=arrow
        )
    axes.hlines([8.6], 1, 99, "black", linewidth=0.8)
    return figure


def _places() -> Iterator[float]:
    """Yield where the parts of a row stand, of 100."""
    yield from (11, 26, 38, 52, 66, 78, 90)


def pictures(table: Table) -> dict[str, Picture]:
    """Return the figures by the names of their files; ``table`` is that of the README.

    Their captions are in the text.
    """
    drawn = {
        "strong-generalisation.png": strong_generalisation(),
        "networks.png": networks(),
        "likelihoods.png": likelihoods(),
        "reading.png": reading(table),
    }
    return {name: Picture(figure, "") for name, figure in drawn.items()}
