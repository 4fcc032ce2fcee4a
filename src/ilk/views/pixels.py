"""The pixel engine: applies what was drawn to uint8 arrays, image by image, with OpenCV.

An image depends on its own row of the draws alone, so batches may be split over threads: the
calls release the interpreter's lock and keep no state. OpenCV and torch may start threads of
their own inside a call, which changes no pixel but costs time when the caller has a pool
already; the pool's owner turns that off with ``cv2.setNumThreads(1)`` (a setting of the whole
process, hence never touched here) and ``torch.set_num_threads(1)`` in each of its threads.

Axes: B images, H W C pixels, S side of a view.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from ilk.views.background import Backdrop
from ilk.views.draws import BRIGHTNESS, CONTRAST, HUE, NEUTRAL, SATURATION, Draws, Interpolation
from ilk.views.operations import augment

RGB = 3
HIDDEN = 127  # grey level of the boxes of Cutout
LUMA = np.array([0.2989, 0.587, 0.114])  # ITU-R 601-2, as torchvision rounds it


def apply(
    draws: Draws, images: Sequence[UInt8[np.ndarray, "_ _ _"]]
) -> UInt8[Tensor, "B C S S"]:
    """Render the views that were drawn, in channels-last memory.

    Crop, shift, flip, policy, jitter, grayscale, blur, solarize, grey box: the order of every
    recipe here, up to the place of the flip, which commutes with all that follows the crop in
    a recipe.

    Args:
        draws: one row an image.
        images: at least one, of any height and width and of the same number of channels. Hue,
            saturation and grayscale need three channels and leave others alone; brightness,
            contrast, blur and solarize act on each channel by itself.
    """
    return apply_together([draws], images)[0]


def apply_together(
    draws: Sequence[Draws],
    images: Sequence[UInt8[np.ndarray, "_ _ _"]],
    behind: Sequence[Sequence[Backdrop | None]] | None = None,
) -> list[UInt8[Tensor, "B C S S"]]:
    """Several views of each image, made one after the other while the image is in the cache.

    Args:
        draws: of each view, as for ``apply``.
        images: likewise.
        behind: of each view, what comes behind the foreground of each image once it is cut
            out; None changes nothing.
    """
    behind = [[None] * len(images)] * len(draws) if behind is None else behind
    count, channels = len(images), images[0].shape[2]
    made = [np.empty((count, d.size, d.size, channels), np.uint8) for d in draws]
    rows = [
        _rendered(*parts)
        for parts in zip(draws, [images] * len(draws), behind, made, strict=True)
    ]
    for _ in zip(*rows, strict=True):  # every view of the first image, then of the second
        pass
    return [torch.from_numpy(views).permute(0, 3, 1, 2) for views in made]


def _rendered(
    draws: Draws,
    images: Sequence[UInt8[np.ndarray, "_ _ _"]],
    behind: Sequence[Backdrop | None],
    views: UInt8[np.ndarray, "B S S C"],
) -> Iterator[None]:
    """Fill in one view at each call for the next."""
    scratch = _Scratch.of(views[0])
    rows = zip(
        views, images, behind, draws.boxes.tolist(), draws.flip.tolist(), draws.shifted(),
        draws.learnt(), draws.order.tolist(), draws.jitter.tolist(), draws.gray.tolist(),
        draws.sigma.tolist(), draws.solarize.tolist(), draws.hidden(), strict=True,
    )  # fmt: skip
    for (
        view, image, backdrop, box, flip, by,
        learnt, order, factors, gray, sigma, solarize, hole,
    ) in rows:  # fmt: skip
        crop_resize(image, box, view, draws.interpolation)
        if backdrop is not None:
            backdrop.put_behind(view, box)
        shift(view, by)
        if flip:
            cv2.flip(view, 1, dst=view)
        augment(view, learnt)
        for operation in order:
            jitter(view, operation, factors[operation], scratch)
        if gray:
            jitter(view, SATURATION, 0.0, scratch)
        if sigma > 0:
            blur(view, sigma, draws.blur_kernel, scratch)
        if solarize:
            cv2.LUT(view, _solarized(draws.solarize_threshold), dst=view)
        hide(view, hole)
        yield


@dataclass(frozen=True, slots=True)
class _Scratch:
    """Room for what lies between two steps, used again for every image.

    Newly allocated memory costs as much as the arithmetic: a page that the system has
    to hand out first is 2 microseconds, an image of 224 pixels 37 of them.
    """

    levels: UInt8[np.ndarray, "S S C"]
    rgb: Float32[np.ndarray, "S S C"]
    hsv: Float32[np.ndarray, "S S C"]

    @classmethod
    def of(cls, view: UInt8[np.ndarray, "S S C"]) -> "_Scratch":
        rgb, hsv = (np.empty(view.shape, np.float32) for _ in range(2))
        return cls(np.empty_like(view), rgb, hsv)


def crop_resize(
    image: UInt8[np.ndarray, "_ _ C"],
    box: Sequence[int],
    out: UInt8[np.ndarray, "_ _ C"],
    kind: Interpolation,
) -> None:
    """Cut top, left, height, width out and scale it to ``out``, anti-aliased where it shrinks.

    OpenCV's bilinear filter is the same and faster on small images, but only where nothing
    shrinks; its bicubic kernel (a = -0.75) is another one, and its area filter is both slower
    and further away. Torch is called below ``interpolate``, which would hand its result out
    with channels first, at twice the time.
    """
    top, left, height, width = box
    crop = image[top : top + height, left : left + width]
    if crop.shape == out.shape:
        out[:] = crop
    elif kind == "bilinear" and height <= out.shape[0] and width <= out.shape[1]:
        cv2.resize(crop, out.shape[1::-1], dst=out, interpolation=cv2.INTER_LINEAR)
    else:
        aten = torch.ops.aten
        scale = (
            aten._upsample_bilinear2d_aa if kind == "bilinear" else aten._upsample_bicubic2d_aa
        )
        source, target = (
            torch.from_numpy(a).permute(2, 0, 1)[None] for a in (crop.copy(), out)
        )
        scale.out(source, out.shape[:2], False, None, None, out=target)


def shift(view: UInt8[np.ndarray, "S S C"], by: Sequence[int]) -> None:
    """Show what lies further down and to the right by so many pixels, in place; none if empty.

    Beyond its border the view is mirrored, without the border's own pixels twice.
    """
    if by:
        last = len(view) - 1
        rows, columns = (last - abs(last - abs(np.arange(last + 1) + n)) for n in by)
        view[:] = view[rows[:, None], columns]


def hide(view: UInt8[np.ndarray, "S S C"], box: Sequence[int]) -> None:
    """Paint top, left, height, width grey, in place; none if empty."""
    if box:
        top, left, height, width = box
        view[top : top + height, left : left + width] = HIDDEN


def jitter(
    view: UInt8[np.ndarray, "S S C"], operation: int, factor: float, scratch: _Scratch
) -> None:
    """One of torchvision's four colour operations in place, rounded where it truncates.

    Saturation with factor 0 is grayscale. Contrast of other than three channels is taken around
    the mean of each, as for images of many bands.
    """
    colour = view.shape[2] == RGB
    if factor == NEUTRAL[operation] or (operation in (SATURATION, HUE) and not colour):
        return
    if operation == BRIGHTNESS:
        cv2.convertScaleAbs(view, dst=view, alpha=factor)
    elif operation == CONTRAST:
        _contrast(view, factor, colour)
    elif operation == SATURATION:
        cv2.transform(view, _saturation(factor), dst=view)
    else:
        _hue(view, factor, scratch)


def blur(
    view: UInt8[np.ndarray, "S S C"], sigma: float, kernel: int | None, scratch: _Scratch
) -> None:
    """Gaussian blur in place, with mirrored borders, no wider than ``kernel``."""
    weights = _gaussian(sigma, kernel)
    blurred = scratch.levels
    cv2.sepFilter2D(view, -1, weights, weights, dst=blurred, borderType=cv2.BORDER_REFLECT_101)
    view[:] = blurred


def _contrast(view: np.ndarray, factor: float, colour: bool) -> None:
    if colour:
        mean = float(LUMA @ cv2.mean(view)[:RGB])
        cv2.addWeighted(view, factor, view, 0, (1 - factor) * mean, dst=view)
        return
    means = view.reshape(view.shape[0] * view.shape[1], -1).mean(0)
    table = factor * np.arange(256)[:, None] + (1 - factor) * means
    cv2.LUT(view, np.rint(table).clip(0, 255).astype(np.uint8)[None], dst=view)


def _saturation(factor: float) -> np.ndarray:
    return factor * np.eye(RGB) + (1 - factor) * LUMA


def _hue(view: np.ndarray, turns: float, scratch: _Scratch) -> None:
    """Shift along the colour circle, in floats: bytes would lose up to a dozen grey levels."""
    rgb, hsv = scratch.rgb, scratch.hsv
    rgb[:] = view
    cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV, dst=hsv)
    hsv[..., 0] += (
        turns % 1 * 360
    )  # degrees; OpenCV wraps what is above 360, not what is below 0
    cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB, dst=rgb)
    cv2.convertScaleAbs(rgb, dst=view)


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
