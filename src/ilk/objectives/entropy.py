"""How sure a network is of its own answers. Axes: Q queries, C classes."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ilk.core import Kin, Progress, full
from ilk.objectives.average import mean_with_kin


@dataclass(frozen=True, kw_only=True, slots=True)
class Entropy:
    """``-sum p log p`` with ``p = softmax(query)``, whose gradient flows through both.

    Entropy minimisation, Grandvalet and Bengio, NeurIPS 2004. Queries are scores over classes;
    kin only decide which rows count.
    """

    unmixable: ClassVar[str] = (
        "its loss asks for one certain class for each image, and a mixed image has two"
    )
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
        logs = full(queries).log_softmax(dim=1)
        return mean_with_kin(-(logs.exp() * logs).sum(dim=1), kin)


@dataclass(frozen=True, kw_only=True, slots=True)
class MeanEntropy:
    """``sum m log m`` of the mean ``m`` of ``softmax(query / temperature)``: minus its entropy.

    Least where all classes are answered equally often: the mean entropy maximisation of MSN,
    Assran et al., ECCV 2022, https://arxiv.org/abs/2204.07141, Eq. 2. Queries are scores over
    classes; candidates and kin do not matter.

    Args:
        temperature: positive.

    Example:
        >>> rows = torch.tensor([[50.0, 0.0], [0.0, 50.0]])
        >>> kin, now = Kin(torch.eye(2)), Progress(0, 1, 1.0)
        >>> round(float(MeanEntropy(temperature=1.0)(rows, (rows,), kin, now)), 4)
        -0.6931
    """

    temperature: float

    unmixable: ClassVar[str] = ""
    joint: ClassVar[bool] = True
    contrasts: ClassVar[bool] = False

    def __call__(
        self,
        queries: Float[Tensor, "Q C"],
        candidates: tuple[Tensor, ...],
        kin: Kin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """Give the rows of all ranks."""
        mean = (full(queries) / self.temperature).softmax(dim=1).mean(dim=0)
        return -torch.special.entr(mean.clamp(min=torch.finfo(mean.dtype).tiny)).sum()
