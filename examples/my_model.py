"""Co-occurrence of items. Differences from the paper: damped counts, and no neighbourhood."""

import torch

from models.base import Config, Recommender
from models.batches import CSR
from models.registry import register


class CooccurrenceConfig(Config):
    power: float = 0.5
    """The power of both items' numbers of users by which a count is divided."""


@register("cooccurrence", CooccurrenceConfig(), paper="Sarwar et al., WWW 2001", deterministic=True)
class Cooccurrence(Recommender[CooccurrenceConfig]):
    """Item-item counts, damped by popularity."""

    net: dict[str, torch.Tensor] = {}

    def train_epoch(self, data):
        count = torch.from_numpy((data.T @ data).toarray()).fill_diagonal_(0)
        size = torch.from_numpy(data.sum(axis=0)).ravel().clamp(min=1) ** self.config.power
        self.net = {"similarity": count / size / size[:, None]}
        return {}

    def score(self, history, users=None):
        return CSR.of(history).sparse() @ self.net["similarity"]
