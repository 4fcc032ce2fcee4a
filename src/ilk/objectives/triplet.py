"""Triplets of a query, its kin and a hard negative. Axes: Q queries, K candidates."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize, softplus

from ilk.core import Kin, Progress, full
from ilk.objectives.average import mean_with_kin

# Products lose what near rows differ in; and at a distance of zero the gradient must be zero.
BY_DIFFERENCES = "donot_use_mm_for_euclid_dist"


@dataclass(frozen=True, kw_only=True, slots=True)
class HardestTriplet:
    """``softplus(distance to the furthest kin - distance to the nearest negative)``.

    Hermans, Beyer and Leibe, 2017, https://arxiv.org/abs/1703.07737, section 2: "batch hard"
    with a soft margin, on Euclidean distances of rows of length one. One row for all costs
    log 2 = 0.693 and has no gradient: a high rate ends there, since before anything is learned
    the nearest negative is nearer than the furthest kin, and both come nearer.

    Example:
        >>> rows = torch.tensor([[1, 0], [1, 0.1], [0, 1], [0.1, 1]])
        >>> mates = torch.eye(4)[[1, 0, 3, 2]]
        >>> itself, now = torch.eye(4) > 0, Progress(0, 1, 1.0)
        >>> loss = HardestTriplet()(rows, (rows,), Kin(mates, itself), now)
        >>> round(float(loss), 4)
        0.2623
    """

    unmixable: ClassVar[str] = "the hardest triplet takes no shares of a positive"
    joint: ClassVar[bool] = False
    contrasts: ClassVar[bool] = True

    def __call__(
        self,
        queries: Float[Tensor, "Q D"],
        candidates: tuple[Tensor, ...],
        kin: Kin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """The mean over rows with kin; a query without negatives costs nothing."""
        with torch.autocast(queries.device.type, enabled=False):
            distances = _distances(queries, candidates)
            furthest = distances.masked_fill(kin.weights == 0, 0.0).amax(dim=1)
            nearest = distances.masked_fill(~kin.negatives, torch.inf).amin(dim=1)
        return mean_with_kin(softplus(furthest - nearest), kin)


@dataclass(frozen=True, kw_only=True, slots=True)
class SemiHardTriplet:
    """``margin + squared distance to a kin - to the next negative beyond it``, above zero.

    Schroff, Kalenichenko and Philbin, CVPR 2015, https://arxiv.org/abs/1503.03832, section 3.2,
    on rows of length one: for every query and each of its kin the nearest negative that is
    further away than this kin, or the furthest of all where none is. Negatives that are nearer
    than the kin, by which training would begin with a collapse, are left alone.

    Args:
        margin: how much further away the negative has to be, of squared distances up to 4.

    Example:
        >>> rows = torch.tensor([[1, 0], [0.8, 0.6], [0.6, 0.8], [0, 1]])
        >>> mates = torch.eye(4)[[1, 0, 3, 2]]
        >>> itself, now = torch.eye(4) > 0, Progress(0, 1, 1.0)
        >>> loss = SemiHardTriplet(margin=0.5)(rows, (rows,), Kin(mates, itself), now)
        >>> round(float(loss), 4)  # mean of 0.5 + 0.4 - 0.8 and 0.5 + 0.4 - 0.8
        0.1
    """

    margin: float = 0.2

    unmixable: ClassVar[str] = "a triplet takes no shares of a positive"
    joint: ClassVar[bool] = False
    contrasts: ClassVar[bool] = True

    def __call__(
        self,
        queries: Float[Tensor, "Q D"],
        candidates: tuple[Tensor, ...],
        kin: Kin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """The mean over rows with kin, of all their kin; without negatives nothing costs."""
        with torch.autocast(queries.device.type, enabled=False):
            apart = _distances(queries, candidates).square()
            negatives = apart.masked_fill(~kin.negatives, torch.inf).sort(dim=1).values
            beyond = torch.searchsorted(negatives.detach(), apart.detach(), right=True)
            last = (kin.negatives.sum(dim=1, keepdim=True) - 1).clamp(min=0)
            chosen = negatives.gather(1, beyond.minimum(last))
            costs = (self.margin + apart - chosen).relu()
        return mean_with_kin((kin.weights * costs).sum(dim=1), kin)


def _distances(
    queries: Float[Tensor, "Q D"], candidates: tuple[Tensor, ...]
) -> Float[Tensor, "Q K"]:
    """Euclidean distances of rows of length one."""
    rows = normalize(full(queries))
    others = normalize(torch.cat([full(block) for block in candidates]))
    return torch.cdist(rows, others, compute_mode=BY_DIFFERENCES)
