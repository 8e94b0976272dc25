"""What trials will need: time, by stored trials of the model, and memory, by its own formula."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, NamedTuple

from benchmark.environment import cpu_model
from benchmark.evaluation.ranking import SCORE_BYTES
from benchmark.records.record import Record
from benchmark.spec import Data, TrialSpec
from benchmark.text import counted
from models import growth
from models.base import Config
from models.growth import Size
from models.registry import MODELS

LIBRARIES = 330e6
"""The bytes of a trial's process with its libraries and nothing else, and what the allocator
keeps."""
RANKING = 4.5
"""The arrays of the size of a batch's scores that exist while they are ranked."""
INTERACTION = 24
"""The bytes of a training interaction: its ends as they are stored, and as a matrix."""


class Forecast:
    """How long the trials of a run will take, of which ``jobs`` run at a time.

    Only stored trials of this machine's CPU count.
    """

    def __init__(self, stored: Iterable[Record], jobs: int) -> None:
        here = cpu_model()
        self.stored = [record for record in stored if record.environment.cpu == here]
        self.jobs = jobs
        self.seconds = 0.0
        self.trials = 0
        self.unknown = 0

    def of(self, trials: int, left: Sequence[float | None]) -> str:
        """Return how many trials a model has, and how long those that are ``left`` will take.

        ``left`` holds the seconds of each, None where they are not known.
        """
        said = f"{counted(trials, 'trial')}, {len(left)} of them to run"
        self.trials += len(left)
        known = [seconds for seconds in left if seconds is not None]
        self.unknown += len(left) - len(known)
        if not left:
            return said
        if not known:
            return f"{said}; how long they take is known after the first"
        seconds = sum(known) / self.jobs
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


def trial_bytes(spec: TrialSpec, data: Data) -> float | None:
    """Return about how much memory a trial takes at most; None if its model does not say."""
    model = 0
    if (entry := MODELS.get(spec.model)) is not None:
        model = entry.model.memory(_config(spec), (data.training_users, data.items))
    if model is None:
        return None
    users = max(data.validation_users, data.test_users)
    scores = RANKING * min(SCORE_BYTES, 4 * users * data.items)
    return LIBRARIES + model + scores + INTERACTION * data.training_interactions


def trial_seconds(spec: TrialSpec, data: Data | None, stored: Sequence[Record]) -> float | None:
    """Return about how long a trial takes; None if nothing is known of it.

    It takes as long as the median of ``stored`` trials with its options on its data set, on
    whichever split. If there are none, the trial of the model whose work is most like its own is
    scaled. For a model of which it is not known how its work grows, or where the ``data`` are not
    known yet, it is the median of the model's trials on the data set.
    """
    there = of_model(stored, spec.dataset, spec.model)
    alike = [record for record in there if record.spec.config == spec.config]
    if not alike and data and (scaled := _scaled(spec, data, stored)):
        return scaled
    ran = alike or there
    return median(record.cost.spent_seconds for record in ran) if ran else None


class Work(NamedTuple):
    """The work of a trial, in units of the model's own."""

    training: float
    scoring: float


def _scaled(spec: TrialSpec, data: Data, stored: Sequence[Record]) -> float | None:
    """Return the time of the trial of the model that is most like a new one, in proportion to the
    work of its epochs and of its scoring.
    """
    if (new := work(spec, data)) is None:
        return None
    times = []
    for record in stored:
        old, cost = record.spec, record.cost
        if record.status != "ok" or (old.model, old.device) != (spec.model, spec.device):
            continue
        if (done := work(old, record.data, len(record.curve))) is not None:
            training = (cost.training_seconds or 0) * new.training / done.training
            scored = (cost.validation_seconds or 0) + (cost.test_seconds or 0)
            unlike = old.precision != spec.precision, abs(math.log(new.training / done.training))
            times.append((unlike, training + scored * new.scoring / done.scoring))
    return min(times)[1] if times else None


def work(spec: TrialSpec, data: Data, ran: int | None = None) -> Work | None:
    """Return the work of a trial of all its epochs, or of those that it ``ran``; None if it is not
    known how it grows.
    """
    if spec.model not in MODELS:
        return None
    config, mean = _config(spec), data.training_interactions / data.training_users
    epochs: int = ran or getattr(config, "epochs", 1)
    train = Size(data.training_users, data.items, data.training_interactions)
    users = epochs * data.validation_users + (data.test_users if spec.stage == "test" else 0)
    training = growth.training(config, train)
    scoring = growth.scoring(config, Size(users, data.items, round(users * mean)))
    if training is None or scoring is None:
        return None
    return Work(epochs * training, scoring)


def _config(spec: TrialSpec) -> Any:
    """Return the options in a spec of a model of the registry."""
    kind: type[Config] = type(MODELS[spec.model].config)
    return kind(**spec.config)
