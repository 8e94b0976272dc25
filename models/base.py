"""The contract that every model keeps.

Shapes, stated once for the whole package: U training users, I items, B users in a batch,
K latent dimensions. Histories are binary ``csr_matrix`` of shape (users, I).
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
    """Options of a model, validated when made and never changed after; each field says its unit and origin."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


@dataclass(frozen=True)
class Search:
    """The values of an option that tuning tries, beside its type: ``Annotated[float, Search(1, 9)]``.

    Numbers are drawn evenly between the bounds, or evenly in the logarithm. An option without bounds is a
    ``Literal``, and each of its values is tried.
    """

    low: float | None = None
    high: float | None = None
    log: bool = False


@dataclass(frozen=True)
class Compute:
    """What a model computes on; decided by the trial, never by the model."""

    device: Device = "cpu"
    precision: Precision = "fp32"
    """Of the large training products; weights, optimiser and scores are float32 in either."""
    threads: int = 1
    """CPU threads for libraries that want to be told; torch's own are set by the trial."""
    by_numpy: frozenset[Precision] = frozenset()
    """Precisions in which NumPy's library, not torch's, multiplies large matrices on this machine."""


C = TypeVar("C", bound=Config)


class Recommender(ABC, Generic[C]):
    """A model under training: it scores all items for users it has never seen, from their histories.

    All that training changes lives in ``net``, ``optimizers`` and ``epoch``, so that a model restored in
    another process goes on bit for bit; a schedule sets its rates from ``epoch``, or from the rates that
    the optimizers have. A model seeds nothing and may draw from Python's, NumPy's and torch's global
    generators, which the trial seeds before construction and before each epoch.
    """

    net: nn.Module | dict[str, Tensor]
    """What scoring needs: a module, or named tensors for a closed form."""
    optimizers: dict[str, torch.optim.Optimizer]
    """By name; none for a closed form."""
    epoch: int = 0
    """Epochs completed, counted by whoever drives the training."""

    def __init__(self, config: C, shape: tuple[int, int], compute: Compute) -> None:
        """Prepare for a training matrix of this ``shape`` (U, I); learn nothing yet."""
        self.config = config
        self.shape = shape
        self.compute = compute
        self.optimizers = {}

    @classmethod
    def memory(cls, config: C, shape: tuple[int, int]) -> int | None:
        """The most bytes that a trial takes at a time for this model, or None if that is not known.

        ``shape`` (U, I) is the training matrix's. Counted are the weights, all else that training allocates, and
        the copies of weights and state that a trial makes; not the libraries, the data, or the scores of the
        users that are ranked.
        """
        return None

    @property
    def planned(self) -> int:
        """Epochs that training takes: those of the options, or 1 for a closed form."""
        return getattr(self.config, "epochs", 1)

    def prepare(self, train: csr_matrix) -> Any:
        """Bring the (U, I) training matrix into what ``train_epoch`` wants, once a process, without random numbers."""
        return train

    @abstractmethod
    def train_epoch(self, data: Any) -> Log:
        """Learn from ``data`` (what ``prepare`` returned) for one epoch.

        Returns numbers for the learning curve; "loss", where there is one, is what training minimises.
        """

    @abstractmethod
    def score(self, history: csr_matrix, users: np.ndarray | None = None) -> Tensor:
        """Score every item for each history: (B, I) binary -> (B, I) float32 on the model's device, unmasked.

        ``users`` (B,) are the rows of the training matrix that these users have there; None for users whom the
        model has never seen. Most models look at the history alone.
        """

    @property
    def weights(self) -> dict[str, Tensor]:
        """The learned tensors by name; references, not copies."""
        return self.net.state_dict() if isinstance(self.net, nn.Module) else self.net

    def load(self, weights: dict[str, Tensor]) -> None:
        """Take over ``weights`` of the same model; the tensors may live on another device."""
        if isinstance(self.net, nn.Module):
            self.net.load_state_dict(weights)
        else:
            self.net = {name: tensor.to(self.compute.device) for name, tensor in weights.items()}

    def state(self) -> dict[str, Tensor]:
        """All that training changes but ``epoch``, as one flat dict.

        "net/NAME" are the weights, "optimizer/NAME/INDEX/SLOT" what an optimizer holds of each parameter, and
        "optimizer/NAME/groups" its options, rates that a schedule changes among them, as the bytes of JSON.
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
        """Continue from a ``state`` that the same model had after ``epoch`` epochs."""
        self.load(_within(state, "net"))
        for name, optimizer in self.optimizers.items():
            held = _within(state, f"optimizer/{name}")
            groups = [
                {
                    key: tuple(value) if isinstance(value, list) else value
                    for key, value in group.items()
                }
                for group in json.loads(bytes(held.pop("groups").tolist()))
            ]
            slots: dict[int, dict[str, Tensor]] = {}
            for path, tensor in held.items():
                index, slot = path.split("/")
                slots.setdefault(int(index), {})[slot] = tensor
            optimizer.load_state_dict({"state": slots, "param_groups": groups})
        self.epoch = epoch


def trained_bytes(parameters: int) -> int:
    """Bytes that a network of so many float32 ``parameters`` takes under Adam.

    They are the weights, their gradients, Adam's two moments, the best weights and for a moment their successor,
    and what a checkpoint is written from: weights, moments and best weights once more.
    """
    weights, gradients, moments, best, checkpoint = 1, 1, 2, 2, 4
    return 4 * parameters * (weights + gradients + moments + best + checkpoint)


def _within(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with ``prefix/``, without it."""
    return {
        name.removeprefix(f"{prefix}/"): tensor
        for name, tensor in state.items()
        if name.startswith(f"{prefix}/")
    }
