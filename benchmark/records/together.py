"""What cannot be true of records beside each other."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from benchmark import labels
from benchmark.records.parquet import Results
from benchmark.records.record import Record

FEWEST, MANY = 10, 100
"""The numbers of test users from which two trainings cannot give the same hit ranks by chance, and
from which not even those of a model with one optimum can, whose seeds come close to each other."""
CLOSE = 0.005
"""The largest difference of the validation scores of such seeds, at any epoch."""

OF_FOLD = ("user", "targets", "history")
"""The columns of per-user results that all records of a split have in common."""


class Training(NamedTuple):
    """A trial whose results only it can have."""

    name: str
    """Its record's file."""
    model: str
    code: str
    seed: int | None
    scores: tuple[float, ...]
    """The validation score of each epoch."""
    users: int
    """How many test users there are."""


@dataclass
class Seen:
    """What the records of a folder have said so far."""

    said: dict[tuple[str, Hashable], dict[str, Hashable]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    """By what it is about, of which all must say the same: what each record says, by its file."""
    found: dict[tuple[str, str, str], list[Training]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """By results that only one training can have: the trials that have them."""
    lists: dict[str, tuple[str, np.ndarray, np.ndarray]] = field(default_factory=dict)
    """The first lists of each split: name, (user, item) as numbers in order, whether a hit."""
    odd: list[str] = field(default_factory=list)

    def add(
        self,
        name: str,
        record: Record,
        content: dict[str, Any],
        results: Results | None,
        top: np.ndarray | None,
    ) -> None:
        """Add a record, called ``name``, with what there is of files beside it."""
        spec, users = record.spec, record.data.test_users
        for what, key, value in _claims(record, content, results):
            self.said[what, key][name] = value
        scores = tuple(point["validation"] for point in record.curve)
        training = Training(name, spec.model, spec.code, spec.seed, scores, users)
        for what, value in _prints(record, results):
            self.found[what, spec.split_hash, value].append(training)
        if results is not None and top is not None:
            self._compare(name, record, results, top)

    def _compare(self, name: str, record: Record, results: Results, top: np.ndarray) -> None:
        """Note if two lists of a split disagree on whether an item is a user's target."""
        listed = top >= 0
        keys = (results.user[:, None] * record.data.items + top)[listed]
        order = np.argsort(keys)
        keys, hit = keys[order], results.hit[listed][order]
        other, known, was = self.lists.setdefault(record.spec.split_hash, (name, keys, hit))
        _, mine, theirs = np.intersect1d(keys, known, assume_unique=True, return_indices=True)
        if (wrong := int((hit[mine] != was[theirs]).sum())) and other != name:
            self.odd.append(
                f"{name}: its top-100 lists and those of {other}, of one split, disagree on "
                f"whether {wrong} items are targets"
            )

    def faults(self) -> Iterator[str]:
        """Yield a sentence for each record that others contradict."""
        for (what, _), by_name in self.said.items():
            # the first of the values that most of them have
            (usual, _), *_ = Counter(by_name.values()).most_common(1)
            of_usual = next(name for name, value in by_name.items() if value == usual)
            for name, value in by_name.items():
                if value != usual:
                    yield f"{name}: {what} is not that of {of_usual}"
        for (what, *_), (first, *others) in self.found.items():
            for other in others:
                if not _may_agree(first, other):
                    yield (
                        f"{other.name}: {what} is that of {first.name}, which is of another seed "
                        "or model; one of them is a copy, or its seed changes nothing"
                    )
        yield from self.odd


def _may_agree(one: Training, other: Training) -> bool:
    """Return whether two trials may well have given the same results."""
    if one.model != other.model:
        # options may not matter on small data: rlae is lae if no item reaches its bound
        return one.seed is None and other.seed is None and one.code == other.code
    if one.seed == other.seed:
        return True
    apart = [abs(a - b) for a, b in zip(one.scores, other.scores, strict=False)]
    return one.users < MANY and one.scores != other.scores and max(apart, default=1.0) < CLOSE


def _claims(
    record: Record, content: dict[str, Any], results: Results | None
) -> Iterator[tuple[str, Hashable, Hashable]]:
    """Yield what a record says of things that it shares with others: what, of what, the value."""
    spec, data = record.spec, record.data
    yield "the size of its split", spec.split_hash, sizes(record)
    for whole in ("users", "interactions"):
        if (count := getattr(data, whole)) is not None:
            yield f"the number of {whole} of its split", spec.split_hash, count
    if data.raw_sha256 is not None or spec.dataset == "synthetic":
        options = json.dumps(data.options, sort_keys=True)
        made_of = spec.dataset, data.raw_sha256, options, spec.protocol
        yield "the hash of the split that its options give", made_of, spec.split_hash
    if results is not None:
        for what in OF_FOLD:
            column = getattr(results, what)
            yield f"the column {what} of its per-user file", spec.split_hash, _hash(column)
    facts = record.environment
    if record.record_version == 1 and facts.commit and not facts.dirty:
        # a label leaves out the options at their defaults, which belong to a commit
        for option, value in labels.flat_values(spec.config).items():
            if not re.search(rf"[\[,]{re.escape(option)}=", content["label"]):
                where = spec.model, facts.commit, spec.dataset, option
                yield f"the value of {option}, which its label leaves out,", where, str(value)


def sizes(record: Record) -> tuple[int, ...]:
    """Return the sizes that all records of a split must have in common."""
    data = record.data
    return (
        *(data.training_users, data.items, data.training_interactions),
        *(data.validation_users, data.test_users),
    )


def _prints(record: Record, results: Results | None) -> Iterator[tuple[str, str]]:
    """Yield hashes of what two trainings cannot both give."""
    if results is not None and len(results.user) >= FEWEST:
        # not of the file's bytes: the same content can be written in many ways
        yield "what its per-user file holds", _hash(results.user, np.packbits(results.hit))
    # scores alone may agree by chance, a loss does not
    if any(point.keys() - {"epoch", "validation"} for point in record.curve):
        yield "what its curve holds", str(record.curve)


def _hash(*columns: np.ndarray) -> str:
    return hashlib.sha256(b"".join(column.tobytes() for column in columns)).hexdigest()


def of_one_split(found: Iterable[Record]) -> str | None:
    """Return what is wrong with records that a table shows as of one split; None if nothing is."""
    first: Record | None = None
    for record in found:
        first = first or record
        if sizes(record) != sizes(first):
            return (
                f"the records {first.id} and {record.id} are of the split "
                f"{record.spec.split_hash[:12]}, but of other sizes of it, {sizes(first)} and "
                f"{sizes(record)}; run verify on the folder, and move out what is wrong"
            )
    return None


@dataclass
class Folds:
    """The test users of splits, as the first records that a table uses have them."""

    first: dict[str, tuple[str, Results]] = field(default_factory=dict)

    def wrong(self, record: Record, results: Results) -> str | None:
        """Return what is wrong with a record beside the first of its split; None if nothing is."""
        split = record.spec.split_hash
        other, known = self.first.setdefault(split, (record.id, results))
        for what in OF_FOLD:
            if not np.array_equal(getattr(results, what), getattr(known, what)):
                return (
                    f"the records {other} and {record.id} are of the split {split[:12]}, but the "
                    f"column {what} of their per-user files differs; run verify on the folder, and "
                    "move out what is wrong"
                )
        return None
