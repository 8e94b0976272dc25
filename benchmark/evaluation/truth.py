"""Two rows that only generated data have: the best ranking by the truth, and by the history alone.

Both use the generator's own probabilities: a user of type t and activity a has item i with the
probability p_ti(a) = 1 - exp(-a q_ti).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_matrix
from scipy.special import softmax
from torch import Tensor

from benchmark.evaluation.ranking import Score
from benchmark.spec import PROTOCOL, TrialSpec, code_hash
from datasets.errors import DataError
from datasets.split import Truth
from models.registry import MODELS

SHOWN = 0.8
"""The share of a held-out user's items that are in the history."""


def oracle(truth: Truth) -> Score:
    """Return a scorer that ranks by q of the user's true type; p has the same order for every a."""

    def score(history: csr_matrix, users: np.ndarray) -> Tensor:
        return torch.from_numpy(truth.q[truth.test_type[users]].astype(np.float32))

    return score


def bayes(truth: Truth) -> Score:
    """Return a scorer that ranks by P(item is a target | history).

    This is a mean over types and activities, weighted by their posterior given the history. Each
    item of a user is taken to be in the history with probability 0.8, independently of the others;
    the split itself puts 0.8 of them there, rounded up. So an item outside the history is a target
    with probability 0.2 p / (1 - 0.8 p).
    """
    # (types x activities, I)
    p = -np.expm1(-truth.activity[:, None, None] * truth.q).reshape(-1, truth.q.shape[1])
    shown, hidden = SHOWN * p, 1 - SHOWN * p
    evidence = (np.log(shown) - np.log(hidden)).T
    constant = np.log(hidden).sum(axis=1)
    to_find = (1 - SHOWN) * p / hidden

    def score(history: csr_matrix, users: np.ndarray) -> Tensor:
        posterior = softmax(history @ evidence + constant, axis=1)
        return torch.from_numpy((posterior @ to_find).astype(np.float32))

    return score


ROWS: dict[str, Callable[[Truth], Score]] = {"oracle": oracle, "bayes": bayes}
"""The scorers by the name that the table's row has."""


def check_code(spec: TrialSpec, path: Path) -> None:
    """Raise DataError if this checkout would compute other numbers than the ``spec`` that was read
    from ``path``.
    """
    if (PROTOCOL, code_of(spec.model)) != (spec.protocol, spec.code):
        raise DataError(
            f"{path} is of other code for {spec.model} than this checkout has (or another "
            "protocol version than "
            f"{PROTOCOL}); check out the code that wrote it, or start the run again"
        )


def code_of(row: str) -> str | None:
    """Return ``code_hash`` of the files behind a row's name, or None if there are none."""
    if row in ROWS:
        return code_hash(Path(__file__))
    return code_hash(*MODELS[row].files) if row in MODELS else None
