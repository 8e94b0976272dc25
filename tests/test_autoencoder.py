"""Mult-VAE and Mult-DAE against slow, obvious float64 computations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from benchmark.run.training import train_epoch
from models.autoencoder import ARRAYS, DAE, VAE, DAEConfig, VAEConfig, normalize
from models.base import Compute, trained_bytes
from models.batches import CSR
from models.layers import Dense, Product, by_numpy
from models.likelihoods import Likelihood, Multinomial
from tests.fit import check_first_adam_step

USERS, ITEMS, HIDDEN, LATENT = 12, 9, 7, 3


@pytest.fixture
def x(random) -> csr_matrix:
    """(USERS, ITEMS) binary, no empty row, rows of different sizes."""
    dense = random.random_sample((USERS, ITEMS)) < np.linspace(0.2, 0.9, USERS)[:, None]
    dense[np.arange(USERS), np.arange(USERS) % ITEMS] = True
    return csr_matrix(dense.astype(np.float32))


def vae(likelihood: Likelihood | None = None, **options) -> VAE:
    torch.manual_seed(1)
    return VAE(
        VAEConfig(
            likelihood=likelihood or Multinomial(),
            hidden=HIDDEN,
            latent=LATENT,
            batch=5,
            epochs=4,
            **options,
        ),
        (USERS, ITEMS),
        Compute(),
    )


def dae(likelihood: Likelihood | None = None, **options) -> DAE:
    torch.manual_seed(1)
    return DAE(
        DAEConfig(
            likelihood=likelihood or Multinomial(), latent=LATENT, batch=5, epochs=4, **options
        ),
        (USERS, ITEMS),
        Compute(),
    )


def sparse_input(x, random):
    return CSR.of(x).sparse(torch.from_numpy(random.random_sample(x.nnz)).float())


def dense_input(x, random):
    return torch.from_numpy(random.standard_normal(x.shape)).float().requires_grad_()


def parameters(model) -> dict[str, np.ndarray]:
    return {name: p.detach().numpy().astype(np.float64) for name, p in model.net.named_parameters()}


def slow_log_softmax(row: list[float]) -> list[float]:
    total = sum(math.exp(v) for v in row)
    return [v - math.log(total) for v in row]


def slow_input(row: np.ndarray, keep: np.ndarray, dropout: float) -> np.ndarray:
    """Normalise, then drop, then scale what is kept."""
    return row / math.sqrt((row**2).sum()) * keep / (1 - dropout)


def slow_vae_loss(p, rows, keep, noise, dropout, beta, l2) -> tuple[float, float]:
    """Loss and mean KL, user by user."""
    losses, kls = [], []
    for row, kept, eps in zip(rows, keep, noise, strict=True):
        h = slow_input(row, kept, dropout)
        h = np.tanh(h @ p["encoder_1.weight"] + p["encoder_1.bias"])
        out = h @ p["encoder_2.weight"] + p["encoder_2.bias"]
        mu, logvar = out[:LATENT], out[LATENT:]
        z = mu + eps * np.sqrt(np.exp(logvar))
        f = (
            np.tanh(z @ p["decoder_1.weight"] + p["decoder_1.bias"]) @ p["decoder_2.weight"]
            + p["decoder_2.bias"]
        )
        logp = slow_log_softmax(list(f))
        nll = -sum(logp[i] for i in range(ITEMS) if row[i])
        kl = 0.5 * sum(m * m + math.exp(v) - 1 - v for m, v in zip(mu, logvar, strict=True))
        losses.append(nll + beta * kl)
        kls.append(kl)
    weights = sum((w**2).sum() for name, w in p.items() if name.endswith("weight"))
    return sum(losses) / len(losses) + l2 * weights, sum(kls) / len(kls)


def slow_dae_loss(p, rows, keep, dropout, l2) -> float:
    losses = []
    for row, kept in zip(rows, keep, strict=True):
        z = np.tanh(slow_input(row, kept, dropout) @ p["encoder.weight"] + p["encoder.bias"])
        logp = slow_log_softmax(list(z @ p["decoder.weight"] + p["decoder.bias"]))
        losses.append(-sum(logp[i] for i in range(ITEMS) if row[i]))
    return sum(losses) / len(losses) + l2 * sum(
        (w**2).sum() for name, w in p.items() if name.endswith("weight")
    )


def draws(model, x: csr_matrix, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """What the loss draws after ``seed``: which entries dropout keeps (B, I), and the posterior's
    noise (B, K).
    """
    torch.manual_seed(seed)
    kept = torch.nn.functional.dropout(torch.ones(x.nnz), model.config.dropout) > 0
    keep = csr_matrix((kept.numpy().astype(float), x.indices, x.indptr), shape=x.shape).toarray()
    return keep, torch.randn(x.shape[0], LATENT).double().numpy()


@pytest.mark.parametrize("updates", [0, 1, 3, 10])
def test_vae_loss(x, updates):
    model = vae(l2=0.05, beta_cap=0.7, total_anneal_steps=4, dropout=0.4)
    with torch.no_grad():  # a posterior far from the prior, so that every part of the KL counts
        model.net["encoder_2"].bias.copy_(torch.linspace(-2, 2, 2 * LATENT))
    keep, noise = draws(model, x, 5)
    torch.manual_seed(5)
    loss, terms = model.loss(CSR.of(x), updates)
    beta = min(0.7, updates / 4)
    want, kl = slow_vae_loss(parameters(model), x.toarray(), keep, noise, 0.4, beta, 0.05)
    assert loss.item() == pytest.approx(want, rel=1e-5)
    assert terms["kl"].sum().item() == pytest.approx(kl, rel=1e-5)


def test_dae_loss(x):
    model = dae(l2=0.05, dropout=0.4)
    with torch.no_grad():  # so large that an L2 of biases would show
        model.net["decoder"].bias.copy_(torch.linspace(-2, 2, ITEMS))
    keep, _ = draws(model, x, 5)
    torch.manual_seed(5)
    loss, _ = model.loss(CSR.of(x), 0)
    assert loss.item() == pytest.approx(
        slow_dae_loss(parameters(model), x.toarray(), keep, 0.4, 0.05), rel=1e-5
    )


def test_the_posterior_has_unit_noise(x):
    """z is mu + sigma eps with a standard normal eps: seen through the decoder's input."""
    model = vae(dropout=0.0)
    seen = []
    model.net["decoder_1"].register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0].detach())
    )
    batch = CSR.of(x)
    for seed in range(400):
        torch.manual_seed(seed)
        model.loss(batch, 0)
    mu, logvar = model.encode(batch.sparse(normalize(batch)))
    eps = (torch.stack(seen) - mu.detach()) / torch.exp(logvar.detach() / 2)
    assert eps.mean().item() == pytest.approx(0, abs=0.04)
    assert eps.std().item() == pytest.approx(1, abs=0.03)


def test_input_is_normalised_then_dropped_out(x):
    model = dae(dropout=0.5)
    rows = x.toarray() / np.sqrt(x.toarray().sum(axis=1, keepdims=True))
    torch.manual_seed(0)
    h = torch.stack([model.corrupted(CSR.of(x)).to_dense() for _ in range(2000)]).double().numpy()
    assert (np.isclose(h, 2 * rows) | (h == 0)).all()
    np.testing.assert_allclose(h.mean(axis=0), rows, atol=0.06)  # unbiased: inverted scaling
    assert (h[:, rows > 0] > 0).mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("make", [vae, dae])
def test_scores_come_from_the_mean_without_dropout(make, x):
    model = make()
    p, rows = parameters(model), x.toarray()
    h = rows / np.sqrt((rows**2).sum(axis=1, keepdims=True))
    if make is vae:
        out = (
            np.tanh(h @ p["encoder_1.weight"] + p["encoder_1.bias"]) @ p["encoder_2.weight"]
            + p["encoder_2.bias"]
        )
        z = out[:, :LATENT]
        want = (
            np.tanh(z @ p["decoder_1.weight"] + p["decoder_1.bias"]) @ p["decoder_2.weight"]
            + p["decoder_2.bias"]
        )
    else:
        want = (
            np.tanh(h @ p["encoder.weight"] + p["encoder.bias"]) @ p["decoder.weight"]
            + p["decoder.bias"]
        )
    torch.manual_seed(3)
    np.testing.assert_allclose(model.score(x).numpy(), want, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "betas"),
    [
        ({"total_anneal_steps": 10}, [0.0, 0.1, 0.2, 0.2, 0.2]),
        ({"total_anneal_steps": 0}, [0.2] * 5),
        ({"beta_cap": 0.0}, [0.0] * 5),
        ({"beta_cap": 1.0, "total_anneal_steps": 2}, [0.0, 0.5, 1.0, 1.0, 1.0]),
        ({}, [0.2 * u / 9.6 for u in range(5)]),  # 4 epochs x 3 updates, cap at 80 % of them
    ],
)
def test_beta_climbs_to_its_cap_and_stays(options, betas):
    assert [vae(**options).beta(u) for u in range(5)] == pytest.approx(betas)
    full = vae(**options)
    assert [full.beta(u) for u in (10, 1000)] == [full.config.beta_cap] * 2


def test_a_swept_cap_is_reached_at_the_same_update():
    assert [
        next(u for u in range(99) if vae(beta_cap=c).beta(u) == c) for c in (0.1, 0.2, 1.0)
    ] == [10, 10, 10]


def test_the_update_count_goes_on_over_epochs(x):
    model, seen = vae(), []
    original = model.loss
    model.loss = lambda batch, updates: (
        seen.append((updates, len(batch))) or original(batch, updates)
    )
    for model.epoch in (0, 1):
        log = model.train_epoch(model.prepare(x))
    assert [u for u, _ in seen] == [0, 1, 2, 3, 4, 5]
    assert [n for _, n in seen] == [5, 5, 2] * 2  # the last partial batch is kept
    assert log["beta"] == pytest.approx(0.2 * 5 / 9.6)


def test_log_of_an_epoch_of_the_vae(x):
    model = vae(dropout=0, learning_rate=1e-12)
    with torch.no_grad():  # every user's posterior has unit variances and these means
        model.net["encoder_2"].weight.zero_()
        model.net["encoder_2"].bias.copy_(torch.tensor([0.1, 0.2, -1, 0, 0, 0]))
    log = model.train_epoch(model.prepare(x))
    assert list(log) == ["loss", "kl", "active_units", "beta"]
    assert log["kl"] == pytest.approx((0.1**2 + 0.2**2 + 1) / 2, rel=1e-5)
    assert log["active_units"] == 2  # the first has but .005 nats


def test_users_are_shuffled_in_every_epoch_and_each_comes_once(x):
    batches = CSR.of(x)
    orders = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        rows = [batch.sparse().to_dense() for batch in batches.shuffled(5)]
        orders.append(torch.cat(rows).numpy())
    assert not np.array_equal(*orders)
    for order in orders:
        assert sorted(map(tuple, order)) == sorted(map(tuple, x.toarray()))


@pytest.mark.parametrize(
    ("make", "config", "count"),
    [
        (VAE, VAEConfig(likelihood=Multinomial()), 24_511_308),
        (DAE, DAEConfig(likelihood=Multinomial()), 8_063_508),
    ],
)
def test_parameter_counts_on_ml20m(make, config, count):
    with torch.device("meta"):
        net = make(config, (500, 20_108), Compute("meta")).net
    assert sum(p.numel() for p in net.parameters()) == count
    assert make.memory(config, (500, 20_108)) == trained_bytes(count) + 4 * ARRAYS * 500 * 20_108


def test_initialisation():
    torch.manual_seed(0)
    model = VAE(VAEConfig(likelihood=Multinomial()), (1000, 2000), Compute())
    shapes = {
        "encoder_1": (2000, 600),
        "encoder_2": (600, 400),
        "decoder_1": (200, 600),
        "decoder_2": (600, 2000),
    }
    for name, (inputs, outputs) in shapes.items():
        W, b = model.net[name].weight.detach(), model.net[name].bias.detach()
        bound = math.sqrt(6 / (inputs + outputs))
        assert W.shape == (inputs, outputs)
        assert W.abs().max().item() == pytest.approx(bound, rel=0.01)
        assert W.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)
        assert b.abs().max() <= 0.002
        # of a normal cut at two standard deviations
        assert b.std().item() == pytest.approx(0.00088, rel=0.12)


@pytest.mark.parametrize("make", [vae, dae])
def test_one_training_step(make, x):
    """A whole epoch of one batch: gradient by central differences in float64, then Adam by hand."""
    options = {"l2": 0.03} | ({"beta_cap": 1.0, "total_anneal_steps": 0} if make is vae else {})
    model = make(**options)
    model.config = model.config.model_copy(update={"batch": USERS})
    before = parameters(model)
    torch.manual_seed(7)
    order = torch.randperm(USERS).numpy()
    shuffled = csr_matrix(x[order])
    kept = torch.nn.functional.dropout(torch.ones(x.nnz), 0.5) > 0
    keep = csr_matrix(
        (kept.numpy().astype(float), shuffled.indices, shuffled.indptr), shape=x.shape
    ).toarray()
    noise = torch.randn(USERS, LATENT).double().numpy()

    def loss(p):
        if make is vae:
            return slow_vae_loss(p, shuffled.toarray(), keep, noise, 0.5, 1.0, 0.03)[0]
        return slow_dae_loss(p, shuffled.toarray(), keep, 0.5, 0.03)

    torch.manual_seed(7)
    log = model.train_epoch(model.prepare(x))
    assert log["loss"] == pytest.approx(loss(before), rel=1e-5)
    after = parameters(model)
    check_first_adam_step(before, after, loss)


def test_adam_has_the_papers_options():
    group = vae().adam.param_groups[0]
    assert (group["lr"], group["betas"], group["eps"], group["weight_decay"]) == (
        1e-3,
        (0.9, 0.999),
        1e-8,
        0,
    )


BY_NUMPY = frozenset({"fp32", "bf16"})


@pytest.mark.parametrize(
    ("make", "library"),
    [(sparse_input, frozenset()), (dense_input, frozenset()), (dense_input, BY_NUMPY)],
)
def test_a_product_and_its_gradients_are_those_of_float64(make, library, x, random):
    layer = Dense(ITEMS, 5, Compute(by_numpy=library))
    given, weights = make(x, random), random.standard_normal((USERS, 5))
    out = layer(given)
    (out * torch.from_numpy(weights).float()).sum().backward()
    h, W, b = (
        np.asarray(t.detach().to_dense(), dtype=np.float64)
        for t in (given, layer.weight, layer.bias)
    )
    np.testing.assert_allclose(out.detach(), h @ W + b, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.weight.grad, h.T @ weights, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(layer.bias.grad, weights.sum(axis=0), rtol=1e-5)
    if given.requires_grad:
        np.testing.assert_allclose(given.grad, weights @ W.T, rtol=1e-5, atol=1e-6)


def test_bf16_by_numpy_rounds_as_torch_does(random):
    shapes = ((30, 40), (40, 50), (30, 50))
    x, W, weights = (torch.from_numpy(random.standard_normal(s)).float() for s in shapes)
    results = []
    for multiply in (torch.mm, by_numpy):
        leaves = [t.clone().requires_grad_() for t in (x, W)]
        out = Product.apply(*(t.bfloat16() for t in leaves), multiply).float()
        (out * weights).sum().backward()
        results.append([out.detach(), *(t.grad for t in leaves)])
    for theirs, ours in zip(*results, strict=True):
        assert (
            theirs == ours
        ).float().mean() > 0.95  # one sums in another order: a few are rounded the other way
        torch.testing.assert_close(ours, theirs, rtol=2**-7, atol=2**-7)
        assert torch.equal(ours, ours.bfloat16().float())


def test_the_library_is_asked_for_the_output_layer_alone(x, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "models.layers.by_numpy", lambda a, b: asked.append(tuple(b.shape)) or a @ b
    )
    model = VAE(
        VAEConfig(likelihood=Multinomial(), hidden=HIDDEN, latent=LATENT),
        (USERS, ITEMS),
        Compute(by_numpy=BY_NUMPY),
    )
    model.loss(CSR.of(x), 1)[0].backward()
    assert asked == [(HIDDEN, ITEMS), (ITEMS, HIDDEN), (USERS, ITEMS)]
    model.score(x)
    assert asked[3:] == [(HIDDEN, ITEMS)]


@pytest.mark.parametrize("library", [frozenset(), BY_NUMPY])
def test_bf16_changes_training_products_a_little_and_scores_not(x, library):
    torch.manual_seed(1)
    config = VAEConfig(likelihood=Multinomial(), hidden=HIDDEN, latent=LATENT)
    low = VAE(config, (USERS, ITEMS), Compute(precision="bf16", by_numpy=library))
    torch.manual_seed(1)
    full = VAE(config, (USERS, ITEMS), Compute(by_numpy=library))
    losses = []
    for model in (low, full):
        torch.manual_seed(2)
        losses.append(model.loss(CSR.of(x), 100)[0].item())
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)
    assert torch.equal(low.score(x), full.score(x))


@pytest.mark.gpu
def test_gpu_losses_and_gradients_are_the_cpus(x, gpu):
    found = []
    for device in ("cpu", gpu):
        torch.manual_seed(1)
        model = DAE(
            DAEConfig(likelihood=Multinomial(), latent=LATENT, dropout=0),
            (USERS, ITEMS),
            Compute(device),
        )
        loss = model.loss(model.prepare(x), 0)[0]
        loss.backward()
        found.append([loss.detach().cpu(), *(p.grad.cpu() for p in model.net.parameters())])
    for here, there in zip(*found, strict=True):
        torch.testing.assert_close(there, here, rtol=1e-4, atol=1e-6)


@pytest.mark.gpu
def test_no_update_waits_for_the_gpu(x, gpu):
    model = VAE(
        VAEConfig(likelihood=Multinomial(), hidden=HIDDEN, latent=LATENT, batch=5),
        (USERS, ITEMS),
        Compute(gpu),
    )
    data = model.prepare(x)
    train_epoch(model, data, 0)
    batches = data.shuffled(5)
    next(batches)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for batch in batches:
            model.adam.zero_grad()
            model.loss(batch, 1)[0].backward()
            model.adam.step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_defaults_are_the_papers():
    v, d = VAEConfig(likelihood=Multinomial()), DAEConfig(likelihood=Multinomial())
    assert (v.hidden, v.latent, v.dropout, v.l2, v.beta_cap, v.total_anneal_steps) == (
        600,
        200,
        0.5,
        0,
        0.2,
        None,
    )
    assert (d.latent, d.dropout, d.l2) == (200, 0.5, 2e-5)
    assert all((c.batch, c.learning_rate, c.epochs) == (500, 1e-3, 200) for c in (v, d))
