"""Mult-VAE and Mult-DAE, and the same two autoencoders with other likelihoods.

Both encode a user's binary item vector x and decode it again. The encoder sees x divided by its
norm and thinned by dropout; the likelihood is that of the raw x. Objective, to be minimised:
- of the VAE, the users' mean of -log p(x | z) + beta KL(q(z | x) || N(0, I)), with one sample z
  from q(z | x) = N(mu, diag(sigma^2));
- of the DAE, the users' mean of -log p(x | z), with z = encoder(x);
- of both, l2 sum ||W||_F^2 besides.

Liang, Krishnan, Hoffman, Jebara 2018, "Variational Autoencoders for Collaborative Filtering",
WWW 2018.

Differences from the paper:
1. The optimiser is torch's Adam, which adds eps to sqrt(v-hat); TensorFlow's adds it to the
   uncorrected sqrt(v). The scores show no difference.
2. By default total_anneal_steps follows the number of updates in all epochs: it is 0.8 x updates /
   beta_cap. The paper's 200,000 fits ML-20M; on smaller data beta would never reach its cap.
3. With output_bias = item the decoder's last bias starts at the items' frequencies, not near 0.
   This is the default for the logistic and the Poisson likelihood, with which the models otherwise
   rank like popularity for tens of epochs.
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
"""The KL in nats, averaged over an epoch's users, above which a latent unit counts as active."""
ARRAYS = 6
"""The most (batch, I) arrays in memory at a time: f, results inside the loss, and gradients."""


class AutoencoderConfig(Config, Generic[L]):
    """Options that both autoencoders have. "Code" is the authors' published notebook."""

    likelihood: L
    """The likelihood of a user's items given the decoder's output."""
    output_bias: Annotated[Start, Search()] = "paper"
    """How the decoder's last bias is initialised. With "paper" it is near 0, as in the paper. With
    "item" it makes the expected x equal to the items' frequencies in the training data. Each
    likelihood has its own default: that of the logistic and the Poisson is "item"."""
    latent: Annotated[PositiveInt, Search(50, 400, log=True)] = 200
    """K, the number of units in the bottleneck (paper, section 4.2)."""
    dropout: Annotated[float, Field(ge=0, lt=1), Search(0.1, 0.9)] = 0.5
    """The probability that training leaves out an item of the input (paper, section 4.2)."""
    l2: Annotated[NonNegativeFloat, Search(1e-7, 1e-2, log=True)] = 0.0
    """The weight in the loss of sum ||W||_F^2 over the weight matrices (code: 0 for the VAE)."""
    learning_rate: Annotated[PositiveFloat, Search(1e-4, 1e-2, log=True)] = 1e-3
    """The step size of Adam, whose betas are 0.9 and 0.999 and whose eps is 1e-8 (code)."""
    batch: PositiveInt = 500
    """The number of users in an update (paper, section 4.2)."""
    epochs: PositiveInt = 200
    """The number of passes over the training users, never fewer (paper: 200 on ML-20M)."""


class VAEConfig(AutoencoderConfig[L], Generic[L]):
    """Options of the VAE."""

    hidden: PositiveInt = 600
    """The number of units in the layer before and the layer after the bottleneck (paper, section
    4.2)."""
    beta_cap: Annotated[NonNegativeFloat, Search(0, 1)] = 0.2
    """The largest beta, which is the weight of the KL term (code: 0.2 on ML-20M)."""
    total_anneal_steps: NonNegativeInt | None = None
    """The number of updates in which beta would rise from 0 to 1. With 0, beta is beta_cap from the
    start; with None, this is 0.8 x the updates of all epochs / beta_cap (ours; code: 200,000)."""


class DAEConfig(AutoencoderConfig[L], Generic[L]):
    """Options of the DAE."""

    l2: Annotated[NonNegativeFloat, Search(1e-7, 1e-2, log=True)] = 2e-5
    """The weight in the loss of sum ||W||_F^2 over the weight matrices, for every batch size (code:
    0.01 / 500)."""


A = TypeVar("A", bound="AutoencoderConfig[Likelihood]")


class Autoencoder(Recommender[A]):
    """The training and scoring that both autoencoders share; they differ in layers and loss."""

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
        """The number of batches in an epoch, including a smaller last one."""
        return math.ceil(self.shape[0] / self.config.batch)

    @classmethod
    @abstractmethod
    def sizes(cls, config: A, items: int) -> dict[str, tuple[int, int]]:
        """Return the numbers of inputs and outputs of each layer by its name; the last gives f."""

    @classmethod
    def memory(cls, config: A, shape: tuple[int, int]) -> int:
        users, items = shape
        sizes = cls.sizes(config, items).values()
        parameters = sum((inputs + 1) * outputs for inputs, outputs in sizes)
        return trained_bytes(parameters) + 4 * ARRAYS * min(config.batch, users) * items

    @abstractmethod
    def mean(self, h: Tensor) -> Tensor:
        """Return the latent vectors from which scores are decoded: input h (B, I) -> (B, K)."""

    @abstractmethod
    def decode(self, z: Tensor) -> Tensor:
        """Return the decoder's output f: latent vectors z (B, K) -> (B, I)."""

    @abstractmethod
    def loss(self, x: CSR, updates: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Return what an update minimises, and terms to log, all as means over the batch's users.

        ``updates`` is the number of updates before this one. A term may be a vector, which
        ``logged`` turns into numbers.
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
        """Return numbers for the learning curve from an epoch's ``means`` of loss and terms."""
        return {name: float(mean) for name, mean in means.items()}

    @torch.no_grad()
    def start_at_frequencies(self, data: CSR) -> None:
        """Set the last bias so that the expected x is the items' frequencies.

        An item's frequency is its smoothed share of the training users, (count + 1) / (U + 2).
        """
        p = (torch.bincount(data.col, minlength=data.items) + 1) / (len(data) + 2)
        self.net.get_parameter(f"{self.output}.bias").copy_(self.config.likelihood.start(p))

    @torch.no_grad()
    def score(self, history: csr_matrix, users: np.ndarray | None = None) -> Tensor:
        x = CSR.of(history, self.compute.device)
        return self.decode(self.mean(x.sparse(normalize(x))))

    def corrupted(self, x: CSR) -> Tensor:
        """Return the encoder's input in training: x divided by its norm, then dropout: (B, I)."""
        return x.sparse(F.dropout(normalize(x), self.config.dropout))

    def regularizer(self) -> Tensor | float:
        """Return l2 sum ||W||_F^2 over the weight matrices; biases are left out."""
        if not self.config.l2:
            return 0.0
        return self.config.l2 * sum(
            W.square().sum() for name, W in self.net.named_parameters() if "weight" in name
        )


def normalize(x: CSR) -> Tensor:
    """Return x / ||x||_2 at the users' own items: 1 / sqrt(n) for a user of n items: (entries,)."""
    return x.size[x.row].rsqrt()


class VAE(Autoencoder[VAEConfig[Likelihood]]):
    """Variational autoencoder with the layers I-hidden-K-hidden-I and tanh at the hidden ones.

    The encoder's last layer gives mu and log sigma^2 in one matrix.
    """

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
        """Return mu and log sigma^2 of q(z | x): input h (B, I) -> two tensors (B, K)."""
        mu, logvar = self.net["encoder_2"](torch.tanh(self.net["encoder_1"](h))).chunk(2, dim=1)
        return mu, logvar

    def mean(self, h: Tensor) -> Tensor:
        return self.encode(h)[0]

    def decode(self, z: Tensor) -> Tensor:
        return self.net["decoder_2"](torch.tanh(self.net["decoder_1"](z)))

    @property
    def total_anneal_steps(self) -> float:
        """The number of updates in which beta would rise from 0 to 1, if it had no cap."""
        given = self.config.total_anneal_steps
        planned_updates = self.planned * self.updates_per_epoch
        return 0.8 * planned_updates / self.config.beta_cap if given is None else given

    def beta(self, updates: int) -> float:
        """Return the weight of the KL term in the update after ``updates`` others."""
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
    """Denoising autoencoder with the layers I-K-I, tanh at the bottleneck and a linear output."""

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
