"""Scores at a step, and how a checkpoint keeps them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from ilk.core.fields import Kind, check_fields, listed, maybe, number, whole
from ilk.train.guard.scores import PARTS, Scores

EACH = listed(maybe(number(0, 1)), 10**5)
KNOWN: Mapping[str, Kind] = {
    "step": whole(0, 10**12),
    "each": EACH,
    "rankme": number(0, 1e9),
    "lidar": maybe(number(0, 1e9)),
    "ranks": maybe(listed(number(0, 1e9), PARTS + 1)),
    "labelled": maybe(EACH),
}


@dataclass(frozen=True, slots=True)
class Look:
    """Scores at a step.

    Args:
        step: steps that were done.
        scores: scores of the encoder then.
    """

    step: int
    scores: Scores

    def as_record(self) -> dict[str, Any]:
        """For a checkpoint, from which it comes back exactly."""
        scores = self.scores
        return {
            "step": self.step,
            "each": _plain(scores.each),
            "rankme": scores.rankme,
            "lidar": scores.lidar,
            "ranks": None if scores.ranks is None else scores.ranks.tolist(),
            "labelled": None if scores.labelled is None else _plain(scores.labelled),
        }

    @staticmethod
    def read(record: Any, where: str) -> "Look":
        """What `as_record` gave; checkpoints of before have no ranks and few labels.

        Raises:
            UserError: it is none.
        """
        known = check_fields(record, KNOWN, where, optional=("ranks", "labelled"))
        ranks, labelled = known.get("ranks"), known.get("labelled")
        scores = Scores(
            each=_array(known["each"]),
            rankme=known["rankme"],
            lidar=known["lidar"],
            ranks=None if ranks is None else _array(ranks),
            labelled=None if labelled is None else _array(labelled),
        )
        return Look(known["step"], scores)


def _plain(each: Float64[np.ndarray, " N"]) -> list[float | None]:
    return [None if math.isnan(score) else score for score in each.tolist()]


def _array(each: list[float | None]) -> Float64[np.ndarray, " N"]:
    return np.array([math.nan if score is None else score for score in each], np.float64)
