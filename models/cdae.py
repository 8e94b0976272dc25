"""CDAE: a denoising autoencoder with a vector for each training user at its bottleneck.

Objective, to be minimised: the users' mean of sum_i c_i / 2 (x_i - f_i)^2, where c_i is c1 if x_i =
1 and c0 otherwise, plus l2 (||W||_F^2 + ||W'||_F^2 + ||V||_F^2). Here f = tanh(z W' + b') and z =
tanh(d W + V_u + b), where d is x divided by its norm and thinned by dropout, and V_u is a vector of
user u alone. Scores: f, without dropout. A user never seen has no V_u; the option ``new_user`` says
what stands for it.

Wu, DuBois, Zheng, Ester 2016, "Collaborative Denoising Auto-Encoders for Top-N Recommender
Systems", WSDM 2016, as Liang et al. 2018, "Variational Autoencoders for Collaborative Filtering",
WWW 2018, use it: section 4.4 there.

Differences from the paper, which is that of 2018:
1. It does not say what V_u is for a user that was not trained on. Here it is 0, where training
   starts and to where l2 pulls; or, with new_user = mean, the mean of the training users' vectors.
2. It names neither c0 and c1 nor the corruption nor the initial weights. Here these are as in its
   own Mult-DAE, and c1 is tuned. V starts at 0.
3. Its weight decay, of 0.01 to 100, is divided by 500, as in its authors' code for Mult-DAE.
4. The published code of Wu et al. samples five zeros for each one and ends in a sigmoid. Here, as
   in Liang et al., all zeros count and both layers end in tanh.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from models.autoencoder import normalize
from models.base import Compute, Config, Log, Recommender, Search, trained_bytes
from models.batches import CSR
from models.layers import Dense
from models.likelihoods import Gaussian
from models.registry import register

ARRAYS = 6
"""The most (batch, I) arrays in memory at a time: f, results inside the loss, and gradients."""


class CDAEConfig(Config):
    """Options of CDAE. "Paper" is Liang et al. 2018; "DAE" is its Mult-DAE."""

    likelihood: Gaussian = Gaussian(c1=2.0)
    """The weights c0 and c1 of the square loss on zeros and on ones (c1 tuned on ml1m validation
    together with l2; no value is published)."""
    new_user: Annotated[Literal["zero", "mean"], Search()] = "zero"
    """What stands for V_u of a user that was not trained on: 0, or the mean over the training users
    (ours)."""
    latent: Annotated[PositiveInt, Search(50, 400, log=True)] = 200
    """K, the number of units in the bottleneck (paper)."""
    dropout: Annotated[float, Field(ge=0, lt=1), Search(0.1, 0.9)] = 0.5
    """The probability that training leaves out an item of the input (DAE)."""
    l2: Annotated[NonNegativeFloat, Search(2e-5, 0.2, log=True)] = 2e-3
    """The weight in the objective of ||W||_F^2, ||W'||_F^2 and ||V||_F^2 (tuned on ml1m validation;
    paper: 0.01 to 100, which divided by 500 are 2e-5 to 0.2)."""
    learning_rate: Annotated[PositiveFloat, Search(1e-4, 1e-2, log=True)] = 1e-3
    """The step size of Adam, whose betas are 0.9 and 0.999 and whose eps is 1e-8 (DAE)."""
    batch: PositiveInt = 500
    """The number of users in an update (DAE)."""
    epochs: PositiveInt = 200
    """The number of passes over the training users, never fewer (DAE: 200 on ML-20M)."""


@register(
    "cdae",
    CDAEConfig(),
    paper="Wu, DuBois, Zheng, Ester, Collaborative Denoising Auto-Encoders, WSDM 2016",
    devices=("cpu", "cuda"),
    precisions=("fp32", "tf32", "bf16"),
)
class CDAE(Recommender[CDAEConfig]):
    """Denoising autoencoder with a vector for each training user and a weighted square loss."""

    net: nn.ModuleDict

    def __init__(self, config: CDAEConfig, shape: tuple[int, int], compute: Compute) -> None:
        super().__init__(config, shape, compute)
        (users, items), latent = shape, config.latent
        layers = {
            "encoder": Dense(items, latent),
            "user": nn.Embedding(users, latent, _weight=torch.zeros(users, latent)),
            "decoder": Dense(latent, items, compute),
        }
        self.net = nn.ModuleDict(layers).to(compute.device)
        self.weight, self.bias = (
            [p for name, p in self.net.named_parameters() if name.endswith(kind)]
            for kind in ("weight", "bias")
        )
        # Adam adds weight_decay x W to the gradient, which is that of weight_decay / 2 ||W||_F^2
        groups = [{"params": self.weight, "weight_decay": 2 * config.l2}, {"params": self.bias}]
        self.adam = torch.optim.Adam(groups, lr=config.learning_rate, fused=True)
        self.optimizers = {"adam": self.adam}

    @classmethod
    def memory(cls, config: CDAEConfig, shape: tuple[int, int]) -> int:
        (users, items), latent = shape, config.latent
        parameters = (2 * items + users + 1) * latent + items
        return trained_bytes(parameters) + 4 * ARRAYS * min(config.batch, users) * items

    def prepare(self, train: csr_matrix) -> CSR:
        return CSR.of(train, self.compute.device)

    def train_epoch(self, data: CSR) -> Log:
        total = torch.zeros((), device=self.compute.device)
        for users, x in data.numbered(self.config.batch):
            loss = self.loss(x, users)
            self.adam.zero_grad()
            loss.backward()
            self.adam.step()
            total += loss.detach() * len(x)
        return {"loss": float(total) / len(data) + self.regularizer()}

    def loss(self, x: CSR, users: Tensor) -> Tensor:
        """Return the mean square loss of a batch, whose rows in training are ``users`` (B,)."""
        d = x.sparse(F.dropout(normalize(x), self.config.dropout))
        f = self.output(d, self.net["user"](users))
        return -self.config.likelihood.log_prob(f, x).mean()

    @torch.no_grad()
    def regularizer(self) -> float:
        """Return the term of the objective that the optimiser's weight decay minimises."""
        return self.config.l2 * sum(float(W.square().sum()) for W in self.weight)

    def output(self, d: Tensor, V: Tensor) -> Tensor:
        """Return f: inputs (B, I) and users' vectors (B, K) or (K,) -> (B, I)."""
        z = torch.tanh(self.net["encoder"](d) + V)
        return torch.tanh(self.net["decoder"](z))

    @torch.no_grad()
    def score(self, history: csr_matrix, users: np.ndarray | None = None) -> Tensor:
        x = CSR.of(history, self.compute.device)
        return self.output(x.sparse(normalize(x)), self.vectors(users))

    def vectors(self, users: np.ndarray | None) -> Tensor:
        """Return V_u of training users, (B, K), or what stands for it, (K,)."""
        V = self.net.get_parameter("user.weight")
        if users is not None:
            return V[torch.from_numpy(users).to(V.device)]
        return V.mean(dim=0) if self.config.new_user == "mean" else torch.zeros_like(V[0])
