"""The class probabilities of every item, averaged over its visits. Axes: M items, N rows."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ilk.core import Rows, full
from ilk.memory.bank import last_of


class Predictions(nn.Module):
    """A moving average of what the network predicted for each item, free of its beginning.

    Temporal ensembling, Laine and Aila, ICLR 2017, https://arxiv.org/abs/1610.02242, section
    2.2: ``Z <- a Z + (1 - a) p`` at every visit, and the prediction is ``Z / (1 - a^t)`` after
    t visits. An item is visited once an epoch where batches are the next ones of a random
    order.

    Args:
        classes: C.
        items: M, the number of items of the data set.
        momentum: a, share of the old average that is kept, in [0, 1).
    """

    sums: Float[Tensor, "M C"]
    visits: Int[Tensor, " M"]

    def __init__(self, classes: int, items: int, *, momentum: float = 0.6) -> None:
        super().__init__()
        if not 0 <= momentum < 1:
            raise ValueError(f"Predictions: momentum must be in [0, 1), got {momentum}")
        self.momentum, self.items = momentum, items
        self.register_buffer("sums", torch.zeros(items, classes))
        self.register_buffer("visits", torch.zeros(items, dtype=torch.long))

    @torch.no_grad()
    def remember(self, rows: Rows) -> None:
        """Average the softmax of the rows into the entries of their first sources.

        Args:
            rows: scores over classes; of several rows of one item the last one counts.
        """
        items = rows.composition.sources[:, 0]
        new = full(rows.vectors).softmax(dim=1).to(self.sums)[last_of(items)]
        self.sums[items] = self.momentum * self.sums[items] + (1 - self.momentum) * new
        self.visits[items] = self.visits[items] + 1

    @torch.no_grad()
    def predicted(
        self, items: Int[Tensor, " N"]
    ) -> tuple[Float[Tensor, "N C"], Bool[Tensor, " N"]]:
        """Class probabilities of some items, and of which there are any.

        Args:
            items: their numbers; zero probabilities are given for those that are below zero and
                those that were never visited.
        """
        known = (items >= 0) & (self.visits[items.clamp(min=0)] > 0)
        items = items.clamp(min=0)
        taken = 1 - self.momentum ** self.visits[items].to(self.sums)
        found = self.sums[items] / torch.where(known, taken, torch.ones_like(taken))[:, None]
        return found * known[:, None], known
