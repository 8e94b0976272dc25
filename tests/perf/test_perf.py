"""Measures the time and memory that models and the evaluator take, for ``make perf``.

``make test`` does not run these files, and nothing here has a limit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import Any

import pytest

from benchmark import environment
from benchmark.paths import ROOT
from benchmark.run.launch import surroundings
from models import variants
from tests.perf.interactions import ML20M
from tests.perf.work import Work

THREADS = os.cpu_count() or 1
ITEMS = ML20M[1]
PLAIN = "plain, fp32, as a person starts it"
VAE, DAE = "Mult-VAE, I-600-200-600-I", "Mult-DAE, I-200-I"


@dataclass(frozen=True)
class Case:
    """A measurement to be made, which becomes a row of a table in docs/performance.md."""

    group: str
    name: str
    work: Work
    tuned: bool = True
    """Whether the environment is the one that a run gives its trials, not the user's own."""
    rounds: int = 7
    """The number of rounds that are measured."""
    warm: int = 1
    """The number of rounds before them that are not measured."""
    pieces: int = 1
    """The number of equal pieces in the work; the page gives the time of one of them."""


def step(
    group: str,
    name: str,
    kind: str,
    precision: Any = "fp32",
    tuned: bool = True,
    updates: int = 4,
) -> Case:
    """Return the case of an update on 500 users, where an epoch of 2,000 has ``updates``."""
    work = Work(kind, precision, THREADS if tuned else None)
    return Case(group, name, work, tuned, warm=3, pieces=updates)


def roof(group: str, inner: int, parameters: int) -> list[Case]:
    """Return the cases of what no step can do without, with the products by each library."""
    work = {"threads": THREADS, "inner": inner}
    return [
        Case(group, "roof: products, fp32, torch", Work("products", **work)),
        Case(group, "roof: products, fp32, NumPy", Work("products-numpy", **work)),
        *(
            [Case(group, "roof: products, bf16, torch", Work("products", "bf16", **work))]
            if environment.has_bf16()
            else []
        ),
        Case(
            group, "roof: Adam's traffic", Work("traffic", threads=THREADS, parameters=parameters)
        ),
    ]


STEPS = [
    case
    for group, kind, inner, parameters in (
        (VAE, "vae", 600, 2 * 600 * ITEMS + 3 * 200 * 600 + ITEMS + 600 + 400 + 600),
        (DAE, "dae", 200, 2 * 200 * ITEMS + ITEMS + 200),
    )
    for case in (
        step(group, PLAIN, f"plain-{kind}", tuned=False),
        step(group, "plain, fp32, in a trial's environment", f"plain-{kind}"),
        step(group, "ours, fp32", f"mult-{kind}"),
        step(group, "ours, bf16", f"mult-{kind}", "bf16"),
        *roof(group, inner, parameters),
    )
]
FAMILIES = {"vae": "Likelihoods with the VAE", "dae": "Likelihoods with the DAE"}
LIKELIHOODS = [
    step(group, f"{name}-{kind}", f"{name}-{kind}", "bf16" if environment.has_bf16() else "fp32")
    for kind, group in FAMILIES.items()
    for name in variants.LIKELIHOODS
]
OTHER_NETWORKS = {
    "CDAE, I-200-I": ("cdae", 4),
    "RecVAE, I-600-600-600-600-600-200-I": ("recvae", 16),
}
"""Other networks, and the updates in their epochs of 2,000 users: RecVAE makes four passes."""
OTHER_STEPS = [
    case
    for group, (kind, updates) in OTHER_NETWORKS.items()
    for case in (
        step(group, PLAIN, f"plain-{kind}", tuned=False, updates=updates),
        step(group, "plain, fp32, in a trial's environment", f"plain-{kind}", updates=updates),
        step(group, "ours, fp32", kind, updates=updates),
        step(group, "ours, bf16", kind, "bf16", updates=updates),
    )
]
EVALUATOR, CLOSED, FACTORS, GROWTH_GROUP = (
    "Evaluator, 10,000 users x 20,108 items",
    "Closed form, 116,677 users x 20,108 items",
    "Factor models, 116,677 users x 20,108 items",
    "Growth",
)
OTHERS = [
    Case(EVALUATOR, "the authors'", Work("authors-evaluator", users=10_000), tuned=False, rounds=3),
    Case(EVALUATOR, "ours", Work("evaluator", threads=THREADS, users=10_000), rounds=5),
    Case(CLOSED, "EASE", Work("ease", threads=THREADS, users=ML20M[0]), rounds=1, warm=0),
    *(
        Case(FACTORS, name, Work(name, threads=THREADS, users=ML20M[0]), rounds=1)
        for name in ("als", "ials")
    ),
]
BASE = {"users": 5_000, "items": 5_000, "per_user": 40}
GROWN = {
    "users": (2_500, 10_000, 20_000),
    "items": (2_500, 10_000, 20_000),
    "per_user": (20, 80, 160),
}
GROWTH = [
    Case(
        GROWTH_GROUP,
        f"{model}, {users} users, {items} items, {per_user} a user",
        Work(model, threads=THREADS, users=users, items=items, per_user=per_user),
        rounds=3,
    )
    for model in ("mult-vae", "mult-dae", "ease")
    for users, items, per_user in dict.fromkeys(
        tuple((BASE | changed).values())
        for changed in ({}, *({axis: value} for axis, values in GROWN.items() for value in values))
    )
]


class Worker:
    """A process that does a piece of work at each call."""

    def __init__(self, work: Work, tuned: bool) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.perf.work", work.json()],
            cwd=ROOT,
            env=surroundings(THREADS) if tuned else None,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.peaks: list[int] = []
        self.matrix_product = self.answer()["matrix_product"]

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the worker has died; its last words are above"
        answer = json.loads(line)
        self.peaks.append(answer["peak_bytes"])
        return answer

    def __call__(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.answer()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.mark.parametrize(
    "case",
    [*STEPS, *OTHER_STEPS, *LIKELIHOODS, *OTHERS, *GROWTH],
    ids=lambda case: f"{case.group}: {case.name}",
)
def test_work(case: Case, benchmark: Any) -> None:
    benchmark.group, benchmark.name = case.group, case.name
    benchmark.extra_info |= {"pieces": case.pieces, "work": asdict(case.work)}
    with Worker(case.work, case.tuned) as work:
        benchmark.pedantic(work, rounds=case.rounds, warmup_rounds=case.warm)
        benchmark.extra_info |= {
            "peak_bytes": [work.peaks[0], work.peaks[-1]],
            "matrix_product": work.matrix_product,
        }
