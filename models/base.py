"""The contract that every model keeps.

Docstrings in this package name sizes thus: U training users, I items, B users in a batch, K latent
dimensions. A history is a binary ``csr_matrix`` of shape (users, I).
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from scipy.sparse import csr_matrix
from torch import Tensor, nn

Device = Literal["cpu", "cuda"]
Precision = Literal["fp32", "tf32", "bf16"]
Log = dict[str, float]


class Config(BaseModel):
    """Options of a model, validated when made and never changed afterwards.

    The docstring of each field says its meaning, its unit and where its default comes from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Search:
    """The values of an option that tuning tries, as in ``Annotated[float, Search(1, 9)]``.

    Numbers are drawn between the bounds. An option without bounds is a ``Literal``, and each of its
    values is tried.
    """

    low: float | None = None
    high: float | None = None
    log: bool = False
    """Whether the logarithm, not the number itself, is drawn uniformly."""
    values: tuple[Any, ...] = ()
    """The values of an option without bounds, which its ``Literal`` has."""

    def __str__(self) -> str:
        if self.values:
            return " or ".join(map(str, self.values))
        return f"{self.low:,g} to {self.high:,g}{' on a log scale' if self.log else ''}"

    @property
    def bounds(self) -> tuple[float, float]:
        """``low`` and ``high`` of an option that has them."""
        if self.low is None or self.high is None:
            raise ValueError(f"{self} has values and no bounds")
        return self.low, self.high


@dataclass(frozen=True)
class Compute:
    """How a model computes; the trial decides it, never the model."""

    device: Device = "cpu"
    precision: Precision = "fp32"
    """The precision of the large matrix products in training; all else is float32."""
    threads: int = 1
    """The number of CPU threads for libraries that take one; the trial sets torch's own."""
    by_numpy: frozenset[Precision] = frozenset()
    """The precisions in which NumPy's library, not torch's, multiplies large matrices."""


C = TypeVar("C", bound=Config)


class Recommender(ABC, Generic[C]):
    """A model that scores all items for users it has never seen, given only their histories.

    All that training changes is in ``net``, ``optimizers`` and ``epoch``, so that a model restored
    in another process goes on bit for bit. Thus a learning-rate schedule computes a rate from
    ``epoch`` or from the optimiser's present rate. A model sets no seed. It may draw from Python's,
    NumPy's and torch's global generators, which the trial seeds before construction and before each
    epoch.
    """

    net: nn.Module | dict[str, Tensor]
    """All that scoring needs: a module or, for models without one, tensors by name."""
    optimizers: dict[str, torch.optim.Optimizer]
    """The optimisers by name; empty for a model that torch does not train."""
    epoch: int = 0
    """The number of epochs completed; whoever drives the training counts it."""

    def __init__(self, config: C, shape: tuple[int, int], compute: Compute) -> None:
        """Set the model up for a training matrix of this ``shape`` (U, I), without learning."""
        self.config = config
        self.shape = shape
        self.compute = compute
        self.optimizers = {}

    @classmethod
    def memory(cls, config: C, shape: tuple[int, int]) -> int | None:
        """Return the most bytes that a trial of this model needs at a time, or None if unknown.

        ``shape`` is that of the training matrix, (U, I). The weights, all else that training
        allocates, and the trial's copies of weights and optimiser states count. Libraries, data and
        the scores of the evaluation do not.
        """
        return None

    @property
    def planned(self) -> int:
        """The number of epochs that training takes: the option ``epochs``, or 1 without it."""
        return getattr(self.config, "epochs", 1)

    def prepare(self, train: csr_matrix) -> Any:
        """Return the (U, I) training matrix in the form that ``train_epoch`` takes.

        This is called once in a process, and draws no random numbers.
        """
        return train

    @abstractmethod
    def train_epoch(self, data: Any) -> Log:
        """Train for one epoch on ``data``, which ``prepare`` returned.

        Returns numbers for the learning curve; "loss", if it is among them, is what training
        minimises.
        """

    @abstractmethod
    def score(self, history: csr_matrix, users: np.ndarray | None = None) -> Tensor:
        """Return a score of every item for each history: (B, I) binary -> (B, I) float32.

        Scores are on the model's device; the items of the history have theirs too. ``users`` (B,)
        are the users' rows in the training matrix, or None for users that the model has never seen.
        Most models use the history alone.
        """

    @property
    def weights(self) -> dict[str, Tensor]:
        """The learned tensors by name, not copied."""
        return self.net.state_dict() if isinstance(self.net, nn.Module) else self.net

    def load(self, weights: dict[str, Tensor]) -> None:
        """Replace the model's weights by those of the same model, perhaps from another device."""
        if isinstance(self.net, nn.Module):
            self.net.load_state_dict(weights)
        else:
            self.net = {name: tensor.to(self.compute.device) for name, tensor in weights.items()}

    def state(self) -> dict[str, Tensor]:
        """Return all that training changes, except ``epoch``, as tensors by name.

        "net/NAME" is a weight, "optimizer/NAME/INDEX/SLOT" is what the optimiser NAME holds for its
        parameter INDEX, and "optimizer/NAME/groups" is that optimiser's options, including the
        rates that a schedule changes, as the bytes of a JSON text.
        """
        state = {f"net/{name}": tensor for name, tensor in self.weights.items()}
        for name, optimizer in self.optimizers.items():
            held = optimizer.state_dict()
            groups = json.dumps(held["param_groups"]).encode()
            state[f"optimizer/{name}/groups"] = torch.tensor(list(groups), dtype=torch.uint8)
            for index, slots in held["state"].items():
                state |= {
                    f"optimizer/{name}/{index}/{slot}": tensor for slot, tensor in slots.items()
                }
        return state

    def restore(self, state: dict[str, Tensor], epoch: int) -> None:
        """Take over the ``state`` that the same model had after ``epoch`` epochs."""
        self.load(_within(state, "net"))
        for name, optimizer in self.optimizers.items():
            held = _within(state, f"optimizer/{name}")
            groups = [_tuples(group) for group in json.loads(bytes(held.pop("groups").tolist()))]
            slots: dict[int, dict[str, Tensor]] = {}
            for path, tensor in held.items():
                index, slot = path.split("/")
                slots.setdefault(int(index), {})[slot] = tensor
            optimizer.load_state_dict({"state": slots, "param_groups": groups})
        self.epoch = epoch


def trained_bytes(parameters: int) -> int:
    """Return the bytes that a trial needs for a network of float32 ``parameters`` under Adam.

    They hold the weights, their gradients and Adam's two moments; the best weights and, for a
    moment, the next best; and a checkpoint's copy of weights, moments and best weights.
    """
    weights, gradients, moments, best, checkpoint = 1, 1, 2, 2, 4
    return 4 * parameters * (weights + gradients + moments + best + checkpoint)


def _within(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with ``prefix/``, by what follows it."""
    return {
        name.removeprefix(f"{prefix}/"): tensor
        for name, tensor in state.items()
        if name.startswith(f"{prefix}/")
    }


def _tuples(group: dict[str, Any]) -> dict[str, Any]:
    """Return an optimiser's options from JSON, which has lists for tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in group.items()}
