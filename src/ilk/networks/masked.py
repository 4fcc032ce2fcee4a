"""Images of which a part is hidden, through any backbone.

Axes: B images, h w cells of a mask, N patches, V visible ones, F features.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ilk.core import Mask, UserError
from ilk.networks.places import check_keeps_patches

HIDDEN = "hidden"  # what a mask token is a head on


class MaskToken(nn.Module):
    """One learnt vector in the place of every hidden patch or pixel.

    BEiT, Bao et al., ICLR 2022, and SimMIM, Xie et al., CVPR 2022: before positions are added,
    drawn from N(0, 0.02) cut at two deviations.

    Args:
        width: of a patch's embedding; the channels of the image for a backbone without patches.
        learns: whether it is a parameter; else it stays zero, of pixels the mean of the data.
    """

    def __init__(self, width: int, *, learns: bool = True) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.zeros(width), requires_grad=learns)
        if learns:
            nn.init.trunc_normal_(self.vector, std=0.02)

    def forward(
        self, patches: Float[Tensor, "B ... F"], hidden: Bool[Tensor, "B ..."]
    ) -> Float[Tensor, "B ... F"]:
        """The patches, with the vector where they are hidden."""
        return torch.where(hidden[..., None], self.vector.to(patches), patches)


@contextmanager
def hiding(
    backbone: nn.Module, images: Float[Tensor, "B C H W"], mask: Mask, token: nn.Module | None
) -> Generator[Tensor]:
    """Run a backbone on images without what is hidden of them.

    With a token, it stands in the place of embedded patches, or of pixels where the backbone
    does not embed patches. Without one, hidden patches are left out after positions were
    added, so that the transformer's blocks see the class token and visible patches alone.

    Args:
        backbone: that is to be called within the context.
        images: normalised.
        mask: the mask of each image.
        token: a `MaskToken` or nothing.

    Yields:
        What the backbone is to be called with.

    Raises:
        UserError: patches can be left out of vision transformers only.
        ValueError: the mask is of another grid, or images do not show equally much.
    """
    embedding = patch_embedding(backbone)
    if token is not None and embedding is None:
        yield _painted(images, mask, token)
        return
    if token is not None:
        assert embedding is not None
        handle = embedding.register_forward_hook(_replacement(mask, token))
    else:
        check_drops_patches(backbone)
        step: Any = backbone
        prefix = int(step.num_prefix_tokens)
        handle = step.patch_drop.register_forward_hook(
            lambda _module, _given, tokens: visible_tokens(tokens, mask, prefix)
        )
    try:
        yield images
    finally:
        handle.remove()


def patch_embedding(backbone: nn.Module) -> nn.Module | None:
    """The module that embeds patches, where it is timm's usual one."""
    from timm.layers.patch_embed import PatchEmbed

    found: Any = getattr(backbone, "patch_embed", None)
    return found if type(found) is PatchEmbed else None


def patch_width(backbone: nn.Module, channels: int) -> int:
    """Width of an embedded patch; the channels of the image where there are no patches."""
    embedding: Any = patch_embedding(backbone)
    return channels if embedding is None else int(embedding.proj.out_channels)


def check_drops_patches(backbone: nn.Module) -> None:
    """Refuse a backbone that cannot leave patches out, or leaves out others by chance.

    Raises:
        UserError: it is no vision transformer, or drops patches itself.
    """
    from timm.models.vision_transformer import VisionTransformer

    if not isinstance(backbone, VisionTransformer):
        raise UserError(
            "backbone: must be a vision transformer, for hidden patches are left out, got "
            f"{type(backbone).__name__}; take vit_mini, or a method that puts a mask token in "
            "their place, such as simmim"
        )
    check_keeps_patches(backbone)


def visible_tokens(
    tokens: Float[Tensor, "B n F"], mask: Mask, prefix: int
) -> Float[Tensor, "B v F"]:
    """The tokens that are of no place, and those of visible patches in raster order.

    Args:
        tokens: the tokens of whole images.
        mask: the mask of the grid of patches.
        prefix: how many tokens are of no place.
    """
    seen = mask.shown_cells()
    if tokens.shape[1] - prefix != mask.hidden[0].numel():
        raise ValueError(
            f"mask: must be of the grid of {tokens.shape[1] - prefix} patches, got "
            f"{' x '.join(map(str, mask.grid))} cells"
        )
    kept = tokens[:, prefix:].gather(1, seen[..., None].expand(-1, -1, tokens.shape[2]))
    return torch.cat([tokens[:, :prefix], kept], dim=1)


def spread(hidden: Bool[Tensor, "B h w"], grid: tuple[int, int]) -> Bool[Tensor, "B H W"]:
    """A mask on a finer grid.

    Raises:
        ValueError: cells of the mask do not consist of whole cells of the grid.
    """
    for axis, side in enumerate(grid, 1):
        times, rest = divmod(side, hidden.shape[axis])
        if rest or not times:
            raise ValueError(
                f"mask: cells must consist of whole patches, got {hidden.shape[axis]} on {side}"
            )
        hidden = hidden if times == 1 else hidden.repeat_interleave(times, dim=axis)
    return hidden


def _painted(images: Tensor, mask: Mask, token: nn.Module) -> Tensor:
    hidden = spread(mask.hidden, (images.shape[2], images.shape[3]))
    return token(images.permute(0, 2, 3, 1), hidden).permute(0, 3, 1, 2)


def _replacement(mask: Mask, token: nn.Module) -> Any:
    def replace(module: Any, _given: object, patches: Tensor) -> Tensor:
        if patches.ndim == 3:  # tokens by raster, of a mask of their own grid
            return token(patches, mask.hidden.flatten(1))
        last = str(getattr(module.output_fmt, "value", module.output_fmt)) == "NHWC"
        rows = patches if last else patches.permute(0, 2, 3, 1)
        rows = token(rows, spread(mask.hidden, (rows.shape[1], rows.shape[2])))
        return rows if last else rows.permute(0, 3, 1, 2)

    return replace
