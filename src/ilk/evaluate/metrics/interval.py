"""Intervals around what was measured. Axes: N items, R repeats, M measures."""

import numpy as np
from jaxtyping import Float64
from scipy.special import betaincinv

BOOTSTRAP = "percentile bootstrap with an item added at either end, 95 %"
OUTSIDE = 0.025  # of the distribution, on either side of an interval of 95 %
RESAMPLES = 2000
DRAWS = 2**21  # items held at once


def clopper_pearson(successes: int, trials: int) -> tuple[float, float]:
    """The exact 95 % interval of a share: Clopper and Pearson, Biometrika 1934.

    It holds the true share in at least 95 % of all samples, whatever the share and the number
    of trials. That is more than 95 % for few trials: 98 % on average for 20.

    Args:
        successes: in [0, trials].
        trials: 0 or more; the share of none is anywhere in [0, 1].

    Example:
        >>> low, high = clopper_pearson(90, 100)
        >>> round(low, 3), round(high, 3)
        (0.824, 0.951)
    """
    failures = trials - successes
    low = betaincinv(successes, failures + 1, OUTSIDE) if successes else 0.0
    high = betaincinv(successes + 1, failures, 1 - OUTSIDE) if failures else 1.0
    return float(low), float(high)


def bootstrap(
    values: Float64[np.ndarray, " N"], seed: int, ends: tuple[float, float]
) -> tuple[float, float]:
    """The 95 % percentile interval of a mean: Efron, Annals of Statistics 1979.

    A sample of equal values would give an interval of no width, which says that no
    other value exists. So one more item at either end of the range is drawn along: the
    adjustment of Bonett and Price, Journal of Educational and Behavioral Statistics 2012, for
    paired shares. With it, intervals of paired differences of 5 to 40 items hold the true
    difference in 97 % of all samples on average and in 91 % where it is hardest; without it in
    5 %, when the encoders differ on one item in a hundred.

    Args:
        values: of items drawn independently, at least one.
        seed: of the 2,000 resamples.
        ends: the smallest and the largest value that an item can have.
    """
    rng = np.random.default_rng(seed)
    values = np.append(values, ends)
    means = np.empty(RESAMPLES)
    block = max(DRAWS // len(values), 1)
    for start in range(0, RESAMPLES, block):
        size = min(block, RESAMPLES - start)
        drawn = rng.integers(0, len(values), (size, len(values)))
        means[start : start + size] = values[drawn].mean(1)
    low, high = np.quantile(means, [OUTSIDE, 1 - OUTSIDE])
    return float(low), float(high)


def crossed(
    values: Float64[np.ndarray, "M R N"], seed: int, ends: tuple[float, float]
) -> Float64[np.ndarray, "M 2"]:
    """The 95 % percentile intervals of means over repeats and items, both drawn again.

    Repeats (of a draw, of a start) and items are crossed, so each resample draws rows and
    columns: Owen, Annals of Applied Statistics 2007, who shows that it errs on the wide side.
    An item at either end is drawn along, as in `bootstrap`.

    Args:
        values: of every item in every repeat; the same items and repeats for every measure.
        seed: of the 2,000 resamples.
        ends: the smallest and the largest value that an item can have.

    Returns:
        Low and high ends.
    """
    rng = np.random.default_rng(seed)
    measures, repeats, items = values.shape[0], values.shape[1], values.shape[2] + 2
    both = np.broadcast_to(ends, (measures, repeats, 2))
    values = np.concatenate([values, both], axis=2)
    flat = values.reshape(measures * repeats, items)
    means = np.empty((measures, RESAMPLES))
    block = max(DRAWS // items, 1)
    for start in range(0, RESAMPLES, block):
        size = min(block, RESAMPLES - start)
        columns = rng.multinomial(items, np.full(items, 1 / items), size)
        rows = rng.multinomial(repeats, np.full(repeats, 1 / repeats), size) / repeats
        part = (flat @ columns.T / items).reshape(measures, repeats, size)
        means[:, start : start + size] = (part * rows.T).sum(1)
    return np.quantile(means, [OUTSIDE, 1 - OUTSIDE], axis=1).T
