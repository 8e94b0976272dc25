"""Mult-VAE and Mult-DAE, and the same networks with other likelihoods: autoencoders of a user's binary item vector x.

The VAE minimises, averaged over users, -log p(x | z) + beta KL(q(z | x) || N(0, I)) with one sample
z ~ q(z | x) = N(mu, diag(sigma^2)); the DAE minimises -log p(x | z) + l2 sum ||W||_F^2 with z = encoder(x).
Both see x L2-normalised, then thinned by dropout, and reconstruct the raw x.

Liang, Krishnan, Hoffman, Jebara 2018, "Variational Autoencoders for Collaborative Filtering", WWW 2018.

Differences from the paper:
1. Adam is torch's, which adds eps to sqrt(v-hat); TensorFlow's adds it to the uncorrected sqrt(v). Scores
   do not show it.
2. total_anneal_steps follows the planned number of updates unless it is given: 0.8 x updates / cap. The
   paper's 200,000 fits ML-20M; on smaller data the cap would never be reached.
3. With output_bias = item the decoder's last bias starts at the items' frequencies, not near 0. That is the
   default of the logistic and the Poisson likelihood, which otherwise rank like popularity for tens of epochs.
4. The Poisson likelihood is not in the paper, and the Gaussian's c0 and c1 are not published.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Annotated, Generic, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from models.base import Compute, Config, Log, Recommender, Search, trained_bytes
from models.batches import CSR
from models.layers import Dense
from models.likelihoods import Likelihood, Start

L = TypeVar("L", bound=Likelihood)

ACTIVE = 0.01
"""Nats that a latent unit must tell of a user, by the epoch's mean of its KL, to be counted as active."""
ARRAYS = 6
"""Arrays of (batch, I) that an update holds at a time: f, what the loss makes of it, and their gradients."""


class AutoencoderConfig(Config, Generic[L]):
    """Options that both autoencoders have. "Code" is the authors' published notebook."""

    likelihood: L
    """Of a user's items given the decoder's output."""
    output_bias: Annotated[Start, Search()] = "paper"
    """Where the decoder's last bias starts: near 0 as in the paper, or at the f that expects the items' frequencies."""
    latent: Annotated[PositiveInt, Search(50, 400, log=True)] = 200
    """K, units in the bottleneck (paper, section 4.2)."""
    dropout: Annotated[float, Field(ge=0, lt=1), Search(0.1, 0.9)] = 0.5
    """Probability that an item of the input is left out while training (paper, section 4.2)."""
    l2: Annotated[NonNegativeFloat, Search(1e-7, 1e-2, log=True)] = 0.0
    """Weight of sum ||W||_F^2 over weight matrices, inside the loss."""
    learning_rate: Annotated[PositiveFloat, Search(1e-4, 1e-2, log=True)] = 1e-3
    """Of Adam with (0.9, 0.999) and eps 1e-8 (code)."""
    batch: PositiveInt = 500
    """Users per update (paper, section 4.2)."""
    epochs: PositiveInt = 200
    """Passes over the training users; all of them run (paper: 200 on ML-20M)."""


class VAEConfig(AutoencoderConfig[L], Generic[L]):
    """Options of the VAE."""

    hidden: PositiveInt = 600
    """Units of the layer on either side of the bottleneck (paper, section 4.2)."""
    beta_cap: Annotated[NonNegativeFloat, Search(0, 1)] = 0.2
    """Largest weight of the KL term (code: 0.2 on ML-20M)."""
    total_anneal_steps: NonNegativeInt | None = None
    """Updates over which beta would reach 1; 0: beta is the cap from the start; none: 0.8 x planned updates / cap."""


class DAEConfig(AutoencoderConfig[L], Generic[L]):
    """Options of the DAE."""

    l2: Annotated[NonNegativeFloat, Search(1e-7, 1e-2, log=True)] = 2e-5
    """Weight of sum ||W||_F^2 (code: 0.01 / 500); it stays the same for other batch sizes."""


A = TypeVar("A", bound="AutoencoderConfig[Likelihood]")


class Autoencoder(Recommender[A]):
    """Training and scoring, as both autoencoders do them; the layers and the loss differ."""

    net: nn.ModuleDict

    def __init__(self, config: A, shape: tuple[int, int], compute: Compute) -> None:
        super().__init__(config, shape, compute)
        sizes = self.sizes(config, shape[1])
        *_, self.output = sizes
        layers = {
            name: Dense(*size, compute if name == self.output else None)
            for name, size in sizes.items()
        }
        self.net = nn.ModuleDict(layers).to(compute.device)
        self.adam = torch.optim.Adam(
            self.net.parameters(), lr=config.learning_rate, betas=(0.9, 0.999), eps=1e-8, fused=True
        )
        self.optimizers = {"adam": self.adam}

    @property
    def updates_per_epoch(self) -> int:
        """Batches in an epoch, a partial last one included."""
        return math.ceil(self.shape[0] / self.config.batch)

    @classmethod
    @abstractmethod
    def sizes(cls, config: A, items: int) -> dict[str, tuple[int, int]]:
        """Inputs and outputs of each layer by its name; the last layer gives f."""

    @classmethod
    def memory(cls, config: A, shape: tuple[int, int]) -> int:
        users, items = shape
        sizes = cls.sizes(config, items).values()
        parameters = sum((inputs + 1) * outputs for inputs, outputs in sizes)
        return trained_bytes(parameters) + 4 * ARRAYS * min(config.batch, users) * items

    @abstractmethod
    def mean(self, h: Tensor) -> Tensor:
        """The point in latent space that scores are decoded from: input h (B, I) -> (B, K)."""

    @abstractmethod
    def decode(self, z: Tensor) -> Tensor:
        """(B, K) -> f (B, I)."""

    @abstractmethod
    def loss(self, x: CSR, updates: int) -> tuple[Tensor, dict[str, Tensor]]:
        """What the update after ``updates`` others minimises, and the terms to log, all means over users.

        A term may be a vector, for ``logged`` to make numbers of.
        """

    def prepare(self, train: csr_matrix) -> CSR:
        return CSR.of(train, self.compute.device)

    def train_epoch(self, data: CSR) -> Log:
        if self.epoch == 0 and self.config.output_bias == "item":
            self.start_at_frequencies(data)
        sums: dict[str, Tensor] = {}
        updates = self.epoch * self.updates_per_epoch
        for x in data.shuffled(self.config.batch):
            loss, terms = self.loss(x, updates)
            self.adam.zero_grad()
            loss.backward()
            self.adam.step()
            updates += 1
            for name, value in {"loss": loss.detach(), **terms}.items():
                sums[name] = sums.get(name, 0) + value * len(x)
        return self.logged({name: total / len(data) for name, total in sums.items()})

    def logged(self, means: dict[str, Tensor]) -> Log:
        """The epoch's ``means`` of loss and terms as numbers for the learning curve."""
        return {name: float(mean) for name, mean in means.items()}

    @torch.no_grad()
    def start_at_frequencies(self, data: CSR) -> None:
        """Let the last bias expect every item in its smoothed share of the training users, (count + 1) / (U + 2)."""
        p = (torch.bincount(data.col, minlength=data.items) + 1) / (len(data) + 2)
        self.net.get_parameter(f"{self.output}.bias").copy_(self.config.likelihood.start(p))

    @torch.no_grad()
    def score(self, history: csr_matrix, users: np.ndarray | None = None) -> Tensor:
        x = CSR.of(history, self.compute.device)
        return self.decode(self.mean(x.sparse(normalize(x))))

    def corrupted(self, x: CSR) -> Tensor:
        """The encoder's input while training: dropout(x / ||x||_2), in that order."""
        return x.sparse(F.dropout(normalize(x), self.config.dropout))

    def regularizer(self) -> Tensor | float:
        """l2 sum ||W||_F^2 over the weight matrices, not the biases."""
        if not self.config.l2:
            return 0.0
        return self.config.l2 * sum(
            W.square().sum() for name, W in self.net.named_parameters() if "weight" in name
        )


def normalize(x: CSR) -> Tensor:
    """x / ||x||_2 at the user's own items, each 1 / sqrt(n): (entries,)."""
    return x.size[x.row].rsqrt()


class VAE(Autoencoder[VAEConfig[Likelihood]]):
    """I-hidden-K-hidden-I with tanh; the encoder's last layer gives mu and log sigma^2 in one matrix."""

    @classmethod
    def sizes(cls, config: VAEConfig[Likelihood], items: int) -> dict[str, tuple[int, int]]:
        hidden, latent = config.hidden, config.latent
        return {
            "encoder_1": (items, hidden),
            "encoder_2": (hidden, 2 * latent),
            "decoder_1": (latent, hidden),
            "decoder_2": (hidden, items),
        }

    def encode(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """mu and log sigma^2 of q(z | x): input h (B, I) -> two of (B, K)."""
        mu, logvar = self.net["encoder_2"](torch.tanh(self.net["encoder_1"](h))).chunk(2, dim=1)
        return mu, logvar

    def mean(self, h: Tensor) -> Tensor:
        return self.encode(h)[0]

    def decode(self, z: Tensor) -> Tensor:
        return self.net["decoder_2"](torch.tanh(self.net["decoder_1"](z)))

    @property
    def total_anneal_steps(self) -> float:
        """Updates over which beta would reach 1; the cap is reached earlier."""
        given = self.config.total_anneal_steps
        planned_updates = self.planned * self.updates_per_epoch
        return 0.8 * planned_updates / self.config.beta_cap if given is None else given

    def beta(self, updates: int) -> float:
        """Weight of the KL term after so many updates."""
        cap = self.config.beta_cap
        steps = self.total_anneal_steps if cap else 0
        return min(cap, updates / steps) if steps else cap

    def loss(self, x: CSR, updates: int) -> tuple[Tensor, dict[str, Tensor]]:
        mu, logvar = self.encode(self.corrupted(x))
        z = mu + torch.randn_like(mu) * torch.exp(logvar / 2)
        f = self.decode(z)
        log_likelihood = self.config.likelihood.log_prob(f, x)
        kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar)
        loss = (-log_likelihood + self.beta(updates) * kl.sum(dim=1)).mean() + self.regularizer()
        return loss, {"kl": kl.detach().mean(dim=0)}

    def logged(self, means: dict[str, Tensor]) -> Log:
        kl = means["kl"]
        return {
            "loss": float(means["loss"]),
            "kl": float(kl.sum()),
            "active_units": float((kl > ACTIVE).sum()),
            "beta": self.beta((self.epoch + 1) * self.updates_per_epoch - 1),
        }


class DAE(Autoencoder[DAEConfig[Likelihood]]):
    """I-K-I with tanh at the bottleneck and a linear output."""

    @classmethod
    def sizes(cls, config: DAEConfig[Likelihood], items: int) -> dict[str, tuple[int, int]]:
        return {"encoder": (items, config.latent), "decoder": (config.latent, items)}

    def mean(self, h: Tensor) -> Tensor:
        return torch.tanh(self.net["encoder"](h))

    def decode(self, z: Tensor) -> Tensor:
        return self.net["decoder"](z)

    def loss(self, x: CSR, updates: int) -> tuple[Tensor, dict[str, Tensor]]:
        f = self.decode(self.mean(self.corrupted(x)))
        log_likelihood = self.config.likelihood.log_prob(f, x)
        return -log_likelihood.mean() + self.regularizer(), {}
