"""Limits that follow from how the values of a collection spread. Axes: N images."""

import numpy as np
from jaxtyping import Float

SIGMAS = 4.0  # of a normal distribution, one value in thirty thousand lies beyond
ENOUGH = 20  # values, below which a spread says nothing
_NORMAL = 1.4826  # standard deviations of a normal distribution in its median deviation


def lower_limit(values: Float[np.ndarray, " N"], finest: float) -> float:
    """Below it a value is far from the others.

    That is four standard deviations below the median, where the deviation is measured robustly
    and on the lower side alone, by the median of how far values lie below the median: neither
    outliers nor a long tail on the other side widen it.

    Args:
        values: one for each image of the collection; NaN is left out.
        finest: the least deviation; smaller ones are taken for this.

    Returns:
        The limit; minus infinity where there are fewer than 20 values.

    Example:
        >>> lower_limit(np.arange(100.0), finest=1.0)
        -98.76
    """
    known = values[np.isfinite(values)]
    if len(known) < ENOUGH:
        return -np.inf
    middle = float(np.median(known))
    below = middle - known[known <= middle]
    deviation = max(_NORMAL * float(np.median(below)), finest)
    return round(middle - SIGMAS * deviation, 9)


def upper_limit(values: Float[np.ndarray, " N"], finest: float) -> float:
    """The same above the median."""
    return -lower_limit(-values, finest)
