"""The pixel engine: applies what was drawn to uint8 arrays, image by image, with OpenCV.

A picture depends on its own row of the draws alone, so batches may be split over threads: the
calls release the interpreter's lock and keep no state. OpenCV and torch may start threads of
their own inside a call, which changes no pixel but costs time when the caller has a pool
already; the pool's owner turns that off with ``cv2.setNumThreads(1)`` (a setting of the whole
process, hence never touched here) and ``torch.set_num_threads(1)`` in each of its threads.

Axes: B images, H W C pixels, S side of a view.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from torch import Tensor

from ilk.views.draws import BRIGHTNESS, CONTRAST, SATURATION, Draws, Interpolation

RGB = 3
LUMA = np.array([0.2989, 0.587, 0.114])  # ITU-R 601-2, as torchvision rounds it


def apply(
    draws: Draws, images: Sequence[UInt8[np.ndarray, "_ _ _"]]
) -> UInt8[Tensor, "B C S S"]:
    """Render the views that were drawn, in channels-last memory.

    Crop, flip, jitter, grayscale, blur, solarize: the order of every recipe here, up to the
    place of the flip, which commutes with all that follows the crop.

    Args:
        draws: one row an image.
        images: at least one, of any height and width and of the same number of channels. Hue,
            saturation and grayscale need three channels and leave others alone; brightness,
            contrast, blur and solarize act on each channel by itself.
    """
    size, channels = draws.size, images[0].shape[2]
    views = np.empty((len(images), size, size, channels), np.uint8)
    rows = zip(
        images, draws.boxes.tolist(), draws.flip.tolist(), draws.order.tolist(),
        draws.jitter.tolist(), draws.gray.tolist(), draws.sigma.tolist(),
        draws.solarize.tolist(), strict=True,
    )  # fmt: skip
    for row, (image, box, flip, order, factors, gray, sigma, solarize) in enumerate(rows):
        view = crop_resize(image, box, (size, size), draws.interpolation)
        if flip:
            view = cv2.flip(view, 1)
        for operation in order:
            view = jitter(view, operation, factors[operation])
        if gray:
            view = jitter(view, SATURATION, 0.0)
        if sigma > 0:
            view = blur(view, sigma, draws.blur_kernel)
        if solarize:
            view = cv2.LUT(view, _solarized(draws.solarize_threshold))
        views[row] = view.reshape(size, size, channels)  # OpenCV drops a single channel's axis
    return torch.from_numpy(views).permute(0, 3, 1, 2)


def crop_resize(
    image: UInt8[np.ndarray, "_ _ _"],
    box: Sequence[int],
    shape: tuple[int, int],
    kind: Interpolation,
) -> UInt8[np.ndarray, "..."]:
    """Cut top, left, height, width out and scale it to a shape, anti-aliased where it shrinks.

    OpenCV's bilinear filter is the same and many times faster on small pictures, but only where
    nothing shrinks; its bicubic kernel (a = -0.75) is another one, and its area filter is both
    slower and further away.
    """
    top, left, height, width = box
    crop = image[top : top + height, left : left + width]
    if (height, width) == shape:
        return crop
    if kind == "bilinear" and height <= shape[0] and width <= shape[1]:
        return cv2.resize(crop, shape[::-1], interpolation=cv2.INTER_LINEAR)
    batch = torch.from_numpy(crop.copy()).permute(2, 0, 1)[None]
    resized = F.interpolate(batch, size=shape, mode=kind, antialias=True)
    return np.ascontiguousarray(resized[0].permute(1, 2, 0).numpy())


def jitter(
    view: UInt8[np.ndarray, "..."], operation: int, factor: float
) -> UInt8[np.ndarray, "..."]:
    """One of torchvision's four colour operations, rounded where torchvision truncates.

    Saturation with factor 0 is grayscale. Contrast of other than three channels is taken around
    the mean of each, as for images of many bands.
    """
    colour = view.shape[2:] == (RGB,)
    if operation == BRIGHTNESS:
        return view if factor == 1 else cv2.convertScaleAbs(view, alpha=factor)
    if operation == CONTRAST:
        return view if factor == 1 else _contrast(view, factor, colour)
    if operation == SATURATION:
        return view if factor == 1 or not colour else cv2.transform(view, _saturation(factor))
    return view if factor == 0 or not colour else _hue(view, factor)


def blur(
    view: UInt8[np.ndarray, "..."], sigma: float, kernel: int | None
) -> UInt8[np.ndarray, "..."]:
    """Gaussian blur with mirrored borders, no wider than ``kernel``."""
    weights = _gaussian(sigma, kernel)
    return cv2.sepFilter2D(view, -1, weights, weights, borderType=cv2.BORDER_REFLECT_101)


def _contrast(view: np.ndarray, factor: float, colour: bool) -> np.ndarray:
    if colour:
        mean = float(LUMA @ cv2.mean(view)[:RGB])
        return cv2.addWeighted(view, factor, view, 0, (1 - factor) * mean)
    means = view.reshape(view.shape[0] * view.shape[1], -1).mean(0)
    table = factor * np.arange(256)[:, None] + (1 - factor) * means
    return cv2.LUT(view, np.rint(table).clip(0, 255).astype(np.uint8)[None])


def _saturation(factor: float) -> np.ndarray:
    return factor * np.eye(RGB) + (1 - factor) * LUMA


def _hue(view: np.ndarray, turns: float) -> np.ndarray:
    """Shift along the colour circle, which a byte divides into 256 and wraps around."""
    shift = np.zeros((view.shape[1], RGB), np.uint8)
    shift[:, 0] = round(turns * 256) % 256
    circle = cv2.cvtColor(view, cv2.COLOR_RGB2HSV_FULL)
    circle += shift
    return cv2.cvtColor(circle, cv2.COLOR_HSV2RGB_FULL)


def _gaussian(sigma: float, kernel: int | None) -> np.ndarray:
    """Weights in 256ths that sum to one: what OpenCV's fixed-point filter can hold.

    Weights beyond three sigma are less than half a 256th and would come out as zero.
    """
    radius = math.ceil(3 * sigma)
    if kernel is not None:
        radius = min(radius, kernel // 2)
    counts = np.rint(256 * cv2.getGaussianKernel(2 * radius + 1, sigma))
    counts[radius] += 256 - counts.sum()
    return counts / 256


@lru_cache
def _solarized(threshold: int) -> np.ndarray:
    levels = np.arange(256)
    return np.where(levels >= threshold, 255 - levels, levels).astype(np.uint8)
