"""Samplers: what the trials of a search try after the first, which is the model as asked for."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from benchmark.errors import UsageError
from benchmark.labels import flat
from benchmark.plan.choose import changed
from benchmark.plan.options import searches
from benchmark.plan.plan import ChosenModel
from models.base import Search


class Tried(NamedTuple):
    """A trial of a search that has ended."""

    model: ChosenModel
    score: float | None
    """The best validation score, the mean over seeds; None if one failed."""


@dataclass(frozen=True)
class Sampler(ABC):
    """Says what a trial tries, by its number and the trials before it."""

    seed: int
    """The seed of the search; the models' own seeds are others."""
    independent: ClassVar[bool] = False
    """Whether a trial depends on its number alone, so that all can run at once."""

    @abstractmethod
    def values(self, model: ChosenModel, number: int, tried: Sequence[Tried]) -> dict[str, Any]:
        """Return the values that trial ``number`` tries of the options with a search range.

        ``model`` is as it is asked for, and ``tried`` the trials before this one, in order.
        """

    def sample(self, model: ChosenModel, number: int, tried: Sequence[Tried]) -> ChosenModel:
        """Return what trial ``number`` tries; trial 0 is the model as it is asked for."""
        return changed(model, "tune", self.values(model, number, tried)) if number else model


@dataclass(frozen=True)
class Random(Sampler):
    """Draws every option from its range, whatever came of other trials.

    A draw depends on the seed, the number of the trial and the option's name, so that models try
    the same values of the options that they share.
    """

    independent: ClassVar[bool] = True

    def values(self, model: ChosenModel, number: int, tried: Sequence[Tried]) -> dict[str, Any]:
        usual = flat(model.config)
        return {
            option: drawn(search, usual[option], [self.seed, number, zlib.crc32(option.encode())])
            for option, search in searches(model.config).items()
        }


@dataclass(frozen=True)
class TPE(Sampler):
    """Optuna's tree-structured Parzen estimator, which draws near the best trials so far.

    Its study is made anew for each trial, since the records are all that is remembered.
    """

    def __post_init__(self) -> None:
        """Raise UsageError if Optuna is not installed."""
        try:
            import optuna
        except ImportError as error:
            raise UsageError(
                "--sampler tpe needs the package optuna; install it by "
                "`pip install -r requirements-optuna.txt`"
            ) from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)

    def values(self, model: ChosenModel, number: int, tried: Sequence[Tried]) -> dict[str, Any]:
        from optuna import create_study
        from optuna.samplers import TPESampler
        from optuna.trial import TrialState, create_trial

        usual, ranges = flat(model.config), searches(model.config)
        space = {option: distribution(search, usual[option]) for option, search in ranges.items()}
        # a sampler with the same seed would draw the same numbers for every trial
        seed = int(np.random.default_rng([self.seed, number]).integers(2**31))
        study = create_study(direction="maximize", sampler=TPESampler(seed=seed))
        for each in tried:
            study.add_trial(
                create_trial(
                    state=TrialState.FAIL if each.score is None else TrialState.COMPLETE,
                    value=each.score,
                    params=inside(ranges, flat(each.model.config)),
                    distributions=space,
                )
            )
        found = study.ask(space).params
        return {
            option: found[option] if search.values else rounded(found[option], usual[option])
            for option, search in ranges.items()
        }


SAMPLERS: dict[str, type[Sampler]] = {"random": Random, "tpe": TPE}


def drawn(search: Search, usual: Any, seed: Sequence[int]) -> Any:
    """Return a value of a search range, of the type of the option's ``usual`` one."""
    generator = np.random.default_rng(seed)
    if search.values:
        return search.values[generator.integers(len(search.values))]
    low, high = search.bounds
    if search.log:
        return rounded(float(np.exp(generator.uniform(np.log(low), np.log(high)))), usual)
    return rounded(generator.uniform(low, high), usual)


def rounded(value: float, usual: Any) -> int | float:
    """Return a whole number if the ``usual`` value is one, else a number of three digits."""
    return round(value) if isinstance(usual, int) else float(f"{value:.3g}")


def distribution(search: Search, usual: Any) -> Any:
    """Return a search range as Optuna has it."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if search.values:
        return CategoricalDistribution(search.values)
    low, high = search.bounds
    if isinstance(usual, int):
        return IntDistribution(round(low), round(high), log=search.log)
    return FloatDistribution(low, high, log=search.log)


def inside(ranges: Mapping[str, Search], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the searched options, or the nearest that are within their ranges.

    A default may be outside, as an l2 of 0 is of a logarithmic range.
    """
    found = {}
    for option, search in ranges.items():
        found[option] = values[option]
        if not search.values:
            low, high = search.bounds
            found[option] = min(max(values[option], low), high)
    return found
