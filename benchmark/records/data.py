"""What cannot be true of what a record says of its data set, by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import ValidationError

from benchmark.records.record import Record
from benchmark.spec import Data
from datasets import own
from datasets.base import DatasetConfig
from datasets.registry import DATASETS
from datasets.task import STRONG_GENERALISATION, TASKS


def is_hex(text: str, digits: int) -> bool:
    """Return whether a text is so many hex digits, as a hash is written."""
    return re.fullmatch(f"[0-9a-f]{{{digits}}}", text) is not None


def of_record(record: Record) -> Iterator[str]:
    """Yield each contradiction, a sentence without the name of the record's file."""
    data = record.data
    counts = (
        *(data.training_users, data.items, data.training_interactions),
        *(data.validation_users, data.test_users),
        *(count for count in (data.users, data.interactions) if count is not None),
    )
    if not all(1 <= count < 2**63 for count in counts):
        yield f"its data set has counts below 1 or past all bounds: {counts}"
        return
    if record.record_version > 1 and None in (data.users, data.interactions):
        yield "it lacks the numbers of users and interactions of its data set"
    parts = (data.training_users, data.validation_users, data.test_users)
    least = max(parts) if TASKS[data.task].weak else sum(parts)
    if data.users is not None and data.users < least:
        yield f"its data set has {data.users} users, fewer than its parts, {least}"
    if data.interactions is not None and data.interactions <= data.training_interactions:
        yield (
            f"its data set has {data.interactions} interactions, not more than its training part, "
            f"{data.training_interactions}"
        )
    if data.training_interactions > data.training_users * data.items:
        yield (
            f"{data.training_interactions} training interactions do not go with "
            f"{data.training_users} training users and {data.items} items"
        )
    yield from _options(record)
    if data.raw_sha256 is not None and not is_hex(data.raw_sha256, 64):
        yield f"its raw_sha256 {data.raw_sha256!r} is not 64 hex digits"


def _options(record: Record) -> Iterator[str]:
    """Yield what is wrong with the task and the options of a data set that is known here."""
    name, options, task = record.spec.dataset, record.data.options, STRONG_GENERALISATION
    entry = None
    if name.startswith(own.PREFIX):
        config: DatasetConfig = own.FileConfig() if "user_column" in options else own.SplitConfig()
    elif entry := DATASETS.get(name):
        config, task = entry.config, entry.dataset.task
    else:
        return
    if record.data.task != task.name:
        yield f"its task {record.data.task!r} is not that of {name}, {task.name!r}"
    if missing := [option for option in DatasetConfig.model_fields if option not in options]:
        yield f"the options of its data set are not the whole ones of {name}: {', '.join(missing)}"
        return
    # an older checkout may have had options that this one has not
    known = {option: options[option] for option in options if option in type(config).model_fields}
    try:
        made = type(config)(**known)
    except ValidationError as error:
        yield f"the options of its data set are none of {name}: {' '.join(str(error).split())}"
        return
    # a plugin's data set may hold out its users otherwise
    if not task.weak and (entry is None or entry.dataset.__module__.startswith("datasets.")):
        yield from _held_out(record.data, made)


def _held_out(data: Data, config: DatasetConfig) -> Iterator[str]:
    """Yield what is wrong with the sizes of a split, given how many users are held out twice."""
    count = config.held_out
    if count is None and data.users is not None and not isinstance(config, own.SplitConfig):
        count = data.users // 10
    if count is None:
        return
    whole = data.training_users + 2 * count
    if data.users not in (None, whole) or max(data.validation_users, data.test_users) > count:
        yield (
            f"{count} users held out for validation and again for test do not go with "
            f"{data.users} users, of whom {data.training_users} train, {data.validation_users} "
            f"validate and {data.test_users} test"
        )
