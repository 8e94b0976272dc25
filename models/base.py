"""The contract that every model keeps.

Shapes, stated once for the whole package: U training users, I items, B users in a batch,
K latent dimensions. Histories are binary ``csr_matrix`` of shape (users, I).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

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
    """A model under training: it scores all items for users it has never seen, from their histories alone.

    All that training changes lives in ``net``, ``optimizer`` and ``epoch``, so that a model restored in
    another process goes on bit for bit. A model seeds nothing and may draw from Python's, NumPy's and
    torch's global generators, which the trial seeds before construction and before each epoch.
    """

    net: nn.Module | dict[str, Tensor]
    """What scoring needs: a module, or named tensors for a closed form."""
    optimizer: torch.optim.Optimizer | None = None
    epoch: int = 0
    """Epochs completed, counted by whoever drives the training."""

    def __init__(self, config: C, shape: tuple[int, int], compute: Compute) -> None:
        """Prepare for a training matrix of this ``shape`` (U, I); learn nothing yet."""
        self.config = config
        self.shape = shape
        self.compute = compute

    @property
    def planned(self) -> int:
        """Epochs that training takes: 1 for a closed form."""
        return 1

    def prepare(self, train: csr_matrix) -> Any:
        """Bring the (U, I) training matrix into what ``train_epoch`` wants, once a process, without random numbers."""
        return train

    @abstractmethod
    def train_epoch(self, data: Any) -> Log:
        """Learn from ``data`` (what ``prepare`` returned) for one epoch.

        Returns numbers for the learning curve; "loss", where there is one, is what training minimises.
        """

    @abstractmethod
    def score(self, history: csr_matrix) -> Tensor:
        """Score every item for each history: (B, I) binary -> (B, I) float32 on the model's device, unmasked."""

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
        """All that training changes but ``epoch``, as one flat dict: "net/NAME" and "optimizer/INDEX/SLOT"."""
        state = {f"net/{name}": tensor for name, tensor in self.weights.items()}
        if self.optimizer is not None:
            for index, slots in self.optimizer.state_dict()["state"].items():
                state |= {f"optimizer/{index}/{slot}": tensor for slot, tensor in slots.items()}
        return state

    def restore(self, state: dict[str, Tensor], epoch: int) -> None:
        """Continue from a ``state`` that the same model had after ``epoch`` epochs."""
        self.load({n.removeprefix("net/"): t for n, t in state.items() if n.startswith("net/")})
        if self.optimizer is not None:
            slots: dict[int, dict[str, Tensor]] = {}
            for name, tensor in state.items():
                if name.startswith("optimizer/"):
                    _, index, slot = name.split("/")
                    slots.setdefault(int(index), {})[slot] = tensor
            self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": slots})
        self.epoch = epoch
