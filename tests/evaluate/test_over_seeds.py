"""Means and differences over seeds and test items."""

import numpy as np
import pytest
from scipy import stats

from ilk.core import UserError
from ilk.evaluate import difference_over_seeds, holm, mean_over_seeds


def world(rng, seeds: int, items: int, *, of_seeds: float, of_items: float) -> np.ndarray:
    """Scores with a mean of zero: seeds and items vary, and each pair on its own."""
    own = rng.normal(0, of_seeds, (seeds, 1))
    hard = rng.normal(0, of_items, (1, items))
    return own + hard + rng.normal(0, 0.3, (seeds, items))


@pytest.mark.parametrize(("seeds", "of_seeds"), [(2, 0.02), (3, 0.02), (3, 0.0), (5, 0.1)])
def test_intervals_of_means_hold_what_they_say(seeds, of_seeds):
    rng = np.random.default_rng(seeds)
    held = 0
    for _ in range(1000):
        found = mean_over_seeds(world(rng, seeds, 200, of_seeds=of_seeds, of_items=0.3))
        held += found.interval[0] <= 0 <= found.interval[1]
    assert held >= 930  # of 950 expected; five in 10,000 such tests would fall below by chance


def test_items_alone_would_not_hold_it():
    """The interval over items of one seed says nothing of another seed."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(1000):
        found = mean_over_seeds(world(rng, 1, 200, of_seeds=0.1, of_items=0.3))
        held += found.interval[0] <= 0 <= found.interval[1]
        assert "one seed" in found.interval_kind
    assert held < 700


def test_differences_hold_what_they_say_and_tests_err_one_time_in_twenty():
    rng = np.random.default_rng(1)
    held = wrong = 0
    for _ in range(1000):
        hard = rng.normal(0, 0.4, (1, 200))
        ours = hard + world(rng, 3, 200, of_seeds=0.03, of_items=0.0)
        theirs = hard + world(rng, 3, 200, of_seeds=0.03, of_items=0.0)
        found = difference_over_seeds(ours, theirs)
        held += found.interval[0] <= 0 <= found.interval[1]
        wrong += found.p < 0.05
        assert (found.p < 0.05) == (not found.interval[0] <= 0 <= found.interval[1])
    assert held >= 930
    assert wrong <= 70


def test_pairing_makes_a_difference_surer():
    rng = np.random.default_rng(2)
    hard = rng.normal(0, 1.0, (1, 300))
    ours = hard + rng.normal(0.1, 0.1, (3, 300))
    theirs = hard + rng.normal(0.0, 0.1, (3, 300))
    paired = difference_over_seeds(ours, theirs)
    assert paired.p < 0.001
    assert paired.interval[1] - paired.interval[0] < 0.05
    wide = mean_over_seeds(ours).interval
    assert wide[1] - wide[0] > 0.2


def test_one_seed_is_the_t_test_over_items():
    rng = np.random.default_rng(3)
    ours, theirs = rng.normal(0.2, 1, (1, 40)), rng.normal(0, 1, (1, 40))
    found = difference_over_seeds(ours, theirs)
    known = stats.ttest_rel(ours[0], theirs[0])
    assert found.p == pytest.approx(known.pvalue)
    low, high = known.confidence_interval(0.95)
    assert found.interval == pytest.approx((low, high))


def test_items_without_variance_leave_welch():
    """Where every item has the seed's own score, seeds alone count: Welch's test."""
    ours = np.repeat([[0.5], [0.6], [0.55], [0.7]], 2000, axis=1)
    theirs = np.repeat([[0.4], [0.45], [0.5]], 2000, axis=1)
    found = difference_over_seeds(ours, theirs)
    known = stats.ttest_ind(ours[:, 0], theirs[:, 0], equal_var=False)
    assert found.p == pytest.approx(known.pvalue)


def test_mean_and_spread_by_hand():
    found = mean_over_seeds(np.array([[1.0, 0, 1, 1], [0, 0, 1, 1]]))
    assert found.mean == 0.625
    assert found.spread == pytest.approx(np.std([0.75, 0.5], ddof=1))
    assert found.interval[0] >= 0
    assert found.interval[1] <= 1


def test_no_difference_at_all():
    same = np.ones((2, 5))
    found = difference_over_seeds(same, same)
    assert (found.difference, found.p, found.interval) == (0.0, 1.0, (0.0, 0.0))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_other_items_are_refused():
    with pytest.raises(UserError, match="the same test items, got 4 and 5"):
        difference_over_seeds(np.ones((1, 4)), np.ones((1, 5)))
    with pytest.raises(UserError, match="two test items at least, got 1"):
        mean_over_seeds(np.ones((3, 1)))


def test_seeds_of_one_side_count_beside_pixels_that_have_none():
    rng = np.random.default_rng(5)
    trained = np.repeat(rng.normal(0.5, 0.1, (3, 1)), 400, axis=1)
    pixels = np.full((1, 400), 0.45)
    found = difference_over_seeds(trained, pixels)
    known = stats.ttest_1samp(trained[:, 0], 0.45)
    assert found.p == pytest.approx(known.pvalue)
