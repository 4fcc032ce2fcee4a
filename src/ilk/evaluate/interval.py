"""Intervals around what was measured. Axes: N items, R repeats, M measures."""

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


def crossed(values: Float64[np.ndarray, "M R N"], seed: int) -> Float64[np.ndarray, "M 2"]:
    """The 95 % percentile intervals of means over repeats and items, both drawn again.

    Repeats (of a draw, of a start) and items are crossed, so each resample draws rows and
    columns: Owen, Annals of Applied Statistics 2007, who shows that it errs on the wide side.

    Args:
        values: of every item in every repeat; the same items and repeats for every measure.
        seed: of the 2,000 resamples.

    Returns:
        Low and high ends.
    """
    rng = np.random.default_rng(seed)
    measures, repeats, items = values.shape
    flat = values.reshape(measures * repeats, items)
    means = np.empty((measures, RESAMPLES))
    block = max(DRAWS // items, 1)
    for start in range(0, RESAMPLES, block):
        size = min(block, RESAMPLES - start)
        columns = rng.multinomial(items, np.full(items, 1 / items), size)
        rows = rng.multinomial(repeats, np.full(repeats, 1 / repeats), size) / repeats
        part = (flat @ columns.T / items).reshape(measures, repeats, size)
        means[:, start : start + size] = (part * rows.T).sum(1)
    return np.quantile(means, [0.025, 0.975], axis=1).T
