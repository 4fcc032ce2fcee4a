"""The encoder of AMDIM, no place of which sees the whole image. Axes: B images, C channels."""

import torch.nn.functional as F
from jaxtyping import Float
from timm.layers import DropPath
from torch import Tensor, nn

from ilk.core import UserError

# By the least side of images: kernels of the blocks of stride 2 that end as 7 x 7 places.
HALVINGS = {32: (4, 2), 64: (4, 4, 2), 128: (4, 4, 2)}
KERNEL = 3  # of the blocks that make 5 x 5 places of 7 x 7, then 3 x 3, then 1


class UnpaddedNet(nn.Module):
    """Residual blocks without padding: a place sees a square of the image and no border.

    Bachman, Hjelm and Buchwalter, NeurIPS 2019, https://arxiv.org/abs/1906.00910, section 3.5,
    with the kernels of the authors' code. Images of 32, 64 and 128 pixels become 7 x 7 places,
    which see 8, 16 and 35 pixels a side, then 5 x 5, which see 16, 32 and 67, and a feature.
    Larger images have more places; the feature is then a mean. Only the first layer for 128
    pixels pads, by reflection.

    The map is that of 5 x 5 places, and the one half-way that of 7 x 7. There is no batch norm
    but that of the feature.

    Args:
        channels: C.
        image_size: in pixels, of the images that it mostly sees.
        width: channels of the first layer; every halving doubles them.
        depth: residual layers of a block, the first of which alone sees more than one place.
        feature_dim: F.
        drop_path_rate: rate of stochastic depth of the last layer, in [0, 1); it grows from 0.

    Raises:
        UserError: images are too small, or the feature is narrower than the map.
    """

    def __init__(
        self,
        channels: int,
        image_size: int,
        *,
        width: int,
        depth: int,
        feature_dim: int,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__()
        self.least = max((side for side in HALVINGS if side <= image_size), default=32)
        self._check(image_size)
        halvings = HALVINGS[self.least]
        stem = [nn.Conv2d(width if self.least == 128 else channels, width, 3), nn.ReLU()]
        if self.least == 128:
            first = nn.Conv2d(channels, width, 5, stride=2, padding=2, padding_mode="reflect")
            stem = [first, nn.ReLU(), *stem]
        self.stem = nn.Sequential(*stem)
        blocks: list[nn.Module] = [_Residual(width, width, 1)] if self.least == 32 else []
        for kernel in halvings:
            blocks.append(_block(width, 2 * width, kernel, 2, depth))
            width *= 2
        self.halved = len(blocks)
        blocks += [_block(width, width, KERNEL, 1, depth) for _ in range(2)]
        if feature_dim < width:
            raise UserError(
                f"backbone: feature_dim of amdim_mini must be at least {width}, the channels "
                f"of its map, got {feature_dim}"
            )
        self.blocks = nn.Sequential(*blocks, _Residual(width, feature_dim, KERNEL))
        self.norm = nn.BatchNorm2d(feature_dim)
        self.num_features = width
        layers = [part for part in self.modules() if isinstance(part, _Residual)]
        for number, layer in enumerate(layers):
            layer.drop_path = DropPath(drop_path_rate * number / (len(layers) - 1))

    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        """What of a parameter's name tells its layer, as timm's networks say it."""
        return {"stem": r"^stem", "blocks": r"^blocks\.(\d+)"}

    def forward_intermediates(
        self, images: Float[Tensor, "B C H W"]
    ) -> tuple[Float[Tensor, "B D h w"], list[Tensor]]:
        """The map, and the fine map before it."""
        self._check(min(images.shape[2:]))
        fine = self.blocks[: self.halved](self.stem(images))
        shown = self.blocks[self.halved](fine)
        return shown, [fine, shown]

    def forward_features(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """The map."""
        return self.forward_intermediates(images)[0]

    def forward_head(self, shown: Float[Tensor, "B D h w"]) -> Float[Tensor, "B F"]:
        """The feature of a map."""
        return self.norm(self.blocks[self.halved + 1 :](shown)).mean((2, 3))

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B F"]:
        """The feature."""
        return self.forward_head(self.forward_features(images))

    def _check(self, side: int) -> None:
        if side < self.least:
            raise UserError(
                f"backbone: amdim_mini must see images of at least {self.least} px, got {side} "
                "px; take larger views, or resnet_mini"
            )


class _Residual(nn.Module):
    """The mean of a square of places, and what two convolutions add to it.

    Channels that come in are the first ones that go out. The second convolution begins with
    zeros, so that the first features are means.
    """

    def __init__(self, before: int, width: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride, self.more = kernel, stride, width - before
        self.first = nn.Conv2d(before, width, kernel, stride, bias=False)
        self.second = nn.Conv2d(width, width, 1, bias=False)
        nn.init.zeros_(self.second.weight)
        self.drop_path: nn.Module = nn.Identity()

    def forward(self, shown: Tensor) -> Tensor:
        added = self.drop_path(self.second(self.first(shown).relu()))
        means = F.avg_pool2d(shown, self.kernel, self.stride) if self.kernel > 1 else shown
        return F.pad(means, (0, 0, 0, 0, 0, self.more)) + added


def _block(before: int, width: int, kernel: int, stride: int, depth: int) -> nn.Sequential:
    further = (_Residual(width, width, 1) for _ in range(depth - 1))
    return nn.Sequential(_Residual(before, width, kernel, stride), *further)
