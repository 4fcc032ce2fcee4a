"""What run.json holds of the looks of a guard."""

from typing import Any

from ilk.train.guard.look import Look
from ilk.train.guard.scores import Scorer, Scores, mean
from ilk.train.guard.verdict import SURE, paired, rank_left, share_interval, why_worse


def compared(start: Look, last: Look, scorer: Scorer) -> dict[str, Any]:
    """The last encoder beside the given weights.

    Args:
        start: of the given weights.
        last: of the encoder.
        scorer: of both.
    """
    before, after = start.scores, last.scores
    found = paired(after.each, before.each, SURE)
    return {
        "key": scorer.key,
        "score": scorer.name,
        "images": found.images,
        "start": shown(start),
        "last": shown(last),
        "difference": found.value,
        "interval": [found.low, found.high],
        "words": found.words,
        "worse": why_worse(after, before, 1, scorer.name),
        "rank": _rank(before, after),
        "labelled": _labelled(before, after),
    }


def shown(look: Look) -> dict[str, Any]:
    """A look, with the interval of its score."""
    scores = look.scores
    low, high = share_interval(scores.each)
    measured = {"value": scores.value, "low": low, "high": high}
    return {"step": look.step, **measured, "rankme": scores.rankme, "lidar": scores.lidar}


def _rank(before: Scores, after: Scores) -> dict[str, float] | None:
    """Which share of the effective rank is left, where it decides too."""
    if before.ranks is None or after.ranks is None:
        return None
    left, low, high = rank_left(after.ranks, before.ranks, SURE)
    return {"left": left, "low": low, "high": high}


def _labelled(before: Scores, after: Scores) -> dict[str, Any] | None:
    """How k-NN accuracy of a few labelled images changed, where it stands beside."""
    if before.labelled is None or after.labelled is None:
        return None
    found = paired(after.labelled, before.labelled, SURE)
    return {
        "images": found.images,
        "start": mean(before.labelled),
        "last": mean(after.labelled),
        "difference": found.value,
        "interval": [found.low, found.high],
    }
