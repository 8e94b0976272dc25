"""What `make perf` compares with computes the same numbers as this project does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.evaluation.metrics import HEADLINE
from benchmark.evaluation.ranking import evaluate
from models.autoencoder import DAE, VAE, DAEConfig, VAEConfig, normalize
from models.base import Compute
from models.batches import CSR
from models.cdae import CDAE, CDAEConfig
from models.likelihoods import Multinomial
from models.recvae import RecVAE, RecVAEConfig
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


def copy(ours: nn.Module, plain_net: nn.Module) -> None:
    """Give a plain network the weights of ours, whose layers have the same names."""
    weights = {
        name: value.T if value.ndim == 2 and "user" not in name else value
        for name, value in ours.state_dict().items()
    }
    plain_net.load_state_dict(weights)


def noisy(loss: Callable[[], Tensor]) -> Tensor:
    """Return a loss with the same noise every time, after its gradient is taken."""
    torch.manual_seed(2)
    value = loss()
    value.backward()
    return value.detach()


def test_loss_and_gradients_of_cdae_equal_the_plain_step():
    torch.manual_seed(1)
    x, users = interactions(USERS, ITEMS, per_user=30), torch.randperm(USERS)
    ours = CDAE(CDAEConfig(dropout=0, l2=0.01), x.shape, Compute())
    torch.nn.init.normal_(ours.net["user"].weight, std=0.1)
    theirs = plain.PlainCDAE(*x.shape)
    copy(ours.net, theirs)
    rows = torch.from_numpy(x[users.numpy()].toarray())
    got = noisy(lambda: ours.loss(CSR.of(x[users.numpy()]), users)) + ours.regularizer()
    want = noisy(lambda: theirs.loss(rows, users, l2=0.01, dropout=0))
    torch.testing.assert_close(got, want, rtol=1e-5, atol=0)
    for name, layer in ours.net.items():
        gradient = layer.weight.grad + 2 * 0.01 * layer.weight  # the optimiser adds the second
        expected = getattr(theirs, name).weight.grad
        gradient = gradient if name == "user" else gradient.T
        assert (gradient - expected).norm() <= 1e-5 * expected.norm()


def test_losses_and_gradients_of_recvae_equal_the_plain_steps():
    torch.manual_seed(1)
    x = interactions(USERS, ITEMS, per_user=30)
    ours, theirs = RecVAE(RecVAEConfig(dropout=0), x.shape, Compute()), plain.PlainRecVAE(ITEMS)
    copy(ours.net, theirs)
    data, rows = CSR.of(x), torch.from_numpy(x.toarray())
    encoded = ours.net["encoder"](data.sparse(normalize(data))).detach()
    for part, got, want in (
        (
            "encoder",
            lambda: ours.encoder_loss(data, ours.posteriors(data))["loss"],
            lambda: theirs.encoder_loss(rows, dropout=0),
        ),
        (
            "decoder",
            lambda: ours.decoder_loss(data, encoded)["loss"],
            lambda: theirs.decoder_loss(rows),
        ),
    ):
        ours.net.zero_grad()
        theirs.zero_grad()
        torch.testing.assert_close(noisy(got), noisy(want), rtol=1e-5, atol=0)
        expected = dict(getattr(theirs, part).named_parameters())
        for name, parameter in ours.net[part].named_parameters():
            gradient = parameter.grad.T if parameter.ndim == 2 else parameter.grad
            want_gradient = expected[name].grad
            assert (gradient - want_gradient).norm() <= 1e-4 * want_gradient.norm()


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
