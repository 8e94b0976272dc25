"""The two networks and the evaluator in the simplest form, for comparison with this project's."""

from __future__ import annotations

from collections.abc import Callable

import bottleneck as bn
import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from datasets.split import Fold


class PlainVAE(nn.Module):
    """Mult-VAE with dense batches, nn.Linear and log_softmax."""

    def __init__(self, items: int, hidden: int = 600, latent: int = 200) -> None:
        super().__init__()
        self.encoder_1, self.encoder_2 = nn.Linear(items, hidden), nn.Linear(hidden, 2 * latent)
        self.decoder_1, self.decoder_2 = nn.Linear(latent, hidden), nn.Linear(hidden, items)

    def loss(self, x: Tensor, beta: float = 0.2, dropout: float = 0.5) -> Tensor:
        """Return the loss of a dense batch (B, I)."""
        h = torch.tanh(self.encoder_1(F.dropout(F.normalize(x), dropout)))
        mu, logvar = self.encoder_2(h).chunk(2, dim=1)
        z = mu + torch.randn_like(mu) * torch.exp(logvar / 2)
        f = self.decoder_2(torch.tanh(self.decoder_1(z)))
        kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(dim=1)
        return (-(F.log_softmax(f, dim=1) * x).sum(dim=1) + beta * kl).mean()


class PlainDAE(nn.Module):
    """Mult-DAE with dense batches, nn.Linear and log_softmax."""

    def __init__(self, items: int, latent: int = 200) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(items, latent), nn.Linear(latent, items)

    def loss(self, x: Tensor, l2: float = 2e-5, dropout: float = 0.5) -> Tensor:
        """Return the loss of a dense batch (B, I)."""
        f = self.decoder(torch.tanh(self.encoder(F.dropout(F.normalize(x), dropout))))
        squares = self.encoder.weight.square().sum() + self.decoder.weight.square().sum()
        return -(F.log_softmax(f, dim=1) * x).sum(dim=1).mean() + l2 * squares


def trainer(net: PlainVAE | PlainDAE, matrix: csr_matrix, batch: int = 500) -> Callable[[], None]:
    """Return a function that trains one epoch on ``matrix`` (users, items) by the default Adam."""
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def train() -> None:
        for users in torch.randperm(matrix.shape[0]).split(batch):
            loss = net.loss(torch.from_numpy(matrix[users.numpy()].toarray()))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return train


def evaluate(scores: np.ndarray, fold: Fold, batch: int = 500) -> dict[str, np.ndarray]:
    """Return the per-user metrics (users,) as the authors' notebook computes them.

    Each metric ranks the whole batch anew, on dense targets. The ranking is Bottleneck's, as in the
    notebook, though NumPy's own argpartition has become faster since.
    """
    parts: dict[str, list[np.ndarray]] = {"Recall@20": [], "Recall@50": [], "NDCG@100": []}
    history, target = fold.history.matrix, fold.target.matrix
    for start in range(0, len(scores), batch):
        rows = slice(start, start + batch)
        predicted = scores[rows].copy()
        predicted[history[rows].nonzero()] = -np.inf
        parts["Recall@20"].append(recall(predicted, target[rows], 20))
        parts["Recall@50"].append(recall(predicted, target[rows], 50))
        parts["NDCG@100"].append(ndcg(predicted, target[rows], 100))
    return {name: np.concatenate(values) for name, values in parts.items()}


def recall(predicted: np.ndarray, target: csr_matrix, k: int) -> np.ndarray:
    """Return each user's Recall@k, which is nan for a user without targets."""
    best = bn.argpartition(-predicted, k, axis=1)[:, :k]
    chosen = np.zeros_like(predicted, dtype=bool)
    chosen[np.arange(len(predicted))[:, None], best] = True
    wanted = target.toarray() > 0
    with np.errstate(invalid="ignore"):
        return (wanted & chosen).sum(axis=1) / np.minimum(k, wanted.sum(axis=1))


def ndcg(predicted: np.ndarray, target: csr_matrix, k: int) -> np.ndarray:
    """Return each user's NDCG@k, which is nan for a user without targets."""
    rows = np.arange(len(predicted))[:, None]
    part = bn.argpartition(-predicted, k, axis=1)[:, :k]
    top = part[rows, np.argsort(-predicted[rows, part], axis=1)]
    discount = 1 / np.log2(np.arange(2, k + 2))
    gain = (target[rows, top].toarray() * discount).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return gain / np.array([discount[: min(n, k)].sum() for n in target.getnnz(axis=1)])
