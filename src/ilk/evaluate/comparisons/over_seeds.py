"""Accuracies over several seeds of training. Axes: S and R seeds, N test items.

A method is measured by several runs on the same test items. The mean over all of them varies
for two reasons: another seed would have trained another network, and another test set would
hold other items. Intervals here cover both.

Items of which none varies, or few do, say little of those that were not drawn. So where scores
are shares, in [0, 1], an item at either end of the range counts along, as in
`ilk.evaluate.bootstrap`: Agresti and Coull, American Statistician 1998, for a mean; Bonett and
Price, Journal of Educational and Behavioral Statistics 2012, for paired differences. They move
the centre of an interval and its width, and never the mean that is reported.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from ilk.core import UserError

LEVEL = 0.95
ADDED = "t over test items (of shares, with one more at either end)"
Part = tuple[float, int]  # a variance of the mean and its degrees of freedom
Ends = tuple[float, float]  # the smallest and the largest value an item can have


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
            return f"95 %, {ADDED}; one seed, so that another seed is not covered"
        return f"95 %, {ADDED} and {self.seeds} seeds (Satterthwaite)"


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedDifference:
    """How much better one method is than another, over seeds and the same test items.

    Args:
        difference: of the means, the first less the second.
        interval: of 95 %, as in ``SeedMean``, not corrected for many comparisons.
        p: of the two-sided test that there is no difference, by the same variance: below 5 %
            where the interval leaves 0 out. Of shares it is never exactly 0, nor 1 for a
            difference that is not 0.
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

    Returns:
        The plain mean, inside its interval; where all scores are in [0, 1], so is the interval.

    Raises:
        UserError: there are fewer than two test items.

    Example:
        >>> right = np.array([[1.0, 1, 0, 1], [1, 0, 0, 1], [1, 1, 0, 1]])
        >>> round(mean_over_seeds(right).mean, 3)
        0.667
    """
    seeds, _ = _shape(scores)
    ends = (0.0, 1.0) if _are_shares(scores) else None
    centre, of_items = _over_items(scores.mean(0), ends)
    return SeedMean(
        mean=float(scores.mean()),
        spread=float(scores.mean(1).std(ddof=1)) if seeds > 1 else None,
        interval=_interval(centre, [of_items, *_over_seeds(scores)], ends),
        seeds=seeds,
    )


def difference_over_seeds(
    ours: Float64[np.ndarray, "S N"], theirs: Float64[np.ndarray, "R M"]
) -> SeedDifference:
    """The difference of two means: paired over test items, independent over seeds.

    Seeds of two methods have nothing in common but their number. Of a side with one seed the
    part of the seed is left out: it is none for raw pixels, and unknown for a network.

    Args:
        ours: scores of the first method.
        theirs: scores of the second on the same items.

    Returns:
        The plain difference, inside its interval; where all scores are in [0, 1], the interval
        is in [-1, 1].

    Raises:
        UserError: the items are not as many, or fewer than two.
    """
    if ours.shape[1] != theirs.shape[1]:
        raise UserError(
            f"compare: both must be measured on the same test items, got {ours.shape[1]} and "
            f"{theirs.shape[1]}"
        )
    _shape(ours)
    apart = ours.mean(0) - theirs.mean(0)
    ends = (-1.0, 1.0) if _are_shares(ours) and _are_shares(theirs) else None
    centre, of_items = _over_items(apart, ends)
    parts = [of_items, *_over_seeds(ours), *_over_seeds(theirs)]
    return SeedDifference(
        difference=float(apart.mean()),
        interval=_interval(centre, parts, ends),
        p=_p_value(centre, parts),
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


def _are_shares(scores: Float64[np.ndarray, "S N"]) -> bool:
    return bool(scores.min() >= 0 and scores.max() <= 1)


def _over_items(values: Float64[np.ndarray, " N"], ends: Ends | None) -> tuple[float, Part]:
    """The mean of items and of those added at the ends, with its variance."""
    centre = float(values.mean())
    if ends is not None:
        centre = (len(values) * centre + sum(ends)) / (len(values) + 2)  # 0 where the mean is 0
        values = np.append(values, ends)
    return centre, (float(values.var(ddof=1)) / len(values), len(values) - 1)


def _over_seeds(scores: Float64[np.ndarray, "S N"]) -> list[Part]:
    """The variance of the mean that comes from seeds; none is known of a single one."""
    seeds = len(scores)
    return [(float(scores.mean(1).var(ddof=1)) / seeds, seeds - 1)] if seeds > 1 else []


def _freedom(parts: Sequence[Part]) -> float:
    """Satterthwaite's degrees of freedom of a sum of variances, each with its own."""
    total = sum(variance for variance, _ in parts)
    return total**2 / sum(variance**2 / degrees for variance, degrees in parts)


def _interval(centre: float, parts: Sequence[Part], ends: Ends | None) -> tuple[float, float]:
    from scipy.stats import t

    total = sum(variance for variance, _ in parts)
    if total == 0:
        return centre, centre
    half = float(t.ppf((1 + LEVEL) / 2, _freedom(parts))) * math.sqrt(total)
    low, high = centre - half, centre + half
    return (low, high) if ends is None else (max(low, ends[0]), min(high, ends[1]))


def _p_value(centre: float, parts: Sequence[Part]) -> float:
    from scipy.stats import t

    total = sum(variance for variance, _ in parts)
    if centre == 0:
        return 1.0
    if total == 0:
        return 0.0
    p = float(2 * t.sf(abs(centre) / math.sqrt(total), _freedom(parts)))
    return min(max(p, sys.float_info.min), math.nextafter(1.0, 0.0))  # what floats cannot hold
