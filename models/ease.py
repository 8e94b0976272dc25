"""EASE: a linear item-item model with a zero diagonal, in closed form.

Objective: min_B ||X - X B||_F^2 + l2 ||B||_F^2 subject to diag(B) = 0, solved by
P = (X'X + l2 I)^-1, B_ij = -P_ij / P_jj for i != j. Scores: history x B.

Steck 2019, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.

Differences from the paper: none in the mathematics. Everything is float32 and happens in the memory
of one (I, I) matrix: the Gram matrix is written block by block, and LAPACK's spotrf and spotri
invert it in place.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from pydantic import PositiveFloat
from scipy.linalg import get_lapack_funcs
from scipy.sparse import csr_matrix
from torch import Tensor

from models.base import Compute, Config, Log, Recommender, Search
from models.batches import CSR
from models.registry import register

BLOCK = 1024
"""The number of columns worked on at a time; temporary memory is BLOCK / I of the matrix."""
LARGEST = 20_480
"""The most rows of a matrix that LAPACK is given. With two threads and more than about 22,600 rows,
OpenBLAS's Cholesky writes beyond its buffer on some CPUs (its issue 2562); one of 26,744 rows
crashed here."""


class EASEConfig(Config):
    """Options of EASE."""

    l2: Annotated[PositiveFloat, Search(10, 5000, log=True)] = 500.0
    """The weight of ||B||_F^2, lambda in the paper (paper: 500 on ML-20M)."""


@register(
    "ease",
    EASEConfig(),
    paper="Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019",
    deterministic=True,
)
class EASE(Recommender[EASEConfig]):
    """Item-item regression in closed form, which is computed in a single epoch."""

    net: dict[str, Tensor]

    def __init__(self, config: EASEConfig, shape: tuple[int, int], compute: Compute) -> None:
        super().__init__(config, shape, compute)
        self.net = {}

    @classmethod
    def memory(cls, config: EASEConfig, shape: tuple[int, int]) -> int:
        items = shape[1]
        # an inverse by quarters copies the quarters
        copies = 1 if items <= LARGEST else 2
        return 4 * items * (copies * items + 3 * min(BLOCK, items))

    def train_epoch(self, data: csr_matrix) -> Log:
        # torch allocates aligned memory, in which NumPy and LAPACK then work
        matrix = torch.empty(self.shape[1], self.shape[1])
        P = gram(data, out=matrix.numpy())
        np.fill_diagonal(P, P.diagonal() + self.config.l2)
        invert(P)
        # divides column j by -P_jj
        P /= -P.diagonal()
        np.fill_diagonal(P, 0.0)
        self.net = {"B": matrix}
        return {}

    def score(self, history: csr_matrix, users: np.ndarray | None = None) -> Tensor:
        return CSR.of(history).sparse() @ self.net["B"]


def gram(X: csr_matrix, out: np.ndarray) -> np.ndarray:
    """Write the item-item counts X'X into ``out`` and return it: (U, I) -> (I, I) float32."""
    Xt = X.T.tocsr()
    columns = X.tocsc()
    for start in range(0, len(out), BLOCK):
        block = slice(start, start + BLOCK)
        out[:, block] = (Xt @ columns[:, block]).toarray()
    return out


def invert(A: np.ndarray) -> None:
    """Invert a symmetric, positive definite (I, I) float32 matrix in place, by Cholesky.

    Raises numpy.linalg.LinAlgError if ``A`` is not positive definite in float32.
    """
    if len(A) > LARGEST:
        invert_by_quarters(A)
        return
    spotrf, spotri = get_lapack_funcs(("potrf", "potri"), dtype=np.float32)
    # the same memory in LAPACK's column order; its lower triangle is A's upper one
    fortran = A.T
    _, info = spotrf(fortran, lower=1, overwrite_a=1)
    if info == 0:
        _, info = spotri(fortran, lower=1, overwrite_c=1)
    if info:
        raise np.linalg.LinAlgError(
            f"the Gram matrix is not positive definite in float32 (minor {info}); use a larger l2"
        )
    # LAPACK has written only A's upper triangle: mirror it
    for start in range(0, len(A), BLOCK):
        stop = start + BLOCK
        square = np.triu(A[start:stop, start:stop])
        A[start:stop, start:stop] = square + np.triu(square, 1).T
        A[stop:, start:stop] = A[start:stop, stop:].T


def invert_by_quarters(A: np.ndarray) -> None:
    """Do what ``invert`` does, by inverting only matrices of half the size.

    With A = [[a, b], [b', d]] these are a and its Schur complement, d - b'a^-1 b.
    """
    half = len(A) // 2
    a, b, d = A[:half, :half], A[:half, half:], A[half:, half:]
    for_lapack = np.ascontiguousarray(a)
    invert(for_lapack)
    a[:] = for_lapack
    w = a @ b
    for_lapack = d - b.T @ w
    invert(for_lapack)
    d[:] = for_lapack
    b[:] = w @ d
    a += b @ w.T
    b *= -1
    A[half:, :half] = b.T
