import math

import numpy as np
import pytest

from ilk.evaluate import bootstrap, wilson
from ilk.evaluate.interval import crossed


def test_by_hand():
    # Newcombe 1998, table I: 81 of 263 and 15 of 148 and 0 of 20, score method
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)


@pytest.mark.parametrize("trials", [1, 7, 500])
def test_mirrored_and_inside(trials):
    for successes in range(trials + 1):
        low, high = wilson(successes, trials)
        assert 0 <= low <= successes / trials <= high <= 1
        mirrored = wilson(trials - successes, trials)
        assert (1 - high, 1 - low) == pytest.approx(mirrored, abs=1e-12)


@pytest.mark.parametrize("trials", [50, 400])
def test_covers_as_stated(trials):
    """Exact coverage over all outcomes of a binomial; its mean over shares must be 95 %."""
    coverage = []
    for share in (i / 100 for i in range(2, 99)):
        covered = 0.0
        for successes in range(trials + 1):
            low, high = wilson(successes, trials)
            if low <= share <= high:
                covered += (
                    math.comb(trials, successes)
                    * share**successes
                    * (1 - share) ** (trials - successes)
                )
        coverage.append(covered)
    assert sum(coverage) / len(coverage) == pytest.approx(0.95, abs=0.005)
    assert min(coverage) > 0.90


def test_the_crossed_interval_covers_when_draws_and_items_both_vary():
    rng = np.random.default_rng(0)
    inside = 0
    for trial in range(60):
        draws, items = rng.normal(0, 0.1, (10, 1)), rng.normal(0, 1.0, (1, 100))
        values = 0.5 + draws + items + rng.normal(0, 0.3, (10, 100))
        low, high = crossed(values[None], trial)[0]
        inside += low < 0.5 < high
    assert 0.88 < inside / 60 <= 1.0


def test_the_crossed_interval_is_that_of_items_where_draws_are_alike():
    values = np.random.default_rng(0).normal(size=300)
    found = crossed(np.stack([np.tile(values, (4, 1)), np.tile(2 * values, (4, 1))]), 0)
    np.testing.assert_allclose(found[0], bootstrap(values, 1), atol=0.02)
    np.testing.assert_allclose(found[1], 2 * found[0])
