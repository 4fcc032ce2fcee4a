"""Similarities of rows, always in full precision.

Axes: Q queries, K candidates that all queries share, m candidates of a query's own, D features.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

_LEAST = 1e-12  # norm that is divided by, as in torch's own normalize


def full(tensor: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The same numbers in float32 at least; float64 stays."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def similarities(
    queries: Float[Tensor, "Q D"], candidates: tuple[Tensor, ...], *, cosine: bool = True
) -> Float[Tensor, "Q columns"]:
    """Cosines (or dot products) of every query with its candidates, block after block.

    Args:
        queries: one row a query.
        candidates: blocks, shared [K, D] or one per query [Q, m, D].
        cosine: compare directions only.
    """
    # A half-precision product would round cosines near 1 by 4e-3, a tenth of a temperature.
    with torch.autocast(queries.device.type, enabled=False):
        rows = _ready(queries, cosine)
        blocks = [_against(rows, block, cosine) for block in candidates]
        return blocks[0] if len(blocks) == 1 else torch.cat(blocks, 1)


def _ready(tensor: Tensor, cosine: bool) -> Tensor:
    return F.normalize(full(tensor), dim=-1) if cosine else full(tensor)


def _against(rows: Tensor, block: Tensor, cosine: bool) -> Tensor:
    if block.ndim == 3:
        return torch.einsum("qd,qmd->qm", rows, _ready(block, cosine))
    if not cosine or block.requires_grad:
        return rows @ _ready(block, cosine).T
    # Scores are divided rather than rows, which would be a copy of a whole queue.
    block = full(block)
    return (rows @ block.T).div_(torch.linalg.vector_norm(block, dim=1).clamp(min=_LEAST))
