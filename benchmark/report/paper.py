"""The paper's tables, with the published numbers beside those found here.

They are tables 2 (models), 3 (NCF's protocol) and 4 (likelihoods); report/sizes.py makes table 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmark.evaluation.metrics import headline
from benchmark.records.record import Record
from benchmark.records.searched import Searched, searched
from benchmark.report.cells import Table
from benchmark.report.paper_rows import paper_rows, renamed
from benchmark.report.published import (
    DATASETS,
    PROTOCOLS,
    Published,
    published,
)
from benchmark.report.rows import one_seed_each, outside_grids, rows
from benchmark.report.sizes import NOT_RUN, data_table
from benchmark.report.table import (
    ABOUT,
    CELLS,
    SAMPLED,
    TESTS,
    columns_of,
    leading,
    remarks,
)
from benchmark.stats import MARGIN
from datasets.task import TASKS, Name
from models.variants import LIKELIHOODS

TUNED = "tuned"
"""The heading of the scores with options that a search chose."""
SEARCHED = (
    "Tuned: the same model with the options that did best in a search on the validation users. "
    "Rows of both kinds are compared with the best one."
)
PUBLISHED = (
    'Published: a number under the same protocol ("{protocol}"), the paper\'s own if there is '
    "one, ± its standard error over users where that is known; † marks what was written from "
    "memory: look it up in its source before you quote it. Then our mean - the published one, and "
    'a verdict. Both sides score the same users, so "equal" means that two one-sided t-tests find '
    "the difference to be within {margin:g}, given the spread over our seeds for either side and "
    "the rounding of the published number; with one seed this can be shown only for a model "
    'without randomness. "Within sampling error": not shown equal, but the difference is at most '
    "two standard errors, as for two separate samples of users, which on the same users says "
    'little; "differs": it is larger. A row without brackets has the options of suites/paper.toml, '
    "which are the published ones where these are known; they are not known for ALS, BPR, the "
    "Gaussian's c and the logistic's start. Sources: results/published.csv."
)


def model_tables(records: Sequence[Record], folder: Path, absent: bool) -> list[Table]:
    """Return table 2, every model, as a table for each data set and split.

    Raises DataError if a per-user file is not its record's.
    """
    return _tables("2", records, folder, absent)


def ncf_tables(records: Sequence[Record], folder: Path, absent: bool) -> list[Table]:
    """Return table 3, every model under NCF's protocol, as a table for each data set and split.

    Raises DataError if a per-user file is not its record's.
    """
    return _tables("3", records, folder, absent, "leave-one-out")


def likelihood_tables(records: Sequence[Record], folder: Path, absent: bool) -> list[Table]:
    """Return table 4, each likelihood with either network, as a table for each data set and split.

    Raises DataError if a per-user file is not its record's.
    """
    networks = {f"{name}-{kind}" for kind in ("vae", "dae") for name in LIKELIHOODS}
    return _tables("4", records, folder, absent, wanted=networks.__contains__)


TABLES: dict[str, Callable[[Sequence[Record], Path, bool], list[Table]]] = {
    "1": data_table,
    "2": model_tables,
    "3": ncf_tables,
    "4": likelihood_tables,
}
"""The functions that make the paper's tables, by the paper's numbers."""


def _tables(
    number: str,
    records: Sequence[Record],
    folder: Path,
    absent: bool,
    task: Name = "strong generalisation",
    wanted: Callable[[str], bool] = lambda model: True,
) -> list[Table]:
    """Return a table of the ``wanted`` models for each split, and for each data set not run."""
    groups = one_seed_each(
        outside_grids(r for r in records if r.data.task == task and wanted(r.spec.model))
    )
    searches = searched(records) if number == "4" else {}
    # a list, since two splits of a data set are two tables
    run = [(group[0].data_label, group) for group in groups]
    papers = DATASETS[task]
    missing = [(name, []) for name in papers if absent and name not in dict(run)]
    place = {name: n for n, name in enumerate(papers)}
    ordered = sorted([*run, *missing], key=lambda entry: place.get(entry[0], len(place)))
    tables = []
    for name, group in ordered:
        known = [value for value in published(name, task) if wanted(value.model)]
        chosen = {model: search for (label, model), search in searches.items() if label == name}
        tables.append(_table(number, name, group, folder, known, task, chosen))
    tuned = any(TUNED in table.head for table in tables)
    definitions = " ".join(_definitions(task, bool(run), tuned))
    return [replace(table, definitions=definitions) for table in tables]


def _definitions(task: Name, run: bool, tuned: bool) -> Iterator[str]:
    """Yield the sentences that define the words and numbers of a task's tables."""
    if run:
        yield from (CELLS, TESTS)
    if tuned:
        yield SEARCHED
    if TASKS[task].sampled:
        yield SAMPLED
    yield PUBLISHED.format(protocol=PROTOCOLS[task], margin=MARGIN)


def _table(
    number: str,
    name: str,
    group: Sequence[Record],
    folder: Path,
    known: Sequence[Published],
    task: Name,
    searches: Mapping[str, Searched],
) -> Table:
    """Return the table of one split, or of a data set that was not run.

    Rows with the options that ``searches`` chose stand beside those with the usual ones.
    """
    split = f"split {group[0].spec.split_hash[:12]}" if group else NOT_RUN
    metrics = headline(task)
    ours = [renamed(row, searches) for row in rows(group)]
    columns = columns_of(ours, folder, metrics)
    table_rows = paper_rows(ours, columns, known, metrics, searches)
    tuned = [TUNED] if any(any(row.tuned) for row in table_rows) else []
    return Table(
        f"Table {number}: {name} ({split})",
        [*ABOUT, *(text for m in metrics for text in (str(m), *tuned, "published"))],
        [row.cells(bool(tuned)) for row in table_rows],
        [*leading(columns), *remarks(ours)],
        data=[{"dataset": name, **numbers} for row in table_rows for numbers in row.numbers],
    )
