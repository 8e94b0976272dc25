"""The looks of models in figures: told apart by everybody, and the same everywhere."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from benchmark.evaluation.truth import ROWS as BOUNDS
from benchmark.report.palette import FAMILIES, HATCHES, LINES, MARKERS, color_of, look_of, looks
from models.registry import MODELS

EYES = {
    "normal": np.eye(3),
    "no red cones": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "no green cones": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "no blue cones": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
"""What each kind of eye makes of linear RGB (Machado, Oliveira, Fernandes 2009, severity 1)."""
TO_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
) / np.array([[0.9505], [1.0], [1.089]])
"""From linear sRGB to XYZ, in units of white."""


def lab(color: str, eye: str) -> np.ndarray:
    """Return a colour in CIELAB, in which equal steps look about equally large."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    x, y, z = np.cbrt(TO_XYZ @ (EYES[eye] @ linear).clip(1e-3, 1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("eye", EYES)
def test_every_eye_tells_the_colours_apart(eye):
    apart = {
        pair: np.linalg.norm(lab(pair[0], eye) - lab(pair[1], eye))
        for pair in combinations(FAMILIES, 2)
    }
    assert min(apart.values()) > 9, min(apart, key=lambda pair: apart[pair])


def test_every_colour_is_seen_on_white():
    for color in FAMILIES:
        assert lab(color, "normal")[0] < 75


def test_no_two_models_look_alike():
    known = [name for names in FAMILIES.values() for name in names]
    ours = {name for name in MODELS if MODELS[name].model.__module__.startswith("models.")}
    assert {*known} == {*ours, *BOUNDS}
    assert len({look_of(name) for name in known}) == len(known)


def test_a_label_has_the_look_of_its_model():
    assert look_of("mult-vae[latent=100]") == look_of("mult-vae") != look_of("mult-dae")
    assert color_of("mult-vae (cpu, bf16)") == color_of("mult-dae")
    assert look_of("mine") == look_of("mine[power=2]")


def test_rows_of_one_model_differ_as_long_as_they_can():
    found = looks(["edlae", *(f"ease[l2={n}]" for n in range(50))])
    assert found[:2] == [look_of("edlae"), look_of("ease")]
    assert {look.color for look in found[: len(LINES)]} == {color_of("ease")}
    assert len({*found}) == len(FAMILIES) * len(LINES)
    assert len(LINES) == len(MARKERS) == len(HATCHES)
