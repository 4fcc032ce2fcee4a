"""Predictions that count from a threshold of their own class on. Axes: N rows, K classes."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ilk.core import (
    UNKNOWN,
    Kin,
    MemoryName,
    Output,
    Rows,
    StepContext,
    check_probability,
)
from ilk.core.facts import LABEL
from ilk.kin.algebra import decides_kin
from ilk.kin.classes import mean_prediction, sharpen, spread_classes
from ilk.kin.memories import HasLabels, memory_of


@decides_kin
class PredictedByCurriculum:
    """As ``Predicted``, but classes that are learned badly have a lower threshold.

    FlexMatch, Zhang et al., NeurIPS 2021, https://arxiv.org/abs/2110.08263, Eq. 5 to 8 and 11:
    the threshold of class c is ``b / (2 - b)`` of the whole one, where b compares how many
    items were last found in c with the most in any class, or with those that were found in none
    while these are more. So all thresholds begin at zero.

    Args:
        by: scores of views of the same images, one row an image.
        memory: of the class in which each item was last found.
        threshold: of the class that is learned best.
        fact: that says the class; only items of which it is not known are counted.
    """

    by: tuple[Output, ...]
    memory: MemoryName
    threshold: float = 0.95
    fact: str = LABEL

    def __post_init__(self) -> None:
        check_probability("threshold", self.threshold)

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Hard predictions."""
        probabilities = mean_prediction(self.by, context)
        best, found = probabilities.max(dim=1)
        status = memory_of(context, self.memory, HasLabels).labels
        unlabelled = status[context.fact(self.fact) == UNKNOWN]
        learned = standing(unlabelled, probabilities.shape[1]).to(best)
        sure = best >= self.threshold * learned[found]
        return spread_classes(
            queries, context.rows(self.by[0]), sharpen(probabilities, 0) * sure[:, None]
        )


def standing(status: Int[Tensor, " M"], classes: int) -> Float[Tensor, " K"]:
    """How far each class is learned, from 0 to 1, by the convex map ``b / (2 - b)``.

    Example:
        >>> standing(torch.tensor([0, 0, 0, 0, 1, 1, -1]), 3).mul(3).tolist()
        [3.0, 1.0, 0.0]
    """
    counts = torch.bincount(status + 1, minlength=classes + 1)  # first: in no class
    share = counts[1:] / counts.max().clamp(min=1)
    return share / (2 - share)
