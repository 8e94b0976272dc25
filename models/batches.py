"""Binary rows as a sparse matrix (CSR) on a device, and the shuffled batches of an epoch."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from scipy.sparse import csr_matrix
from torch import Tensor

# the first CSR tensor of a process warns that torch's support is in beta: users need not see it
with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")
    torch.sparse_csr_tensor([0, 0], [], [], (1, 1), check_invariants=False)


@dataclass(frozen=True)
class CSR:
    """A binary matrix (B, I): user b has the items ``col[crow[b]:crow[b + 1]]``."""

    crow: Tensor
    """(B + 1,) int64, where each user's items begin in ``col``."""
    col: Tensor
    """(entries,) int64, the item of each entry, which is a one of the matrix."""
    items: int
    """I, the number of columns."""

    @classmethod
    def of(cls, matrix: csr_matrix, device: str = "cpu") -> CSR:
        """Return a copy of ``matrix`` on ``device``; its values are taken to be ones."""
        crow, col = (
            torch.from_numpy(a).to(device, torch.int64) for a in (matrix.indptr, matrix.indices)
        )
        return cls(crow, col, matrix.shape[1])

    def __len__(self) -> int:
        return len(self.crow) - 1

    @cached_property
    def size(self) -> Tensor:
        """The number of items of each user: (B,)."""
        return self.crow.diff()

    @cached_property
    def row(self) -> Tensor:
        """The user of each entry: (entries,)."""
        users = torch.arange(len(self), device=self.crow.device)
        return torch.repeat_interleave(users, self.size, output_size=len(self.col))

    def take(self, users: Tensor, entries: int | None = None) -> CSR:
        """Return the rows of ``users``, in that order.

        If the number of ``entries`` in them is given, the CPU need not wait for the GPU to count.
        """
        crow = torch.nn.functional.pad(self.size[users].cumsum(0), (1, 0))
        shift = torch.repeat_interleave(
            self.crow[users] - crow[:-1], self.size[users], output_size=entries
        )
        entry = torch.arange(len(shift), device=shift.device) + shift
        return CSR(crow, self.col[entry], self.items)

    def sparse(self, values: Tensor | None = None) -> Tensor:
        """Return a sparse tensor (B, I) with the ``values`` (entries,), by default ones."""
        if values is None:
            values = torch.ones(len(self.col), device=self.col.device)
        return torch.sparse_csr_tensor(
            self.crow, self.col, values, (len(self), self.items), check_invariants=False
        )

    def numbered(self, batch: int) -> Iterator[tuple[Tensor, CSR]]:
        """Yield the row numbers (B,) and the rows of batches of ``batch`` users, each user once.

        The last batch may be smaller. The order is drawn from torch's global generator.
        """
        order = torch.randperm(len(self))
        sizes = self.size.cpu()[order]
        for users, size in zip(
            order.to(self.crow.device).split(batch), sizes.split(batch), strict=True
        ):
            yield users, self.take(users, int(size.sum()))

    def shuffled(self, batch: int) -> Iterator[CSR]:
        """Yield the batches of ``numbered`` without their row numbers."""
        for _, x in self.numbered(batch):
            yield x
