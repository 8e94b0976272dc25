"""Two rows that only a generated data set has: what is best given the truth about a user, and given the history alone.

Both rank with the generator's own probabilities p_ti(a) = 1 - exp(-a q_ti), for a user of type t and activity a.
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
from benchmark.spec import code_hash
from datasets.split import Truth
from models.registry import MODELS

SHOWN = 0.8
"""Share of a held-out user's items that are in the history."""


def oracle(truth: Truth) -> Score:
    """Ranks by q of the user's true type: every activity keeps that order."""

    def score(history: csr_matrix, users: np.ndarray) -> Tensor:
        return torch.from_numpy(truth.q[truth.test_type[users]].astype(np.float32))

    return score


def bayes(truth: Truth) -> Score:
    """Ranks by P(item is to be found | history): the mixture over types and activities under their posterior.

    Every item that a user has is taken to be shown with probability 0.8 independently of the others, where the
    split shows 0.8 of them, rounded up. So an item not shown is to be found with probability .2 p / (1 - .8 p).
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
"""By the name that stands in the table."""


def code_of(row: str) -> str | None:
    """``code_hash`` of the files behind a row's name, a model's or one of ROWS; None if there are none."""
    if row in ROWS:
        return code_hash(Path(__file__))
    return code_hash(*MODELS[row].files) if row in MODELS else None
