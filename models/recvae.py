"""RecVAE: a variational autoencoder with a composite prior, whose two halves train in turn.

Objective, to be minimised: the users' mean of -log p(x | z) + gamma |x| KL, where |x| is the user's
number of items, z is one sample from q(z | x) = N(mu, diag(sigma^2)), and the KL is that at this
sample: the sum over the K coordinates of log q(z_k | x) - log p(z_k). The prior is mixed in each
coordinate, p(z_k) = 3/20 N(0, 1) + 3/4 q_old(z_k | x) + 1/10 N(0, e^10), where q_old is the encoder
as it was after the last epoch; in the first epoch it is a second encoder with random weights.

The encoder sees x divided by its norm and thinned by dropout; q_old sees it without dropout, and
the multinomial likelihood is that of the raw x. Its layers are h_1 = LN(swish(W_1 x)) and h_k =
LN(swish(W_k h_(k-1) + h_1 + .. + h_(k-1))); linear layers give mu and log sigma^2 from h_5. The
decoder is one linear layer. An epoch is three passes that update the encoder, after which q_old
becomes a copy of it, and one pass without dropout that updates the decoder. A user never seen is
encoded like any other; scores are the decoder's output at z = mu.

Shenbin, Alekseev, Tutubalina, Malykh, Nikolenko 2020, "RecVAE: a New Variational Autoencoder for
Top-N Recommendations with Implicit Feedback", WSDM 2020.

Differences from the paper:
1. The wide part of the prior, the weights of its parts and the mixture by coordinates are those of
   the authors' published code, of which this is the present state in all else too.
2. q_old(z | x) is computed for all training users at once, not in each batch: it is the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from models.autoencoder import ARRAYS, normalize
from models.base import Compute, Config, Log, Recommender, Search, trained_bytes
from models.batches import CSR
from models.layers import TorchDense
from models.likelihoods import Multinomial
from models.registry import register

DEPTH = 5
"""The number of the encoder's hidden layers; to normalise them adds EPS to their variance."""
EPS = 0.1
ENCODER_PASSES = 3
"""The passes of an epoch that update the encoder, before the one that updates the decoder."""
STANDARD, OLD, WIDE = 3 / 20, 3 / 4, 1 / 10
"""The weights in the prior of N(0, 1), of q_old and of N(0, e^WIDE_LOGVAR)."""
WIDE_LOGVAR = 10.0


class RecVAEConfig(Config):
    """Options of RecVAE, all as in its authors' published code."""

    gamma: Annotated[NonNegativeFloat, Search(5e-4, 5e-2, log=True)] = 0.005
    """The weight of the KL for each item that a user has (0.005 on ML-20M)."""
    hidden: PositiveInt = 600
    """The number of units in each hidden layer of the encoder."""
    latent: Annotated[PositiveInt, Search(50, 400, log=True)] = 200
    """K, the number of units in the bottleneck."""
    dropout: Annotated[float, Field(ge=0, lt=1), Search(0.1, 0.9)] = 0.5
    """The probability that a pass of the encoder leaves out an item of the input."""
    learning_rate: Annotated[PositiveFloat, Search(1e-4, 1e-2, log=True)] = 5e-4
    """The step size of both Adams, whose betas are 0.9 and 0.999 and whose eps is 1e-8."""
    batch: PositiveInt = 500
    """The number of users in an update."""
    epochs: PositiveInt = 50
    """The number of epochs, each of four passes over the training users (50 on ML-20M)."""


class Encoder(nn.Module):
    """The encoder: normalised x (B, I), sparse -> mu and log sigma^2 beside each other (B, 2K)."""

    def __init__(self, items: int, hidden: int, latent: int, compute: Compute) -> None:
        super().__init__()
        self.first = TorchDense(items, hidden)
        self.more = nn.ModuleList(TorchDense(hidden, hidden, compute) for _ in range(DEPTH - 1))
        self.norms = nn.ModuleList(nn.LayerNorm(hidden, eps=EPS) for _ in range(DEPTH))
        self.last = TorchDense(hidden, 2 * latent, compute)

    def forward(self, x: Tensor) -> Tensor:
        first, *others = self.norms
        h = total = first(F.silu(self.first(x)))
        for layer, norm in zip(self.more, others, strict=True):
            h = norm(F.silu(layer(h) + total))
            total = total + h
        return self.last(h)


@register(
    "recvae",
    RecVAEConfig(),
    paper="Shenbin, Alekseev, Tutubalina, Malykh, Nikolenko, RecVAE, WSDM 2020",
    devices=("cpu", "cuda"),
    precisions=("fp32", "tf32", "bf16"),
)
class RecVAE(Recommender[RecVAEConfig]):
    """Variational autoencoder with a composite prior, whose two halves train in turn."""

    net: nn.ModuleDict

    def __init__(self, config: RecVAEConfig, shape: tuple[int, int], compute: Compute) -> None:
        super().__init__(config, shape, compute)
        sizes = shape[1], config.hidden, config.latent, compute
        layers = {"encoder": Encoder(*sizes), "old": Encoder(*sizes)}
        layers |= {"decoder": TorchDense(config.latent, shape[1], compute)}
        self.net = nn.ModuleDict(layers).to(compute.device)
        self.optimizers = {
            part: torch.optim.Adam(self.net[part].parameters(), lr=config.learning_rate, fused=True)
            for part in ("encoder", "decoder")
        }

    @classmethod
    def memory(cls, config: RecVAEConfig, shape: tuple[int, int]) -> int:
        (users, items), hidden, latent = shape, config.hidden, config.latent
        inputs = items + 1 + (DEPTH - 1) * (hidden + 1) + 2 * DEPTH
        encoder = inputs * hidden + (hidden + 1) * 2 * latent
        # q_old is in the net, twice among the best weights and twice in a checkpoint
        networks = trained_bytes(encoder + (latent + 1) * items) + 4 * 5 * encoder
        # at an epoch's end there are those of the new q_old beside the last
        posteriors = 2 * 4 * users * 2 * latent
        return networks + posteriors + 4 * ARRAYS * min(config.batch, users) * items

    def prepare(self, train: csr_matrix) -> CSR:
        return CSR.of(train, self.compute.device)

    def train_epoch(self, data: CSR) -> Log:
        old = self.posteriors(data)
        logs = [self.train("encoder", self.encoder_loss, data, old) for _ in range(ENCODER_PASSES)]
        self.net["old"].load_state_dict(self.net["encoder"].state_dict())
        self.train("decoder", self.decoder_loss, data, self.posteriors(data))
        return {name: sum(log[name] for log in logs) / ENCODER_PASSES for name in logs[0]}

    @torch.no_grad()
    def posteriors(self, data: CSR) -> Tensor:
        """Return mu and log sigma^2 of q_old(z | x) of all training users: (U, 2K)."""
        found = torch.empty(len(data), 2 * self.config.latent, device=self.compute.device)
        for users in torch.arange(len(data), device=found.device).split(self.config.batch):
            x = data.take(users)
            found[users] = self.net["old"](x.sparse(normalize(x)))
        return found

    def train(
        self, part: str, loss_of: Callable[..., dict[str, Tensor]], data: CSR, old: Tensor
    ) -> Log:
        """Update a ``part`` of the net in one pass and return the users' mean terms of its loss.

        ``loss_of`` takes a batch and its rows of ``old``, which are ``posteriors`` (U, 2K).
        """
        self.net.requires_grad_(False)
        self.net[part].requires_grad_(True)
        sums: dict[str, Tensor] = {}
        for users, x in data.numbered(self.config.batch):
            terms = loss_of(x, old[users])
            self.optimizers[part].zero_grad()
            terms["loss"].backward()
            self.optimizers[part].step()
            for name, value in terms.items():
                sums[name] = sums.get(name, 0) + value.detach() * len(x)
        return {name: float(total) / len(data) for name, total in sums.items()}

    def encoder_loss(self, x: CSR, old: Tensor) -> dict[str, Tensor]:
        """Return the loss of an encoder's pass, and its KL; ``old`` (B, 2K) is of q_old."""
        h = x.sparse(F.dropout(normalize(x), self.config.dropout))
        mu, logvar = self.net["encoder"](h).chunk(2, dim=1)
        noise = torch.randn_like(mu)
        z = mu + noise * torch.exp(logvar / 2)
        log_likelihood = Multinomial().log_prob(self.net["decoder"](z), x)
        log_q = -0.5 * (noise.square() + logvar)  # (z - mu) / sigma is the noise
        kl = (log_q - log_prior(z, *old.chunk(2, dim=1))).sum(dim=1)
        loss = (-log_likelihood + self.config.gamma * x.size * kl).mean()
        return {"loss": loss, "kl": kl.mean()}

    def decoder_loss(self, x: CSR, old: Tensor) -> dict[str, Tensor]:
        """Return the loss of the decoder's pass; ``old`` (B, 2K) is of q_old, now the encoder."""
        mu, logvar = old.chunk(2, dim=1)
        z = mu + torch.randn_like(mu) * torch.exp(logvar / 2)
        return {"loss": -Multinomial().log_prob(self.net["decoder"](z), x).mean()}

    @torch.no_grad()
    def score(self, history: csr_matrix, users: np.ndarray | None = None) -> Tensor:
        x = CSR.of(history, self.compute.device)
        mu, _ = self.net["encoder"](x.sparse(normalize(x))).chunk(2, dim=1)
        return self.net["decoder"](mu)


def log_prior(z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Return the log of the prior's density at each z_k, plus log(2 pi) / 2: (B, K).

    ``mu`` and ``logvar`` (B, K) are those of q_old(z | x).
    """
    of_standard = math.log(STANDARD) - 0.5 * z.square()
    of_old = math.log(OLD) - 0.5 * ((z - mu).square() * torch.exp(-logvar) + logvar)
    of_wide = math.log(WIDE) - 0.5 * (z.square() * math.exp(-WIDE_LOGVAR) + WIDE_LOGVAR)
    return torch.logsumexp(torch.stack([of_standard, of_old, of_wide]), dim=0)
