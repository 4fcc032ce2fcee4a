"""Squared error between class probabilities. Axes: Q queries, K candidates, C classes."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ilk.core import Kin, Progress, full
from ilk.objectives.average import mean_with_kin


@dataclass(frozen=True, kw_only=True, slots=True)
class SquaredError:
    """``mean over classes of (softmax(query) - T softmax(candidates))^2``.

    The consistency loss of Laine and Aila, ICLR 2017, https://arxiv.org/abs/1610.02242, and its
    followers. All rows are scores over classes, and the target of a query is the mean
    probability of its kin by their weights. Where the candidates are classes, the weights are
    the target themselves. Gradients flow into candidates too, unless they are stopped.

    Example:
        >>> from ilk.core import Kin, Progress
        >>> ours, theirs = torch.tensor([[2.0, 0, 0]]), torch.tensor([[0.0, 2, 0]])
        >>> kin, now = Kin(torch.ones(1, 1)), Progress(0, 1, 1.0)
        >>> round(float(SquaredError()(ours, (theirs,), kin, now)), 4)
        0.3087
    """

    unmixable: ClassVar[str] = ""
    joint: ClassVar[bool] = False
    contrasts: ClassVar[bool] = False

    def __call__(
        self,
        queries: Float[Tensor, "Q C"],
        candidates: tuple[Tensor, ...],
        kin: Kin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """The mean over rows with kin."""
        with torch.autocast(queries.device.type, enabled=False):
            ours = full(queries).softmax(dim=1)
            target = kin.weights.to(ours)
            if candidates:
                theirs = torch.cat([full(block) for block in candidates])
                target = target @ theirs.softmax(dim=1)
            rows = (ours - target).square().mean(dim=1)
        return mean_with_kin(rows, kin)
