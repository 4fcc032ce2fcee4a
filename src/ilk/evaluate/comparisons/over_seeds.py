"""Accuracies over several seeds of training. Axes: S and R seeds, N test items.

A method is measured by several runs on the same test items. The mean over all of them varies
for two reasons: another seed would have trained another network, and another test set would
hold other items. Intervals here cover both.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from ilk.core import UserError

LEVEL = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedMean:
    """The mean of a score over seeds and test items.

    Args:
        mean: of all scores.
        spread: sample standard deviation of the seeds' own means; None for one seed.
        interval: of 95 %, over seeds and test items together; over test items alone for one
            seed.
        seeds: how many there are.
    """

    mean: float
    spread: float | None
    interval: tuple[float, float]
    seeds: int

    @property
    def interval_kind(self) -> str:
        """What the interval covers, in words."""
        if self.seeds == 1:
            return "95 %, t over test items; one seed, so that another seed is not covered"
        return f"95 %, t over {self.seeds} seeds and test items (Satterthwaite)"


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedDifference:
    """How much better one method is than another, over seeds and the same test items.

    Args:
        difference: of the means, the first less the second.
        interval: of 95 %, as in ``SeedMean``, not corrected for many comparisons.
        p: of the two-sided test that there is no difference.
        seeds: of the first and of the second.
    """

    difference: float
    interval: tuple[float, float]
    p: float
    seeds: tuple[int, int]


def mean_over_seeds(scores: Float64[np.ndarray, "S N"]) -> SeedMean:
    """The mean and its interval.

    The variance of the mean is that of the seeds' means over S and that of the items' means
    over N: crossed random effects, of which the sum errs on the wide side by the residual
    variance. Its degrees of freedom are Satterthwaite's (Biometrics Bulletin 1946, Eq. 17).

    Args:
        scores: of every test item under every seed, such as 1 where a class was right.

    Raises:
        UserError: there are fewer than two test items.

    Example:
        >>> right = np.array([[1.0, 1, 0, 1], [1, 0, 0, 1], [1, 1, 0, 1]])
        >>> round(mean_over_seeds(right).mean, 3)
        0.667
    """
    seeds, items = _shape(scores)
    parts = [(scores.mean(0).var(ddof=1) / items, items - 1)]
    spread = None
    if seeds > 1:
        own = scores.mean(1)
        spread = float(own.std(ddof=1))
        parts.append((own.var(ddof=1) / seeds, seeds - 1))
    mean = float(scores.mean())
    half = _half_width(parts)
    low, high = mean - half, mean + half
    if scores.min() >= 0 and scores.max() <= 1:  # shares: no share lies beyond 0 and 1
        low, high = max(low, 0.0), min(high, 1.0)
    return SeedMean(mean=mean, spread=spread, interval=(low, high), seeds=seeds)


def difference_over_seeds(
    ours: Float64[np.ndarray, "S N"], theirs: Float64[np.ndarray, "R M"]
) -> SeedDifference:
    """The difference of two means: paired over test items, independent over seeds.

    Seeds of two methods have nothing in common but their number. Of a side with one seed the
    part of the seed is left out: it is none for raw pixels, and unknown for a network.

    Args:
        ours: scores of the first method.
        theirs: scores of the second on the same items.

    Raises:
        UserError: the items are not as many, or fewer than two.
    """
    if ours.shape[1] != theirs.shape[1]:
        raise UserError(
            f"compare: both must be measured on the same test items, got {ours.shape[1]} and "
            f"{theirs.shape[1]}"
        )
    _, items = _shape(ours)
    apart = ours.mean(0) - theirs.mean(0)
    parts = [(apart.var(ddof=1) / items, items - 1)]
    parts += [
        (side.mean(1).var(ddof=1) / len(side), len(side) - 1)
        for side in (ours, theirs)
        if len(side) > 1
    ]
    difference = float(apart.mean())
    half = _half_width(parts)
    return SeedDifference(
        difference=difference,
        interval=(difference - half, difference + half),
        p=_p_value(difference, parts),
        seeds=(len(ours), len(theirs)),
    )


def holm(ps: Sequence[float]) -> list[float]:
    """Probabilities corrected for many comparisons: Holm, Scand. J. Statistics 1979.

    Args:
        ps: of each test.

    Returns:
        In the same order; at most 0.05 holds for any true null hypothesis one time in twenty.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(np.asarray(ps), kind="stable")
    out, largest = [0.0] * len(ps), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(ps[place] * (len(ps) - rank), 1.0))
        out[place] = largest
    return out


def _shape(scores: Float64[np.ndarray, "S N"]) -> tuple[int, int]:
    seeds, items = scores.shape
    if items < 2:
        raise UserError(f"compare: there must be two test items at least, got {items}")
    return seeds, items


def _freedom(parts: Sequence[tuple[float, int]]) -> float:
    """Satterthwaite's degrees of freedom of a sum of variances, each with its own."""
    total = sum(variance for variance, _ in parts)
    return total**2 / sum(variance**2 / degrees for variance, degrees in parts)


def _half_width(parts: Sequence[tuple[float, int]]) -> float:
    from scipy.stats import t

    total = sum(variance for variance, _ in parts)
    if total == 0:
        return 0.0
    return float(t.ppf((1 + LEVEL) / 2, _freedom(parts))) * math.sqrt(total)


def _p_value(difference: float, parts: Sequence[tuple[float, int]]) -> float:
    from scipy.stats import t

    total = sum(variance for variance, _ in parts)
    if total == 0:
        return 1.0 if difference == 0 else 0.0
    return float(2 * t.sf(abs(difference) / math.sqrt(total), _freedom(parts)))
