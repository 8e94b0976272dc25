"""Networks and the evaluator in the simplest form, for comparison with this project's."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

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

    def loss(
        self, x: Tensor, _: Tensor | None = None, beta: float = 0.2, dropout: float = 0.5
    ) -> Tensor:
        """Return the loss of a dense batch (B, I), whoever its users are."""
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

    def loss(
        self, x: Tensor, _: Tensor | None = None, l2: float = 2e-5, dropout: float = 0.5
    ) -> Tensor:
        """Return the loss of a dense batch (B, I), whoever its users are."""
        f = self.decoder(torch.tanh(self.encoder(F.dropout(F.normalize(x), dropout))))
        squares = self.encoder.weight.square().sum() + self.decoder.weight.square().sum()
        return -(F.log_softmax(f, dim=1) * x).sum(dim=1).mean() + l2 * squares


class PlainCDAE(nn.Module):
    """CDAE with dense batches and nn.Linear."""

    def __init__(self, users: int, items: int, latent: int = 200) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(items, latent), nn.Linear(latent, items)
        self.user = nn.Embedding(users, latent)

    def loss(
        self, x: Tensor, users: Tensor, l2: float = 2e-3, dropout: float = 0.5, c1: float = 2.0
    ) -> Tensor:
        """Return the loss of a dense batch (B, I), whose rows in training are ``users`` (B,)."""
        d = F.dropout(F.normalize(x), dropout)
        f = torch.tanh(self.decoder(torch.tanh(self.encoder(d) + self.user(users))))
        layers = (self.encoder, self.decoder, self.user)
        squares = torch.stack([layer.weight.square().sum() for layer in layers]).sum()
        return (torch.where(x > 0, c1, 1.0) / 2 * (x - f).square()).sum(dim=1).mean() + l2 * squares


class PlainEncoder(nn.Module):
    """RecVAE's encoder with nn.Linear and nn.LayerNorm."""

    def __init__(self, items: int, hidden: int, latent: int) -> None:
        super().__init__()
        self.first = nn.Linear(items, hidden)
        self.more = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(4))
        self.norms = nn.ModuleList(nn.LayerNorm(hidden, eps=0.1) for _ in range(5))
        self.last = nn.Linear(hidden, 2 * latent)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mu and log sigma^2 of dense inputs: (B, I) -> two (B, K)."""
        outputs = [self.norms[0](F.silu(self.first(x)))]
        for layer, norm in zip(self.more, list(self.norms)[1:], strict=True):
            outputs.append(norm(F.silu(layer(outputs[-1]) + torch.stack(outputs).sum(dim=0))))
        mu, logvar = self.last(outputs[-1]).chunk(2, dim=1)
        return mu, logvar


class PlainRecVAE(nn.Module):
    """RecVAE with dense batches, nn.Linear, log_softmax, and q_old's output for each batch anew."""

    def __init__(self, items: int, hidden: int = 600, latent: int = 200) -> None:
        super().__init__()
        self.encoder, self.old = (PlainEncoder(items, hidden, latent) for _ in range(2))
        self.decoder = nn.Linear(latent, items)

    def encoder_loss(self, x: Tensor, gamma: float = 0.005, dropout: float = 0.5) -> Tensor:
        """Return the loss of a dense batch (B, I) in a pass that updates the encoder."""
        mu, logvar = self.encoder(F.dropout(F.normalize(x), dropout))
        z = mu + torch.randn_like(mu) * torch.exp(logvar / 2)
        with torch.no_grad():
            old_mu, old_logvar = self.old(F.normalize(x))
        zero = torch.zeros_like(z)
        parts = [
            log_normal(z, zero, zero) + math.log(3 / 20),
            log_normal(z, old_mu, old_logvar) + math.log(3 / 4),
            log_normal(z, zero, zero + 10) + math.log(1 / 10),
        ]
        log_prior = torch.logsumexp(torch.stack(parts), dim=0)
        kl = (log_normal(z, mu, logvar) - log_prior).sum(dim=1)
        log_likelihood = (F.log_softmax(self.decoder(z), dim=1) * x).sum(dim=1)
        return (-log_likelihood + gamma * x.sum(dim=1) * kl).mean()

    def decoder_loss(self, x: Tensor) -> Tensor:
        """Return the loss of a dense batch (B, I) in a pass that updates the decoder."""
        with torch.no_grad():
            mu, logvar = self.encoder(F.normalize(x))
        z = mu + torch.randn_like(mu) * torch.exp(logvar / 2)
        return -(F.log_softmax(self.decoder(z), dim=1) * x).sum(dim=1).mean()


def log_normal(z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Return the log density of N(mu, e^logvar) at each number of ``z``."""
    return -0.5 * ((z - mu).square() / torch.exp(logvar) + logvar + math.log(2 * math.pi))


def batches(matrix: csr_matrix, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the rows (B,) and the dense inputs (B, I) of batches, in random order."""
    for users in torch.randperm(matrix.shape[0]).split(batch):
        yield users, torch.from_numpy(matrix[users.numpy()].toarray())


def update(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Make one step against the gradient of ``loss``."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def trainer(
    net: PlainVAE | PlainDAE | PlainCDAE, matrix: csr_matrix, batch: int = 500
) -> Callable[[], None]:
    """Return a function that trains one epoch on ``matrix`` (users, items) by the default Adam."""
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def train() -> None:
        for users, x in batches(matrix, batch):
            update(optimizer, net.loss(x, users))

    return train


def recvae_trainer(net: PlainRecVAE, matrix: csr_matrix, batch: int = 500) -> Callable[[], None]:
    """Return a function that trains one epoch of RecVAE: three passes and one."""
    encoder, decoder = (
        torch.optim.Adam(part.parameters(), lr=5e-4) for part in (net.encoder, net.decoder)
    )

    def train() -> None:
        net.decoder.requires_grad_(False)
        for _ in range(3):
            for _, x in batches(matrix, batch):
                update(encoder, net.encoder_loss(x))
        net.old.load_state_dict(net.encoder.state_dict())
        net.decoder.requires_grad_(True)
        for _, x in batches(matrix, batch):
            update(decoder, net.decoder_loss(x))

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
