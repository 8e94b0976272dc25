"""A contest: models whose options were searched, compared with each other over splits of the data.

docs/contest.md says how it is held, and why so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.evaluation.metrics import Metric
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.records.searched import Attempt, Searched, searched
from benchmark.records.together import Folds
from benchmark.report.rows import Row, by_split, rows
from benchmark.spec import Data
from benchmark.stats import Difference, difference, holm, over_splits
from datasets import strong_generalization
from models.variants import LIKELIHOODS

FAMILIES = {
    "the likelihoods, with the DAE": {f"{name}-dae" for name in LIKELIHOODS},
    "the likelihoods, with the VAE": {f"{name}-vae" for name in LIKELIHOODS},
}
"""Models that are compared among themselves, by what they are called; besides, all are with all."""
SEARCHED = 0
"""The place of the split on which options were searched; it comes before the others."""


@dataclass(frozen=True)
class Entrant:
    """A model in a contest, with the options that its search chose."""

    model: str
    search: Searched
    default: Row | None
    """With its usual options on the searched split; None if that was not run."""
    tuned: list[Row]
    """With the chosen options, a row for each split."""
    values: list[np.ndarray]
    """The metric on each split, without users on whom options were chosen: (seeds, users)."""

    @property
    def by_split(self) -> np.ndarray:
        """The mean over seeds and users on each split: (splits,)."""
        return np.array([values.mean() for values in self.values])

    @property
    def mean(self) -> float:
        """The mean over splits."""
        return float(self.by_split.mean())


@dataclass(frozen=True)
class Compared:
    """An entrant beside the best of its family; a difference is this one's value minus the best's.

    Values of p are after Holm's correction over the family.
    """

    entrant: Entrant
    over_splits: Difference | None = None
    """None for the best, and if there is one split only."""
    p_over_splits: float = 1.0
    on_searched: Difference | None = None
    """Over users and seeds of the searched split alone; None for the best."""
    p_on_searched: float = 1.0


@dataclass(frozen=True)
class Contest:
    """The models that were searched on one data set, and tested there on the same splits."""

    label: str
    """What the data set is called."""
    data: Data
    """The data set, on the searched split."""
    metric: Metric
    splits: list[int | None]
    """The seeds of the splits, that of the searched one first."""
    left_out: list[int]
    """The number of test users of each split who are left out."""
    entrants: list[Entrant]
    unfinished: list[Row]
    """The tuned rows on the searched split that had not finished, and are compared with nothing."""
    absent: list[str]
    """The models that were searched, but not tested on every split with what was chosen."""

    @property
    def families(self) -> Iterator[tuple[str, list[Compared]]]:
        """What each family of two entrants or more is called, and its comparisons."""
        members = {
            name: [each for each in self.entrants if each.model in models]
            for name, models in FAMILIES.items()
        }
        for name, family in (members | {"all models": self.entrants}).items():
            if len(family) > 1:
                yield name, self.compared(family)

    def compared(self, family: Sequence[Entrant]) -> list[Compared]:
        """Return each entrant of a family beside the best one, the best first."""
        best, *others = sorted(family, key=lambda entrant: -entrant.mean)
        here = [difference(each.values[SEARCHED], best.values[SEARCHED]) for each in others]
        p_here = holm([found.p for found in here])
        if len(self.splits) < 2:
            pairs = zip(others, here, p_here, strict=True)
            beside = [Compared(each, None, 1.0, found, p) for each, found, p in pairs]
        else:
            share = self.data.test_users / self.data.training_users
            whole = [over_splits(list(each.by_split - best.by_split), share) for each in others]
            p_whole = holm([found.p for found in whole])
            beside = list(map(Compared, others, whole, p_whole, here, p_here))
        return [Compared(best), *beside]


def contests(records: Sequence[Record], folder: Path) -> list[Contest]:
    """Return the contest on each data set on which two models or more were searched and tested.

    There is none on one with a single test user. Raises DataError if a per-user file in ``folder``
    is not its record's.
    """
    by_data: dict[str, dict[str, Searched]] = defaultdict(dict)
    for (label, model), search in searched(records).items():
        by_data[label][model] = search
    made = (_contest(label, found, records, folder) for label, found in sorted(by_data.items()))
    enough = (contest for contest in made if contest.data.test_users > 1)
    return [contest for contest in enough if len(contest.entrants) > 1]


def _contest(
    label: str, searches: Mapping[str, Searched], records: Sequence[Record], folder: Path
) -> Contest:
    """Return the contest on one data set."""
    first = next(iter(searches.values())).attempts[0].records[0]
    by_seed = {
        group[0].data.options.get("split_seed"): group
        for group in by_split(r for r in records if r.spec.stage == "test" and _same(r, first))
    }
    searched_seed = first.data.options.get("split_seed")
    seeds = [searched_seed, *sorted(seed for seed in by_seed if seed not in (searched_seed, None))]
    splits = [rows(by_seed.get(seed, [])) for seed in seeds]
    entrants: list[Entrant] = []
    unfinished, absent, folds = [], [], Folds()
    for model, search in searches.items():
        tuned = [row for split in splits if (row := _row(split, search, search.best))]
        if len(tuned) < len(splits):
            absent.append(model)
        elif tuned[SEARCHED].unfinished:
            unfinished.append(tuned[SEARCHED])
        else:
            default = _row(splits[SEARCHED], search, search.default)
            values = [_values(row, first, folder, folds) for row in tuned]
            entrants.append(Entrant(model, search, default, tuned, values))
    left_out = [
        row.records[0].data.test_users - values.shape[1]
        for entrant in entrants[:1]
        for row, values in zip(entrant.tuned, entrant.values, strict=True)
    ]
    return Contest(
        label, first.data, first.selection, seeds, left_out, entrants, unfinished, absent
    )


def _same(record: Record, other: Record) -> bool:
    """Return whether two records are of the same data set with the same options, but for the
    split's seed.
    """

    def options(data: Data) -> dict[str, Any]:
        return data.options | {"split_seed": None}

    # who is in which fold is known of this task, and if the number of users is
    ranked = record.data.task == "strong generalisation" and record.data.users is not None
    same = record.spec.dataset == other.spec.dataset
    return ranked and same and options(record.data) == options(other.data)


def _row(split: Sequence[Row], search: Searched, attempt: Attempt | None) -> Row | None:
    """Return the row, all of whose trials have scores, with the options of an attempt; None if
    there is none.

    It must have been computed as the search's best attempt was.
    """
    if attempt is None or search.best is None:
        return None
    by = search.best.spec
    wanted = attempt.spec.model, attempt.spec.config, by.device, by.precision
    for row in split:
        found = row.spec.model, row.spec.config, row.device, row.precision
        if found == wanted and len(row.scored) == len(row.records):
            return row
    return None


def _values(row: Row, searched: Record, folder: Path, folds: Folds) -> np.ndarray:
    """Return the metric of the search for each trial of a row and each user that is not left out:
    (seeds, users).
    """
    (values,) = row.per_user([searched.selection], folder, folds)
    position = store.per_user(folder, row.scored[0]).user
    return values[:, _kept(row.records[0].data, searched.data)[position]]


def _kept(data: Data, searched_on: Data) -> np.ndarray:
    """Return whether each user of the test fold is no validation user of the searched split."""
    if data.options == searched_on.options:
        return np.ones(len(_held_out(data)[1]), dtype=bool)
    chosen_on, _ = _held_out(searched_on)
    _, tested = _held_out(data)
    return ~np.isin(tested, chosen_on)


def _held_out(data: Data) -> tuple[np.ndarray, np.ndarray]:
    """Return the places, among all users, of the validation users and of the test users."""
    assert data.users is not None, "records without it are not in a contest"
    count = (data.users - data.training_users) // 2
    places = strong_generalization.order(data.users, data.options["split_seed"])
    return places[-2 * count : -count], places[-count:]
