"""What cannot be true of a record's times, costs and machine, by themselves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime

from benchmark import environment
from benchmark.evaluation.truth import ROWS as BOUNDS
from benchmark.records.record import Record

CLOCKS = 1.01, 5.0
"""How much longer than its wall time a trial's parts may be: a factor, and seconds. They are of
different clocks, one of which a system may set."""

LEAST_SECONDS = 1e-9
"""The least that anything can take, and the test of each user; no clock counts less."""
LEAST_BYTES = 2**20
"""The least memory of a process with Python in it."""


def of_record(record: Record) -> Iterator[str]:
    """Yield each contradiction, a sentence without the name of the record's file."""
    yield from _times(record)
    yield from _costs(record)
    if is_trained(record) and record.curve:
        yield from _epochs(record)
    yield from _machine(record)


def is_trained(record: Record) -> bool:
    """Return whether a model was trained to its end, and no bound or list was scored."""
    spec = record.spec
    return record.status == "ok" and spec.stage != "external" and spec.model not in BOUNDS


def _times(record: Record) -> Iterator[str]:
    try:
        started, finished = map(datetime.fromisoformat, (record.started, record.finished))
        wall = (finished - started).total_seconds()
    except (ValueError, TypeError, OverflowError) as error:
        yield (
            f"started {record.started!r} and finished {record.finished!r} are no times with a "
            f"zone ({error})"
        )
        return
    if wall < 0:
        yield f"it finished ({record.finished}) before it started ({record.started})"
        return
    factor, seconds = CLOCKS
    spent = record.cost.total_seconds + (record.cost.construction_seconds or 0)
    if spent > wall * factor + seconds:
        yield f"its parts took {spent:.1f} seconds, and it lasted {wall:.1f} from start to finish"


def _costs(record: Record) -> Iterator[str]:
    cost, trained, spec = record.cost, is_trained(record), record.spec
    tested, old = record.status == "ok" and spec.stage == "test", record.record_version == 1
    due = {
        "construction_seconds": trained,
        "preparation_seconds": trained,
        "training_seconds": trained,
        "validation_seconds": trained,
        "first_epoch_seconds": trained,
        # the first records of version 1 lack it
        "to_best_seconds": trained and not (old and cost.to_best_seconds is None),
        "median_epoch_seconds": trained and len(record.curve) > 1,
        "test_seconds": tested,
        "weights_bytes": tested or trained,
        "process_peak_bytes": tested or trained,
        "gpu_peak_bytes": trained and spec.device == "cuda",
    }
    there = {name: getattr(cost, name) is not None for name in due}
    if record.status == "ok" and there != due:
        wrong = ", ".join(name for name in due if there[name] != due[name])
        yield f"status ok of {spec.model}, stage {spec.stage}, does not go with its cost: {wrong}"
        return
    least = {
        "training_seconds": LEAST_SECONDS,
        "validation_seconds": LEAST_SECONDS,
        "first_epoch_seconds": LEAST_SECONDS,
        "median_epoch_seconds": LEAST_SECONDS,
        "test_seconds": LEAST_SECONDS * record.data.test_users,
        "process_peak_bytes": LEAST_BYTES,
    }
    for name, bound in least.items():
        if due[name] and (found := getattr(cost, name) or 0) < bound:
            yield f"its {name} is {found}, though that was done, which takes {bound:g} or more"
    if record.status == "ok" and cost.process_seconds is not None:
        yield "it has process_seconds, which only a process without a record of its own has"
    yield from _memory(record)


def _memory(record: Record) -> Iterator[str]:
    """Yield what cannot be of the bytes of weights, process, GPU and machine beside each other."""
    cost, machine = record.cost, record.environment.memory_bytes
    if (peak := cost.process_peak_bytes) is None:
        return
    weights, gpu = cost.weights_bytes or 0, cost.gpu_peak_bytes or 0
    if weights > peak + gpu:
        yield f"its weights have {weights} bytes, and it used {peak} at most and {gpu} on a GPU"
    # a trial that went on from a checkpoint may have begun on a larger machine
    if peak > machine and not record.resumed:
        yield f"its process used {peak} bytes of memory, and its machine has {machine}"


def _epochs(record: Record) -> Iterator[str]:
    """Yield what cannot be of the seconds of a trained model's epochs."""
    cost, count = record.cost, len(record.curve)
    whole, first = cost.training_seconds or 0, cost.first_epoch_seconds or 0
    # half of the others lasted the median or longer
    least = first + (cost.median_epoch_seconds or 0) * (count // 2)
    if least > whole * CLOCKS[0] or (count == 1 and not math.isclose(first, whole)):
        yield f"its {count} epochs of training took {whole} seconds, and the first {first} of them"
    before, to_best = cost.preparation_seconds or 0, cost.to_best_seconds
    least, most = (before + first) / CLOCKS[0], (before + whole) * CLOCKS[0]
    if to_best is not None and not least <= to_best <= most:
        yield f"{to_best} seconds to the best epoch are not within those of training, {whole}"


def _machine(record: Record) -> Iterator[str]:
    facts, device = record.environment, record.spec.device
    if (facts.gpu is not None) != (device == "cuda"):
        yield f"the GPU {facts.gpu!r} does not go with the device {device}"
    if facts.threads < 1 or facts.memory_bytes < 1 or (facts.cores is not None and facts.cores < 1):
        yield (
            f"{facts.threads} threads, {facts.cores} cores and {facts.memory_bytes} bytes of "
            "memory: a machine has one or more of each"
        )
    if record.other_work > environment.BESIDE_OTHERS and not record.beside_others:
        yield (
            f"other processes used {record.other_work:.0%} of the cores, and it says that it ran "
            "alone"
        )
