"""Binary rows in compressed sparse form on a device, and the shuffled batches of an epoch."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from scipy.sparse import csr_matrix
from torch import Tensor

# the first such tensor of a process announces that they are in beta: not to the user
with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")
    torch.sparse_csr_tensor([0, 0], [], [], (1, 1), check_invariants=False)


@dataclass(frozen=True)
class CSR:
    """A (B, I) binary matrix: user b has the items ``col[crow[b]:crow[b + 1]]``."""

    crow: Tensor
    """(B + 1,) int64."""
    col: Tensor
    """(entries,) int64."""
    items: int
    """I."""

    @classmethod
    def of(cls, matrix: csr_matrix, device: str = "cpu") -> CSR:
        """Copy the pattern of ``matrix``; its values are taken to be ones."""
        crow, col = (
            torch.from_numpy(a).to(device, torch.int64) for a in (matrix.indptr, matrix.indices)
        )
        return cls(crow, col, matrix.shape[1])

    def __len__(self) -> int:
        return len(self.crow) - 1

    @cached_property
    def size(self) -> Tensor:
        """Items per user: (B,)."""
        return self.crow.diff()

    @cached_property
    def row(self) -> Tensor:
        """The user of each entry: (entries,)."""
        users = torch.arange(len(self), device=self.crow.device)
        return torch.repeat_interleave(users, self.size, output_size=len(self.col))

    def take(self, users: Tensor, entries: int | None = None) -> CSR:
        """The rows of ``users``, in that order; a GPU need not be waited for if told how many ``entries`` they have."""
        crow = torch.nn.functional.pad(self.size[users].cumsum(0), (1, 0))
        shift = torch.repeat_interleave(
            self.crow[users] - crow[:-1], self.size[users], output_size=entries
        )
        entry = torch.arange(len(shift), device=shift.device) + shift
        return CSR(crow, self.col[entry], self.items)

    def sparse(self, values: Tensor | None = None) -> Tensor:
        """As a torch sparse tensor (B, I) with ``values`` (entries,), or ones."""
        if values is None:
            values = torch.ones(len(self.col), device=self.col.device)
        return torch.sparse_csr_tensor(
            self.crow, self.col, values, (len(self), self.items), check_invariants=False
        )

    def shuffled(self, batch: int) -> Iterator[CSR]:
        """Every user once, in an order from torch's global generator, ``batch`` at a time; the last may be smaller."""
        order = torch.randperm(len(self))
        sizes = self.size.cpu()[order]
        for users, size in zip(
            order.to(self.crow.device).split(batch), sizes.split(batch), strict=True
        ):
            yield self.take(users, int(size.sum()))
