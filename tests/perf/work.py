"""A process that does a piece of work each time it is told to: ``python -m tests.perf.work JSON``.

It is a process of its own so that its threads, its allocator and its memory are those of the work.
It prints a line of JSON when it is ready and after each piece; a line on its input asks for one.
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
BATCH = 500


@dataclass(frozen=True)
class Work:
    """A piece of work, and the size of its data."""

    kind: str
    """A model of the registry or a name in KINDS."""
    precision: Precision = "fp32"
    threads: int | None = None
    """None: as torch decides."""
    users: int = 4 * BATCH
    items: int = ML20M[1]
    per_user: float = ITEMS_PER_USER
    inner: int = 0
    """Width of the output layer's input, for the products."""
    parameters: int = 0
    """For the traffic."""

    def piece(self) -> Piece:
        """The work, ready to be done again and again."""
        return KINDS.get(self.kind, model)(self)

    def json(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))


def model(work: Work) -> Piece:
    """An epoch of one of this project's models, as a trial runs it."""
    entry = MODELS[work.kind]
    matrix = interactions(work.users, work.items, work.per_user)
    compute = Compute("cpu", work.precision, work.threads or 1, environment.by_numpy("cpu"))
    made = entry.model(entry.config, matrix.shape, compute)
    data = made.prepare(matrix)
    return lambda: train_epoch(made, data, seed=0)


def plain_model(work: Work) -> Piece:
    """An epoch of a plain network."""
    network = {"plain-vae": plain.PlainVAE, "plain-dae": plain.PlainDAE}[work.kind]
    return plain.trainer(
        network(work.items), interactions(work.users, work.items, work.per_user), BATCH
    )


def products(work: Work) -> Piece:
    """The three of an output layer, by torch: forward, and the gradients of its input and its
    weights.
    """
    number = torch.bfloat16 if work.precision == "bf16" else torch.float32
    h, W, g = (torch.randn(*shape).to(number) for shape in shapes(work))
    return lambda: (h @ W, g @ W.T, h.T @ g)


def products_by_numpy(work: Work) -> Piece:
    """Return the three products of an output layer, by NumPy's library."""
    h, W, g = (
        np.random.RandomState(0).standard_normal(shape).astype(np.float32) for shape in shapes(work)
    )
    return lambda: (h @ W, g @ W.T, h.T @ g)


def shapes(work: Work) -> tuple[tuple[int, int], ...]:
    """Return the shapes of the layer's input, its weights and its output."""
    return (BATCH, work.inner), (work.inner, work.items), (BATCH, work.items)


def traffic(work: Work) -> Piece:
    """Adam reads weights, gradients and two moments and writes three of the four: seven passes over
    the parameters.

    In place, as a copy into other memory would also read what it overwrites.
    """
    numbers = torch.zeros(work.parameters * 7 // 2)
    return lambda: numbers.mul_(1.0)


def evaluator(work: Work) -> Piece:
    """One pass over ready scores, and three metrics."""
    scores, users = torch.randn(work.users, work.items), fold(work.users, work.items)

    def measure() -> None:
        ranking = evaluate(lambda _, chosen: scores[chosen[0] : chosen[-1] + 1], users)
        for metric in HEADLINE:
            metric(ranking.hit, ranking.targets)

    return measure


def authors_evaluator(work: Work) -> Piece:
    """Return the evaluation of the same scores by the authors' computation."""
    scores, users = torch.randn(work.users, work.items).numpy(), fold(work.users, work.items)
    return lambda: plain.evaluate(scores, users)


KINDS: dict[str, Callable[[Work], Piece]] = {
    "plain-vae": plain_model,
    "plain-dae": plain_model,
    "products": products,
    "products-numpy": products_by_numpy,
    "traffic": traffic,
    "evaluator": evaluator,
    "authors-evaluator": authors_evaluator,
}


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
