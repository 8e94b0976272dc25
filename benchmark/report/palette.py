"""One colour for each model, in every figure."""

from __future__ import annotations

from models.registry import MODELS

COLORS = ("#0077bb", "#cc3311", "#009988", "#ee7733", "#aa4499", "#999933", "#882255", "#332288")


def color_of(model: str) -> str:
    """Return the colour of a model, given by its name or its label with options in brackets."""
    name = model.partition("[")[0]
    order = list(MODELS)
    return COLORS[(order.index(name) if name in order else len(order)) % len(COLORS)]
