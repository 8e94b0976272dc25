"""NeuMF against slow, obvious float64 computations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from benchmark.run.training import seed_everything, train_epoch
from models.base import Compute
from models.batches import CSR
from models.neumf import NeuMF, NeuMFConfig, draws, others

USERS, ITEMS = 30, 17


@pytest.fixture
def x(random) -> csr_matrix:
    return csr_matrix((random.random_sample((USERS, ITEMS)) < 0.3).astype(np.float32))


def make(**options) -> NeuMF:
    seed_everything(0, 0)
    return NeuMF(NeuMFConfig(**{"factors": 3, "batch": 20} | options), (USERS, ITEMS), Compute())


def spread(model: NeuMF) -> NeuMF:
    """Give the weights a size at which every unit matters."""
    for parameter in model.net.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model


def arrays(model: NeuMF) -> dict[str, np.ndarray]:
    return {name: tensor.numpy().astype(np.float64) for name, tensor in model.weights.items()}


def parts(w: dict[str, np.ndarray], user: int, item: int) -> tuple[float, float]:
    """Return what GMF and the MLP say of a pair."""
    product = w["gmf.user.weight"][user] * w["gmf.item.weight"][item]
    h = np.concatenate([w["mlp.user.weight"][user], w["mlp.item.weight"][item]])
    for layer in range(3):
        h = np.maximum(w[f"mlp.layers.{layer}.weight"] @ h + w[f"mlp.layers.{layer}.bias"], 0)
    return (
        float(w["gmf.output.weight"][0] @ product + w["gmf.output.bias"][0]),
        float(w["mlp.output.weight"][0] @ h + w["mlp.output.bias"][0]),
    )


def test_scores_are_the_networks_of_each_pair(x):
    model = spread(make())
    w = arrays(model)
    want = [[sum(parts(w, user, item)) for item in range(ITEMS)] for user in (4, 29)]
    got = model.score(x[[4, 29]], np.array([4, 29]))
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-5, atol=1e-5)


def test_the_layers_have_the_papers_widths_and_its_start():
    model = NeuMF(NeuMFConfig(), (50, 40), Compute())
    shapes = {name: tuple(tensor.shape) for name, tensor in model.weights.items()}
    assert shapes["gmf.user.weight"] == (50, 64)
    assert shapes["mlp.item.weight"] == (40, 256)
    assert [shapes[f"mlp.layers.{n}.weight"] for n in range(3)] == [
        (256, 512),
        (128, 256),
        (64, 128),
    ]
    for name, tensor in model.weights.items():
        if "bias" in name:
            assert not tensor.any()
        else:
            assert abs(float(tensor.std()) - 0.01) < 0.002


def test_each_own_item_comes_once_and_each_time_with_other_items(x):
    data, entries = CSR.of(x), int(x.nnz)
    found = [torch.cat(column) for column in zip(*draws(data, 4, 20), strict=True)]
    user, item, target = (column.numpy() for column in found)
    dense = x.toarray()
    own = target == 1
    assert sorted(zip(user[own], item[own], strict=True)) == sorted(zip(*x.nonzero(), strict=True))
    assert (~own).sum() == 4 * entries
    assert (dense[user[~own], item[~own]] == 0).all()
    assert (np.bincount(user[~own], minlength=USERS) == 4 * x.sum(axis=1).A1).all()
    # the targets are mixed, and another epoch draws others
    assert 0 < own[:entries].mean() < 1
    again = torch.cat([item for _, item, _ in draws(data, 4, 20)])
    assert not torch.equal(found[1], again)


def test_negatives_are_drawn_uniformly(x):
    data = CSR.of(x)
    drawn = others(data, 400).reshape(400, -1)
    first = np.flatnonzero(x.toarray()[0] == 0)
    counts = np.bincount(drawn[:, data.row == 0].ravel().numpy(), minlength=ITEMS)
    expected = counts.sum() / len(first)
    assert (np.abs(counts[first] - expected) < 5 * np.sqrt(expected)).all()


def slow_losses(model: NeuMF, batches) -> list[tuple[float, float, float]]:
    """Return the log loss of GMF, of the MLP and of both together for each batch."""
    w = arrays(model)

    def loss(f, target):
        p = 1 / (1 + np.exp(-f))
        return -np.mean(target * np.log(p) + (1 - target) * np.log(1 - p))

    found = []
    for user, item, target in batches:
        gmf, mlp = np.array([parts(w, u, i) for u, i in zip(user, item, strict=True)]).T
        found.append((loss(gmf, target), loss(mlp, target), loss(gmf + mlp, target)))
    return found


@pytest.mark.parametrize("pretrained", [False, True])
def test_the_loss_of_an_epoch_is_the_log_loss(x, pretrained):
    """With a rate of almost 0, so that all batches see the same weights."""
    model = spread(make(learning_rate=1e-12, pretrained=pretrained, batch=64))
    data = model.prepare(x)
    seed_everything(0, 1)
    batches = [[t.numpy() for t in batch] for batch in draws(data, 4, 64)]
    gmf, mlp, both = np.array(slow_losses(model, batches)).T
    sizes = [len(batch[0]) for batch in batches]
    want = np.average((gmf + mlp) / 2 if pretrained else both, weights=sizes)
    assert train_epoch(model, data, 0)["loss"] == pytest.approx(want, rel=1e-5)


def test_before_fine_tuning_gmf_and_mlp_do_not_see_each_other(x):
    """Their weights are those of two models, in each of which the other part is not there."""
    model = make(pretrained=True, epochs=2)
    data = model.prepare(x)
    for _ in range(2):
        train_epoch(model, data, 0)
    for kept, gone in (("gmf", "mlp"), ("mlp", "gmf")):
        alone = make(epochs=2)
        optimizer = torch.optim.Adam(alone.net[kept].parameters(), lr=1e-3)
        for epoch in (1, 2):
            seed_everything(0, epoch)
            for user, item, target in draws(data, 4, 20):
                f = alone.net[kept](user, item)
                loss = torch.nn.functional.binary_cross_entropy_with_logits(f, target)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        for name, tensor in alone.net[kept].state_dict().items():
            torch.testing.assert_close(model.weights[f"{kept}.{name}"], tensor, msg=f"{gone} seen")


def test_fine_tuning_starts_from_halved_outputs_and_takes_sgd_steps(x):
    model = make(pretrained=True, epochs=1, fine_tuning_rate=0.05, batch=10_000)
    data = model.prepare(x)
    train_epoch(model, data, 0)
    twin = make(pretrained=True, epochs=1)
    twin.load({name: tensor.clone() for name, tensor in model.weights.items()})
    for part in twin.net.values():
        part.output.weight.data.mul_(0.5)
        part.output.bias.data.mul_(0.5)
    seed_everything(0, 2)
    ((user, item, target),) = draws(data, 4, 10_000)
    f = twin.net["gmf"](user, item) + twin.net["mlp"](user, item)
    torch.nn.functional.binary_cross_entropy_with_logits(f, target).backward()
    train_epoch(model, data, 0)
    for name, parameter in twin.net.named_parameters():
        want = parameter.detach() - 0.05 * parameter.grad
        torch.testing.assert_close(model.weights[name], want)
    assert model.planned == 2


def test_halved_outputs_leave_the_order_of_items_as_it_was(x):
    model = spread(make(pretrained=True))
    rows = np.arange(USERS)
    before = model.score(x, rows)
    model.halve_outputs()
    torch.testing.assert_close(model.score(x, rows), before / 2)


def test_users_without_training_rows_are_refused(x):
    with pytest.raises(ValueError, match="only users whom it has trained on"):
        make().score(x[:2])
