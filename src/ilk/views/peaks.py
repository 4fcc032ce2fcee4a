"""Where items of a batch stand out from their surroundings, without anything learned.

Montabone and Soto, "Human detection using a mobile platform and novel features derived from a
visual saliency mechanism", 2010, section 3: the intensity part of their fine-grained saliency,
which SaliencyMix takes. Axes: R items, C channels, d spatial axes.
"""

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from ilk.core import full

RADII = (12, 24, 28, 48, 56, 112)  # pixels between a pixel and the end of its surroundings
AT_ONCE = 2**22  # pixels for which all is held at a time


def peaks(images: Float[Tensor, "R C *spatial"]) -> Int[Tensor, "R d"]:
    """The pixel that stands out most; the first of several."""
    found = conspicuity(images).flatten(1).argmax(1)
    return torch.stack(torch.unravel_index(found, images.shape[2:]), 1)


def conspicuity(images: Float[Tensor, "R C *spatial"]) -> Float[Tensor, "R ..."]:
    """How far each grey level is from the means of its surroundings, summed over their radii.

    Darker counts as much as brighter. Surroundings are boxes without the pixel itself, which
    end where the item ends. Grey is the mean over channels.
    """
    rows = max(AT_ONCE // images.shape[2:].numel(), 1)
    return torch.cat([_of_grey(part) for part in full(images).mean(1).split(rows)])


def _of_grey(grey: Float[Tensor, "R ..."]) -> Float[Tensor, "R ..."]:
    total = torch.zeros_like(grey)
    for radius in RADII:
        inside, count = grey, torch.ones((), device=grey.device)
        for axis in range(1, grey.ndim):
            inside, wide = _sums(inside, axis, radius)
            count = count * wide
        total += (grey - (inside - grey) / (count - 1).clamp(min=1)).abs()
    return total


def _sums(
    values: Float[Tensor, "R ..."], axis: int, radius: int
) -> tuple[Float[Tensor, "R ..."], Shaped[Tensor, "..."]]:
    """Sums over all that lies within the radius along an axis, and of how many values."""
    size = values.shape[axis]
    at = torch.arange(size, device=values.device)
    first, end = (at - radius).clamp(min=0), (at + radius + 1).clamp(max=size)
    none = values.new_zeros(values.narrow(axis, 0, 1).shape)
    up_to = torch.cat([none, values.cumsum(axis)], axis)
    sums = up_to.index_select(axis, end) - up_to.index_select(axis, first)
    return sums, (end - first).reshape(-1, *[1] * (values.ndim - axis - 1))
