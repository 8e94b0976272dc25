"""Draws the paper's figures from stored records: 1 (annealing) and 3 (users by activity)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from benchmark.errors import UsageError
from benchmark.evaluation.metrics import standard_error
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.records.together import Folds
from benchmark.report.palette import COLORS, Look, looks
from benchmark.report.picture import (
    PAGE,
    Picture,
    add_legend,
    in_legend,
    in_print,
    name_lines,
    panels,
    set_title,
)
from benchmark.report.rows import Row, by_split, is_number, names, rows
from benchmark.text import counted

FIFTHS = 5
"""The number of parts that test users are divided into by activity, as in the paper."""


@in_print
def annealing(records: Sequence[Record], folder: Path, width: float = PAGE) -> Picture:
    """Return figure 1: the validation score of a VAE by epoch, for three courses of beta.

    They are beta constant at 1, annealed to 1, and annealed to the best beta. The figure has a
    panel for each split and VAE with trials annealed to 1. ``--beta-heuristic`` makes those and the
    third kind; the first kind is the point with cap 1 of a sweep of constant betas.

    Raises UsageError if no trial was annealed to 1.
    """
    trained = [r for r in records if r.status == "ok" and r.spec.stage == "test"]
    drawn = [(group, lines) for group in by_split(trained) for lines in _annealed(rows(group))]
    if not drawn:
        raise UsageError(
            "figure 1 needs runs of a VAE annealed to 1, and the folder has none; "
            "run_all.py --datasets ml1m --models mult-vae --beta-heuristic makes them"
        )
    figure, places = panels(len(drawn), width, height=2.4)
    named = []
    for axes, (group, lines) in zip(places, drawn, strict=True):
        _annealing_panel(axes, lines)
        (model, *_) = (row.spec.model for row in lines.values())
        seeds = max(len(row.records) for row in lines.values())
        set_title(axes, f"{group[0].data_label}, {model}, {counted(seeds, 'seed')}")
        named.append(name_lines(axes))
    if not all(named):
        add_legend(figure)
    return Picture(
        figure,
        "Annealing: the validation score of a VAE by epoch, for three courses of beta; lines are "
        "means over seeds, bands one standard deviation.",
    )


def _annealing_panel(axes: Axes, lines: Mapping[str, Row]) -> None:
    for color, (name, row) in zip(COLORS, lines.items(), strict=False):
        # a model's own code may end training early
        length = min(len(record.curve) for record in row.records)
        curves = np.array([_validation(record)[:length] for record in row.records])
        epochs, mean = np.arange(1, curves.shape[1] + 1), curves.mean(axis=0)
        axes.plot(epochs, mean, color=color, label=name)
        if len(curves) > 1:
            sd = curves.std(axis=0, ddof=1)
            axes.fill_between(epochs, mean - sd, mean + sd, color=color, alpha=0.2, linewidth=0)
    _plain(axes, "epoch", f"validation {next(iter(lines.values())).records[0].selection}")


def _validation(record: Record) -> list[float]:
    return [epoch["validation"] for epoch in record.curve]


def _annealed(table_rows: Sequence[Row]) -> Iterator[dict[str, Row]]:
    """Yield the lines of each VAE with trials annealed to 1, by name, in the paper's order."""
    for full in table_rows:
        cap, slope = _beta(full)
        # with few epochs, beta may end below its cap
        if cap == 1 and slope and full.records[0].curve[-1].get("beta", 0) > 0.99:
            family = [row for row in table_rows if _rest(row) == _rest(full)]
            lines = [("beta = 1, no annealing", row) for row in family if _beta(row) == (1, 0)]
            lines += [("annealed to 1", full)]
            lines += [
                (f"annealed to {_beta(row)[0]:.3g}", row)
                for row in family
                if _beta(row)[1] == slope
            ]
            yield dict(lines)


def _beta(row: Row) -> tuple[Any, Any]:
    """Return beta's cap and the number of annealing steps, both None for a model without a beta."""
    cap, steps = row.spec.config.get("beta_cap"), row.spec.config.get("total_anneal_steps")
    return (cap, steps) if is_number(cap) else (None, None)


def _rest(row: Row) -> tuple[Any, ...]:
    """Return what all lines of a panel share: everything but the course of beta."""
    swept = ("beta_cap", "total_anneal_steps")
    config = {option: value for option, value in row.spec.config.items() if option not in swept}
    return row.spec.model, row.device, row.precision, config


@in_print
def activity(records: Sequence[Record], folder: Path, width: float = PAGE) -> Picture:
    """Return figure 3: the score of test users by activity, the least active fifth first.

    The figure has a panel for each split, with error bars of one standard error. A star marks a
    model whose metric on that fifth differs from the first model's by a paired t-test, p < .05.

    Raises UsageError if no record has results on ten test users or more, two in each fifth.
    """
    groups = by_split(
        record
        for record in records
        if record.metrics is not None and record.data.test_users >= 2 * FIFTHS
    )
    if not groups:
        raise UsageError(
            f"figure 3 needs records with results on {2 * FIFTHS} test users or more, and the "
            "folder has none of these models; name the folder of such a run by --out"
        )
    figure, places = panels(len(groups), width, height=2.6)
    against = []
    for axes, group in zip(places, groups, strict=True):
        table_rows = [row for row in rows(group) if row.scored]
        _activity_panel(axes, table_rows, folder)
        set_title(axes, group[0].data_label)
        first, users = names(table_rows)[0], group[0].data.test_users
        against.append(f"{first} on {group[0].data_label} ({users} test users)")
    add_legend(figure)
    return Picture(
        figure,
        "Users by activity: the score of each fifth of the test users, the least active first, "
        "with one standard error. A star marks what differs from the first row (paired t-test, "
        f"p < .05): {', '.join(against)}.",
    )


def _activity_panel(axes: Axes, table_rows: Sequence[Row], folder: Path) -> None:
    results = store.per_user(folder, table_rows[0].scored[0])
    fifths = quintiles(results.history, results.user)
    metric = table_rows[0].records[0].selection
    folds = Folds()
    values = [row.per_user([metric], folder, folds)[0].mean(axis=0) for row in table_rows]
    shown = looks([row.label for row in table_rows])
    for n, (name, look) in enumerate(zip(names(table_rows), shown, strict=True)):
        _bars(axes, n, name, look, values, fifths)
    axes.set_xticks(range(FIFTHS), labels_of(results.history, fifths))
    _plain(axes, "items in the history", str(metric))


def labels_of(history: np.ndarray, fifths: Sequence[np.ndarray]) -> list[str]:
    """Return what each fifth is called: the sizes of the smallest and largest history in it."""
    sizes = [history[users] for users in fifths]
    return [f"{size.min()}-{size.max()}" for size in sizes]


def _bars(
    axes: Axes,
    n: int,
    name: str,
    look: Look,
    values: Sequence[np.ndarray],
    fifths: Sequence[np.ndarray],
) -> None:
    """Draw the bars and stars of the n-th row; ``values`` has an array (users,) for each row."""
    width = 0.8 / len(values)
    places = np.arange(FIFTHS) + (n - (len(values) - 1) / 2) * width
    parts = by_fifth(values[n], values[0], fifths)
    means, errors = np.array([(part.mean, part.error) for part in parts]).T
    style = {"color": look.color, "hatch": look.hatch, "edgecolor": "white", "linewidth": 0}
    error = {"yerr": errors, "error_kw": {"linewidth": 0.8}}
    axes.bar(places, means, width * 0.92, label=in_legend(name), **error, **style)
    for place, part, top in zip(places, parts, means + errors, strict=True):
        if n and part.differs:
            axes.text(place, top, "*", ha="center", va="bottom")


@dataclass(frozen=True)
class Fifth:
    """The score of one row on a fifth of the test users."""

    mean: float
    error: float
    """The standard error of the mean over these users."""
    differs: bool
    """Whether it differs from the first row's by a paired t-test, p < .05."""


def by_fifth(values: np.ndarray, first: np.ndarray, fifths: Sequence[np.ndarray]) -> list[Fifth]:
    """Return the score of a row's ``values`` (users,) on each fifth, beside the ``first`` row's."""
    from scipy.stats import ttest_rel

    return [
        Fifth(
            float(values[users].mean()),
            standard_error(values[users]),
            bool(ttest_rel(values[users], first[users]).pvalue < 0.05),
        )
        for users in fifths
    ]


def quintiles(history: np.ndarray, user: np.ndarray) -> list[np.ndarray]:
    """Return the indices of each fifth's users, sorted: five arrays (N,), the least active first.

    Users are ordered by the sizes of their histories, ``history`` (users,), and users with equal
    sizes by their positions in the test fold, ``user`` (users,).
    """
    return [np.sort(places) for places in np.array_split(np.lexsort((user, history)), FIFTHS)]


def _plain(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)


FIGURES: dict[str, Callable[[Sequence[Record], Path, float], Picture]] = {
    "1": annealing,
    "3": activity,
}
"""The functions that draw the paper's figures, by the paper's numbers."""
