"""Mixing image by image, where the processor that draws also holds the pixels.

The same images as ``ilk.views.pasting`` makes, sooner: a pair stays in the cache
until it is mixed, no partner is copied first, and of a box only its own pixels are written.
Axes: B images, R mixed images, C channels.
"""

import math

import cv2
import numpy as np
import torch
from jaxtyping import Float32, Float64, Int
from torch import Tensor


def on_host(images: Tensor) -> bool:
    """Whether these are images in memory of the host, in single precision."""
    return images.ndim == 4 and images.device.type == "cpu" and images.dtype == torch.float32


def blends(
    images: Float32[Tensor, "B C H W"],
    rows: Int[np.ndarray, " R"],
    partners: Int[np.ndarray, " R"],
    share: Float64[np.ndarray, " R"],
) -> Float32[Tensor, "R C H W"]:
    """``share`` of an image and the rest of another, as ``mixup`` does it; channels last.

    Args:
        images: not changed.
        rows: of which ones there is a share.
        partners: which ones make up the rest.
        share: in [0, 1].
    """
    sources = _interleaved(images)
    made = np.empty((len(rows), *sources.shape[1:]), np.float32)
    size = math.prod(sources.shape[1:])
    lines, whole = (pixels.reshape(len(pixels), size) for pixels in (sources, made))
    pairs = zip(rows.tolist(), partners.tolist(), share.tolist(), strict=True)
    for number, (row, partner, own) in enumerate(pairs):
        cv2.addWeighted(lines[row], own, lines[partner], 1 - own, 0, dst=whole[number])
    return torch.from_numpy(made).permute(0, 3, 1, 2)


def collages(
    images: Float32[Tensor, "B C H W"],
    rows: Int[np.ndarray, " R"],
    partners: Int[np.ndarray, " R"],
    starts: Int[np.ndarray, "R 2"],
    sides: Int[np.ndarray, "R 2"],
    *,
    resized: bool,
) -> Float32[Tensor, "R C H W"]:
    """Images with a box of another one each; channels last.

    Args:
        images: not changed.
        rows: which ones get a box.
        partners: whose pixels fill it.
        starts: first pixel of each box.
        sides: extent of each box; it lies inside the image.
        resized: the whole partner is scaled into the box as ``resizemix`` does it; else its
            pixels from the same place are taken, as ``cutmix`` does.
    """
    sources = _interleaved(images)
    made = np.empty((len(rows), *sources.shape[1:]), np.float32)
    boxes = zip(rows.tolist(), partners.tolist(), starts.tolist(), sides.tolist(), strict=True)
    for number, (row, partner, (top, left), (height, width)) in enumerate(boxes):
        image = made[number]
        image[:] = sources[row]
        box = image[top : top + height, left : left + width]
        if resized:
            cv2.resize(sources[partner], (width, height), dst=box)  # linear, no antialiasing
        else:
            box[:] = sources[partner, top : top + height, left : left + width]
    return torch.from_numpy(made).permute(0, 3, 1, 2)


def _interleaved(images: Float32[Tensor, "B C H W"]) -> Float32[np.ndarray, "B H W C"]:
    """The same memory where channels lie last already."""
    laid_out = images.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)
    return np.ascontiguousarray(laid_out.numpy())
