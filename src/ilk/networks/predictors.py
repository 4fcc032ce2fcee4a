"""From what a network saw of an image to what it did not see of it.

Axes: B images, V visible tokens, D features, k sets of n asked places, A = B k n, P width.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ilk.core import Mask
from ilk.networks.surgery import check_width, sincos_positions


class PlacePredictor(nn.Module):
    """A narrow transformer from visible tokens and a place to what a teacher says there.

    I-JEPA, Assran et al., CVPR 2023, https://arxiv.org/abs/2301.08243, section 3 and appendix
    A.1: visible tokens and, for each asked place, one learned token, both with fixed sin-cos
    positions. Each set of asked places goes through the blocks with the visible tokens alone.
    Tokens of no place, such as a class token, are seen too, without a position.

    Args:
        width: D, of the tokens that it is given and of those that it predicts.
        dim: P, a multiple of 4 and of its heads.
        depth: blocks.
        heads: the number of heads of each block.

    Raises:
        UserError: the width is no multiple of 4 and of the heads.
    """

    def __init__(self, width: int, *, dim: int, depth: int, heads: int) -> None:
        super().__init__()
        from timm.models.vision_transformer import Block

        check_width("predictor", dim, heads)
        self.embed = nn.Linear(width, dim)
        self.asking = nn.Parameter(torch.zeros(dim))
        self.blocks = nn.Sequential(*(Block(dim, heads, qkv_bias=True) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.predict = nn.Linear(dim, width)
        nn.init.trunc_normal_(self.asking, std=0.02)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def forward(
        self, sequence: Float[Tensor, "B V D"], mask: Mask | None
    ) -> Float[Tensor, "A D"]:
        """A row for each of `ilk.core.Mask.asked_cells`.

        Args:
            sequence: tokens of no place, then those of visible patches.
            mask: the mask of the grid of patches, whose sets all have equally many cells.
        """
        assert mask is not None, "a predictor needs a mask"
        shown = self.embed(sequence)
        table = sincos_positions(*mask.grid, shown.shape[2]).to(shown)
        seen = mask.shown_cells()
        prefix = shown.shape[1] - seen.shape[1]
        placed = torch.cat([shown[:, :prefix], shown[:, prefix:] + table[seen]], dim=1)
        cells = asked_in_sets(mask)
        queries = self.asking.to(shown) + table[cells]
        context = placed[:, None].expand(-1, cells.shape[1], -1, -1)
        tokens = torch.cat([context, queries], dim=2).flatten(0, 1)
        decoded = self.norm(self.blocks(tokens))[:, placed.shape[1] :]
        return self.predict(decoded.flatten(0, 1))


def asked_in_sets(mask: Mask) -> Int[Tensor, "B k n"]:
    """Numbers of the asked cells of each set of each image by raster.

    Raises:
        ValueError: sets do not have equally many cells.
    """
    sets = mask.sets.shape[0] * mask.sets.shape[1]
    number, rest = divmod(mask.counted().wanted or 0, sets)
    _, cells = mask.asked_cells()
    if rest:
        raise ValueError(
            f"Mask: all {sets} sets must ask for equally many cells, got {len(cells)} in all"
        )
    return cells.view(*mask.sets.shape[:2], number)
