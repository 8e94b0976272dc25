"""NCF's MovieLens-1M where models train on the validation rows too, as NCF's authors let them.

A validation score then says nothing about other rows, so fix the number of epochs beforehand, as in
``--plugin examples/all_rows.py --datasets ncf-ml1m-all-rows --models neumf --set neumf.epochs=6``.
"""

from dataclasses import replace
from pathlib import Path

from datasets.ncf import NCFML1M, NCFConfig
from datasets.registry import register
from datasets.split import Split


@register("ncf-ml1m-all-rows", NCFConfig())
class AllRows(NCFML1M):
    """MovieLens-1M as in NCF, with all rows but the test's for training."""

    def split(self, raw: tuple[Path, ...] = ()) -> tuple[Split, list[str]]:
        made, notes = super().split(raw)
        return replace(made, train=made.test.history), notes
