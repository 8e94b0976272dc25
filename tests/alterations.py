"""What is done to the folder of a small run, and what ``verify`` says of it: for test_folder.py."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.evaluation.metrics import HEADLINE, standard_error
from benchmark.records import parquet
from benchmark.records.parse import parse
from benchmark.records.record import checksum
from benchmark.records.store import SUFFIXES
from benchmark.spec import TrialSpec

Change = Callable[[dict[str, Any]], None]


def of(folder: Path, model: str = "mult-vae", seed: int | None = None) -> Path:
    """The record of a model, by default that of the smallest seed."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    mine = sorted(
        (c for c in found if c["spec"]["model"] == model), key=lambda c: c["spec"]["seed"] or 0
    )
    (one, *_) = [c for c in mine if seed is None or c["spec"]["seed"] == seed]
    return folder / f"{one['id']}.json"


def put(path: Path, content: dict[str, Any]) -> None:
    """Write a record with its right checksum, as a forger would."""
    if content.get("record_version") != 1:
        content["checksum"] = checksum(content)
    path.write_text(json.dumps(content))


def changed(change: Change, model: str = "mult-vae") -> Callable[[Path], None]:
    """An alteration of a record's content, and of its checksum with it."""

    def alter(folder: Path) -> None:
        content = json.loads(of(folder, model).read_text())
        change(content)
        put(of(folder, model), content)

    return alter


def renamed(path: Path, content: dict[str, Any]) -> None:
    """Write a record as its spec would be named, with all of its files."""
    new = TrialSpec.model_validate(content["spec"]).id
    content["id"] = new
    if content["per_user"]:
        content["per_user"]["file"] = f"{new}.parquet"
    for suffix in SUFFIXES:
        if path.with_suffix(suffix).exists():
            path.with_suffix(suffix).rename(path.with_name(f"{new}{suffix}"))
    put(path.with_name(f"{new}.json"), content)


def respecified(change: Change, model: str = "mult-vae") -> Callable[[Path], None]:
    """An alteration of what was asked for, with the right id and file names."""

    def alter(folder: Path) -> None:
        content = json.loads(of(folder, model).read_text())
        change(content)
        renamed(of(folder, model), content)

    return alter


def text(old: str, new: str) -> Callable[[Path], None]:
    """An alteration of a record's text that leaves the checksum as it is."""

    def alter(folder: Path) -> None:
        path = of(folder)
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    return alter


def rehash(path: Path, ending: str = ".parquet") -> None:
    """Put the hash of an altered per-user file into its record."""
    content = json.loads(path.read_text())
    sha256 = hashlib.sha256(path.with_suffix(ending).read_bytes()).hexdigest()
    put(path, content | {"per_user": {"file": f"{path.stem}.parquet", "sha256": sha256}})


def columns(ending: str = ".parquet", **made: Any) -> Callable[[Path], None]:
    """An alteration of columns of a Parquet file: ``made`` are functions of the old column, or None
    to leave it out.
    """

    def alter(folder: Path) -> None:
        path = of(folder)
        beside = path.with_suffix(ending)
        table = pq.read_table(beside)
        there = {name: table[name].combine_chunks() for name in table.column_names}
        for name, make in made.items():
            there[name] = make(there.get(name, there["user"])) if make else None
        kept = {name: column for name, column in there.items() if column is not None}
        pq.write_table(pa.table(kept), beside)
        if ending == ".parquet":
            rehash(path)

    return alter


def bytes_of(change: Callable[[bytes], bytes], ending: str = ".parquet") -> Callable[[Path], None]:
    """An alteration of a file's bytes, and of its hash in the record."""

    def alter(folder: Path) -> None:
        beside = of(folder).with_suffix(ending)
        beside.write_bytes(change(beside.read_bytes()))
        if ending == ".parquet":
            rehash(of(folder))

    return alter


def lists(change: Callable[[np.ndarray], Any]) -> Callable[[Path], None]:
    """An alteration of the top-100 lists, (N, 100)."""

    def make(old: Any) -> pa.Array:
        items = old.flatten().to_numpy().reshape(len(old), -1).copy()
        change(items)
        return pa.FixedSizeListArray.from_arrays(pa.array(items.ravel()), items.shape[1])

    return columns(".top.parquet", items=make)


def ranks(change: Callable[[list[list[int]]], Any]) -> Callable[[Path], None]:
    """An alteration of the ranks of hits, a list for each user."""

    def make(old: Any) -> pa.Array:
        each = old.to_pylist()
        change(each)
        return pa.array(each, pa.list_(pa.int64()))

    return columns(ranks=make)


def copied(change: Change, model: str = "mult-vae") -> Callable[[Path], None]:
    """A copy of a record under another spec, with its per-user results."""

    def alter(folder: Path) -> None:
        path = of(folder, model)
        content = json.loads(path.read_text())
        change(content)
        new = TrialSpec.model_validate(content["spec"]).id
        for suffix in SUFFIXES:
            shutil.copy(path.with_suffix(suffix), path.with_name(f"{new}{suffix}"))
        renamed(path.with_name(f"{new}.json"), content)

    return alter


def field(*path: str | int, to: Any) -> Change:
    """Set what is at ``path`` in a record's content."""

    def change(content: Any) -> None:
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = to

    return change


def both(*changes: Change) -> Change:
    return lambda content: [change(content) for change in changes] and None


def to_specs(folder: Path) -> None:
    shutil.move(of(folder, "ease"), folder / "specs" / of(folder, "ease").name)


def first_spec(folder: Path) -> Path:
    return sorted((folder / "specs").glob("*.json"))[0]


def fewer_users(folder: Path) -> None:
    """A record that is whole by itself, of fewer users than the others of its split."""
    path = of(folder)
    for ending in (".parquet", ".top.parquet"):
        pq.write_table(pq.read_table(path.with_suffix(ending)).slice(1), path.with_suffix(ending))
    content = json.loads(path.read_text())
    users = content["data"]["test_users"] - 1
    content["data"]["test_users"], content["tied_rows"] = users, 0.0
    put(path, content)
    rehash(path)
    rescored(path)


def rescored(path: Path) -> None:
    """Put the metrics that follow from the per-user results into a record."""
    record, content = parse(path)
    found = parquet.results(path.with_suffix(".parquet").read_bytes(), record.data)
    values = {str(metric): metric(found.hit, found.targets) for metric in HEADLINE}
    put(
        path,
        content
        | {
            "metrics": {
                name: {"mean": float(each.mean()), "stderr": standard_error(each)}
                for name, each in values.items()
            }
        },
    )


def shifted(column: str) -> Callable[[Path], None]:
    """One user's number is another than in the other records of the split."""

    def alter(folder: Path) -> None:
        columns(**{column: lambda old: pa.array([*old.to_pylist()[:-1], old[-1].as_py() + 1])})(
            folder
        )
        rescored(of(folder))

    return alter


def failed(folder: Path, reason: Any) -> None:
    """Make a record that of a failure, with this reason."""
    content = json.loads(of(folder).read_text())
    gone = dict.fromkeys(("metrics", "per_user", "tied_rows", "best_epoch", "best_validation"))
    path = of(folder)
    for ending in (".parquet", ".top.parquet", ".safetensors"):
        path.with_suffix(ending).unlink()
    put(path, content | gone | {"status": "failed", "reason": reason})


def failed_beside(ending: str) -> Callable[[Path], None]:
    """A failure beside which a file of the trial that ended well is left."""

    def alter(folder: Path) -> None:
        beside = of(folder).with_suffix(ending)
        left = beside.read_bytes()
        failed(folder, "x")
        beside.write_bytes(left)

    return alter


def copied_and_written_anew(folder: Path) -> None:
    """A copy under another seed whose per-user results are the same, but not the file's bytes."""
    copied(field("spec", "seed", to=9))(folder)
    path = of(folder, seed=9)
    results = path.with_suffix(".parquet")
    before = results.read_bytes()
    pq.write_table(pq.read_table(results), results, compression="none")
    assert results.read_bytes() != before
    rehash(path)


def twice(key: str) -> Callable[[Path], None]:
    """A record with a key twice, whose readers may differ in which of the two they see."""

    def alter(folder: Path) -> None:
        path = of(folder)
        content = json.loads(path.read_text())
        said = json.dumps(content)
        path.write_text(said[:-1] + f', "{key}": {json.dumps(content[key])}}}')

    return alter


def damaged_pages(content: bytes) -> bytes:
    """The same file with other bytes where its data is; its end is as it was."""
    return content[:40] + bytes(byte ^ 0x5A for byte in content[40:120]) + content[120:]


def replaced(ending: str, make: Callable[[Path], Any]) -> Callable[[Path], None]:
    """An alteration of a file beside a record into something else that ``make`` puts there."""

    def alter(folder: Path) -> None:
        beside = of(folder).with_suffix(ending)
        beside.unlink()
        make(beside)

    return alter


def swapped(items: np.ndarray) -> None:
    items[0, [0, 1, 2, 3, 4, 5]] = items[0, [5, 4, 3, 2, 1, 0]]


def cost(**values: Any) -> Callable[[Path], None]:
    return changed(lambda c: c["cost"].update(values))


def data(**values: Any) -> Callable[[Path], None]:
    return changed(lambda c: c["data"].update(values))


def metric(name: str, **values: Any) -> Callable[[Path], None]:
    return changed(lambda c: c["metrics"][name].update(values))


def point(n: int, **values: Any) -> Callable[[Path], None]:
    return changed(lambda c: c["curve"][n].update(values))


def nulls(values: Any) -> Any:
    return pa.array([None, *values.to_pylist()[1:]], values.type)


ALTERATIONS: dict[str, tuple[Callable[[Path], Any], str]] = {
    # JSON
    "not JSON": (lambda f: of(f).write_text("{"), "is not a record"),
    "a list": (lambda f: of(f).write_text("[]"), "is not a record"),
    "nothing": (lambda f: of(f).write_text(""), "is not a record"),
    "not UTF-8": (lambda f: of(f).write_bytes(b"\xff\xfe{}"), "is not a record"),
    "very deep": (lambda f: of(f).write_text("[" * 100_000), "is not a record"),
    "deep options": (
        respecified(lambda c: c["spec"]["config"].update(x=json.loads("[" * 200 + "]" * 200))),
        "is not a whole record",
    ),
    "half a character": (
        changed(field("environment", "cpu", to="\ud800")),
        "is not a whole record",
    ),
    "a key twice": (twice("resumed"), "the key 'resumed' is there twice"),
    "a folder named like a record": (lambda f: (f / "x.json").mkdir(), "not a plain file"),
    "a link to nothing": (lambda f: (f / "x.json").symlink_to("nowhere"), "not a plain file"),
    "a pipe named like a record": (lambda f: os.mkfifo(f / "x.json"), "not a plain file"),
    # versions and checksum
    "no version": (changed(lambda c: c.pop("record_version")), "is not a record"),
    "version 0": (changed(field("record_version", to=0)), "is not a whole number from 1"),
    "version true": (changed(field("record_version", to=True)), "is not a whole number from 1"),
    "a newer version": (changed(field("record_version", to=9)), "update the checkout"),
    "version 1 to lose the checksum": (changed(field("record_version", to=1)), "has no checksum"),
    "a number changed": (text('"resumed": false', '"resumed": true'), "was altered after"),
    "a digit of a cost": (text('"training_seconds": ', '"training_seconds": 1'), "was altered"),
    "a note added": (text('"resumed"', '"note": 1, "resumed"'), "was altered after"),
    # types
    "text for a number": (data(items="60"), "data.items: input should be a valid integer"),
    "truth for a number": (data(test_users=True), "data.test_users: input should be a valid"),
    "text for a truth": (changed(field("resumed", to="no")), "resumed: input should be a valid"),
    "null for a number": (changed(field("other_work", to=None)), "other_work: input should be"),
    "a fraction of users": (data(training_users=99.5), "data.training_users"),
    "an unknown status": (changed(field("status", to="fine")), "status: input should be"),
    "an unknown field": (changed(field("note", to="x")), "note: extra inputs"),
    "a field less": (changed(lambda c: c.pop("other_work")), "other_work: field required"),
    "a null in the curve": (point(1, validation=None), "curve.1.validation"),
    "text in the curve": (point(1, loss="low"), "curve.1.loss"),
    # identity
    "a file out of the folder": (
        changed(field("per_user", "file", to="../x.parquet")),
        "its per-user file '../x.parquet' is not",
    ),
    "a file of another name": (changed(field("per_user", "file", to="x")), "file 'x' is not"),
    "an id that is a path": (changed(field("id", to="../x")), "its id is '../x'"),
    "another seed": (changed(field("spec", "seed", to=7)), "the hash of its spec"),
    "another name": (lambda f: of(f).rename(f / f"{'0' * 16}.json"), "the file was renamed"),
    "a seed below 0": (respecified(field("spec", "seed", to=-1)), "or seed -1 below 0"),
    "no seed": (respecified(field("spec", "seed", to=None)), "draws random numbers"),
    "a seed for nothing": (
        respecified(field("spec", "seed", to=3), "ease"),
        "which draws no random numbers",
    ),
    "no device": (respecified(field("spec", "device", to=None)), "models have both"),
    "a bound with a device": (respecified(field("spec", "device", to="cpu"), "oracle"), "neither"),
    "a GPU that was none": (respecified(field("spec", "device", to="cuda")), "does not go with"),
    "a split that is no hash": (
        respecified(field("spec", "split_hash", to="x/../y")),
        "is not 64 hex digits",
    ),
    "no name": (respecified(field("spec", "model", to=" ")), "neither name may be empty"),
    "options of another type": (
        respecified(field("spec", "config", "beta_cap", to="much")),
        "its config is none of mult-vae",
    ),
    "an option less": (respecified(lambda c: c["spec"]["config"].pop("dropout")), "not the whole"),
    "another split of the same options": (
        respecified(field("spec", "split_hash", to="0" * 64)),
        "the hash of the split that its options give is not that of",
    ),
    # status, reason, metrics
    "a failure with numbers": (changed(field("status", to="failed")), "does not go with metrics"),
    "ok without numbers": (
        changed(both(field("metrics", to=None), field("per_user", to=None))),
        "status ok does not go with metrics",
    ),
    "ok with a reason": (changed(field("reason", to="x")), "the reason 'x' of a failure"),
    "a failure without a reason": (lambda f: failed(f, None), "does not go with the reason None"),
    "a failure with an empty reason": (lambda f: failed(f, "\n "), "does not go with the reason"),
    "a failure with a best epoch": (
        lambda f: (failed(f, "x"), changed(field("best_epoch", to=1))(f)),
        "a trained model has one, and nothing else",
    ),
    "a better mean": (metric("NDCG@100", mean=0.99), "NDCG@100 mean is 0.99, but "),
    "a smaller error": (metric("Recall@20", stderr=0.0), "Recall@20 stderr is 0.0, but "),
    "a metric less": (changed(lambda c: c["metrics"].pop("Recall@20")), "its metrics are "),
    "no metric": (changed(field("metrics", to={})), "its metrics are "),
    "a metric more": (
        changed(field("metrics", "MRR@10", to={"mean": 0.1, "stderr": 0.1})),
        "its metrics are ",
    ),
    "a metric of another name": (
        changed(lambda c: c["metrics"].update({"NDCG@99": c["metrics"].pop("NDCG@100")})),
        "its metrics are ",
    ),
    "a mean that is no number": (metric("NDCG@100", mean=float("nan")), "metrics.NDCG@100.mean"),
    # curve
    "an empty curve": (changed(field("curve", to=[])), "its curve is empty"),
    "a shorter curve": (changed(lambda c: c["curve"].pop()), "epochs, and 3 are planned"),
    "a longer curve": (
        changed(lambda c: c["curve"].append(c["curve"][-1] | {"epoch": 4})),
        "its curve has 4 epochs, and 3 are planned",
    ),
    "a second epoch of a closed form": (
        changed(lambda c: c["curve"].append(c["curve"][-1] | {"epoch": 2}), "ease"),
        "its curve has 2 epochs, and 1 are planned",
    ),
    "a curve of a bound": (
        changed(field("curve", to=[{"epoch": 1, "validation": 0.1}]), "oracle"),
        "its curve has 1 epochs, and 0 are planned",
    ),
    "an epoch twice": (point(1, epoch=1), "are not 1, 2, 3"),
    "a score above 1": (point(2, validation=1.5), "not from 0 to 1"),
    "a score that is no number": (point(2, validation=float("nan")), "not from 0 to 1"),
    "an epoch without a score": (changed(lambda c: c["curve"][2].pop("validation")), "not from 0"),
    "an epoch without a loss": (changed(lambda c: c["curve"][2].pop("loss")), "same quantities"),
    "a best epoch behind the curve": (changed(field("best_epoch", to=99)), "is not the first best"),
    "a best epoch 0": (changed(field("best_epoch", to=0)), "is not the first best"),
    "a best score that is none": (changed(field("best_validation", to=0.9)), "not the first best"),
    "no best epoch": (changed(field("best_epoch", to=None)), "a trained model has one"),
    # costs, shares, times, sizes
    "seconds below 0": (cost(training_seconds=-1.0), "cost.training_seconds"),
    "seconds that are no number": (cost(validation_seconds=float("nan")), "cost.validation_sec"),
    "seconds without end": (cost(test_seconds=float("inf")), "cost.test_seconds"),
    "bytes below 0": (cost(weights_bytes=-5), "cost.weights_bytes"),
    "bytes past all bounds": (cost(process_peak_bytes=10**400), "cost.process_peak_bytes"),
    "a test in no time": (cost(test_seconds=0.0), "its test_seconds is 0, though that was done"),
    "a test in almost no time": (cost(test_seconds=5e-324), "its test_seconds is 5e-324, though"),
    "a test faster than a user a nanosecond": (
        cost(test_seconds=2e-9),
        "its test_seconds is 2e-09",
    ),
    "a validation in no time": (
        cost(validation_seconds=0.0),
        "its validation_seconds is 0, though",
    ),
    "epochs in no time": (cost(median_epoch_seconds=0.0), "its median_epoch_seconds is 0, though"),
    "a process of one byte": (cost(process_peak_bytes=1), "its process_peak_bytes is 1, though"),
    "weights above all memory": (cost(weights_bytes=2**36), "its weights have 68719476736 bytes"),
    "more memory than there is": (cost(process_peak_bytes=2**50), "bytes of memory, and its mach"),
    "a training in no time": (cost(training_seconds=0.0), "its training_seconds is 0"),
    "no seconds of the test": (cost(test_seconds=None), "does not go with its cost: test_seconds"),
    "memory of a GPU that was none": (cost(gpu_peak_bytes=9), "its cost: gpu_peak_bytes"),
    "longer than it lasted": (cost(preparation_seconds=1e6), "from start to finish"),
    "a first epoch above all": (cost(first_epoch_seconds=1e3), "and the first 1000.0 of them"),
    "a median above all": (cost(median_epoch_seconds=1e3), "epochs of training took"),
    "a best epoch after the end": (cost(to_best_seconds=1e3), "are not within those of training"),
    "a process that ended early": (cost(process_seconds=1.0), "it has process_seconds"),
    "a share above 1": (changed(field("other_work", to=1.5)), "other_work: input should be"),
    "a share below 0": (changed(field("tied_rows", to=-0.5)), "tied_rows: input should be"),
    "a share of no users": (changed(field("tied_rows", to=0.12345)), "is not a share of"),
    "no share of ties": (changed(field("tied_rows", to=None)), "tied_rows None does not go with"),
    "alone beside others": (
        changed(both(field("other_work", to=0.5), field("beside_others", to=False))),
        "it says that it ran alone",
    ),
    "finished before it started": (
        changed(field("finished", to="2020-01-01T00:00:00+00:00")),
        "it finished",
    ),
    "no time": (changed(field("started", to="yesterday")), "are no times"),
    "no threads": (changed(field("environment", "threads", to=0)), "0 threads"),
    "an option of the data set that is none": (
        changed(field("data", "options", "split_seed", to="x")),
        "the options of its data set are none of synthetic",
    ),
    "no options of the data set": (
        changed(field("data", "options", to={})),
        "are not the whole ones of synthetic: min_rating, ",
    ),
    "other users held out": (
        changed(field("data", "options", "held_out", to=30)),
        "30 users held out for validation and again for test do not go with 185 users",
    ),
    "not a tenth held out": (data(users=242), "24 users held out for validation and again for"),
    "fewer held out than are tested": (
        changed(
            both(
                field("data", "options", "held_out", to=5),
                lambda c: c["data"].update(users=c["data"]["training_users"] + 10),
            )
        ),
        "do not go with",
    ),
    "no items": (data(items=0), "counts below 1"),
    "users below 0": (data(training_users=-4), "counts below 1"),
    "no users at all": (data(users=None), "it lacks the numbers of users"),
    "a task of another data set": (data(task="leave-one-out"), "its task 'leave-one-out' is not"),
    "a task that does not exist": (data(task="guessing"), "data.task: input should be"),
    "more users in parts than in all": (data(users=20), "fewer than its parts"),
    "more interactions in training than in all": (data(interactions=9), "not more than"),
    "more interactions than a matrix has": (data(training_interactions=10**9), "do not go with"),
    # per-user files
    "no per-user file": (lambda f: of(f).with_suffix(".parquet").unlink(), "is missing"),
    "an altered per-user file": (
        lambda f: of(f).with_suffix(".parquet").write_bytes(b"PAR1"),
        "is not the file whose sha256",
    ),
    "not Parquet": (bytes_of(lambda old: b"x"), "it cannot be read as Parquet"),
    "an empty file": (bytes_of(lambda old: b""), "it cannot be read as Parquet"),
    "a cut file": (bytes_of(lambda old: old[: len(old) // 2]), "it cannot be read as Parquet"),
    "damaged pages": (bytes_of(damaged_pages), "does not hold per-user results"),
    "a column less": (columns(targets=None), "columns ['user', 'history', 'ranks']"),
    "a column more": (columns(note=lambda user: user), "columns ['user', 'history', 'targets'"),
    "a null in a column": (columns(targets=nulls), "the column targets has a null"),
    "a null column": (
        columns(history=lambda old: pa.nulls(len(old))),
        "the column history holds null, and not whole numbers",
    ),
    "a text column": (columns(user=lambda old: old.cast(pa.string())), "holds string"),
    "a column of fractions": (columns(targets=lambda old: old.cast(pa.float64())), "holds double"),
    "a null list": (columns(ranks=nulls), "has a null in the place of a list"),
    "a null rank": (
        ranks(lambda each: each[0].append(None)),
        "has a null in the place of a number",
    ),
    "text ranks": (
        columns(ranks=lambda old: old.cast(pa.list_(pa.string()))),
        "the column ranks holds string",
    ),
    "ranks without lists": (columns(ranks=lambda old: pa.array(range(len(old)))), "and not lists"),
    "no user": (
        lambda f: (
            pq.write_table(pq.read_table(p := of(f).with_suffix(".parquet")).slice(0, 0), p),
            rehash(of(f)),
        ),
        "0 users in",
    ),
    "a user twice": (columns(user=lambda old: pa.array([0] * len(old))), "not each of them once"),
    "users in another order": (
        columns(user=lambda old: pa.array(old.to_numpy()[::-1])),
        "not each of them once and in order",
    ),
    "a user below 0": (
        columns(user=lambda old: pa.array(old.to_numpy() - 9)),
        "not each of them once and in order",
    ),
    "a rank twice": (ranks(lambda each: field(0, to=[1, 1])(each)), "one of them is there twice"),
    "ranks in another order": (ranks(lambda each: field(0, to=[3, 1])(each)), "are not in order"),
    "a rank 0": (ranks(lambda each: field(0, to=[0])(each)), "ranks from 0 to "),
    "a rank beyond 100": (ranks(lambda each: field(0, to=[101])(each)), "to 101, and not from 1"),
    "a rank past all bounds": (ranks(lambda each: field(0, to=[2**62])(each)), "and not from 1"),
    "more hits than targets": (
        ranks(lambda each: field(0, to=list(range(1, 60)))(each)),
        "more hits than targets",
    ),
    "no targets": (columns(targets=lambda old: pa.array([0] * len(old))), "has no target"),
    "targets past all bounds": (
        columns(targets=lambda old: pa.array([2**40] * len(old))),
        "or more items than the",
    ),
    "a history below 0": (
        columns(history=lambda old: pa.array([-1] * len(old))),
        "has a history below 0",
    ),
    "forged hits": (
        ranks(lambda each: each.__setitem__(slice(None), [[1] for _ in each])),
        "mean is",
    ),
    # other records of the same split
    "fewer users than the others": (fewer_users, "the size of its split is not that of"),
    "other sizes of the split": (data(validation_users=13), "the size of its split is not that"),
    "another number of users": (
        changed(both(field("data", "users", to=199), field("data", "options", "held_out", to=25))),
        "the number of users of its split is not that of",
    ),
    "other users": (shifted("user"), "the column user of its per-user file is not"),
    "other targets": (shifted("targets"), "the column targets of its per-user file is not"),
    "other histories": (shifted("history"), "the column history of its per-user file is not"),
    "a copy under another seed": (copied(field("spec", "seed", to=9)), "of another seed or model"),
    "a copy under another seed that is written anew": (
        copied_and_written_anew,
        "what its per-user file holds is that of",
    ),
    "a copy under another model": (
        copied(both(field("spec", "model", to="mine"), field("spec", "code", to="0" * 16))),
        "what its per-user file holds is that of",
    ),
    "patience of a trial that scores the test users": (
        respecified(field("spec", "patience", to=3)),
        "patience 3 does not go with stage test",
    ),
    "a copy under another model of one file": (
        copied(field("spec", "model", to="mine")),
        "what its per-user file holds is that of",
    ),
    "a copied curve": (
        lambda f: changed(field("curve", to=json.loads(of(f, seed=1).read_text())["curve"]))(f),
        "best",
    ),
    # top-100 lists
    "not lists": (bytes_of(lambda old: b"x", ".top.parquet"), "it cannot be read as Parquet"),
    "lists with damaged pages": (
        bytes_of(damaged_pages, ".top.parquet"),
        "does not hold the lists",
    ),
    "lists of other users": (
        columns(".top.parquet", user=lambda old: pa.array(old.to_numpy() + 1)),
        "its users are not those of the per-user results",
    ),
    "lists of fewer users": (
        lambda f: pq.write_table(pq.read_table(p := of(f).with_suffix(".top.parquet")).slice(1), p),
        "users in ",
    ),
    "shorter lists": (
        columns(".top.parquet", items=lambda old: pa.array([row[:9] for row in old.to_pylist()])),
        "a list does not have 100 places",
    ),
    "null lists": (columns(".top.parquet", items=nulls), "has a null in the place"),
    "an item twice": (lists(lambda items: field(0, to=items[0, 1])(items[0])), "an item twice"),
    "an item that is none": (
        lists(lambda items: field(0, to=10**6)(items[0])),
        "and the split has",
    ),
    "a place empty": (lists(lambda items: field(0, to=-1)(items[0])), "an empty place before"),
    "a list that ends early": (
        lists(lambda items: items.__setitem__((0, slice(5, None)), -1)),
        "another length than there are items outside",
    ),
    "a pipe named like lists": (
        replaced(".top.parquet", os.mkfifo),
        ".top.parquet is not a plain file",
    ),
    "a device named like lists": (
        replaced(".top.parquet", lambda path: path.symlink_to("/dev/zero")),
        ".top.parquet is not a plain file",
    ),
    "lists that are a link to nothing": (
        replaced(".top.parquet", lambda path: path.symlink_to("nowhere")),
        ".top.parquet is not a plain file",
    ),
    "a pipe named like results": (replaced(".parquet", os.mkfifo), ".parquet is not a plain file"),
    "a pipe named like weights": (
        replaced(".safetensors", os.mkfifo),
        ".safetensors is not a plain file",
    ),
    "other items at the hits": (lists(swapped), "disagree on whether"),
    # the folder
    "a record in specs": (to_specs, "is a record in a folder of specs"),
    "a spec that is none": (lambda f: first_spec(f).write_text("{}"), "is not the spec of a trial"),
    "a spec of another trial": (
        lambda f: first_spec(f).rename(f / "specs" / f"{'0' * 16}.json"),
        "it was renamed or altered",
    ),
    "results without a record": (lambda f: of(f).unlink(), "belongs to no record"),
    "results of a failure": (
        failed_beside(".parquet"),
        "which no trial of status failed and stage",
    ),
    "lists of a failure": (failed_beside(".top.parquet"), "which no trial of status failed and"),
    "weights of a failure": (failed_beside(".safetensors"), "which no trial of status failed and"),
    "weights without a record": (
        lambda f: of(f).with_suffix(".safetensors").rename(f / "x.safetensors"),
        "x.safetensors belongs to no record",
    ),
}
"""What is done to a folder, and what is said of it."""


OF_VERSION_1: dict[str, tuple[Callable[[Path], Any], str]] = {
    "another option in the label": (
        changed(field("label", to="als[epochs=7]"), "als"),
        "its label 'als[epochs=7]' contradicts als",
    ),
    "another model in the label": (changed(field("label", to="ease"), "als"), "its label 'ease'"),
    "another option in the config": (
        respecified(field("spec", "config", "alpha", to=7.5), "als"),
        "the value of alpha, which its label leaves out, is not that of",
    ),
    "another option in both": (
        respecified(field("spec", "config", "epochs", to=7), "als"),
        "its label 'als[epochs=3]' contradicts als",
    ),
    "lists made elsewhere in the label": (
        changed(field("label", to="als (external)"), "als"),
        "its label 'als (external)' contradicts als",
    ),
    "a data set made elsewhere in the label": (
        changed(field("data", "label", to="synthetic (external)"), "als"),
        "its label 'synthetic (external)' contradicts synthetic",
    ),
    "no label": (changed(lambda c: c.pop("label"), "als"), "its label None contradicts"),
    "a label that is a list": (changed(field("label", to=["als"]), "als"), "contradicts als"),
    "another data set in the label": (
        changed(field("data", "label", to="msd"), "als"),
        "its label 'msd' contradicts",
    ),
    "another best beta": (changed(field("best_beta", to=0.7)), "its best_beta 0.7"),
    "a checksum": (changed(field("checksum", to="x"), "als"), "such a record has no checksum"),
    "a copy under another seed": (
        copied(field("spec", "seed", to=9)),
        "what its curve holds is that of",
    ),
    "no data": (changed(field("data", to=None), "als"), "is not a whole record"),
    "no cost": (changed(field("cost", to=[]), "als"), "is not a whole record"),
    "a mean of text": (changed(field("metrics", "NDCG@100", "mean", to="0.4")), "NDCG@100.mean"),
}
