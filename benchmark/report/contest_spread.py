"""Where the uncertainty of a mean comes from: users, seeds, training rows, and the search."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np

from benchmark.evaluation.metrics import standard_error
from benchmark.report.cells import Cell, Number, Table
from benchmark.report.contest import SEARCHED, Contest, Entrant
from benchmark.stats import best_of
from benchmark.text import counted

SPREAD = (
    "What one number of this data set is uncertain by, as standard deviations of its mean. Users: "
    "the test users are a sample. Seeds: one run of the model differs from the next on the same "
    "split. Training rows: what is left of the variance between splits, each with one seed, "
    "without users and seeds; 0 if nothing is left. One run: these three together. Search: the "
    "best validation score of as many trials, if those after the default were drawn again from the "
    "ones that were run."
)


@dataclass(frozen=True)
class Parts:
    """The standard deviations of one model's mean, by what they come from; None if not known."""

    users: float
    seeds: float | None
    training: float | None
    search: float | None

    @property
    def one_run(self) -> float:
        """The standard deviation of a mean over one split's test users, from one seed."""
        return math.hypot(self.users, self.seeds or 0.0, self.training or 0.0)


def parts(entrant: Entrant) -> Parts:
    """Return what the uncertainty of an entrant's mean comes from."""
    here = entrant.values[SEARCHED]
    users = fmean(map(standard_error, here))
    seeds = stdev(here.mean(axis=1)) if len(here) > 1 else None
    training = None
    if len(entrant.values) > 1:
        firsts = [values[0] for values in entrant.values]
        between = float(np.var([values.mean() for values in firsts], ddof=1))
        within = fmean(standard_error(values) ** 2 for values in firsts)
        training = math.sqrt(max(0.0, between - within - (seeds or 0.0) ** 2))
    return Parts(users, seeds, training, _search_spread(entrant))


def _search_spread(entrant: Entrant) -> float | None:
    """Return the standard deviation of the best score, were the search made again."""
    first, others = entrant.search.scores
    if not others:
        return None
    return best_of(first, others, len(others)).sd


def spread(contest: Contest) -> Table:
    """Return the table of what the uncertainty of each entrant comes from."""
    found = [(entrant, parts(entrant)) for entrant in contest.entrants]

    def cell(value: float | None) -> Cell:
        return "-" if value is None else Number(value)

    return Table(
        f"Contest on {contest.label}: where the uncertainty of {contest.metric} comes from",
        ["model", "users", "seeds", "training rows", "one run", "search"],
        [
            [entrant.model, *map(cell, (p.users, p.seeds, p.training, p.one_run, p.search))]
            for entrant, p in found
        ],
        [f"{counted(len(contest.splits), 'split')}."],
        SPREAD,
        [
            {"dataset": contest.label, "model": entrant.model, **vars(p), "one_run": p.one_run}
            for entrant, p in found
        ],
    )
