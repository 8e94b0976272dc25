"""Registers the autoencoders: a likelihood with the name ``x`` gives ``x-vae`` and ``x-dae``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from models.autoencoder import DAE, VAE, DAEConfig, VAEConfig
from models.base import Config
from models.likelihoods import Gaussian, Likelihood, Logistic, Multinomial, Poisson
from models.registry import check_name, register

PAPER = (
    "Liang, Krishnan, Hoffman, Jebara, "
    "Variational Autoencoders for Collaborative Filtering, WWW 2018"
)

L = TypeVar("L", bound=Likelihood)
LIKELIHOODS: dict[str, type[Likelihood]] = {}


def register_likelihood(
    name: str, *, vae: Likelihood | None = None, dae: Likelihood | None = None, paper: str = PAPER
) -> Callable[[type[L]], type[L]]:
    """Return a decorator that registers ``NAME-vae`` and ``NAME-dae`` with a likelihood.

    ``vae`` and ``dae`` are the likelihood with its default options in each of them; without one,
    its own defaults are used. Raises ValueError if a name is taken or no name.
    """
    check_name(name)

    def add(likelihood: type[L]) -> type[L]:
        for network, kind, config in (
            (VAE, "vae", defaults(VAEConfig, vae or likelihood())),
            (DAE, "dae", defaults(DAEConfig, dae or likelihood())),
        ):
            add_model = register(
                f"{name}-{kind}",
                config,
                paper=paper,
                devices=("cpu", "cuda"),
                precisions=("fp32", "tf32", "bf16"),
            )
            add_model(network)
        LIKELIHOODS[name] = likelihood
        return likelihood

    return add


def defaults(kind: Any, likelihood: Likelihood) -> Config:
    """Return the default options of a network with ``likelihood``.

    The config's type is ``kind`` for this type of likelihood, and takes no other.
    """
    return kind[type(likelihood)](likelihood=likelihood, output_bias=likelihood.output_bias)


register_likelihood("mult")(Multinomial)
# docs/tuning.md tells how c1 was tuned
register_likelihood("gaussian", vae=Gaussian(c1=5.0), dae=Gaussian(c1=3.0))(Gaussian)
register_likelihood("logistic")(Logistic)
register_likelihood("poisson")(Poisson)
