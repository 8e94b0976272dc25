"""NeuMF: a factorisation and a network over user and item embeddings, for training users only.

Objective: the mean of the log loss of sigma(f_ui) over pairs (u, i), where own items have the
target 1, and for each of them ``negatives`` other items, drawn anew in every epoch, have 0. With
embeddings p, q of GMF and s, t of the MLP, f_ui = h'(p_u * q_i) + g'MLP(s_u, t_i) + b, where * is
elementwise and the MLP has the layers 8K-4K-2K-K with ReLU. Scores: f_ui.

He, Liao, Zhang, Nie, Hu, Chua 2017, "Neural Collaborative Filtering", WWW 2017.

It has nothing to say of a user whom it has not trained on, so it is not available under strong
generalisation.

Differences from the paper:
1. The best epoch is chosen by validation rows. The authors choose it by the test rows; with
   pre-training they do so three times, for GMF, for the MLP and for both together.
2. ``neumf-pretrained`` trains GMF and MLP alone on the same draws and at the same time. Afterwards
   it halves both outputs and trains on by SGD, as in the paper. Its rate is not published; it is
   ours.
3. The paper's output has one bias, here GMF and MLP have one each, which are added.
4. There is no penalty on the weights. The authors write beside their code that GMF and MLP may
   need one before pre-training helps with many factors, and give no value.
5. All weights start from a normal distribution, as in the paper. In the authors' code only the
   embeddings do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import PositiveFloat, PositiveInt
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from models.base import Compute, Config, Log, Recommender, Search, trained_bytes
from models.batches import CSR
from models.layers import Embedding
from models.registry import register

SCORES = 2**19
"""The pairs of user and item that are scored at a time."""


class NeuMFConfig(Config):
    """Options of NeuMF."""

    factors: Annotated[PositiveInt, Search(8, 64, log=True)] = 64
    """K, the numbers per user and item of GMF, and the units of the MLP's last layer (paper: 64 at
    most)."""
    negatives: Annotated[PositiveInt, Search(1, 10)] = 4
    """The items drawn for each own item (paper, section 4.1)."""
    learning_rate: Annotated[PositiveFloat, Search(1e-4, 1e-2, log=True)] = 1e-3
    """The step size of Adam (paper, section 4.1: among 1e-4, 5e-4, 1e-3, 5e-3)."""
    batch: PositiveInt = 256
    """The number of pairs in an update (paper, section 4.1: among 128, 256, 512, 1024)."""
    epochs: PositiveInt = 20
    """The number of passes over the training rows (authors' code); twice as many with
    pre-training."""
    pretrained: bool = False
    """Whether GMF and MLP are first trained alone, each with its own loss."""
    fine_tuning_rate: Annotated[PositiveFloat, Search(1e-4, 1e-1, log=True)] = 1e-3
    """The step size of SGD after pre-training (ours; it is not published)."""


class Tower(nn.Module):
    """The MLP: the embeddings of user and item side by side, through layers with ReLU."""

    def __init__(self, users: int, items: int, factors: int) -> None:
        super().__init__()
        self.user = Embedding(users, 4 * factors)
        self.item = Embedding(items, 4 * factors)
        widths = [8 * factors, 4 * factors, 2 * factors, factors]
        self.layers = nn.ModuleList(map(nn.Linear, widths, widths[1:]))
        self.output = nn.Linear(factors, 1)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        """Return the MLP's part of f for pairs: (N,), (N,) -> (N,)."""
        return self.above(self.layers[0](torch.cat([self.user(user), self.item(item)], dim=1)))

    def above(self, first: Tensor) -> Tensor:
        """Return the MLP's part of f from the first layer before its ReLU: (N, 4K) -> (N,)."""
        h = F.relu(first)
        _, *others = self.layers
        for layer in others:
            h = F.relu(layer(h))
        return self.output(h)[:, 0]

    def all_items(self, user: Tensor) -> Tensor:
        """Return the MLP's part of f for all items: (B,) -> (B, I)."""
        W, bias = (self.layers.get_parameter(f"0.{name}") for name in ("weight", "bias"))
        # the first layer is linear in user and item, so each is multiplied once
        of_user, of_item = W.chunk(2, dim=1)
        users, items = self.user(user) @ of_user.T + bias, self.item.weight @ of_item.T
        return torch.stack([self.above(u + items) for u in users])


class Factors(nn.Module):
    """GMF: a weighted inner product of the embeddings of user and item."""

    def __init__(self, users: int, items: int, factors: int) -> None:
        super().__init__()
        self.user = Embedding(users, factors)
        self.item = Embedding(items, factors)
        self.output = nn.Linear(factors, 1)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        """Return GMF's part of f for pairs: (N,), (N,) -> (N,)."""
        return self.output(self.user(user) * self.item(item))[:, 0]

    def all_items(self, user: Tensor) -> Tensor:
        """Return GMF's part of f for all items: (B,) -> (B, I)."""
        return (self.user(user) * self.output.weight) @ self.item.weight.T + self.output.bias


class NeuMF(Recommender[NeuMFConfig]):
    """Neural matrix factorisation of training users and items."""

    net: nn.ModuleDict

    def __init__(self, config: NeuMFConfig, shape: tuple[int, int], compute: Compute) -> None:
        super().__init__(config, shape, compute)
        self.gmf, self.mlp = parts(config, shape)
        self.net = nn.ModuleDict({"gmf": self.gmf, "mlp": self.mlp}).to(compute.device)
        for name, parameter in self.net.named_parameters():
            nn.init.zeros_(parameter) if "bias" in name else nn.init.normal_(parameter, std=0.01)
        parameters = list(self.net.parameters())
        adam = torch.optim.Adam(parameters, lr=config.learning_rate, fused=True)
        self.optimizers = {"adam": adam}
        if config.pretrained:
            self.optimizers["sgd"] = torch.optim.SGD(parameters, lr=config.fine_tuning_rate)

    @classmethod
    def memory(cls, config: NeuMFConfig, shape: tuple[int, int]) -> int:
        with torch.device("meta"):
            parameters = sum(p.numel() for part in parts(config, shape) for p in part.parameters())
        scored = 4 * SCORES * 8 * config.factors
        return trained_bytes(parameters) + scored

    @property
    def planned(self) -> int:
        return self.config.epochs * (2 if self.config.pretrained else 1)

    @property
    def alone(self) -> bool:
        """Whether GMF and MLP are trained alone in the next epoch."""
        return self.config.pretrained and self.epoch < self.config.epochs

    def prepare(self, train: csr_matrix) -> CSR:
        return CSR.of(train, self.compute.device)

    def train_epoch(self, data: CSR) -> Log:
        if self.config.pretrained and self.epoch == self.config.epochs:
            self.halve_outputs()
        fine_tuned = self.config.pretrained and not self.alone
        optimizer = self.optimizers["sgd" if fine_tuned else "adam"]
        total, pairs = torch.zeros((), device=self.compute.device), 0
        for user, item, target in draws(data, self.config.negatives, self.config.batch):
            gmf, mlp = self.gmf(user, item), self.mlp(user, item)
            outputs = [gmf, mlp] if self.alone else [gmf + mlp]
            losses = [F.binary_cross_entropy_with_logits(f, target) for f in outputs]
            loss = torch.stack(losses).sum()
            loss.backward()
            optimizer.step()
            self.clear(user, item)
            total += loss.detach() / len(losses) * len(user)
            pairs += len(user)
        return {"loss": float(total) / pairs}

    def clear(self, user: Tensor, item: Tensor) -> None:
        """Set all gradients to 0; those of embeddings are not 0 in the rows of a batch only."""
        for part in (self.gmf, self.mlp):
            part.user.clear(user)
            part.item.clear(item)
        for layer in self.net.modules():
            if isinstance(layer, nn.Linear):
                layer.zero_grad()

    @torch.no_grad()
    def halve_outputs(self) -> None:
        """Make f the mean of what GMF and MLP have learned alone."""
        for part in (self.gmf, self.mlp):
            for parameter in part.output.parameters():
                parameter /= 2

    @torch.no_grad()
    def score(self, history: csr_matrix, users: np.ndarray | None = None) -> Tensor:
        if users is None:
            raise ValueError("NeuMF scores only users whom it has trained on; give their rows")
        rows = torch.from_numpy(np.asarray(users, dtype=np.int64)).to(self.compute.device)
        step = max(1, SCORES // self.shape[1])
        return torch.cat([self.gmf.all_items(u) + self.mlp.all_items(u) for u in rows.split(step)])


def parts(config: NeuMFConfig, shape: tuple[int, int]) -> tuple[Factors, Tower]:
    """Return GMF and the MLP, whose weights are not those to start from."""
    return Factors(*shape, config.factors), Tower(*shape, config.factors)


def draws(data: CSR, negatives: int, batch: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield batches of user, item and target, shuffled: each own item, and ``negatives`` for it.

    A negative is drawn uniformly from the items that the user has not, from torch's global
    generator.
    """
    user = data.row.repeat(1 + negatives)
    item = torch.cat([data.col, others(data, negatives)])
    target = torch.zeros(len(user), device=user.device)
    target[: len(data.col)] = 1
    order = torch.randperm(len(user)).to(user.device)
    for at in order.split(batch):
        yield user[at], item[at], target[at]


def others(data: CSR, negatives: int) -> Tensor:
    """Return ``negatives`` items that each entry's user has not: (negatives * entries,)."""
    user = data.row.repeat(negatives)
    own = data.row * data.items + data.col
    item = torch.empty_like(user)
    redo = torch.arange(len(user), device=user.device)
    while len(redo):
        drawn = torch.randint(data.items, (len(redo),)).to(user.device)
        item[redo] = drawn
        key = user[redo] * data.items + drawn
        place = torch.searchsorted(own, key).clamp(max=len(own) - 1)
        redo = redo[own[place] == key]
    return item


for name, config in (("neumf", NeuMFConfig()), ("neumf-pretrained", NeuMFConfig(pretrained=True))):
    register(
        name,
        config,
        paper="He, Liao, Zhang, Nie, Hu, Chua, Neural Collaborative Filtering, WWW 2017",
        devices=("cpu", "cuda"),
        unseen_users=False,
    )(NeuMF)
