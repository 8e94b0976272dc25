"""The paper's tables, with what was published beside what was found here: 1 (data), 2 (models), 4 (likelihoods)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmark.evaluation.metrics import HEADLINE
from benchmark.records.record import Record
from benchmark.report.format import Table
from benchmark.report.published import DATASETS, PROTOCOL, Published, published, verdict
from benchmark.report.table import CELLS, PAIRS, Score, by_split, remarks, rows, scores_of
from benchmark.spec import Data
from datasets.registry import DATASETS as REGISTERED
from models.variants import LIKELIHOODS

NOT_RUN = "not run"
PUBLISHED = (
    f'Published: under the same protocol ("{PROTOCOL}"), the paper\'s own number first, ± its standard error where one '
    "is known; † recalled, not read again in its source. agrees, differs: within 2 sqrt(ours² + theirs²) of the "
    "standard errors over users, or not. Options are those of suites/paper.toml: the published ones where they are "
    "known; of ALS and BPR, the Gaussian's c and the logistic's start they are not. Sources: results/published.csv."
)


def data_table(found: Sequence[Record], folder: Path) -> list[Table]:
    """Table 1: the size of each data set after preprocessing."""
    described = {
        record.data_label: record.data for record in found if record.data.interactions is not None
    }
    cells = [
        _data_row(name, described.get(name))
        for name in [*DATASETS, *sorted(described.keys() - set(DATASETS))]
    ]
    head = ["data set", "users", "items", "interactions", "density", "held-out users", "published"]
    definitions = (
        "Users and interactions of all parts of the split, those with items of no training user left out; items: those "
        "of training users. Held-out users: validation and as many for test. Published: users / items / interactions, "
        "the last with what ours leave out."
    )
    data = [
        {"dataset": name, **{key: getattr(data, key) for key in _COUNTS}}
        for name, data in described.items()
    ]
    return [Table("Table 1: data sets", head, cells, [], definitions, data)]


_COUNTS = ("users", "items", "interactions", "training_users", "validation_users", "test_users")


def _data_row(name: str, data: Data | None) -> list[str]:
    known = getattr(REGISTERED[name].dataset, "published", None) if name in REGISTERED else None
    counts = (known.users, known.training_items or known.items, known.interactions) if known else ()
    said = " / ".join(f"{count:,}" for count in counts) or "-"
    if data is None or data.users is None or data.interactions is None:
        return [name, *[NOT_RUN] * 5, said]
    users, items, interactions = data.users, data.items, data.interactions
    density = f"{interactions / users / items:.2%}"
    return [
        name,
        f"{users:,}",
        f"{items:,}",
        f"{interactions:,}",
        density,
        f"{(users - data.training_users) // 2:,}",
        said,
    ]


def model_tables(found: Sequence[Record], folder: Path) -> list[Table]:
    """Table 2: every model, a table for each data set."""
    return _tables("2", found, folder, lambda model: True)


def likelihood_tables(found: Sequence[Record], folder: Path) -> list[Table]:
    """Table 4: the likelihoods with either network, a table for each data set."""
    networks = {f"{name}-{kind}" for kind in ("vae", "dae") for name in LIKELIHOODS}
    return _tables("4", found, folder, networks.__contains__)


TABLES: dict[str, Callable[[Sequence[Record], Path], list[Table]]] = {
    "1": data_table,
    "2": model_tables,
    "4": likelihood_tables,
}
"""By the paper's number."""


def _tables(
    number: str, found: Sequence[Record], folder: Path, wanted: Callable[[str], bool]
) -> list[Table]:
    groups = by_split(r for r in found if r.spec.stage != "validation" and wanted(r.spec.model))
    # two splits of a data set are two tables
    run = [(group[0].data_label, group) for group in groups]
    missing = [(name, []) for name in DATASETS if name not in dict(run)]
    place = {name: n for n, name in enumerate(DATASETS)}
    every = sorted([*run, *missing], key=lambda one: place.get(one[0], len(place)))
    definitions = " ".join([*([CELLS, PAIRS] if run else []), PUBLISHED])
    return [
        _table(f"Table {number}: {name}", name, group, folder, wanted, definitions)
        for name, group in every
    ]


def _table(
    heading: str,
    dataset: str,
    group: list[Record],
    folder: Path,
    wanted: Callable[[str], bool],
    definitions: str,
) -> Table:
    """One data set's rows, then the published ones that were not run."""
    made = rows(group)
    known = [one for one in published(dataset) if wanted(one.model)]
    lines = [
        _line(row.model, [row.device or "-", row.precision or "-", row.seeds], scores, known)
        for row, scores in zip(made, scores_of(made, folder, HEADLINE), strict=True)
    ]
    run = {row.model for row in made}
    for model in dict.fromkeys(one.model for one in known if one.model not in run):
        lines.append(_line(model, ["-"] * 3, [None] * len(HEADLINE), known))
    head = [
        "model",
        "device",
        "precision",
        "seeds",
        *(text for m in HEADLINE for text in (str(m), "published")),
    ]
    where = f"split {group[0].spec.split_hash[:12]}" if group else NOT_RUN
    data = [{"dataset": dataset, **numbers} for _, of_line in lines for numbers in of_line]
    return Table(
        f"{heading} ({where})",
        head,
        [cells for cells, _ in lines],
        remarks(made),
        definitions,
        data,
    )


def _line(
    model: str, about: list[str], scores: Sequence[Score | None], known: Sequence[Published]
) -> tuple[list[str], list[dict[str, Any]]]:
    """A row's cells, and for each metric its numbers; a score of None was not run."""
    cells, data = [model, *about], []
    for metric, score in zip(HEADLINE, scores, strict=True):
        theirs = [one for one in known if (one.model, one.metric) == (model, str(metric))]
        first, ours = next(iter(theirs), None), score.summary if score else None
        said = verdict(ours, first)
        cells += [
            score.text if score else NOT_RUN,
            f"{first.text}{f', {said}' if said else ''}" if first else "-",
        ]
        data.append(
            {
                "model": model,
                "device": about[0],
                "precision": about[1],
                "metric": str(metric),
                "mean": ours and ours.mean,
                "sd_over_seeds": ours and ours.sd,
                "stderr_over_users": ours and ours.stderr,
                "published": first and first.value,
                "published_stderr": first and first.stderr,
                "verified": first and first.verified,
                "source": first and first.source,
                "also_published": "; ".join(f"{one.value:g} ({one.name})" for one in theirs[1:]),
                "verdict": said,
            }
        )
    return cells, data
