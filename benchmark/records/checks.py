"""What cannot be true of a record, by itself: ``read`` raises the first, ``verify`` tells all.

Each check yields sentences without the name of the record's file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from benchmark import labels
from benchmark.evaluation.metrics import headline
from benchmark.evaluation.truth import ROWS as BOUNDS
from benchmark.records import costs, data
from benchmark.records.costs import is_trained
from benchmark.records.data import is_hex
from benchmark.records.record import Record
from benchmark.spec import code_hash
from models.base import Recommender
from models.registry import MODELS, Entry


def of_record(record: Record, content: dict[str, Any], path: Path) -> Iterator[str]:
    """Yield each contradiction within a record; ``content`` is the JSON that it was read from."""
    yield from _identity(record, path)
    yield from _spec(record)
    yield from data.of_record(record)
    yield from _results(record)
    yield from _curve(record)
    yield from costs.of_record(record)
    if record.record_version == 1:
        yield from _labels(record, content)


def _identity(record: Record, path: Path) -> Iterator[str]:
    if not record.id == record.spec.id == path.stem:
        yield (
            f"its id is {record.id!r}, the hash of its spec {record.spec.id}; the file was renamed "
            "or the spec altered"
        )
    if record.per_user and record.per_user.file != f"{record.id}.parquet":
        yield f"its per-user file {record.per_user.file!r} is not {record.id}.parquet"
    if record.per_user and not is_hex(record.per_user.sha256, 64):
        yield f"its per-user file's sha256 {record.per_user.sha256!r} is not 64 hex digits"


def _spec(record: Record) -> Iterator[str]:
    spec = record.spec
    if not spec.model.strip() or not spec.dataset.strip():
        yield f"model {spec.model!r} on data set {spec.dataset!r}: neither name may be empty"
    if not is_hex(spec.split_hash, 64):
        yield f"its split_hash {spec.split_hash!r} is not 64 hex digits"
    if spec.protocol < 1 or (spec.seed is not None and spec.seed < 0):
        yield f"protocol {spec.protocol} is below 1, or seed {spec.seed} below 0"
    if spec.patience and spec.stage != "validation":
        yield f"patience {spec.patience} does not go with stage {spec.stage}, whose epochs all run"
    without = spec.stage == "external" or spec.model in BOUNDS
    if without != (spec.device is None) or without != (spec.precision is None):
        yield (
            f"device {spec.device} and precision {spec.precision} do not go with {spec.model} of "
            f"stage {spec.stage}: models have both, bounds and lists made elsewhere neither"
        )
    if without and (spec.seed is not None or spec.config):
        yield (
            f"seed {spec.seed} and config {spec.config} do not go with {spec.model} of stage "
            f"{spec.stage}: bounds and lists made elsewhere have neither"
        )
    if (entry := MODELS.get(spec.model)) and _code(*entry.files) == spec.code:
        yield from _config(record, entry)


@cache
def _code(*files: Path) -> str:
    return code_hash(*files)


def _config(record: Record, entry: Entry) -> Iterator[str]:
    """Yield what is wrong with the options of a model whose code is here."""
    spec = record.spec
    try:
        config = type(entry.config)(**spec.config)
    except (ValidationError, TypeError) as error:
        yield f"its config is none of {spec.model}: {' '.join(str(error).split())}"
        return
    missing = labels.flat(config).keys() - labels.flat_values(spec.config).keys()
    if missing:
        yield f"its config is not the whole one of {spec.model}, without {', '.join(missing)}"
    if entry.deterministic != (spec.seed is None):
        drawn = "draws no random numbers" if entry.deterministic else "draws random numbers"
        yield f"seed {spec.seed} does not go with {spec.model}, which {drawn}"


def _results(record: Record) -> Iterator[str]:
    ok, stage = record.status == "ok", record.spec.stage
    due = ok and stage != "validation"
    if due != (record.metrics is not None) or due != (record.per_user is not None):
        yield (
            f"status {record.status} does not go with metrics and per-user results: they are there "
            f"if a trial is ok, but for stage validation, and this one is of stage {stage}"
        )
    if ok == bool((record.reason or "").strip()):
        yield f"status {record.status} does not go with the reason {record.reason!r} of a failure"
    names = {str(metric) for metric in headline(record.data.task)}
    if record.metrics is not None and record.metrics.keys() != names:
        yield f"its metrics are {', '.join(record.metrics)}, and not {', '.join(sorted(names))}"
    tied, users = record.tied_rows, record.data.test_users
    if (tied is not None) != (due and stage != "external"):
        yield f"tied_rows {tied} does not go with status {record.status} and stage {stage}"
    if tied is not None and not math.isclose(tied * users, round(tied * users), abs_tol=1e-6):
        yield f"tied_rows {tied} is not a share of {users} test users"


def _curve(record: Record) -> Iterator[str]:
    curve, trained = record.curve, is_trained(record)
    if [point.get("epoch") for point in curve] != list(range(1, len(curve) + 1)):
        yield "the epochs of its curve are not 1, 2, 3, ..."
    planned = _planned(record)
    validation = [point.get("validation", math.nan) for point in curve]
    if not all(0 <= value <= 1 for value in validation):
        yield "a validation score of its curve is missing or not from 0 to 1"
        return
    short = trained and not record.spec.ends(curve) and len(curve) < (planned or 0)
    if (planned is not None and len(curve) > planned) or short:
        yield f"its curve has {len(curve)} epochs, and {planned} are planned"
    if trained and not curve:
        yield "its curve is empty, though a model was trained"
    if trained != (record.best_epoch is not None) or trained != (
        record.best_validation is not None
    ):
        yield (
            f"best epoch {record.best_epoch} ({record.best_validation}) does not go with status "
            f"{record.status} of {record.spec.model}: a trained model has one, and nothing else"
        )
    elif trained and curve:
        best = max(validation)
        if (record.best_validation, record.best_epoch) != (best, validation.index(best) + 1):
            yield (
                f"best epoch {record.best_epoch} ({record.best_validation}) is not the first best "
                "of its curve"
            )
    entry = MODELS.get(record.spec.model)
    # a plugin's model may log other things each epoch
    ours = entry is not None and entry.model.__module__.startswith("models.")
    if ours and len({frozenset(point) for point in curve}) > 1:
        yield "the epochs of its curve do not all have the same quantities"


def _planned(record: Record) -> int | None:
    """Return how many epochs a trial has at most; None if only its model's own code can say."""
    spec = record.spec
    if spec.stage == "external" or spec.model in BOUNDS:
        return 0
    entry = MODELS.get(spec.model)
    if entry and entry.model.planned is not Recommender.planned:
        return None
    epochs = spec.config.get("epochs", 1 if entry else None)
    return epochs if isinstance(epochs, int) else None


def _labels(record: Record, content: dict[str, Any]) -> Iterator[str]:
    """Yield what a record of version 1 says in its labels and its config does not.

    An option that a label does not name had the default of that time, which may be another today.
    """
    if "checksum" in content:
        yield "it is of version 1, and such a record has no checksum"
    said = content.get("label"), content["data"].get("label")
    options = labels.flat_values(record.spec.config), labels.flat_values(record.data.options)
    names = record.spec.model, record.spec.dataset
    external = record.spec.stage == "external", False
    for label, name, config, foreign in zip(said, names, options, external, strict=True):
        known = f"{name} (external)" if foreign else name
        if label != known and not (isinstance(label, str) and _agrees(label, name, config)):
            yield f"its label {label!r} contradicts {name} with {config}"
    best = record.curve[record.best_epoch - 1].get("beta") if record.best_epoch else None
    if content.get("best_beta") != best:
        yield f"its best_beta {content.get('best_beta')} is not that of its best epoch, {best}"


def _agrees(label: str, name: str, options: dict[str, Any]) -> bool:
    """Return whether ``label`` is that name, with brackets that say some of these options."""
    if label == name:
        return True
    said = {f"{option}={value}" for option, value in options.items()}
    inside = label.removeprefix(f"{name}[").removesuffix("]")
    if label != f"{name}[{inside}]":
        return False
    # a value may hold a comma, so what is told is taken away piece by piece
    pieces = [re.escape(one) for one in sorted(said, key=len, reverse=True)]
    return re.fullmatch(rf"(?:(?:{'|'.join(pieces)})(?:,|$))+", inside) is not None
