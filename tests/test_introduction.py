"""The introduction's figures are those that its code draws, and show what its text says."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from benchmark.paths import ROOT
from benchmark.report.image import png
from docs import build, introduction

TABLE = build.usual_report("ml1m").results[0]
FIGURES = introduction.pictures(TABLE)
TEXT = (ROOT / "docs" / "introduction.md").read_text()


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("L"), dtype=float)


@pytest.mark.parametrize("name", FIGURES)
def test_each_figure_is_on_the_page_and_is_what_the_code_draws(name):
    assert f"]({name})" in TEXT
    stored, made = pixels((ROOT / "docs" / name).read_bytes()), pixels(png(FIGURES[name]))
    assert stored.shape == made.shape
    assert np.abs(stored - made).mean() < 0.5, "run: make readme"


@pytest.mark.parametrize("name", FIGURES)
def test_all_text_can_be_read(name):
    texts = [text for text in FIGURES[name].figure.findobj(Text) if text.get_text()]
    assert min(text.get_fontsize() for text in texts) >= 8


def test_the_row_that_is_explained_is_the_readmes():
    readme = (ROOT / "README.md").read_text()
    (line,) = re.findall(rf"^\| {introduction.SHOWN} .*$", readme, re.MULTILINE)
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    parts = [text for _, text, _ in introduction.row_of(TABLE)]
    assert [*parts[:4], f"**{parts[4]}** {parts[5]} {parts[6]}"] == [*cells[:4], cells[-1]]


def test_held_out_users_have_a_history_and_targets_and_no_training_rows():
    split = introduction.small_split()
    split.check()
    for fold in (split.validation, split.test):
        for part in (fold.history, fold.target):
            assert (np.diff(part.matrix.indptr) > 0).all()


def test_what_the_text_says_of_the_likelihoods():
    f = np.linspace(-4, 4, 801)
    own, other = (
        {name: introduction.gains(name, own, f) for name in introduction.LINES}
        for own in (True, False)
    )
    best = {name: f[values.argmax()] for name, values in own.items()}
    share = np.exp(best["mult"]) / (np.exp(best["mult"]) + introduction.ITEMS - 1)
    assert share == pytest.approx(1 / introduction.OWN, rel=0.01)
    assert (best["gaussian"], best["poisson"]) == (pytest.approx(1), pytest.approx(0))
    assert (np.diff(own["logistic"]) > 0).all()
    assert f[other["gaussian"].argmax()] == pytest.approx(0)
    for name in ("mult", "logistic", "poisson"):
        assert (np.diff(other[name]) < 0).all()
    low = f < -1
    assert all(np.ptp(other["mult"][low]) < np.ptp(other[n][low]) for n in other if n != "mult")
