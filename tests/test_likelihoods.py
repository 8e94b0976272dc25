"""Every likelihood against slow, obvious float64 sums and their derivatives; and what each one
promises.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from benchmark.errors import UsageError
from benchmark.plan import choose
from benchmark.run.outcome import Diverged
from benchmark.run.training import check_loss, train_epoch
from models.autoencoder import DAE, DAEConfig
from models.base import Compute
from models.batches import CSR
from models.likelihoods import Gaussian, Likelihood, Logistic, Multinomial, Poisson
from models.registry import MODELS
from models.variants import LIKELIHOODS
from tests.fit import make

USERS, ITEMS = 6, 9


def softmax(f: list[float]) -> list[float]:
    return [math.exp(v) / sum(math.exp(w) for w in f) for v in f]


def sigma(v: float) -> float:
    return 1 / (1 + math.exp(-v))


def gaussian(c0: float, c1: float) -> Callable[[list[float], list[int]], float]:
    return lambda f, x: (
        -sum((c1 if xi else c0) / 2 * (xi - fi) ** 2 for fi, xi in zip(f, x, strict=True))
    )


SLOW: list[tuple[Likelihood, Callable[[list[float], list[int]], float]]] = [
    (
        Multinomial(),
        lambda f, x: sum(math.log(p) for p, xi in zip(softmax(f), x, strict=True) if xi),
    ),
    (Gaussian(c0=0.7, c1=3.0), gaussian(0.7, 3.0)),
    (Gaussian(), gaussian(1.0, LIKELIHOODS["gaussian"]().c1)),
    (
        Logistic(),
        lambda f, x: sum(
            math.log(sigma(v) if xi else 1 - sigma(v)) for v, xi in zip(f, x, strict=True)
        ),
    ),
    (Poisson(), lambda f, x: sum(xi * v - math.exp(v) for v, xi in zip(f, x, strict=True))),
]


@pytest.fixture
def x(random) -> csr_matrix:
    """Rows of different sizes, one of them empty, one full."""
    dense = random.random_sample((USERS, ITEMS)) < np.linspace(0.2, 0.8, USERS)[:, None]
    dense[0], dense[1], dense[2, 3] = False, True, True
    return csr_matrix(dense.astype(np.float32))


@pytest.fixture
def f(random) -> np.ndarray:
    return 2 * random.standard_normal((USERS, ITEMS))


@pytest.mark.parametrize(("likelihood", "slow"), SLOW, ids=lambda v: type(v).__name__)
def test_log_prob_is_the_papers_sum_up_to_terms_without_f(likelihood, slow, x, f):
    rows = x.toarray().astype(int).tolist()
    changed = f[:, ::-1] * 0.7
    got, other = (
        likelihood.log_prob(torch.from_numpy(g.copy()), CSR.of(x)).numpy() for g in (f, changed)
    )
    want, want_other = (
        [slow(list(row), own) for row, own in zip(g.tolist(), rows, strict=True)]
        for g in (f, changed)
    )
    np.testing.assert_allclose(got - other, np.subtract(want, want_other), rtol=1e-10)


@pytest.mark.parametrize(("likelihood", "slow"), SLOW, ids=lambda v: type(v).__name__)
def test_the_gradient_is_the_slow_sums_difference_quotient(likelihood, slow, x, f):
    """Users with different weights, since a loss may weigh them."""
    rows = x.toarray().astype(int).tolist()
    weight = np.linspace(0.5, 2, USERS)
    given = torch.from_numpy(f).requires_grad_()
    (likelihood.log_prob(given, CSR.of(x)) * torch.from_numpy(weight)).sum().backward()
    assert given.grad is not None
    for user in range(USERS):
        for item in range(ITEMS):
            up, down = list(f[user]), list(f[user])
            up[item] += 1e-5
            down[item] -= 1e-5
            want = weight[user] * (slow(up, rows[user]) - slow(down, rows[user])) / 2e-5
            assert given.grad[user, item].item() == pytest.approx(want, rel=1e-6, abs=1e-8)


@pytest.mark.contract
@pytest.mark.parametrize("name", LIKELIHOODS)
def test_a_likelihood_gives_two_models_whose_code_its_file_belongs_to(name):
    for kind in ("vae", "dae"):
        entry = MODELS[f"{name}-{kind}"]
        assert type(entry.config.likelihood) is LIKELIHOODS[name]
        files = [path.stem for path in entry.files]
        assert files[0] == "autoencoder"
        assert len(files) == 2


@pytest.mark.contract
@pytest.mark.parametrize("name", LIKELIHOODS)
def test_log_prob_is_one_number_a_user_whatever_else_is_in_the_batch(name, x, f):
    likelihood, whole = LIKELIHOODS[name](), CSR.of(x)
    together = likelihood.log_prob(torch.from_numpy(f), whole)
    assert together.shape == (USERS,)
    assert torch.isfinite(together).all()
    for user in range(USERS):
        alone = likelihood.log_prob(torch.from_numpy(f[[user]]), whole.take(torch.tensor([user])))
        assert alone.item() == pytest.approx(together[user].item(), rel=1e-12)


@pytest.mark.contract
@pytest.mark.parametrize("name", LIKELIHOODS)
def test_log_prob_leaves_f_alone_and_can_be_differentiated_twice_over_in_turn(name, x, f):
    likelihood = LIKELIHOODS[name]()
    given = torch.from_numpy(f.copy()).requires_grad_()
    gradients = []
    for _ in range(2):
        given.grad = None
        likelihood.log_prob(given, CSR.of(x)).sum().backward()
        assert given.grad is not None
        gradients.append(given.grad.clone())
    assert torch.equal(gradients[0], gradients[1])
    assert np.array_equal(given.detach().numpy(), f)


@pytest.mark.parametrize("c1", [0.5, 1.0])
def test_the_gaussian_trusts_ones_more_than_zeros(c1):
    with pytest.raises(
        UsageError, match=rf"gaussian-dae.likelihood = .*'c1': {c1}.* will not do: c1, .*above c0"
    ):
        choose.plan(["ml1m"], ["gaussian-dae"], settings=[f"gaussian-dae.likelihood.c1={c1}"])


@pytest.mark.contract
@pytest.mark.parametrize("name", LIKELIHOODS)
def test_its_start_is_finite_and_grows_with_the_share_of_users(name):
    start = LIKELIHOODS[name]().start(torch.linspace(1e-5, 0.999, 50))
    assert torch.isfinite(start).all()
    assert (start.diff() > 0).all()


@pytest.mark.parametrize(
    "likelihood", [Multinomial(), Logistic(), Poisson(), Gaussian(c0=1, c1=1 + 1e-12)]
)
def test_no_f_that_all_share_explains_users_better_than_its_start(likelihood, random):
    dense = random.random_sample((400, ITEMS)) < np.linspace(0.1, 0.7, ITEMS)
    x = CSR.of(csr_matrix(dense.astype(np.float32)))
    f = likelihood.start(torch.from_numpy(dense.mean(axis=0))).requires_grad_()
    likelihood.log_prob(f.expand(400, -1), x).mean().backward()
    np.testing.assert_allclose(f.grad, 0, atol=1e-12)


@pytest.mark.parametrize(
    "name", [f"{name}-{kind}" for name in LIKELIHOODS for kind in ("vae", "dae")]
)
def test_the_last_bias_starts_at_the_items_frequencies_where_that_is_asked_for(name, small_split):
    matrix = small_split.train.matrix
    models = {bias: make(name, matrix.shape, output_bias=bias) for bias in ("paper", "item")}
    for model in models.values():
        model.config = model.config.model_copy(update={"learning_rate": 0.0})
        model.adam.param_groups[0]["lr"] = 0.0
        train_epoch(model, model.prepare(matrix), seed=0)
    count = np.bincount(matrix.indices, minlength=matrix.shape[1])
    p = torch.from_numpy((count + 1) / (matrix.shape[0] + 2))
    biases = {bias: list(model.net.parameters())[-1].detach() for bias, model in models.items()}
    assert biases["paper"].abs().max() <= 0.002
    want = {
        "multinomial": p.log(),
        "poisson": p.log(),
        "gaussian": p,
        "logistic": (p / (1 - p)).log(),
    }
    kind = type(models["item"].config.likelihood).__name__.lower()
    if kind in want:
        np.testing.assert_allclose(biases["item"], want[kind], rtol=1e-5)
    learned = biases["item"].add_(1).clone()
    # only the first epoch begins there
    train_epoch(models["item"], models["item"].prepare(matrix), seed=0)
    assert torch.equal(learned, list(models["item"].net.parameters())[-1])


def test_defaults_start_the_logistic_and_the_poisson_at_frequencies_the_others_as_the_paper():
    starts = {
        name: MODELS[f"{name}-vae"].config.output_bias
        for name in ("mult", "gaussian", "logistic", "poisson")
    }
    assert starts == {"mult": "paper", "gaussian": "paper", "logistic": "item", "poisson": "item"}


def test_a_poisson_that_explodes_is_seen_to_diverge(small_split):
    matrix = small_split.train.matrix
    config = DAEConfig(
        likelihood=Poisson(), latent=8, batch=25, epochs=50, learning_rate=3.0, output_bias="item"
    )
    torch.manual_seed(0)
    model, curve = DAE(config, matrix.shape, Compute()), []
    data = model.prepare(matrix)
    with pytest.raises(Diverged):
        for epoch in range(50):
            log = train_epoch(model, data, seed=0)
            check_loss(log, curve)
            curve.append({"epoch": epoch + 1, **log})
