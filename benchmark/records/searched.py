"""Searches: what was tried of each model on the validation users, and what did best."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from benchmark.labels import flat_values, usual_options
from benchmark.records.record import Record
from benchmark.spec import TrialSpec

STAGE = "validation"
"""The stage of the trials of a search or grid."""


@dataclass(frozen=True)
class Attempt:
    """One combination of the options that a search tried, with a record for each seed."""

    records: list[Record]

    @property
    def spec(self) -> TrialSpec:
        """The spec of the first record; those of the others differ only in the seed."""
        return self.records[0].spec

    @property
    def score(self) -> float | None:
        """The best validation score, as ``score_of`` has it."""
        return score_of(self.records)

    @property
    def seconds(self) -> float:
        """What the attempt took of a budget."""
        return seconds_of(self.records)


@dataclass(frozen=True)
class Searched:
    """The search of one model on one data set."""

    attempts: list[Attempt]
    """In the order in which they began."""

    @property
    def best(self) -> Attempt | None:
        """The attempt with the best score, the first of several equal ones; None if all failed."""
        scored = [attempt for attempt in self.attempts if attempt.score is not None]
        return max(scored, key=lambda attempt: attempt.score or 0.0, default=None)

    @property
    def chosen(self) -> dict[str, Any] | None:
        """The options of the best attempt; None if all failed."""
        return self.best.spec.config if self.best else None

    @property
    def default(self) -> Attempt | None:
        """The attempt with the usual value of every option in which attempts differ, if any."""
        configs = [flat_values(attempt.spec.config) for attempt in self.attempts]
        varied = {o for c in configs for o in c if c[o] != configs[0].get(o)}
        spec = self.attempts[0].spec
        usual = usual_options(spec.model, spec.dataset)
        for attempt, config in zip(self.attempts, configs, strict=True):
            if all(config.get(option) == usual.get(option) for option in varied):
                return attempt
        return None

    @property
    def scores(self) -> tuple[float, list[float]]:
        """The score of the default attempt and those of the others; 0 for an attempt that failed.

        Without a default attempt the first score is 0, so that it is never the best.
        """
        default = self.default
        others = [each.score or 0.0 for each in self.attempts if each is not default]
        return (default.score or 0.0) if default else 0.0, others


def score_of(records: Sequence[Record]) -> float | None:
    """Return the best validation score of an attempt, the mean over seeds; None if one failed, or
    if there is none.
    """
    scores = [record.best_validation for record in records if record.status == "ok"]
    known = [score for score in scores if score is not None]
    return fmean(known) if known and len(known) == len(records) else None


def seconds_of(records: Iterable[Record]) -> float:
    """Return what an attempt with these records took of a budget."""
    return sum(record.cost.spent_seconds for record in records)


def searched(records: Iterable[Record]) -> dict[tuple[str, str], Searched]:
    """Return the search of each model on each data set, by the data set's label and the model.

    Only the trials of a model's newest code count.
    """
    of_model: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda each: each.started):
        if record.spec.stage == STAGE:
            of_model[record.data_label, record.spec.model].append(record)
    return {key: _searched(found) for key, found in of_model.items()}


def _searched(records: Sequence[Record]) -> Searched:
    """Return the search of a model from its records, the oldest first."""
    newest = records[-1].spec
    tried: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if (record.spec.protocol, record.spec.code) == (newest.protocol, newest.code):
            tried[record.spec.model_copy(update={"seed": None}).id].append(record)
    return Searched([Attempt(found) for found in tried.values()])
