"""Small residual networks of our own for clips and windows. Axes: B items, C channels."""

from collections.abc import Sequence

from jaxtyping import Float
from timm.layers import DropPath
from torch import Tensor, nn

CONVOLUTIONS = {1: nn.Conv1d, 3: nn.Conv3d}
NORMS = {1: nn.BatchNorm1d, 3: nn.BatchNorm3d}


class ResidualNet(nn.Module):
    """A stem of stride 2 and basic residual blocks; every stage halves each axis.

    The blocks are those of He et al., CVPR 2016, https://arxiv.org/abs/1512.03385, figure 5
    left, over time, or over time, height and width.

    Args:
        axes: how many axes follow the channels: 1 of a window, 3 of a clip.
        channels: C.
        widths: channels of each stage.
        depths: blocks of each stage.
        drop_path_rate: rate of stochastic depth of the last block, in [0, 1); it grows from 0.
    """

    def __init__(
        self,
        axes: int,
        channels: int,
        widths: Sequence[int],
        depths: Sequence[int],
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__()
        before = max(widths[0] // 2, 1)
        self.stem = nn.Sequential(*_normed(axes, channels, before, stride=2), nn.ReLU())
        total, blocks = sum(depths), list[nn.Module]()
        for width, depth in zip(widths, depths, strict=True):
            for number in range(depth):
                rate = drop_path_rate * len(blocks) / max(total - 1, 1)
                blocks.append(_Block(axes, before, width, 1 if number else 2, rate))
                before = width
        self.blocks = nn.Sequential(*blocks)
        self.num_features = before

    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        """What of a parameter's name tells its layer, as timm's networks say it."""
        return {"stem": r"^stem", "blocks": r"^blocks\.(\d+)"}

    def forward(self, items: Float[Tensor, "B C *axes"]) -> Float[Tensor, "B F"]:
        """The mean of the last stage over all axes."""
        return self.blocks(self.stem(items)).flatten(2).mean(2)


class _Block(nn.Module):
    def __init__(self, axes: int, before: int, width: int, stride: int, rate: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_normed(axes, before, width, stride=stride),
            nn.ReLU(),
            *_normed(axes, width, width),
        )
        self.shortcut = nn.Identity()
        if stride != 1 or before != width:
            self.shortcut = nn.Sequential(*_normed(axes, before, width, side=1, stride=stride))
        self.drop_path = DropPath(rate) if rate > 0 else nn.Identity()

    def forward(self, rows: Tensor) -> Tensor:
        return (self.drop_path(self.body(rows)) + self.shortcut(rows)).relu()


def _normed(
    axes: int, before: int, width: int, *, side: int = 3, stride: int = 1
) -> tuple[nn.Module, nn.Module]:
    """A convolution and its batch norm, with the first weights that He et al. give."""
    convolution = CONVOLUTIONS[axes](
        before, width, side, stride=stride, padding=side // 2, bias=False
    )
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return convolution, NORMS[axes](width)
