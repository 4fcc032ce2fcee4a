"""Boxes, and the ways to put one image into another.

Axes: R images, C channels, d spatial axes. A box is a first pixel and an extent per axis.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64, Int
from torch import Tensor

from ilk.core import full


def box_sides(
    share: Float64[np.ndarray, " R"], sizes: Sequence[int], *, snap: int = 0
) -> Int[np.ndarray, "R d"]:
    """Extent of the box that leaves about ``share`` of an image, in proportion to its sizes.

    Rounded to whole pixels; at least one, and never the whole of an axis longer than one.

    Args:
        share: outside the box, in [0, 1].
        sizes: of the image, in pixels.
        snap: the ratio of sides is a multiple of its inverse; 0 is any ratio.
    """
    ratio = (1 - share) ** (1 / len(sizes))
    if snap:
        ratio = np.clip(np.rint(ratio * snap), 1, snap - 1) / snap
    whole = np.array(sizes)
    sides = np.rint(ratio[:, None] * whole).astype(np.int64)
    return np.clip(sides, 1, np.maximum(whole - 1, 1))


def box_starts(
    chance: Float64[np.ndarray, "R d"], sides: Int[np.ndarray, "R d"], sizes: Sequence[int]
) -> Int[np.ndarray, "R d"]:
    """First pixels, uniform over all places where the box lies wholly inside.

    A box that is clipped at the border would have another area in every view.
    """
    return np.floor(chance * (np.array(sizes) - sides + 1)).astype(np.int64)


def boxes_about(
    centres: Int[Tensor, "R d"], sides: Int[Tensor, "R d"], sizes: Sequence[int]
) -> Int[Tensor, "R d"]:
    """First pixels of boxes about centres, moved so far that they lie wholly inside."""
    last = torch.tensor(sizes, device=sides.device) - sides
    return torch.minimum((centres - sides // 2).clamp(min=0), last)


def box_share(sides: Int[np.ndarray, "R d"], sizes: Sequence[int]) -> Float64[np.ndarray, " R"]:
    """The share of pixels outside the box, exactly."""
    return 1 - sides.prod(axis=1) / np.prod(sizes)


def mixup(
    images: Float[Tensor, "R C *spatial"],
    partners: Float[Tensor, "R C *spatial"],
    share: Float[Tensor, " R"],
) -> Float[Tensor, "R C *spatial"]:
    """``share * image + (1 - share) * partner``: Zhang et al., ICLR 2018."""
    own = share.reshape(-1, *[1] * (images.ndim - 1))
    return _blend(partners, images, own)


def cutmix(
    images: Float[Tensor, "R C *spatial"],
    partners: Float[Tensor, "R C *spatial"],
    starts: Int[Tensor, "R d"],
    sides: Int[Tensor, "R d"],
) -> Float[Tensor, "R C *spatial"]:
    """Inside the box the partner's pixels from the same place: Yun et al., ICCV 2019."""
    return _blend(images, partners, _inside(images, starts, sides))


def cutout(
    images: Float[Tensor, "R C *spatial"],
    starts: Int[Tensor, "R d"],
    sides: Int[Tensor, "R d"],
) -> Float[Tensor, "R C *spatial"]:
    """Inside the box zero, the mean of normalised images: DeVries and Taylor, 2017.

    https://arxiv.org/abs/1708.04552. A box may lie partly outside of the image.
    """
    return _blend(images, torch.zeros_like(images), _inside(images, starts, sides))


def resizemix(
    images: Float[Tensor, "R C *spatial"],
    partners: Float[Tensor, "R C *spatial"],
    starts: Int[Tensor, "R d"],
    sides: Int[Tensor, "R d"],
) -> Float[Tensor, "R C *spatial"]:
    """Inside the box the whole partner, resized: Qin et al., 2020.

    https://arxiv.org/abs/2012.11101. Linear, pixel centres at halves, without antialiasing, as
    ``torch.nn.functional.interpolate`` does it; for one to three spatial axes.
    """
    sizes = images.shape[2:]
    source = full(partners)
    axes = [
        # In these units the partner spans [-1, 1] whatever its size; the box is laid over it.
        (2 * _pixels(size, source) + 1 - 2 * starts[:, i, None]) / sides[:, i, None] - 1
        for i, size in enumerate(sizes)
    ]
    if len(sizes) == 1:
        axes, source = [torch.zeros_like(axes[0][:, :1]), *axes], source[:, :, None]
    grid = _grid(axes).to(source.dtype)
    resized = F.grid_sample(source, grid, padding_mode="border", align_corners=False)
    return _blend(images, resized.reshape(images.shape), _inside(images, starts, sides))


def _grid(axes: list[Float[Tensor, "R _"]]) -> Float[Tensor, "R ..."]:
    """Coordinates of every pixel, the last axis first."""
    shape = (len(axes[0]), *(axis.shape[1] for axis in axes))
    spread = [_along(axis, i, len(axes)).expand(shape) for i, axis in enumerate(axes)]
    return torch.stack(spread[::-1], dim=-1)


def _blend(first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    """The second as far as the weight says; exactly one of the two at weights 0 and 1.

    One pass over the pixels, where products and sums would take three, and a choice by boxes
    would not be vectorised.
    """
    start = full(first)
    return torch.lerp(start, second.to(start), weight.to(start)).to(first.dtype)


def _inside(
    images: Tensor, starts: Int[Tensor, "R d"], sides: Int[Tensor, "R d"]
) -> Float[Tensor, "R 1 ..."]:
    """1 for pixels in the box, 0 for all others."""
    sizes = images.shape[2:]
    inside = torch.ones((), device=images.device)
    for i, size in enumerate(sizes):
        past = torch.arange(size, device=images.device) - starts[:, i, None]
        within = (past >= 0) & (past < sides[:, i, None])
        inside = inside * _along(within, i, len(sizes))
    return inside[:, None]


def _along(values: Tensor, axis: int, axes: int) -> Tensor:
    """Values [R, size] laid along one of several spatial axes."""
    shape = [1] * axes
    shape[axis] = values.shape[1]
    return values.reshape(len(values), *shape)


def _pixels(size: int, like: Tensor) -> Tensor:
    return torch.arange(size, device=like.device, dtype=like.dtype)
