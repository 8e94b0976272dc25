"""Does a piece of work each time it is asked to: ``python -m tests.perf.work JSON``.

The work has a process of its own, so that the threads, the allocator and the memory are its own.
Each line on standard input asks for a piece; the process prints a line of JSON when it is ready and
after each piece.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch

from benchmark import environment
from benchmark.evaluation.metrics import HEADLINE
from benchmark.evaluation.ranking import evaluate
from benchmark.run.training import train_epoch
from models.base import Compute, Precision
from models.registry import MODELS
from tests.perf import plain
from tests.perf.interactions import ITEMS_PER_USER, ML20M, fold, interactions

Piece = Callable[[], object]
"""Does one piece of work; what it returns is not used."""
BATCH = 500


@dataclass(frozen=True)
class Work:
    """A piece of work, and the size of its data."""

    kind: str
    """A registered model, or a name in KINDS."""
    precision: Precision = "fp32"
    threads: int | None = None
    """The number of threads; None leaves it to torch."""
    users: int = 4 * BATCH
    items: int = ML20M[1]
    per_user: float = ITEMS_PER_USER
    inner: int = 0
    """The width of the output layer's input, for the kinds of products."""
    parameters: int = 0
    """The number of parameters, for the kind "traffic"."""

    def piece(self) -> Piece:
        """Return a function that does the work on data that is made beforehand."""
        return KINDS.get(self.kind, model)(self)

    def json(self) -> str:
        """Return the argument of the command line."""
        return json.dumps(asdict(self))


def model(work: Work) -> Piece:
    """Return an epoch of one of this project's models, as a trial runs it."""
    entry = MODELS[work.kind]
    matrix = interactions(work.users, work.items, work.per_user)
    compute = Compute("cpu", work.precision, work.threads or 1, environment.by_numpy("cpu"))
    trained = entry.model(entry.config, matrix.shape, compute)
    data = trained.prepare(matrix)
    return lambda: train_epoch(trained, data, seed=0)


def plain_model(work: Work) -> Piece:
    """Return an epoch of a plain network."""
    matrix = interactions(work.users, work.items, work.per_user)
    match work.kind:
        case "plain-recvae":
            return plain.recvae_trainer(plain.PlainRecVAE(work.items), matrix, BATCH)
        case "plain-cdae":
            net = plain.PlainCDAE(work.users, work.items)
        case "plain-vae":
            net = plain.PlainVAE(work.items)
        case _:
            net = plain.PlainDAE(work.items)
    return plain.trainer(net, matrix, BATCH)


def products(work: Work) -> Piece:
    """Return the three products of an output layer, by torch.

    They are the output, and the gradients of the layer's input and of its weights.
    """
    dtype = torch.bfloat16 if work.precision == "bf16" else torch.float32
    h, W, g = (torch.randn(*shape).to(dtype) for shape in shapes(work))
    return lambda: (h @ W, g @ W.T, h.T @ g)


def products_by_numpy(work: Work) -> Piece:
    """Return the same three products by NumPy's library."""
    h, W, g = (
        np.random.RandomState(0).standard_normal(shape).astype(np.float32) for shape in shapes(work)
    )
    return lambda: (h @ W, g @ W.T, h.T @ g)


def shapes(work: Work) -> tuple[tuple[int, int], ...]:
    """Return the shapes of the layer's input, its weights and its output."""
    return (BATCH, work.inner), (work.inner, work.items), (BATCH, work.items)


def traffic(work: Work) -> Piece:
    """Return as many passes over memory as Adam takes: seven over the parameters.

    It reads the weights, the gradients and two moments, and writes all of these but the gradients.
    """
    # in place, since a copy into other memory would also read what it overwrites
    numbers = torch.zeros(work.parameters * 7 // 2)
    return lambda: numbers.mul_(1.0)


def evaluator(work: Work) -> Piece:
    """Return the ranking of ready scores and the three headline metrics."""
    scores, users = torch.randn(work.users, work.items), fold(work.users, work.items)

    def measure() -> None:
        ranking = evaluate(lambda _, chosen: scores[chosen[0] : chosen[-1] + 1], users)
        for metric in HEADLINE:
            metric(ranking.hit, ranking.targets)

    return measure


def authors_evaluator(work: Work) -> Piece:
    """Return the same metrics, computed as the authors do."""
    scores, users = torch.randn(work.users, work.items).numpy(), fold(work.users, work.items)
    return lambda: plain.evaluate(scores, users)


KINDS: dict[str, Callable[[Work], Piece]] = {
    "plain-vae": plain_model,
    "plain-dae": plain_model,
    "plain-cdae": plain_model,
    "plain-recvae": plain_model,
    "products": products,
    "products-numpy": products_by_numpy,
    "traffic": traffic,
    "evaluator": evaluator,
    "authors-evaluator": authors_evaluator,
}
"""The functions that make the pieces which are no registered model's."""


def main(work: Work) -> None:
    """Do the work at each line of standard input, and print the largest memory so far."""
    if work.threads:
        torch.set_num_threads(work.threads)
    piece = work.piece()
    ready = {
        "peak_bytes": environment.process_peak_bytes(),
        "matrix_product": environment.matrix_product(),
    }
    print(json.dumps(ready), flush=True)
    for _ in sys.stdin:
        piece()
        print(json.dumps({"peak_bytes": environment.process_peak_bytes()}), flush=True)


if __name__ == "__main__":
    main(Work(**json.loads(sys.argv[1])))
