"""Tuning: the study that searches the options of each model on the validation users."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from benchmark.errors import UsageError
from benchmark.evaluation.truth import code_of
from benchmark.labels import flat_values
from benchmark.plan.choose import changed
from benchmark.plan.options import searches
from benchmark.plan.plan import ChosenModel, Lineup, Plan
from benchmark.plan.samplers import Sampler, Tried
from benchmark.plan.study import Study
from benchmark.records.record import Record
from benchmark.records.searched import score_of, searched, seconds_of
from benchmark.spec import PROTOCOL

Key = tuple[str, str]
"""What a search is of: a data set, by its label, and a model, by its name."""


@dataclass(frozen=True)
class Budget:
    """What the search of each model may take: so many trials, or else so many seconds of them."""

    trials: int | None
    seconds: float = 0.0
    patience: int | None = None
    """The epochs without a better score after which a trial stops; with None it runs them all."""


@dataclass
class Progress:
    """How far the search of one model on one data set has come."""

    tried: list[Tried] = field(default_factory=list)
    """The trials that have ended, in the order of their numbers."""
    seconds: float = 0.0
    """What they took: preparation, training and validation, or the whole process if it died."""

    def add(self, model: ChosenModel, records: Sequence[Record]) -> None:
        """Count a trial that has ended, with a record for each seed."""
        self.seconds += seconds_of(records)
        self.tried.append(Tried(model, score_of(records)))


def tune(plan: Plan, sampler: Sampler, budget: Budget) -> Study:
    """Yield trials of each model until its budget is spent: first the model as it is asked for.

    All are scored on the validation users alone, and one that fails counts.
    """
    plan = of_search(plan, budget)
    searched: dict[Key, Progress] = defaultdict(Progress)
    while True:
        asked = {
            (lineup.data_label, model.entry.name): model
            for lineup in plan.lineups
            for model in lineup.models
        }
        tried = {key: trials(model, searched[key], sampler, budget) for key, model in asked.items()}
        if not any(tried.values()):
            return
        records = yield with_trials(plan, tried)
        for (data, name), models in tried.items():
            for model in models:
                ran = data, name, model.config.model_dump(mode="json")
                searched[data, name].add(
                    model,
                    [r for r in records if (r.data_label, r.spec.model, r.spec.config) == ran],
                )


def of_search(plan: Plan, budget: Budget) -> Plan:
    """Return the plan of the first trial of each model: validation users only, and patience."""
    return replace(plan, stage="validation", patience=budget.patience)


def with_trials(plan: Plan, tried: Mapping[Key, list[ChosenModel]]) -> Plan:
    """Return the plan with what is tried in place of each model of each data set."""
    return plan.with_models(lambda lineup, model: tried[lineup.data_label, model.entry.name])


def trials(
    model: ChosenModel, progress: Progress, sampler: Sampler, budget: Budget
) -> list[ChosenModel]:
    """Return what the search of a model tries next; nothing once its budget is spent.

    That is one trial, or all of them if their number is given and none waits for another's score.
    A model without search ranges has the first trial only.
    """
    number = len(progress.tried)
    if number and not searches(model.config):
        return []
    if budget.trials is None:
        count = int(progress.seconds < budget.seconds or not number)
    elif sampler.independent:
        count = budget.trials - number
    else:
        count = min(1, budget.trials - number)
    return [sampler.sample(model, n, progress.tried) for n in range(number, number + count)]


def tuned(plan: Plan, stored: Iterable[Record]) -> Plan:
    """Return the plan with the options that did best in the search of each model on each data set.

    Options that were given by --set keep their values, and a model without search ranges stays as
    it is. Raises UsageError if ``stored`` has no trial of a model's search by the present code, or
    if all have failed.
    """
    found = searched(record for record in stored if is_current(record))

    def chosen(lineup: Lineup, model: ChosenModel) -> Iterator[ChosenModel]:
        search = found.get((lineup.data_label, model.entry.name))
        if search and search.chosen:
            asked = {option for option, origin in model.origins.items() if origin == "--set"}
            values = flat_values(search.chosen)
            yield changed(model, "--tuned", {o: values[o] for o in values.keys() - asked})
        elif search or searches(model.config):
            what = "every trial failed in" if search else "there is no trial yet of"
            raise UsageError(
                f"--tuned: {what} the search of {model.entry.name} on {lineup.data_label}; run "
                f"`run_all.py tune` with the same --datasets, --models and --out first"
            )
        else:
            yield model

    return plan.with_models(chosen)


def is_current(record: Record) -> bool:
    """Return whether a record is of the present code of its model."""
    spec = record.spec
    return (spec.protocol, spec.code) == (PROTOCOL, code_of(spec.model))
