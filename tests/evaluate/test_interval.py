import math

import pytest

from ilk.evaluate import wilson


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
