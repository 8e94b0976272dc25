"""Co-occurrence of items. Differences from the paper: damped counts, all items as neighbours."""

import torch

from models.base import Config, Recommender
from models.batches import CSR
from models.registry import register


class CooccurrenceConfig(Config):
    power: float = 0.5
    """A pair's count is divided by both items' numbers of users, each to this power."""


@register("cooccurrence", CooccurrenceConfig(), paper="Sarwar et al., WWW 2001", deterministic=True)
class Cooccurrence(Recommender[CooccurrenceConfig]):
    """Similarity is the number of users that two items share, damped by their popularity."""

    net: dict[str, torch.Tensor] = {}

    def train_epoch(self, data):
        count = torch.from_numpy((data.T @ data).toarray()).fill_diagonal_(0)
        size = torch.from_numpy(data.sum(axis=0)).ravel().clamp(min=1) ** self.config.power
        self.net = {"similarity": count / size / size[:, None]}
        return {}

    def score(self, history, users=None):
        return CSR.of(history).sparse() @ self.net["similarity"]
