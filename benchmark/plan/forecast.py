"""What trials will need: time, by stored trials of the model, and memory, by its own formula."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from benchmark.environment import cpu_model
from benchmark.evaluation.ranking import SCORE_BYTES
from benchmark.plan.plan import ChosenModel, Lineup
from benchmark.records.record import Record
from benchmark.spec import Job
from benchmark.text import counted
from models.registry import MODELS

LIBRARIES = 400e6
"""The bytes of a trial's process with its libraries and nothing else."""
RANKING = 4.5
"""The arrays of the size of a batch's scores that exist while they are ranked."""


class Forecast:
    """How long trials will take: as long as the median of the model's stored trials of any kind.

    Only trials of this machine on the same data set count, on whichever of its splits.
    """

    def __init__(self, stored: Sequence[Record], jobs: int) -> None:
        here = cpu_model()
        self.stored = [record for record in stored if record.environment.cpu == here]
        self.jobs = jobs
        self.seconds = 0.0
        self.trials = 0
        self.unknown = 0

    def of(self, lineup: Lineup, model: ChosenModel, trials: int, left: int) -> str:
        """Return how many trials a model has and how long those that are ``left`` will take."""
        said = f"{counted(trials, 'trial')}, {left} of them to run"
        self.trials += left
        if not left:
            return said
        ran = of_model(self.stored, lineup.dataset, model.entry.name)
        if not ran:
            self.unknown += left
            return f"{said}; how long they take is known after the first"
        seconds = left * median(record.cost.spent_seconds for record in ran) / self.jobs
        self.seconds += seconds
        return f"{said}, in about {seconds / 60:.1f} min"

    @property
    def whole(self) -> str:
        """The sum of all that was forecast."""
        said = f"{counted(self.trials, 'trial')} to run"
        if self.unknown == self.trials > 0:
            return f"{said}; how long they take is known after the first"
        rest = f" without the {self.unknown} of which that is not known yet" if self.unknown else ""
        return f"{said}, in about {self.seconds / 3600:.1f} h{rest}"


def of_model(stored: Sequence[Record], dataset: str, model: str) -> list[Record]:
    """Return the ``stored`` records of a model on a data set, with any options and split seed."""
    ran = dataset, model
    return [record for record in stored if (record.spec.dataset, record.spec.model) == ran]


def trial_bytes(job: Job) -> float | None:
    """Return about how much memory a trial takes at most; None if its model does not say."""
    spec, data = job.spec, job.data
    if (entry := MODELS.get(spec.model)) is None:
        model = 0
    else:
        config = type(entry.config)(**spec.config)
        model = entry.model.memory(config, (data.training_users, data.items))
    if model is None:
        return None
    users = max(data.validation_users, data.test_users)
    scores = RANKING * min(SCORE_BYTES, 4 * users * data.items)
    # both ends of an interaction as they are stored, and as a matrix by users and one by items
    rows = 48 * data.training_interactions
    return LIBRARIES + model + scores + rows


def trial_seconds(job: Job, stored: Sequence[Record]) -> float | None:
    """Return the median of what ``stored`` trials of its model on its data set took; None if there
    are none.
    """
    ran = of_model(stored, job.spec.dataset, job.spec.model)
    return median(record.cost.spent_seconds for record in ran) if ran else None
