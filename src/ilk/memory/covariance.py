"""A running mean of second moments. Axes: N rows, D features."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from ilk.core import UNKNOWN, Composition, Rows, full


class Covariance(nn.Module):
    """Moving average of ``mean z z`` of rows of length one, zeros at the beginning.

    TiCo, Zhu et al., 2022, https://arxiv.org/abs/2206.10698, Eq. 4. All ranks must write the
    same rows.

    Args:
        dim: D.
        momentum: share of the old moments that is kept, in [0, 1).
    """

    value: Float[Tensor, "D D"]

    def __init__(self, dim: int, *, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("value", torch.zeros(dim, dim))

    @torch.no_grad()
    def remember(self, rows: Rows) -> None:
        """Move towards the moments of these rows."""
        vectors = normalize(full(rows.vectors)).to(self.value)
        self.value.lerp_(vectors.T @ vectors / len(vectors), 1 - self.momentum)

    def rows(self) -> Rows:
        """The rows of the matrix, which show no image; they change with the next write."""
        count, place = len(self.value), self.value.device
        none = torch.full((count,), UNKNOWN, device=place)
        return Rows(self.value, Composition.unknown(count, place), none)
