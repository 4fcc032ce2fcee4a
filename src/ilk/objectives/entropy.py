"""How sure a network is of its own answer. Axes: Q queries, C classes."""

from dataclasses import dataclass
from typing import ClassVar

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
