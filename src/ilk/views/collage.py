"""Boxes pasted picture by picture, where the processor that draws them also holds the pixels.

The same pictures as ``ilk.views.pasting`` makes, several times sooner: only the box is written,
and no partner is copied first. Axes: B images, R mixed images, C channels.
"""

import cv2
import numpy as np
import torch
from jaxtyping import Float32, Int
from torch import Tensor


def fits_collage(images: Tensor) -> bool:
    """Whether these are pictures in memory of the host, in single precision."""
    return images.ndim == 4 and images.device.type == "cpu" and images.dtype == torch.float32


def collage(
    images: Float32[Tensor, "B C H W"],
    rows: Int[np.ndarray, " R"],
    partners: Int[np.ndarray, " R"],
    starts: Int[np.ndarray, "R 2"],
    sides: Int[np.ndarray, "R 2"],
    *,
    resized: bool,
) -> Float32[Tensor, "R C H W"]:
    """Pictures with a box of another one each, in channels-last memory.

    Args:
        images: not changed.
        rows: which ones get a box.
        partners: whose pixels fill it.
        starts: first pixel of each box.
        sides: extent of each box; it lies inside the picture.
        resized: the whole partner is scaled into the box as ``resizemix`` does it; else its
            pixels from the same place are taken, as ``cutmix`` does.
    """
    sources = images.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1).numpy()
    made = np.empty((len(rows), *sources.shape[1:]), np.float32)
    np.take(sources, rows, axis=0, out=made, mode="clip")
    boxes = zip(partners.tolist(), starts.tolist(), sides.tolist(), strict=True)
    for number, (partner, (top, left), (height, width)) in enumerate(boxes):
        box = made[number, top : top + height, left : left + width]
        if resized:
            cv2.resize(sources[partner], (width, height), dst=box)  # linear, no antialiasing
        else:
            box[:] = sources[partner, top : top + height, left : left + width]
    return torch.from_numpy(made).permute(0, 3, 1, 2)
