"""Intervals and tests on per-user values against scipy's, and against what must come out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from benchmark.stats import (
    best,
    bootstrap_interval,
    comparisons,
    holm,
    paired_interval,
    sign_flip_p,
    welch_t,
)


@pytest.fixture
def differences(random) -> np.ndarray:
    """(4, 60): means of no, little and clear size, and one row of few, equal values."""
    values = random.standard_normal((4, 60)) + np.array([0.0, 0.3, 1.0, 0.0])[:, None]
    values[3] = np.repeat([-1, 0, 1], [14, 20, 26])
    return values


def test_sign_flips_agree_with_scipy(differences):
    for row, p in zip(differences, sign_flip_p(differences), strict=True):
        want = scipy_stats.permutation_test(
            (row, np.zeros(60)),
            lambda a, b, axis: (a - b).mean(axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=20_000,
            rng=1,
        ).pvalue
        assert p == pytest.approx(want, abs=0.015)


def test_sign_flips_of_few_users_are_exact_up_to_chance():
    p = sign_flip_p(np.array([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [0.0, 0.0, 0.0]]))
    assert p == pytest.approx([0.25, 1.0, 1.0], abs=0.02)


def test_p_is_never_0():
    assert sign_flip_p(np.ones((1, 50))) == pytest.approx([1 / 10_001])


def test_many_rows_leave_the_least_p_significant(random):
    # 528 pairs, each as different as can be
    values = np.arange(33)[:, None] + 0.1 * random.standard_normal((33, 40))
    assert all(comparison.significant for comparison in comparisons(values))


def test_the_bootstrap_agrees_with_scipy(differences):
    for row, interval in zip(differences, bootstrap_interval(differences), strict=True):
        want = scipy_stats.bootstrap(
            (row,), np.mean, method="percentile", n_resamples=20_000, rng=1
        )
        assert interval == pytest.approx(tuple(want.confidence_interval), abs=0.02)


def test_holm():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.5, 0.9])), [1, 1])


def test_every_pair_is_compared_once_and_corrected_for_all(random):
    common = random.standard_normal(200)
    values = np.array([common, common + 0.1 * random.standard_normal(200), common + 0.2])
    found = comparisons(values)
    assert [(c.first, c.second) for c in found] == [(0, 1), (0, 2), (1, 2)]
    assert found[1].difference == pytest.approx(-0.2)
    np.testing.assert_allclose([c.adjusted for c in found], holm(np.array([c.p for c in found])))
    # though users differ far more than rows do
    assert [c.significant for c in found] == [
        False,
        True,
        True,
    ]


def test_the_best_are_those_that_nothing_is_surely_better_than(random):
    common = random.standard_normal(200)
    noise = 0.1 * random.standard_normal(200)
    values = np.array([common - 0.3, common + noise - noise.mean() + 0.004, common])
    assert best(values) == {1, 2}
    assert best(values[:1]) == {0}
    assert best(values[:0]) == set()


def test_a_paired_interval_is_students_t_over_the_differences():
    # differences 1, 1, 2: mean 4/3, deviation 1 / sqrt 3, and t of 2 degrees 4.3027
    low, high = paired_interval([1, 2, 3], [2, 3, 5])
    assert (low, high) == pytest.approx((4 / 3 - 4.3027 / 3, 4 / 3 + 4.3027 / 3), abs=1e-4)
    assert paired_interval([0.3, 0.3], [0.3, 0.3]) == (0, 0)
    with pytest.raises(ValueError, match="1 pairs have no interval"):
        paired_interval([0.3], [0.4])
    with pytest.raises(ValueError, match="shorter than"):
        paired_interval([0.3, 0.4], [0.5])


def test_welchs_t_takes_each_sides_own_deviation():
    # deviations 1 and 3 of 3 and 9 values: sqrt(1/3 + 9/9)
    assert welch_t([1, 2, 3], 5.0, 3.0, 9) == pytest.approx(-3 / (4 / 3) ** 0.5)
