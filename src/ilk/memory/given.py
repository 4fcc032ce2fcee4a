"""What another network predicted for every item. Axes: M items, N rows, K classes."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ilk.core.facts import Fact


class GivenClasses(nn.Module):
    """The class of each item, or the probability of each class, as a network gave them before.

    The labels of Noisy Student (Xie et al., CVPR 2020, https://arxiv.org/abs/1911.04252,
    Algorithm 1) and of any method that learns from predictions in a table. They belong to the
    data and never change, so that no checkpoint holds them.

    Args:
        classes: K.
        items: M, the number of items of the data set.
        fact: name of what the data know of items, from which they are read.
    """

    codes: Int[Tensor, " M"]
    shares: Float[Tensor, "soft K"]

    def __init__(self, classes: int, items: int, *, fact: str) -> None:
        super().__init__()
        self.items, self.fact, self.classes = items, fact, classes
        unknown = torch.full((items,), -1)
        self.register_buffer("codes", unknown, persistent=False)
        self.register_buffer("shares", torch.empty(0, classes), persistent=False)

    def read(self, known: Fact) -> None:
        """Take what the data say: the most probable class of each item, or their shares."""
        device = self.codes.device
        self.codes = torch.from_numpy(known.values).long().to(device)
        if known.shares is not None:
            self.shares = torch.from_numpy(known.shares).to(device)

    @torch.no_grad()
    def predicted(
        self, items: Int[Tensor, " N"]
    ) -> tuple[Float[Tensor, "N K"], Bool[Tensor, " N"]]:
        """Class probabilities of some items, and of which there are any.

        Args:
            items: their numbers; zeros are given for those of which nothing is known.
        """
        codes = self.codes[items.clamp(min=0)]
        known = (items >= 0) & (codes >= 0)
        if len(self.shares):
            found = self.shares[items.clamp(min=0)]
            found = found.to(torch.promote_types(found.dtype, torch.float32))
            # In half precision they sum to one no more.
            found = found / found.sum(dim=1, keepdim=True).clamp(min=1e-6)
        else:
            classes = torch.arange(self.classes, device=codes.device)
            found = (codes[:, None] == classes).float()
        return found * known[:, None], known
