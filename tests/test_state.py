"""A model's whole state: what a process that goes on from a checkpoint must know."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from models.base import Compute, Config, Recommender
from models.registry import MODELS
from tests.fit import train


class ScheduledConfig(Config):
    epochs: int = 6


class Scheduled(Recommender[ScheduledConfig]):
    """Two optimizers whose rates fall after every epoch, one by torch's own schedule."""

    def __init__(self, config, shape, compute):
        super().__init__(config, shape, compute)
        self.net = nn.ModuleDict({n: nn.Linear(shape[1], shape[1]) for n in ("a", "b")})
        a, b = self.net.values()
        self.optimizers = {
            "a": torch.optim.Adam(a.parameters(), lr=0.1, amsgrad=True),
            "b": torch.optim.SGD(b.parameters(), lr=0.1, momentum=0.9),
        }
        self.halved = torch.optim.lr_scheduler.ExponentialLR(self.optimizers["b"], 0.5)

    def train_epoch(self, data):
        x = torch.from_numpy(data.toarray())
        for name, optimizer in self.optimizers.items():
            optimizer.zero_grad()
            (self.net[name](x) - x).square().mean().backward()
            optimizer.step()
        for group in self.optimizers["a"].param_groups:
            group["lr"] = 0.1 / (2 + self.epoch)
        self.halved.step()
        return {}

    def score(self, history, users=None):
        x = torch.from_numpy(history.toarray())
        return (self.net["a"](x) + self.net["b"](x)).detach()


@pytest.fixture
def matrix(small_split):
    return small_split.train.matrix[:20]


def scheduled(matrix, until=None) -> Scheduled:
    torch.manual_seed(0)
    return train(Scheduled(ScheduledConfig(), matrix.shape, Compute()), matrix, until)


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_a_schedule_of_rates_goes_on_where_it_was(stop, matrix, tmp_path):
    straight = scheduled(matrix)
    stopped = scheduled(matrix, until=stop)
    save_file({n: t.contiguous().clone() for n, t in stopped.state().items()}, tmp_path / "state")
    torch.manual_seed(1)
    resumed = Scheduled(ScheduledConfig(), matrix.shape, Compute())
    resumed.restore(load_file(tmp_path / "state"), stop)
    train(resumed, matrix)
    assert torch.equal(resumed.score(matrix), straight.score(matrix))
    for name, optimizer in straight.optimizers.items():
        groups = resumed.optimizers[name].state_dict()["param_groups"]
        assert groups == optimizer.state_dict()["param_groups"]
        assert optimizer.param_groups[0]["lr"] < 0.1


def test_the_state_is_all_that_the_optimizers_hold(matrix):
    model = scheduled(matrix, until=2)
    names = set(model.state())
    for name, optimizer in model.optimizers.items():
        held = optimizer.state_dict()["state"]
        assert {f"optimizer/{name}/{i}/{slot}" for i in held for slot in held[i]} <= names
        assert f"optimizer/{name}/groups" in names


@pytest.mark.parametrize("name", MODELS)
def test_every_model_of_this_project_knows_its_memory(name):
    entry = MODELS[name]
    small, large = (
        entry.model.memory(entry.config, shape) for shape in ((100, 50), (10_000, 5000))
    )
    assert 0 < small < large
