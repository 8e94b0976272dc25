"""The paper's figures from stored records: 1 (annealing) and 3 (users by activity)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.catalog import UsageError
from benchmark.evaluation.metrics import SELECTION, standard_error
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.report.curves import color_of
from benchmark.report.format import counted
from benchmark.report.table import Row, by_split, names, rows, title

GROUPS = 5
"""Of test users by activity, as in the paper."""


def annealing(found: Sequence[Record], folder: Path) -> Figure:
    """Figure 1: validation NDCG@100 by epoch without annealing, annealed to 1, and annealed to the best beta.

    A panel for each split and VAE with runs of the second kind, which ``--beta-heuristic`` makes together with those
    of the third; the first is the point 1 of a sweep with constant beta.

    Raises UsageError if there is no such run.
    """
    trained = [record for record in found if record.status == "ok" and record.spec.stage == "test"]
    panels = [(group, lines) for group in by_split(trained) for lines in _annealed(rows(group))]
    if not panels:
        raise UsageError(
            "figure 1 needs runs of a VAE annealed to 1, and the folder has none; run_all.py --datasets ml1m --models "
            "mult-vae --beta-heuristic makes them"
        )
    figure = Figure(figsize=(5.5 * len(panels), 3.8), layout="constrained")
    for axes, (group, lines) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
    ):
        _annealing_panel(axes, lines)
        (model, *_) = (row.spec.model for row in lines.values())
        seeds = max(len(row.records) for row in lines.values())
        axes.set_title(
            f"{title(group).split(':')[0]}, {model}, {counted(seeds, 'seed')}", fontsize=9
        )
    return figure


def _annealing_panel(axes: Axes, lines: Mapping[str, Row]) -> None:
    for n, (label, row) in enumerate(lines.items()):
        curves = np.array([[point["validation"] for point in r.curve] for r in row.records])
        epochs, mean = np.arange(1, curves.shape[1] + 1), curves.mean(axis=0)
        axes.plot(epochs, mean, color=f"C{n}", label=label)
        if len(curves) > 1:
            spread = curves.std(axis=0, ddof=1)
            axes.fill_between(
                epochs, mean - spread, mean + spread, color=f"C{n}", alpha=0.2, linewidth=0
            )
    _plain(axes, "epoch", f"validation {SELECTION}")
    axes.legend(frameon=False, fontsize=8)


def _annealed(made: Sequence[Row]) -> Iterator[dict[str, Row]]:
    """For each VAE with runs annealed to 1: its lines by label, in the paper's order."""
    beta = {
        id(row): (row.spec.config.get("beta_cap"), row.spec.config.get("total_anneal_steps"))
        for row in made
    }
    for full in made:
        cap, slope = beta[id(full)]
        # few epochs may not get there
        if cap == 1 and slope and full.records[0].curve[-1]["beta"] > 0.99:
            family = [row for row in made if _rest(row) == _rest(full)]
            lines = [("beta = 1, no annealing", row) for row in family if beta[id(row)] == (1, 0)]
            lines += [("annealed to 1", full)]
            lines += [
                (f"annealed to {beta[id(row)][0]:.3g}", row)
                for row in family
                if beta[id(row)][1] == slope
            ]
            yield dict(lines)


def _rest(row: Row) -> tuple[Any, ...]:
    """All that two lines of a figure must share."""
    config = {
        k: v for k, v in row.spec.config.items() if k not in ("beta_cap", "total_anneal_steps")
    }
    return row.spec.model, row.device, row.precision, config


def activity(found: Sequence[Record], folder: Path) -> Figure:
    """Figure 3: NDCG@100 of test users by activity, the least active fifth first, error bars of one standard error.

    A panel for each split. A star: the group's users differ from the first model's by a paired t-test, p < .05.

    Raises UsageError if there are no results on ten test users, two for each group.
    """
    groups = by_split(r for r in found if r.metrics is not None and r.data.test_users >= 2 * GROUPS)
    if not groups:
        raise UsageError(
            f"figure 3 needs records with results on {2 * GROUPS} test users or more, and the folder has none of these "
            "models; name the folder of such a run by --out"
        )
    figure = Figure(figsize=(6.5, 3.6 * len(groups)), layout="constrained")
    for axes, group in zip(
        figure.subplots(len(groups), 1, squeeze=False)[:, 0], groups, strict=True
    ):
        _activity_panel(axes, group, folder)
    return figure


def _activity_panel(axes: Axes, group: list[Record], folder: Path) -> None:
    from scipy.stats import ttest_rel

    made = [row for row in rows(group) if row.scored]
    results = store.per_user(folder, made[0].scored[0])
    fifths = quintiles(results.history, results.user)
    values = [row.per_user([SELECTION], folder)[0].mean(axis=0) for row in made]
    width, called = 0.8 / len(made), names(made)
    for n, of_row in enumerate(values):
        bars = [(of_row[users].mean(), standard_error(of_row[users])) for users in fifths]
        places = np.arange(GROUPS) + (n - (len(made) - 1) / 2) * width
        means, errors = np.array(bars).T
        thin = {"linewidth": 0.8}
        axes.bar(
            places,
            means,
            width * 0.92,
            yerr=errors,
            error_kw=thin,
            color=color_of(n),
            label=called[n],
        )
        for place, users, top in zip(places, fifths, means + errors, strict=True):
            if n and ttest_rel(of_row[users], values[0][users]).pvalue < 0.05:
                axes.text(place, top, "*", ha="center", va="bottom", fontsize=8)
    sizes = [results.history[users] for users in fifths]
    axes.set_xticks(
        range(GROUPS), [f"{each.min()} to {each.max()}\n({len(each)} users)" for each in sizes]
    )
    axes.set_title(
        f"{title(group).split(':')[0]}   (*: differs from {called[0]}, paired t-test, p < .05)",
        fontsize=9,
    )
    _plain(axes, "items in the history", str(SELECTION))
    columns = 3
    # room for the legend
    axes.set_ylim(top=axes.get_ylim()[1] * (1.05 + 0.09 * math.ceil(len(made) / columns)))
    axes.legend(frameon=False, fontsize=8, loc="upper center", ncols=columns)


def quintiles(history: np.ndarray, user: np.ndarray) -> list[np.ndarray]:
    """Places (in ``history``) of the users of each group: by size of history, ties by position ``user``; (N,) each."""
    return [np.sort(places) for places in np.array_split(np.lexsort((user, history)), GROUPS)]


def _plain(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)


FIGURES: dict[str, Callable[[Sequence[Record], Path], Figure]] = {"1": annealing, "3": activity}
"""By the paper's number."""
