"""A trained model in one safetensors file, with all that is needed to score a history:
``--keep-weights``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from pydantic import NonNegativeInt, PositiveInt, StrictInt, StrictStr, TypeAdapter
from safetensors.torch import save

from benchmark.spec import Job, TrialSpec
from datasets.errors import DataError
from datasets.split import Split
from models.base import Compute, Recommender
from models.registry import MODELS

SHAPE = TypeAdapter(tuple[NonNegativeInt, PositiveInt])
IDS = TypeAdapter(list[StrictStr] | list[StrictInt])
"""The types of what a weights file says in its header."""


def pack(model: Recommender[Any], job: Job, split: Split) -> bytes:
    """The content of a weights file: the tensors, and in its header the spec, the shape and the raw
    item ids.
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
    """The model, ready to ``score`` histories (B, I), and the raw id of each of its I items.

    Raises DataError if the file is not one that a run wrote, or is of a model that this checkout
    does not have.
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
    except Exception as error:  # a stranger's file may make a model raise anything
        why = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise DataError(
            f"{path} is not a weights file that this checkout can read ({why}); train again "
            "with --keep-weights"
        ) from error
    return model, np.array([i.encode("latin-1") if isinstance(i, str) else i for i in item_ids])
