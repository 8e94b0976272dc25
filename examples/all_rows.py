"""NCF's MovieLens-1M closer to how NCF's authors ran it.

In ``ncf-ml1m-all-rows`` models train on the validation rows too. A validation score then says
nothing about other rows, so fix the number of epochs beforehand, as in
``--plugin examples/all_rows.py --datasets ncf-ml1m-all-rows --models neumf --set neumf.epochs=6``.
In ``ncf-ml1m-as-published`` the test rows choose the epoch besides, as with the authors. Such a
score is too good by what the choice brings, and comparable with none but theirs.
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


@register("ncf-ml1m-as-published", NCFConfig())
class AsPublished(AllRows):
    """MovieLens-1M as in NCF, with all rows but the test's for training, and these to validate."""

    def split(self, raw: tuple[Path, ...] = ()) -> tuple[Split, list[str]]:
        made, notes = super().split(raw)
        return replace(made, validation=made.test), notes
