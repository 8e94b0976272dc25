"""A trained model in one safetensors file, with all that is needed to score a history:
``--keep-weights``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from pydantic import NonNegativeInt, PositiveInt, StrictInt, StrictStr, TypeAdapter
from safetensors.torch import save
from scipy.sparse import csr_matrix

from benchmark.spec import Job, TrialSpec
from datasets.errors import DataError
from datasets.split import Split
from models.base import Compute, Recommender
from models.registry import MODELS

SHAPE = TypeAdapter(tuple[NonNegativeInt, PositiveInt])
IDS = TypeAdapter(list[StrictStr] | list[StrictInt])
"""The types of what a weights file says in its header."""


def pack(model: Recommender[Any], job: Job, split: Split) -> bytes:
    """Return the content of a weights file.

    It has the tensors, and in its header the spec, the shape and the raw item ids.
    """
    ids = split.train.item_ids
    header = {
        "spec": job.spec.model_dump_json(),
        "shape": json.dumps(split.train.shape),
        "item_ids": json.dumps(
            [i.decode("latin-1") if isinstance(i, bytes) else int(i) for i in ids]
        ),
    }
    return save(
        {name: tensor.detach().contiguous() for name, tensor in model.weights.items()}, header
    )


def load(path: str | Path, device: str = "cpu") -> tuple[Recommender[Any], np.ndarray]:
    """Return the model, ready to ``score`` histories (B, I), and the raw ids (I,) of its items.

    Raw ids are whole numbers or text, as in the raw file. Raises DataError if the file is not one
    that a run wrote, or is of a model that this checkout does not have.
    """
    try:
        with safetensors.safe_open(path, framework="pt", device=device) as file:
            header = file.metadata() or {}
            names = file.keys()  # the file itself is no mapping
            tensors = {name: file.get_tensor(name) for name in names}
        spec = TrialSpec.model_validate_json(header["spec"])
        shape = SHAPE.validate_json(header["shape"])
        item_ids = IDS.validate_json(header["item_ids"])
        if len(item_ids) != shape[1]:
            raise ValueError(f"it has {len(item_ids)} item ids for {shape[1]} items")
        entry = MODELS[spec.model]
        model = entry.model(
            type(entry.config)(**spec.config), shape, Compute("cuda" if device == "cuda" else "cpu")
        )
        model.load(tensors)
        # the header has the bytes of a text id, each as the character of that number
        ids = [raw.encode("latin-1").decode() if isinstance(raw, str) else raw for raw in item_ids]
    except Exception as error:  # a stranger's file may make a model raise anything
        why = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise DataError(
            f"{path} is not a weights file that this checkout can read ({why}); train again "
            "with --keep-weights"
        ) from error
    return model, np.array(ids)


def history(liked: Iterable[int | str], item_ids: np.ndarray) -> csr_matrix:
    """Return the history of one user who liked the items of these raw ids: (1, I) float32.

    Raises DataError for an id that is not in ``item_ids``, those of ``load``.
    """
    place = {raw: n for n, raw in enumerate(item_ids.tolist())}
    chosen = list(liked)
    if unknown := [raw for raw in chosen if raw not in place]:
        kind = "whole numbers" if item_ids.dtype.kind == "i" else "text"
        raise DataError(
            f"the model knows no item {', '.join(map(repr, unknown))}; its {len(place)} ids are "
            f"{kind}, as {item_ids.tolist()[0]!r}"
        )
    items = sorted({place[raw] for raw in chosen})
    ones = np.ones(len(items), dtype=np.float32)
    return csr_matrix((ones, items, [0, len(items)]), shape=(1, len(item_ids)))
