"""The item-item counts X'X of a training matrix, and inverses in the memory of one such matrix."""

from __future__ import annotations

import numpy as np
from scipy.linalg import get_lapack_funcs
from scipy.sparse import csr_matrix

BLOCK = 1024
"""The number of rows or columns worked on at a time."""
LARGEST = 20_480
"""The most rows of a matrix that LAPACK is given. With two threads and more than about 22,600 rows,
OpenBLAS's Cholesky writes beyond its buffer on some CPUs (its issue 2562); one of 26,744 rows
crashed here."""


def gram(X: csr_matrix, out: np.ndarray) -> np.ndarray:
    """Write the item-item counts X'X into ``out`` and return it: (U, I) -> (I, I) float32."""
    Xt = X.T.tocsr()
    columns = X.tocsc()
    for block in blocks(len(out)):
        out[:, block] = (Xt @ columns[:, block]).toarray()
    return out


def inverse_bytes(items: int) -> int:
    """Return the bytes that ``gram`` and ``invert`` need, the (I, I) matrix itself included."""
    # beyond LARGEST, a quarter is copied for LAPACK
    quarter = 0 if items <= LARGEST else (items + 1) // 2
    return 4 * (items**2 + quarter**2 + 3 * min(BLOCK, items) * items)


def invert(A: np.ndarray) -> None:
    """Invert a symmetric, positive definite (I, I) float32 matrix in place, by Cholesky.

    Raises numpy.linalg.LinAlgError if ``A`` is not positive definite in float32.
    """
    if len(A) > LARGEST:
        _invert_by_quarters(A)
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
    for rows in blocks(len(A)):
        square = np.triu(A[rows, rows])
        A[rows, rows] = square + np.triu(square, 1).T
        A[rows.stop :, rows] = A[rows, rows.stop :].T


def _invert_by_quarters(A: np.ndarray) -> None:
    """Do what ``invert`` does, by inverting only matrices of half the size.

    With A = [[a, b], [b', d]] these are a and its Schur complement s = d - b'a^-1 b. With w =
    a^-1 b, the inverse is [[a^-1 + w s^-1 w', -w s^-1], [-s^-1 w', s^-1]].
    """
    # the second half is not the larger one, so that the spare quarter holds any of the four
    half = len(A) - len(A) // 2
    a, b, d = A[:half, :half], A[:half, half:], A[half:, half:]
    spare = np.empty(half * half, dtype=A.dtype)

    def in_spare(quarter: np.ndarray) -> np.ndarray:
        return spare[: quarter.size].reshape(quarter.shape)

    _invert_copy(a, in_spare(a))
    w = np.matmul(a, b, out=in_spare(b))
    for rows in blocks(len(d)):
        d[rows] -= b[:, rows].T @ w
    b[:] = w
    _invert_copy(d, in_spare(d))
    w_s = np.matmul(b, d, out=in_spare(b))
    for rows in blocks(half):
        a[rows] += w_s[rows] @ b.T
    np.negative(w_s, out=b)
    A[half:, :half] = b.T


def _invert_copy(quarter: np.ndarray, copy: np.ndarray) -> None:
    """Invert ``quarter`` in the memory of ``copy``, since LAPACK takes no part of a matrix."""
    copy[:] = quarter
    invert(copy)
    quarter[:] = copy


def blocks(length: int) -> list[slice]:
    """Return slices of BLOCK indices, the last perhaps shorter, that cover ``length`` of them."""
    return [slice(start, min(start + BLOCK, length)) for start in range(0, length, BLOCK)]
