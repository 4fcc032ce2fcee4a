"""From pixels to what a network reads. Axes: B images, C channels."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Num
from torch import Tensor

from ilk.core.errors import UserError

Moments = tuple[tuple[float, ...], tuple[float, ...]]
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CACHED = 50_000  # floats that stay in the second-level cache between three passes
CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def moments(channels: int) -> Moments:
    """Mean and standard deviation to use when nothing better is known.

    ImageNet's for three channels; 0.5 and 0.25 for any other number, whose bands are unknown.
    """
    known = channels == len(IMAGENET_MEAN)
    return (IMAGENET_MEAN, IMAGENET_STD) if known else ((0.5,) * channels, (0.25,) * channels)


def normalise(
    batch: Num[Tensor, "B C *pixels"], mean: Sequence[float], std: Sequence[float]
) -> Float[Tensor, "B C *pixels"]:
    """Pixels of 0 to 255 in any type, on any device, to (pixel / 255 - mean) / std in float32.

    Args:
        batch: any number of channels and of axes after them; never modified.
        mean: of pixel / 255, one a channel or one for all.
        std: of pixel / 255, likewise.

    Raises:
        UserError: if there are neither one nor C means or deviations.
    """
    channels = batch.shape[1]
    for name, values in (("mean", mean), ("std", std)):
        if len(values) not in {1, channels}:
            raise UserError(
                f"normalise: {name} must have 1 or {channels} values,"
                f" got {len(values)}: give one for each channel of the images"
            )
    scale = 1 / (255 * torch.tensor(std, dtype=torch.float64))
    shift = -torch.tensor(mean, dtype=torch.float64) * 255 * scale
    # The host must not wait for the device, nor for work that was given to it before.
    scale, shift = (
        t.float().to(batch.device, non_blocking=True).expand(channels) for t in (scale, shift)
    )
    interleaved = batch.ndim == 4 and batch.is_contiguous(memory_format=torch.channels_last)
    if interleaved and batch.device.type == "cpu":
        return _in_pieces(batch, scale, shift)
    scale, shift = (t.view(-1, *(1,) * (batch.ndim - 2)) for t in (scale, shift))
    return (batch.float() if batch.is_floating_point() else batch).mul(scale).add_(shift)


def _in_pieces(
    batch: Num[Tensor, "B C H W"], scale: Float[Tensor, " C"], shift: Float[Tensor, " C"]
) -> Float[Tensor, "B C H W"]:
    """Whole rows of interleaved pixels at a time, as many as the processor's cache holds."""
    count, channels, height, width = batch.shape
    scale, shift = scale.repeat(width), shift.repeat(width)
    made = torch.empty(count, height, width, channels)
    pixels, lines = (
        t.view(count * height, width * channels) for t in (batch.permute(0, 2, 3, 1), made)
    )
    step = max(1, CACHED // (width * channels))
    for piece, line in zip(pixels.split(step), lines.split(step), strict=True):
        line.copy_(piece).mul_(scale).add_(shift)
    return made.permute(0, 3, 1, 2)
