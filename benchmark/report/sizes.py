"""The paper's table 1: the sizes of the data sets, with the published ones beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmark.records.record import Record
from benchmark.report.cells import Cell, Number, Table
from benchmark.report.published import DATASETS
from benchmark.spec import Data
from datasets.registry import DATASETS as REGISTERED

NOT_RUN = "not run"
DATA = (
    "Users and interactions: those in all parts of the split, without interactions with items that "
    "no training user has. Items: those of training users. Held-out users: those for validation, "
    "and as many again for test. Published: users / items / interactions, where interactions "
    "include those that ours leave out."
)
COUNTS = ("users", "items", "interactions", "training_users", "validation_users", "test_users")
"""The fields of Data that the CSV file of table 1 has."""


def data_table(records: Sequence[Record], folder: Path, absent: bool) -> list[Table]:
    """Return table 1: the size of each data set after preprocessing.

    ``absent`` says whether the paper's data sets have a row even if they were not run; so in the
    other tables.
    """
    described = {r.data_label: r.data for r in records if r.data.interactions is not None}
    papers = DATASETS["strong generalisation"]
    place = {name: n for n, name in enumerate(papers)}
    named = {*described, *(papers if absent else ())}
    data_sets = sorted(named, key=lambda name: (place.get(name, len(place)), name))
    head = ["data set", "users", "items", "interactions", "density", "held-out users", "published"]
    data = [{"dataset": name, **_counts(description)} for name, description in described.items()]
    cells = [_data_row(name, described.get(name)) for name in data_sets]
    return [Table("Table 1: data sets", head, cells, definitions=DATA, data=data)]


def _counts(data: Data) -> dict[str, int | None]:
    return {name: getattr(data, name) for name in COUNTS}


def _data_row(name: str, data: Data | None) -> list[Cell]:
    dataset = REGISTERED[name].dataset if name in REGISTERED else None
    sizes = getattr(dataset, "published", None)
    counts = (sizes.users, sizes.training_items or sizes.items, sizes.interactions) if sizes else ()
    text = " / ".join(f"{count:,}" for count in counts) or "-"
    if data is None or data.users is None or data.interactions is None:
        return [name, *[NOT_RUN] * 5, text]
    users, items, interactions = data.users, data.items, data.interactions
    held_out = (users - data.training_users) // 2
    return [
        name,
        *(Number(number, ",") for number in (users, items, interactions)),
        Number(interactions / users / items, ".2%"),
        Number(held_out, ","),
        text,
    ]
