"""A trained model in one safetensors file, with all that is needed to score a history:
``--keep-weights``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from pydantic import NonNegativeInt, PositiveInt, StrictInt, StrictStr, TypeAdapter
from safetensors.torch import save
from scipy.sparse import csr_matrix

from benchmark import environment
from benchmark.evaluation import truth
from benchmark.evaluation.ranking import outside
from benchmark.run.progress import Tensors
from benchmark.run.training import scorer
from benchmark.spec import Job, TrialSpec
from datasets.errors import DataError
from datasets.split import Split
from models.base import Compute, Device, Recommender
from models.registry import MODELS

SHAPE = TypeAdapter(tuple[NonNegativeInt, PositiveInt])
IDS = TypeAdapter(list[StrictStr] | list[StrictInt])
"""The types of what a weights file says in its header."""
MORE = 100
"""How many times the size of its weights a model may need that is larger than this machine."""


@dataclass(frozen=True, eq=False)
class Kept:
    """A trained model, and what it was trained on."""

    model: Recommender[Any]
    item_ids: np.ndarray
    """(I,) raw ids of the items, whole numbers or text, in the order of the model's scores."""
    spec: TrialSpec
    """The spec of the trial that trained it."""


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


def load(path: str | Path, device: Device = "cpu") -> Kept:
    """Return the model in a weights file, ready to ``score`` histories (B, I) on ``device``.

    Raises DataError if the file is not one that a run wrote, or is of a model that this checkout
    does not have or has other code for.
    """
    with _read(path):
        with safetensors.safe_open(path, framework="pt", device=device) as file:
            header = file.metadata() or {}
            names = file.keys()  # the file itself is no mapping
            tensors = {name: file.get_tensor(name) for name in names}
        spec = TrialSpec.model_validate_json(header["spec"])
        shape = SHAPE.validate_json(header["shape"])
        item_ids = IDS.validate_json(header["item_ids"])
        if len(item_ids) != shape[1]:
            raise ValueError(f"it has {len(item_ids)} item ids for {shape[1]} items")
        # the header has the bytes of a text id, each as the character of that number
        ids = [raw.encode("latin-1").decode() if isinstance(raw, str) else raw for raw in item_ids]
    if spec.model not in MODELS:
        raise DataError(
            f"{path} is of the model {spec.model!r}, which is not known here; if a plugin "
            "registers it, name that file with --plugin"
        )
    truth.check_code(spec, Path(path))
    with _read(path):
        return Kept(_model(spec, shape, tensors, device), np.array(ids), spec)


@contextmanager
def _read(path: str | Path) -> Iterator[None]:
    """Turn whatever is raised in the block, in which a weights file is read, into a DataError."""
    try:
        yield
    except Exception as error:  # a stranger's file may make a model raise anything
        why = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise DataError(
            f"{path} is not a weights file that this checkout can read ({why}); train again "
            "with --keep-weights"
        ) from error


def _model(
    spec: TrialSpec, shape: tuple[int, int], tensors: Tensors, device: Device
) -> Recommender[Any]:
    """Return the model with these weights, after it has scored a history of one item."""
    entry = MODELS[spec.model]
    config = type(entry.config)(**spec.config)
    needed = entry.model.memory(config, shape) or 0
    held = sum(tensor.nbytes for tensor in tensors.values())
    if needed > max(environment.memory_limit(), MORE * held):
        raise ValueError(f"a model of its options takes {needed / 1e9:,.1f} GB")
    model = entry.model(config, shape, Compute(device))
    model.load(tensors)
    one = csr_matrix((np.ones(1, np.float32), ([0], [0])), shape=(1, shape[1]))
    outside(scorer(model, not entry.unseen_users), one, np.zeros(1, dtype=np.int32))
    return model
