"""The hardest triplet of each query. Axes: Q queries, K candidates, D features."""

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
    with a soft margin, on Euclidean distances of rows of length one.

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
            rows = normalize(full(queries))
            others = normalize(torch.cat([full(block) for block in candidates]))
            distances = torch.cdist(rows, others, compute_mode=BY_DIFFERENCES)
            related = kin.weights > 0
            negatives = ~related if kin.ignored is None else ~related & ~kin.ignored
            furthest = distances.masked_fill(~related, 0.0).amax(dim=1)
            nearest = distances.masked_fill(~negatives, torch.inf).amin(dim=1)
        return mean_with_kin(softplus(furthest - nearest), kin)
