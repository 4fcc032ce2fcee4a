"""Intervals around what was measured. Axes: N items."""

import math

import numpy as np
from jaxtyping import Float64

QUANTILE = 1.959963984540054  # of the standard normal at 0.975
RESAMPLES = 2000
DRAWS = 2**21  # items held at once


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


def bootstrap(values: Float64[np.ndarray, " N"], seed: int) -> tuple[float, float]:
    """The 95 % percentile interval of a mean: Efron, Annals of Statistics 1979.

    Args:
        values: of items drawn independently, at least one.
        seed: of the 2,000 resamples.
    """
    rng = np.random.default_rng(seed)
    means = np.empty(RESAMPLES)
    block = max(DRAWS // len(values), 1)
    for start in range(0, RESAMPLES, block):
        size = min(block, RESAMPLES - start)
        drawn = rng.integers(0, len(values), (size, len(values)))
        means[start : start + size] = values[drawn].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
