import numpy as np
import pytest
from scipy.stats import binom, multinomial

from ilk.evaluate import bootstrap, clopper_pearson
from ilk.evaluate.metrics.interval import crossed


def test_by_hand():
    # Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20 and 1 of 29, exact method
    assert clopper_pearson(81, 263) == pytest.approx((0.2527, 0.3676), abs=5e-5)
    assert clopper_pearson(15, 148) == pytest.approx((0.0578, 0.1617), abs=5e-5)
    assert clopper_pearson(0, 20) == pytest.approx((0, 0.1684), abs=5e-5)
    assert clopper_pearson(1, 29) == pytest.approx((0.0009, 0.1776), abs=5e-5)


def test_of_nothing_nothing_is_known():
    assert clopper_pearson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("trials", [1, 7, 500])
def test_mirrored_and_inside(trials):
    for successes in range(trials + 1):
        low, high = clopper_pearson(successes, trials)
        assert 0 <= low <= successes / trials <= high <= 1
        mirrored = clopper_pearson(trials - successes, trials)
        assert (1 - high, 1 - low) == pytest.approx(mirrored, abs=1e-12)


SHARES = (0.0005, 0.005, *(i / 40 for i in range(1, 40)), 0.995, 0.9995)


@pytest.mark.parametrize("trials", [1, 5, 20, 50, 400])
def test_covers_as_stated_whatever_the_share(trials):
    """Exact: the chances of all outcomes whose interval holds the share, summed."""
    ends = np.array([clopper_pearson(k, trials) for k in range(trials + 1)])
    for share in SHARES:
        chances = binom.pmf(np.arange(trials + 1), trials, share)
        inside = (ends[:, 0] <= share) & (share <= ends[:, 1])
        assert chances[inside].sum() >= 0.95, (trials, share)


@pytest.mark.parametrize("items", [5, 20, 40])
def test_paired_differences_of_few_items_are_covered_as_the_words_say(items):
    """Exact: over all counts of items won and lost, and chances of winning and losing."""
    counts = np.array([(a, b) for a in range(items + 1) for b in range(items + 1 - a)])
    ends = []
    for won, lost in counts:
        values = np.repeat([1.0, -1.0, 0.0], [won, lost, items - won - lost])
        ends.append(bootstrap(values, 0, (-1.0, 1.0)))
    low, high = np.array(ends).T
    outcomes = np.column_stack([counts, items - counts.sum(1)])
    chances = (0.0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.7, 0.9)
    found = []
    for win in chances:
        for lose in (chance for chance in chances if win + chance <= 1):
            drawn = round(1 - win - lose, 9)
            weights = multinomial.pmf(outcomes, items, [win, lose, drawn])
            inside = (low <= win - lose + 1e-9) & (win - lose - 1e-9 <= high)
            found.append(weights[inside].sum())
    assert min(found) > 0.91
    assert 0.96 < np.mean(found) < 0.99


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_items_that_agree_leave_room_for_others(value):
    """The share of others may still be 3.7 / N, so the mean may differ by about that much."""
    for items in (1, 5, 100):
        low, high = bootstrap(np.full(items, value), 0, (0.0, 1.0))
        assert 0 <= low <= value <= high <= 1
        assert high - low > 1 / (items + 2)
    (row,) = crossed(np.full((1, 3, 20), value), 0, (0.0, 1.0))
    assert 0 <= row[0] <= value <= row[1] <= 1
    assert row[1] - row[0] > 1 / 22


def test_the_crossed_interval_covers_when_draws_and_items_both_vary():
    rng = np.random.default_rng(0)
    inside = 0
    for trial in range(60):
        draws, items = rng.normal(0, 0.1, (10, 1)), rng.normal(0, 1.0, (1, 100))
        values = 0.5 + draws + items + rng.normal(0, 0.3, (10, 100))
        low, high = crossed(values[None], trial, (-1.5, 2.5))[0]
        inside += low < 0.5 < high
    assert 0.88 < inside / 60 <= 1.0


def test_the_crossed_interval_is_that_of_items_where_draws_are_alike():
    values = np.random.default_rng(0).normal(size=300)
    found = crossed(np.tile(values, (1, 4, 1)), 0, (-2, 2))
    np.testing.assert_allclose(found[0], bootstrap(values, 1, (-2, 2)), atol=0.02)
    shifted = crossed(np.tile(values + 1, (1, 4, 1)), 0, (-1, 3))
    np.testing.assert_allclose(shifted[0], found[0] + 1)
