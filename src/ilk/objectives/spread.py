"""Rows that keep apart from their nearest. Axes: Q queries, D features."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ilk.core import Kin, Progress, full

SMALLEST = 1e-8  # a distance that no logarithm makes infinite


@dataclass(frozen=True, slots=True)
class KoLeo:
    r"""The mean of $-\log \min_{j \ne i} \| q_i - q_j \|$ over unit rows $q_i$.

    The estimate of differential entropy by Kozachenko and Leonenko: Sablayrolles et al., ICLR
    2019, https://arxiv.org/abs/1806.03198, Eq. 4, and DINOv2, Oquab et al., 2023,
    https://arxiv.org/abs/2304.07193, section 4. A term of it spreads what any head or the
    feature of any method says of a view evenly over the sphere. Candidates and kin do not
    matter. Gradients flow into both rows of a pair.

    Example:
        >>> from ilk.core import Kin, Progress
        >>> import torch
        >>> rows, kin = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), Kin(torch.eye(2))
        >>> round(float(KoLeo()(rows, (rows,), kin, Progress(0, 1, 1.0))), 4)
        -0.3466
    """

    unmixable: ClassVar[str] = ""
    joint: ClassVar[bool] = True
    contrasts: ClassVar[bool] = False

    def __call__(
        self,
        queries: Float[Tensor, "Q D"],
        candidates: tuple[Tensor, ...],
        kin: Kin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """Give the rows of all ranks; zero where there is one row alone."""
        if len(queries) < 2:
            return full(queries).sum() * 0
        with torch.autocast(queries.device.type, enabled=False):
            rows = F.normalize(full(queries), dim=1, eps=SMALLEST)
            with torch.no_grad():
                cosines = (rows @ rows.T).fill_diagonal_(-torch.inf)
                nearest = cosines.argmax(dim=1)
            apart = F.pairwise_distance(rows, rows[nearest], eps=SMALLEST)
            return -(apart + SMALLEST).log().mean()
