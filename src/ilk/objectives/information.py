"""Mutual information of class probabilities. Axes: Q queries, K classes."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ilk.core import AlignedKin, Kin, Progress, full
from ilk.objectives.blocks import rows_at


@dataclass(frozen=True, kw_only=True, slots=True)
class PairInformation:
    """Minus the mutual information between the classes of a query and of its kin.

    IIC, Ji et al., ICCV 2019, https://arxiv.org/abs/1807.06653, Eq. 1 to 3: the joint
    distribution is estimated over the batch, ``P = sum T_ij p(q_i) p(c_j)'``, and made
    symmetric. It is linear in the kin weights, so they may be soft.

    Args:
        heads: classes of each head; their scores stand side by side, and the loss is a mean.
        marginals: lambda, weight of the logarithms of both marginals; more than 1 asks for
            classes of equal size.
    """

    heads: tuple[int, ...]
    marginals: float = 1.0

    unmixable: ClassVar[str] = ""
    joint: ClassVar[bool] = True
    contrasts: ClassVar[bool] = False

    def __call__(
        self,
        queries: Float[Tensor, "Q K"],
        candidates: tuple[Tensor, ...],
        kin: Kin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """The loss over rows with kin; give the rows of all ranks."""
        with torch.autocast(queries.device.type, enabled=False):
            ours = full(queries).split(self.heads, dim=1)
            theirs = torch.cat([full(c) for c in candidates]).split(self.heads, dim=1)
            weights = kin.weights.to(ours[0])
            losses = [
                self._loss(a.softmax(dim=1).T @ weights @ b.softmax(dim=1))
                for a, b in zip(ours, theirs, strict=True)
            ]
        return torch.stack(losses).mean()

    def aligned(
        self,
        queries: Float[Tensor, "Q K"],
        candidates: tuple[Tensor, ...],
        kin: AlignedKin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """The same without a table of all pairs."""
        with torch.autocast(queries.device.type, enabled=False):
            ours = full(queries).split(self.heads, dim=1)
            theirs = rows_at(candidates, kin).split(self.heads, dim=1)
            weights = kin.weights.to(ours[0])[:, None]
            losses = [
                self._loss((weights * a.softmax(dim=1)).T @ b.softmax(dim=1))
                for a, b in zip(ours, theirs, strict=True)
            ]
        return torch.stack(losses).mean()

    def _loss(self, pairs: Float[Tensor, "K K"]) -> Float[Tensor, ""]:
        least = torch.finfo(pairs.dtype).eps
        joint = (pairs + pairs.T) / 2
        joint = joint / joint.sum().clamp(min=least)
        one = joint.sum(dim=1).clamp(min=least).log()
        joint = joint.clamp(min=least)
        apart = self.marginals * (one[:, None] + one[None, :])
        return (joint * (apart - joint.log())).sum()


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassInformation:
    """``mean_i H(p_i) - balance * H(mean_i p_i)``: confident for each image, balanced overall.

    Minus the mutual information between image and class where ``balance`` is 1. IMSAT, Hu et
    al., ICML 2017, https://arxiv.org/abs/1702.08720, Eq. 7 and 8. Kin only decide which rows
    count.

    Args:
        balance: mu, weight of the entropy of the mean.
    """

    balance: float = 4.0

    unmixable: ClassVar[str] = (
        "its loss asks for one certain class for each image, and a mixed image has two"
    )
    joint: ClassVar[bool] = True
    contrasts: ClassVar[bool] = False

    def __call__(
        self,
        queries: Float[Tensor, "Q K"],
        candidates: tuple[Tensor, ...],
        kin: Kin | AlignedKin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """The loss over rows with kin, whose entries are scores; give the rows of all ranks."""
        related = kin.related.to(full(queries))
        counts = (related / related.sum().clamp(min=1))[:, None]
        logs = full(queries).log_softmax(dim=1)
        doubt = -(counts * logs.exp() * logs).sum()
        spread = torch.special.entr((counts * logs.exp()).sum(dim=0)).sum()
        return doubt - self.balance * spread

    def aligned(
        self,
        queries: Float[Tensor, "Q K"],
        candidates: tuple[Tensor, ...],
        kin: AlignedKin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """The same: no table is looked at."""
        return self(queries, candidates, kin, progress)
