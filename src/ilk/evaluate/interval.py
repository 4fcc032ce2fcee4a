"""Intervals around a measured share."""

import math

QUANTILE = 1.959963984540054  # of the standard normal at 0.975


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % score interval of a share: Wilson, JASA 1927, p. 209.

    Never leaves [0, 1], and covers as stated close to 0 and 1 too, where the share plus or
    minus two standard errors does not.

    Args:
        successes: in [0, trials].
        trials: at least 1.
    """
    share, shrink = successes / trials, QUANTILE**2 / trials
    centre = (share + shrink / 2) / (1 + shrink)
    half = math.sqrt(share * (1 - share) * shrink + shrink**2 / 4) / (1 + shrink)
    return max(0.0, centre - half), min(1.0, centre + half)
