"""Runs killed at many moments, then continued: nothing lost, nothing left, the same bits."""

from __future__ import annotations

import fnmatch
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.records import store
from tests.conftest import DATA
from tests.test_run import finish, hidden, start, wait_for_none

WORDS = ("--models", "mult-vae", "popularity", "--seeds", "0", "--threads", "1", "--jobs", "2")
WORDS += ("--checkpoint-seconds", "0", "--datasets", "synthetic", *DATA)
WORDS += ("--set", "epochs=12", "batch=20", "latent=32", "hidden=64")
pytestmark = pytest.mark.slow
Due = Callable[[list[str]], bool]
"""Whether the moment has come, given the names of the files in --out and the cache."""


def sight_of(pattern: str) -> Due:
    """Return the moment at which a file of this pattern is there, if only briefly."""
    return lambda names: bool(fnmatch.filter(names, pattern))


def after(seconds: float) -> Due:
    end: list[float] = []

    def due(names: list[str]) -> bool:
        end.append(time.monotonic() + seconds)
        return time.monotonic() > end[0]

    return due


MOMENTS = [
    *[("preparation", sight_of(".synthetic-*.*"))] * 5,
    *[("checkpoint", sight_of(".*.checkpoint.*"))] * 6,
    *[("record", sight_of(".*.json.*"))] * 6,
    *[("training", sight_of(".*.checkpoint"))] * 3,
    *[("any time", after(random.Random(k).uniform(1, 12))) for k in range(10)],
]


def names(*folders: Path) -> list[str]:
    return [path.name for folder in folders if folder.exists() for path in folder.iterdir()]


def killed(due: Due, out: Path, cache: Path) -> bool:
    """Start a run and kill it when ``due`` says so; return False if it had ended before."""
    run = start(out, *WORDS, BENCH_CACHE_DIR=str(cache))
    while not due(names(out, cache)):
        if run.poll() is not None:
            break
    alive = run.poll() is None
    run.send_signal(signal.SIGKILL)
    finish(run)
    wait_for_none(out)
    return alive


def results(out: Path) -> dict[str, str]:
    """The hash of the per-user table of each trial."""
    return {r.id: r.per_user.sha256 for r in store.read_all(out) if r.per_user}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("undisturbed")
    code, _, errors = finish(
        start(out, *WORDS, BENCH_CACHE_DIR=str(tmp_path_factory.mktemp("cache")))
    )
    assert (code, errors) == (0, "")
    return results(out)


@pytest.mark.parametrize(
    ("moment", "due"), MOMENTS, ids=[f"{k}-{name}" for k, (name, _) in enumerate(MOMENTS)]
)
def test_killed_and_continued(moment, due, undisturbed, tmp_path):
    out, cache = tmp_path / "out", tmp_path / "cache"
    for _ in range(5):  # a file that is there for a moment may be missed
        if killed(due, out, cache):
            break
        out, cache = out / "again", cache / "again"
    else:
        pytest.fail(f"five runs ended before the moment {moment}")
    code, _, errors = finish(start(out, *WORDS, BENCH_CACHE_DIR=str(cache)))
    assert (code, errors) == (0, "")
    assert results(out) == undisturbed
    assert hidden(out, cache) == []
