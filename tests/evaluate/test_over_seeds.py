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


@pytest.mark.parametrize(("scale", "near"), [(100, 1e-6), (1, 1e-2)])
def test_items_without_variance_leave_welch(scale, near):
    """Where every item has the seed's own score, seeds alone count: Welch's test.

    Of shares two added items among 2,000 count as well, a little.
    """
    ours = scale * np.repeat([[0.5], [0.6], [0.55], [0.7]], 2000, axis=1)
    theirs = scale * np.repeat([[0.4], [0.45], [0.5]], 2000, axis=1)
    found = difference_over_seeds(ours, theirs)
    known = stats.ttest_ind(ours[:, 0], theirs[:, 0], equal_var=False)
    assert found.p == pytest.approx(known.pvalue, rel=near)


def test_mean_and_spread_by_hand():
    found = mean_over_seeds(np.array([[1.0, 0, 1, 1], [0, 0, 1, 1]]))
    assert found.mean == 0.625
    assert found.spread == pytest.approx(np.std([0.75, 0.5], ddof=1))
    assert found.interval[0] >= 0
    assert found.interval[1] <= 1


def test_no_difference_at_all():
    same = np.ones((2, 5))
    found = difference_over_seeds(same, same)
    assert (found.difference, found.p) == (0.0, 1.0)
    half = stats.t.ppf(0.975, 6) * np.sqrt(2 / 6 / 7)  # 5 items without a difference, 1 and -1
    assert found.interval == pytest.approx((-half, half))


@pytest.mark.parametrize(("share", "items"), [(0.98, 50), (0.995, 200), (0.6, 50), (1.0, 5)])
def test_intervals_of_shares_hold_what_they_say(share, items):
    rng = np.random.default_rng(items)
    held = 0
    for _ in range(1000):
        found = mean_over_seeds((rng.random((1, items)) < share).astype(float))
        low, high = found.interval
        held += low <= share <= high
        assert 0 <= low <= found.mean <= high <= 1
        assert high - low > 1 / items
    assert held >= 930


@pytest.mark.parametrize("share", [0.01, 0.05])
def test_intervals_of_paired_shares_hold_what_they_say(share):
    """One is right wherever the other is, and on a few items more."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(1000):
        theirs = (rng.random((1, 100)) < 0.5).astype(float)
        ours = np.where(rng.random((1, 100)) < share, 1.0, theirs)
        found = difference_over_seeds(ours, theirs)
        low, high = found.interval
        held += low <= share / 2 <= high
        assert low <= found.difference <= high
        assert (found.p < 0.05) == (not low <= 0 <= high)
    assert held >= 930


def test_shares_with_seeds_hold_what_they_say():
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(1000):
        chances = np.clip(0.97 + rng.normal(0, 0.01, (3, 1)), 0, 1)
        found = mean_over_seeds((rng.random((3, 100)) < chances).astype(float))
        held += found.interval[0] <= 0.97 <= found.interval[1]
    assert held >= 930


@pytest.mark.parametrize("seeds", [1, 2])
@pytest.mark.parametrize("items", [2, 50, 10_000])
def test_items_that_do_not_vary_are_not_certain(seeds, items):
    ours, theirs = np.ones((seeds, items)), np.zeros((seeds, items))
    found = mean_over_seeds(ours)
    assert (found.mean, found.interval[1]) == (1.0, 1.0)
    assert 0 <= found.interval[0] < 1
    apart = difference_over_seeds(ours, theirs)
    assert (apart.difference, apart.interval[1]) == (1.0, 1.0)
    assert -1 <= apart.interval[0] < 1
    assert 0 < apart.p < 1
    turned = difference_over_seeds(theirs, ours)
    assert turned.p == apart.p
    assert turned.interval == (-apart.interval[1], -apart.interval[0])


def test_two_items_show_no_difference():
    found = difference_over_seeds(np.ones((1, 2)), np.zeros((1, 2)))
    assert found.p > 0.05
    assert found.interval[0] < 0


@pytest.mark.parametrize("tiny", [1e-14, 1e-30])
def test_a_tiny_difference_has_no_p_of_one(tiny):
    found = difference_over_seeds(np.full((1, 10), tiny), np.zeros((1, 10)))
    assert found.difference > 0
    assert found.p < 1


def test_plain_means_lie_inside_whatever_the_shares():
    rng = np.random.default_rng(6)
    for items in (2, 3, 10, 300):
        for ours, theirs in rng.beta(0.1, 0.1, (100, 2, 2, items)):
            mean, apart = mean_over_seeds(ours), difference_over_seeds(ours, theirs)
            assert mean.mean == pytest.approx(ours.mean())
            assert mean.interval[0] <= mean.mean <= mean.interval[1]
            assert apart.interval[0] <= apart.difference <= apart.interval[1]


def test_scores_that_are_no_shares_get_no_items():
    scores = np.array([[1.0, 2, 3, 6]])
    half = stats.t.ppf(0.975, 3) * scores.std(ddof=1) / 2
    assert mean_over_seeds(scores).interval == pytest.approx((3 - half, 3 + half))
    assert mean_over_seeds(np.full((1, 3), 2.0)).interval == (2.0, 2.0)
    assert difference_over_seeds(np.full((1, 3), 2.0), np.zeros((1, 3))).p == 0


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
    trained = np.repeat(rng.normal(5, 1, (3, 1)), 400, axis=1)
    pixels = np.full((1, 400), 4.5)
    found = difference_over_seeds(trained, pixels)
    known = stats.ttest_1samp(trained[:, 0], 4.5)
    assert found.p == pytest.approx(known.pvalue)
