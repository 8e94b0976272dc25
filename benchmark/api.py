"""The benchmark from Python, as in a notebook: the same code as behind the command line.

Nothing is written but the cache of splits, unless a folder is named for the records.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from benchmark import conduct, labels, plugins
from benchmark.arguments import data_dir as default_data_dir
from benchmark.errors import UsageError
from benchmark.evaluation.ranking import evaluate as rank_all
from benchmark.plan import choose, forecast
from benchmark.plan import plan as plans
from benchmark.plan.plan import ChosenData, Lineup, Plan, Process
from benchmark.records import store
from benchmark.records.record import Estimate, Record
from benchmark.run import local, outcome, weights
from benchmark.run import recommend as lists
from benchmark.run.local import Local
from benchmark.run.training import scorer
from benchmark.run.weights import Kept
from benchmark.spec import Job
from datasets import parquet
from datasets.cache import Prepared
from datasets.errors import DataError
from datasets.preprocess import Ratings, preprocess
from datasets.split import Split

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["evaluate", "load_split", "recommend", "train"]


@dataclass(frozen=True, eq=False)
class Data:
    """A data set with its options, and its split."""

    chosen: ChosenData
    prepared: Prepared

    @property
    def split(self) -> Split:
        """The training rows and the two folds of held-out users."""
        return self.prepared.split


@dataclass(frozen=True, eq=False)
class Trained(Kept):
    """A model with the weights of its best epoch."""

    record: Record
    """What the command line stores of such a trial: metrics, curve, costs, machine."""


def load_split(
    dataset: str,
    *,
    data_dir: str | Path | None = None,
    plugin: Sequence[str | Path] = (),
    **options: Any,
) -> Data:
    """Return a data set's split from the cache, or make it of the raw files, downloaded if need be.

    ``dataset`` and ``options`` are those of the command line, as in
    ``load_split("file:clicks.csv", min_rating=4)``. Raises UsageError for an unknown name or a
    wrong option, and DataError if the data cannot be had or are malformed.
    """
    plugins.load(map(Path, plugin))
    chosen = choose.changed(choose.data_set(dataset), "load_split", options)
    return Data(chosen, conduct.prepare(chosen, Path(data_dir or default_data_dir())))


def train(
    model: str,
    data: Data,
    *,
    seed: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    precision: Literal["auto", "fp32", "tf32", "bf16"] = "auto",
    threads: int | None = None,
    out: str | Path | None = None,
    plugin: Sequence[str | Path] = (),
    **options: Any,
) -> Trained:
    """Train a model on a split, choose its best epoch, and score the test users once.

    The arguments are those of the command line, as in ``train("mult-dae", data, epochs=20)``; an
    option of a likelihood is given as ``**{"likelihood.c1": 5}``. Published settings apply as in a
    run. The trial runs in a process of its own, so that it has the environment, and thus the bits,
    of a run's; if it is killed for memory, this process goes on. A record that is in ``out`` is
    read, not made again; without ``out`` nothing is kept.

    Raises UsageError for what a run would not accept, and if the trial fails.
    """
    files = tuple(Path(path).resolve() for path in plugin)
    plugins.load(files)
    chosen = choose.changed(choose.model(model, data.chosen.entry.name), "train", options)
    choose.check_device(device, precision)
    plan = Plan([Lineup(data.chosen, [chosen], data.prepared)], [seed], [device], precision)
    with _folder(out) as folder:
        workers = threads or os.cpu_count() or 1
        process = Process(folder, workers, keep_weights=True, plugins=files)
        job, *_ = plans.jobs(plan, process)  # on generated data the rows of its truth follow
        needed = forecast.trial_bytes(job.spec, job.data)
        return _trained(job.model_copy(update={"needed_bytes": needed}))


@contextmanager
def _folder(out: str | Path | None) -> Iterator[Path]:
    """Give the folder ``out``, or one that is deleted after the block."""
    if out is None:
        with TemporaryDirectory() as folder:
            yield Path(folder)
    else:
        conduct.check_out(Path(out))
        yield Path(out)


def _trained(job: Job) -> Trained:
    """Return what a trial has trained, after it was run if it has no record."""
    todo = [] if local.settled([job], force=False, retry=True) else [job]
    with closing(Local().run(todo)) as ended:
        for _ in ended:
            pass
    path = store.path_of(job.out, job.spec.id)
    record = store.read(path)
    if record.status != "ok":
        raise UsageError(f"{labels.trial_label(job)}: {outcome.line(record)}")
    kept = weights.load(path.with_suffix(".safetensors"), job.spec.device or "cpu")
    return Trained(**vars(kept), record=record)


def evaluate(trained: Kept, data: Data) -> dict[str, Estimate]:
    """Return the mean of each of the data set's metrics over the test users, by its name.

    Raises UsageError if the model was trained on another split, on which it may have seen them.
    """
    mine, other = trained.spec.split_hash, data.prepared.split_hash
    if mine != other:
        raise UsageError(
            f"{trained.spec.model} was trained on the split {mine[:12]} of {trained.spec.dataset}, "
            f"and may have seen test users of the split {other[:12]}; train it on that one"
        )
    ranking = rank_all(scorer(trained.model, data.split.weak), data.split.test)
    return outcome.test_results(ranking, data.chosen.entry.dataset.task.name)["metrics"]


def recommend(trained: Kept, histories: pd.DataFrame, top: int = 20) -> pd.DataFrame:
    """Return the ``top`` items for each user, best first: the columns user, rank, item and score.

    ``histories`` has the raw ids of users and of their items, whole numbers or text, in the columns
    user and item; every row counts. ``trained`` may also be what ``weights.load`` returns. Raises
    DataError if the histories are no such table, and else as benchmark/run/recommend.py says.
    """
    rows, _ = preprocess(
        _rows(histories), min_rating=None, min_users_per_item=0, min_items_per_user=0
    )
    return lists.recommend(trained, rows, top)


def _rows(histories: pd.DataFrame) -> Ratings:
    """Return the rows of a table of histories."""
    import polars as pl

    names = {"user": "user", "item": "item"}
    found: dict[str, pl.Series] = {}
    for name in names:
        try:
            column = pl.Series(pl.from_pandas(histories[name]))
            if not (column.dtype.is_integer() or column.dtype in (pl.String, pl.Categorical)):
                raise TypeError(f"it is {column.dtype}")
        except Exception as error:  # pandas and Arrow raise many kinds
            raise DataError(
                f"the histories have no column {name} of whole numbers or text "
                f"({type(error).__name__}: {error}); give a table with the columns user and item"
            ) from error
        found[name] = parquet.typed(column, name)
    return parquet.ratings(found, names, "the histories")
