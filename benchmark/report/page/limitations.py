"""What a reader must know before using the numbers, from the facts of the records shown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from benchmark.evaluation.truth import ROWS as BOUNDS
from benchmark.records.record import Record
from benchmark.records.searched import STAGE, searched
from benchmark.report.page.commands import shown
from benchmark.report.page.trials import limit_of
from benchmark.report.report import Report
from benchmark.report.rows import Row
from benchmark.report.table import EXTERNAL, SAMPLED
from benchmark.text import counted
from datasets.task import TASKS


def limitations(report: Report) -> list[str]:
    """Return the sentences on what the records of a report cannot show."""
    finals = [record for record in report.records if record.spec.stage != STAGE]
    rows = [(split.group[0].data_label, row) for split in report.scored for row in split.rows]
    return [
        *_of_selection(report),
        *_of_splits(finals),
        *_of_rows(rows),
        *_of_tuning(report.records),
        *_of_machines(finals),
        *_of_page(finals),
    ]


def _of_selection(report: Report) -> Iterator[str]:
    stored = len(list(report.folder.glob("*.json")))
    if stored > len(report.records):
        yield (
            f"{shown(report.folder)} holds {counted(stored, 'record')}; this page is on "
            f"{len(report.records)} of them."
        )


def _of_splits(finals: Sequence[Record]) -> Iterator[str]:
    """Yield what follows from how the data were divided, and what was measured on them."""
    splits = defaultdict(set)
    for record in finals:
        splits[record.spec.dataset].add(record.spec.split_hash)
    single = sorted(name for name, hashes in splits.items() if len(hashes) == 1)
    if single:
        yield (
            f"One split only: {', '.join(single)}. The errors and tests are about other users and "
            "seeds with the same training users, not about another division of the data."
        )
    sampled = sorted({r.data_label for r in finals if TASKS[r.data.task].sampled})
    if sampled:
        yield f"Sampled metrics: {', '.join(sampled)}. {SAMPLED}"
    notes = dict.fromkeys((r.data_label, note) for r in finals for note in r.data.notes)
    yield from (f"{label}: {note}." for label, note in notes)
    if any(record.spec.dataset == "synthetic" for record in finals):
        yield "synthetic is generated: who wins there need not win on data of real people."
    if any(record.spec.stage == "external" for record in finals):
        yield EXTERNAL


def _of_rows(rows: Sequence[tuple[str, Row]]) -> Iterator[str]:
    """Yield what is missing of rows: trials, epochs, seeds, older records."""
    failed = sum(record.status != "ok" for _, row in rows for record in row.records)
    if failed:
        yield f"Failed: {counted(failed, 'trial')}; the notes below the table say why."
    rising = [f"{row.label} on {label}" for label, row in rows if row.unfinished]
    if rising:
        yield (
            "The validation score still rose when training ended, so the row is compared with no "
            f"other: {', '.join(rising)}."
        )
    single = [f"{row.label} on {label}" for label, row in rows if _has_one_seed(row)]
    if single:
        yield f"One seed only, so the spread over seeds is not known: {', '.join(single)}."
    older = sum(row.older for _, row in rows)
    if older:
        yield f"Left out: {counted(older, 'record')} of older code or protocol versions."


def _has_one_seed(row: Row) -> bool:
    return row.spec.seed is not None and len(row.scored) == 1


def _of_tuning(records: Sequence[Record]) -> Iterator[str]:
    """Yield how unequally the models of each data set were tuned, by the searches shown."""
    tried = {key: len(search.attempts) for key, search in searched(records).items()}
    models = defaultdict(set)
    for record in records:
        if record.spec.model not in BOUNDS and record.spec.stage == "test":
            models[record.data_label].add(record.spec.model)
    if models and not tried:
        yield (
            "These records hold no search of options, so this page cannot show how much each "
            "model was tuned; a model with its usual options may have better ones."
        )
    for label in sorted({label for label, _ in tried}):
        numbers = {model: count for (at, model), count in tried.items() if at == label}
        without = sorted(models[label] - numbers.keys())
        if len(set(numbers.values())) > 1 or without:
            said = ", ".join(f"{model} {count}" for model, count in sorted(numbers.items()))
            none = f"; none of {', '.join(without)}" if without else ""
            yield f"{label}: models were tuned unequally. Settings tried: {said}{none}."


def _of_machines(finals: Sequence[Record]) -> Iterator[str]:
    """Yield what makes times and numbers of different trials hard to compare."""
    busy = sum(record.beside_others for record in finals)
    if busy:
        yield (
            f"{busy} of {counted(len(finals), 'trial')} ran beside other work and took longer; "
            "no plot of time shows them."
        )
    machines = {(r.environment.gpu, r.environment.cpu) for r in finals}
    if len(machines) > 1:
        yield f"Trials ran on {len(machines)} kinds of machines, whose times do not compare."
    precisions = sorted({r.spec.precision for r in finals if r.spec.precision})
    if len(precisions) > 1:
        yield f"Models were trained in different precisions: {', '.join(precisions)}."
    dirty = sum(bool(record.environment.dirty) for record in finals)
    if dirty:
        yield f"{counted(dirty, 'trial')} ran with files that differed from the record's commit."


def _of_page(finals: Sequence[Record]) -> Iterator[str]:
    """Yield what the page leaves out."""
    limit = limit_of(len(finals))
    if any(len(record.curve) > limit for record in finals):
        yield (
            f"Curves are drawn with at most {limit} evenly spaced epochs, and all plots with five "
            "significant digits; the records have every epoch in full."
        )
