"""Every trial's metrics of every test user, for a program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.evaluation.metrics import Metric
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.report.rows import Row, metrics_of, outside_grids, rows
from benchmark.text import spreadsheet

if TYPE_CHECKING:
    import pandas as pd


def to_csv(records: Sequence[Record], folder: Path, metrics: Sequence[Metric] | None) -> str:
    """Return a CSV file with a line for each scored trial and test user, and a column a metric.

    Test users are given by their positions in the test fold. Metrics of lists have no value for a
    user, and are left out. Raises DataError if a per-user file is not its record's.
    """
    import pandas as pd

    parts = [
        _trial(row, record, folder, metrics_of(group, metrics))
        for group in outside_grids(records)
        for row in rows(group)
        for record in row.scored
    ]
    whole = pd.concat(parts) if parts else pd.DataFrame()
    return whole.to_csv(index=False, lineterminator="\n")


def _trial(row: Row, record: Record, folder: Path, metrics: Sequence[Metric]) -> pd.DataFrame:
    """Return the lines of one trial."""
    import pandas as pd

    results = store.per_user(folder, record)
    of_trial = {
        "dataset": spreadsheet(record.data_label),
        "split_hash": record.spec.split_hash,
        "model": spreadsheet(row.label),
        "device": row.device,
        "precision": row.precision,
        "seed": record.spec.seed,
    }
    of_users = {"user": results.user, "history": results.history, "targets": results.targets}
    values = {
        str(metric): metric(results.hit, results.targets)
        for metric in metrics
        if not metric.of_lists
    }
    return pd.DataFrame(of_trial | of_users | values).astype({"seed": "Int64"})
