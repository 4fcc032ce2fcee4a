"""How far each class has been learned. Axes: M items, N rows, K classes."""

import torch
from jaxtyping import Int
from torch import Tensor, nn

from ilk.core import UNKNOWN, Rows, full
from ilk.memory.bank import last_of


class LearningStatus(nn.Module):
    """The class of which each item was last predicted to be with confidence.

    FlexMatch, Zhang et al., NeurIPS 2021, https://arxiv.org/abs/2110.08263, Algorithm 1: an
    item keeps its class until another prediction reaches the threshold.

    Args:
        items: M, the number of items of the data set.
        threshold: that the largest probability must reach.
    """

    labels: Int[Tensor, " M"]  # UNKNOWN where none did

    def __init__(self, items: int, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold
        self.register_buffer("labels", torch.full((items,), UNKNOWN))

    @torch.no_grad()
    def remember(self, rows: Rows) -> None:
        """Write down confident predictions.

        Args:
            rows: scores over classes; of several rows of one item the last one counts.
        """
        items = rows.composition.sources[:, 0]
        best, found = full(rows.vectors).softmax(dim=1).max(dim=1)
        now = torch.where(best >= self.threshold, found, self.labels[items])
        self.labels[items] = now[last_of(items)]
