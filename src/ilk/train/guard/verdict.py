"""Whether scores became worse: paired intervals, and a chance of error shared by many looks.

Axes: N images, R effective ranks: of all images, then without each part of them.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.special import stdtrit

from ilk.train.guard.scores import Scores

CHANCE = 0.025  # that a run whose encoder is as good as its start is turned back
SURE = 0.025  # outside of an interval of 95 %, on either side
LEFT = 0.5  # share of its effective rank that an encoder must keep
FARTHEST = 20.0  # logarithm of a rank's ratio to the start, to keep it finite
SPARE = 0.2  # share of its stability that it may lose


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """How much the mean score of some images has changed.

    Args:
        value: now less then; positive is better.
        low: lower end of its interval.
        high: upper end.
        images: that both scores know.
    """

    value: float
    low: float
    high: float
    images: int

    @property
    def words(self) -> str:
        """The finding in percentage points."""
        low, high = 100 * self.low, 100 * self.high
        if low <= 0 <= high:
            return (
                f"not different from the start as far as {self.images} images can show "
                f"(interval {low:.1f} to {high:.1f} points)"
            )
        word = "better" if low > 0 else "worse"
        low, high = sorted((abs(low), abs(high)))
        return (
            f"{word} than at the start by {abs(100 * self.value):.1f} points (interval "
            f"{low:.1f} to {high:.1f}, on {self.images} images)"
        )


def paired(
    now: Float64[np.ndarray, " N"], before: Float64[np.ndarray, " N"], outside: float
) -> Difference:
    """The mean difference of scores of the same images, with an interval over images.

    It is Student's interval of the differences of single images, one item at either end of
    the range added: the adjustment of Bonett and Price, Journal of Educational and Behavioral
    Statistics 2012, for paired shares. Without it a few images that all became worse would
    have an interval of no width.

    Args:
        now: scores of every image, in [0, 1]; not a number where it is not known.
        before: likewise.
        outside: chance that the true difference lies below the interval, and above it.

    Example:
        >>> right = np.array([1.0] * 30 + [0.0] * 70)
        >>> paired(right, right, 0.025).value
        0.0
        >>> paired(np.zeros(100), right, 0.025).words
        'worse than at the start by 30.0 points (interval 20.0 to 38.8, on 100 images)'
    """
    differences = now - before
    differences = differences[~np.isnan(differences)]
    low, high = _interval(np.append(differences, (-1.0, 1.0)), outside)
    return Difference(
        value=float(differences.mean()) if len(differences) else 0.0,
        low=low,
        high=high,
        images=len(differences),
    )


def is_worse(
    now: Float64[np.ndarray, " N"],
    start: Float64[np.ndarray, " N"],
    looks: int,
    spare: float = 0.0,
) -> bool:
    """Whether a look shows that scores fell, where a run looks so many times at one measure.

    A run looks many times, and each look is another chance to err. So each has `CHANCE`
    divided by their number (Bonferroni): however much the looks have to do with each other,
    a run whose encoder is as good as its start at every one of them is turned back with a
    chance of `CHANCE` at most, and stopped, which takes two of them, more seldom.

    Args:
        now: scores of every image.
        start: likewise, at the start.
        looks: how many there are.
        spare: what the mean may lose, in the unit of the scores.
    """
    return paired(now, start, CHANCE / max(looks, 1)).high < -spare


def rank_left(
    now: Float64[np.ndarray, " R"], start: Float64[np.ndarray, " R"], outside: float
) -> tuple[float, float, float]:
    """Which share of the start's effective rank is left, with an interval over images.

    The interval is Student's of the jackknife's pseudo-values of the logarithm (Tukey, Annals
    of Mathematical Statistics 1958), for which a part of the images is left out each time.

    Args:
        now: effective rank of all images, then without each part.
        start: likewise, of the same images.
        outside: chance that the true share lies below the interval, and above it.

    Returns:
        The share and both ends of the interval.

    Example:
        >>> [round(end, 3) for end in rank_left(np.full(21, 3.0), np.full(21, 12.0), 0.025)]
        [0.25, 0.25, 0.25]
    """
    log = np.log(np.maximum(now, 1.0) / np.maximum(start, 1.0))
    parts = len(log) - 1
    low, high = _interval(parts * log[0] - (parts - 1) * log[1:], outside)
    share, low, high = np.exp(np.clip([log[0], low, high], -FARTHEST, FARTHEST)).tolist()
    return share, low, high


def why_worse(now: Scores, start: Scores, looks: int, name: str) -> str | None:
    """What shows that an encoder is worse than at the start, in words; None where nothing does.

    Without labels, or with few, there are several measures, and one is enough: a network is
    destroyed in more than one way, and what sees one of them may be blind to the others. They
    share the chance of error. A run that gains may lose some stability and rank, for they are
    signs and no aim; k-NN accuracy may lose nothing.

    Args:
        now: scores of the encoder.
        start: scores of the given weights, of the same images.
        looks: how often a run looks.
        name: the name of the first score.
    """
    ranked = now.ranks is not None and start.ranks is not None
    scores = [(name, now.each, start.each, SPARE * start.value if ranked else 0.0)]
    if now.labelled is not None and start.labelled is not None:
        scores.append(("k-NN accuracy", now.labelled, start.labelled, 0.0))
    tests = max(looks, 1) * (len(scores) + ranked)
    for called, mine, before, spare in scores:
        if is_worse(mine, before, tests, spare):
            return f"the {called} was {paired(mine, before, CHANCE / tests).words}"
    if now.ranks is None or start.ranks is None:
        return None
    share, low, high = rank_left(now.ranks, start.ranks, CHANCE / tests)
    if high >= LEFT:
        return None
    return (
        f"the effective rank (RankMe) was {share:.0%} of {start.rankme:.1f} at the start "
        f"(interval {low:.0%} to {high:.0%}, on {len(now.each)} images), less than {LEFT:.0%}"
    )


def share_interval(each: Float64[np.ndarray, " N"]) -> tuple[float, float]:
    """The 95 % interval of a mean of values in [0, 1], as `paired` has it of differences."""
    known = each[~np.isnan(each)]
    low, high = _interval(np.append(known, (0.0, 1.0)), SURE)
    return max(low, 0.0), min(high, 1.0)


def _interval(values: Float64[np.ndarray, " N"], outside: float) -> tuple[float, float]:
    """Student's interval of a mean."""
    deviation = values.std(ddof=1) / np.sqrt(len(values))
    reach = stdtrit(len(values) - 1, 1 - outside) * deviation
    return float(values.mean() - reach), float(values.mean() + reach)
