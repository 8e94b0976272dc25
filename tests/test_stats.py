"""Intervals and tests on per-user values against scipy's, and against what must come out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from benchmark.stats import (
    MARGIN,
    Difference,
    difference,
    holm,
    leaders,
    paired_interval,
    welch_t,
)


def crossed(random: np.random.RandomState, seeds: int, users: int) -> np.ndarray:
    """Return values (seeds, users) with an effect of each user, each seed and each pair of them."""
    user, seed = random.standard_normal(users), 0.1 * random.standard_normal((seeds, 1))
    return user + seed + 0.3 * random.standard_normal((seeds, users))


def resampled(first: np.ndarray, second: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """Return 4,000 differences of means, users and each model's seeds drawn anew for each."""
    users = first.shape[1]
    means = []
    for _ in range(4_000):
        drawn = random.randint(0, users, users)
        means.append(
            first[random.randint(0, len(first), len(first))].mean(axis=0)[drawn].mean()
            - second[random.randint(0, len(second), len(second))].mean(axis=0)[drawn].mean()
        )
    return np.array(means)


def test_a_difference_of_one_run_each_is_the_paired_t_test(random):
    first, second = random.standard_normal((2, 1, 60))
    found = difference(first, second)
    wanted = scipy_stats.ttest_rel(first[0], second[0])
    assert found.mean == pytest.approx(first.mean() - second.mean())
    assert found.p == pytest.approx(wanted.pvalue)
    assert found.interval() == pytest.approx(tuple(wanted.confidence_interval(0.95)))
    assert found.interval(0.9) == pytest.approx(tuple(wanted.confidence_interval(0.9)))


def test_a_difference_of_seeds_alone_is_welchs_t_test(random):
    # every user has the seed's value, so that users differ in nothing
    first, second = random.standard_normal((4, 1)), 3 * random.standard_normal((7, 1))
    found = difference(np.repeat(first, 9, axis=1), np.repeat(second, 9, axis=1))
    wanted = scipy_stats.ttest_ind(first[:, 0], second[:, 0], equal_var=False)
    assert found.p == pytest.approx(wanted.pvalue)
    assert found.interval() == pytest.approx(tuple(wanted.confidence_interval(0.95)))


def test_a_difference_has_the_error_that_resampling_users_and_seeds_has(random):
    first, second = crossed(random, 20, 300), crossed(random, 15, 300)
    wanted = resampled(first, second, random).std()
    assert difference(first, second).stderr == pytest.approx(wanted, rel=0.1)


def test_its_interval_holds_the_truth_in_at_least_95_of_100_studies(random):
    held = []
    for _ in range(2_000):
        user = random.standard_normal(50)
        first, second = (user + crossed(random, 4, 50) for _ in "12")
        low, high = difference(first, second).interval()
        held.append(low < 0 < high)
    assert 0.945 < np.mean(held) < 0.99


def test_the_order_of_the_models_turns_the_sign_alone(random):
    first, second = crossed(random, 3, 40), crossed(random, 5, 40)
    there, back = difference(first, second), difference(second, first)
    assert (there.mean, there.stderr, there.p) == pytest.approx((-back.mean, back.stderr, back.p))


def test_rows_that_are_the_same_do_not_differ():
    same = np.ones((1, 5))
    assert difference(same, same).p == 1
    assert difference(same, same).equal


def test_values_that_are_all_the_same_tell_nothing_of_a_difference(random):
    # two users, of whom each gains .3, but for rounding
    low = np.array([[0.1, 0.2]])
    high = np.array([[0.4, 0.5]])
    assert 0 < difference(high, low).stderr < 1e-15
    assert difference(high, low).p == 1
    assert leaders([low, high]) is None
    assert leaders([low, low]) is None
    # such a row says nothing of what the others' tests would have found, and is not below the best
    users = random.standard_normal((2, 1, 50))
    found = leaders([users[0], users[0] + 1, users[1] - 9])
    assert found is not None
    assert (found.best, found.level) == (1, (0,))
    assert found.detectable == difference(users[1] - 9, users[0] + 1).detectable(2)


@pytest.mark.parametrize(
    ("mean", "stderr", "equal"),
    [
        (0.0, MARGIN / 2, True),
        (0.0, MARGIN / 1.5, False),
        (MARGIN, MARGIN / 100, False),
        (-0.9 * MARGIN, MARGIN / 100, True),
        (0.9 * MARGIN, MARGIN / 12, False),
    ],
)
def test_equal_is_what_two_one_sided_tests_find_within_the_margin(mean, stderr, equal):
    found = Difference(mean, stderr, 1_000)
    below, above = (
        scipy_stats.t.sf((MARGIN + sign * mean) / stderr, 1_000) < 0.05 for sign in (1, -1)
    )
    assert found.equal == (below and above) == equal


def test_a_detectable_difference_is_found_four_times_in_five(random):
    tests, users = 5, 40
    noise = random.standard_normal((4_000, users))
    size = Difference(0, 1 / users**0.5, users - 1).detectable(tests)
    p = [difference(values[None] + size, np.zeros((1, users))).p for values in noise]
    assert np.mean(np.array(p) * tests < 0.05) == pytest.approx(0.8, abs=0.03)


def test_holm():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.5, 0.9]), [1, 1])
    assert holm([]) == []


def test_the_leaders_are_the_best_and_what_is_not_shown_to_be_below_it(random):
    common, noise = random.standard_normal(200), 0.1 * random.standard_normal(200)
    models = [values[None] for values in (common - 0.3, common + noise - noise.mean(), common)]
    models[1] = models[1] + 0.004
    found = leaders(models)
    assert found is not None
    assert (found.best, found.level) == (1, (2,))
    each = [difference(models[n], models[1]).detectable(2) for n in (0, 2)]
    assert found.detectable == pytest.approx(np.median(each))


def test_the_others_are_as_many_tests_as_there_are_of_them(random):
    # p of .03 by itself: significant as the only test, not as the least of three
    users = 50
    noise = random.standard_normal(users)
    noise = (noise - noise.mean()) / noise.std(ddof=1)
    size = -scipy_stats.t.ppf(0.015, users - 1) / users**0.5
    models = [np.zeros((1, users)), noise[None] - size]
    alone = leaders(models)
    assert alone is not None
    assert alone.level == ()
    among = leaders([*models, 5 * noise[None] - size, 5 * noise[None] - size])
    assert among is not None
    assert 1 in among.level


def test_without_two_users_or_two_models_nothing_leads():
    assert leaders([np.ones((3, 1)), np.zeros((3, 1))]) is None
    assert leaders([np.ones((3, 9))]) is None
    assert leaders([]) is None


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
