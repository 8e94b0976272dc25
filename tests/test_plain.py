"""What `make perf` compares with computes the same numbers as this project does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmark.evaluation.metrics import HEADLINE
from benchmark.evaluation.ranking import evaluate
from models.autoencoder import DAE, VAE, DAEConfig, VAEConfig
from models.base import Compute
from models.batches import CSR
from models.likelihoods import Multinomial
from tests.perf import plain
from tests.perf.interactions import fold, interactions

USERS, ITEMS = 120, 900


@pytest.mark.parametrize("library", [frozenset(), frozenset({"fp32"})])
@pytest.mark.parametrize(
    ("model", "config", "network"),
    [
        (VAE, VAEConfig(likelihood=Multinomial(), dropout=0, total_anneal_steps=0), plain.PlainVAE),
        (DAE, DAEConfig(likelihood=Multinomial(), dropout=0), plain.PlainDAE),
    ],
)
def test_losses_and_gradients_of_the_papers_networks_equal_the_plain_steps(
    model, config, network, library
):
    torch.manual_seed(1)
    x = interactions(USERS, ITEMS, per_user=30)
    ours, theirs = model(config, x.shape, Compute(threads=1, by_numpy=library)), network(ITEMS)
    layers = dict(theirs.named_children())
    with torch.no_grad():
        for name, layer in ours.net.items():
            layers[name].weight.copy_(layer.weight.T)
            layers[name].bias.copy_(layer.bias)
    losses = []
    for loss in (
        lambda: ours.loss(CSR.of(x), 0)[0],
        lambda: theirs.loss(torch.from_numpy(x.toarray()), dropout=0.0),
    ):
        torch.manual_seed(2)  # of the noise
        losses.append(loss())
        losses[-1].backward()
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-5)
    for name, layer in ours.net.items():
        for got, want in (
            (layer.weight.grad.T, layers[name].weight.grad),
            (layer.bias.grad, layers[name].bias.grad),
        ):
            assert (got - want).norm() <= 1e-5 * want.norm()


def test_metrics_equal_the_plain_evaluators():
    users = fold(300, ITEMS)
    scores = torch.randn(300, ITEMS, generator=torch.Generator().manual_seed(1))
    ranking, theirs = (
        evaluate(lambda _, chosen: scores[chosen], users),
        plain.evaluate(scores.numpy(), users),
    )
    for metric in HEADLINE:
        np.testing.assert_allclose(
            metric(ranking.hit, ranking.targets),
            theirs[str(metric)][ranking.user],
            rtol=1e-6,
            err_msg=str(metric),
        )


def test_the_generated_interactions_are_of_the_size_they_say():
    x = interactions(2_000, 20_108)
    assert x.shape == (2_000, 20_108)
    assert x.nnz / 2_000 == pytest.approx(73, rel=0.05)
    assert set(x.data) == {1.0}
