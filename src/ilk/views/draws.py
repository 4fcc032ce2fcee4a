"""What chance decided for a batch, as plain arrays, so that any engine can apply it.

Axes: B images.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from ilk.views.operations import Policies

Interpolation = Literal["bilinear", "bicubic"]
BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)  # columns of ``jitter``, values of ``order``
NEUTRAL = np.array([1.0, 1.0, 1.0, 0.0])  # jitter factors that leave an image alone
TRIES = 10  # candidate boxes before the central fallback, as in torchvision
CROP_DRAWS = 2 * TRIES + 2  # uniforms of one crop


@dataclass(frozen=True, kw_only=True, slots=True)
class Draws:
    """One random view of each image, in the order in which it is applied.

    Args:
        size: side of the view in pixels.
        interpolation: of the crop.
        boxes: top, left, height and width in pixels of the image.
        flip: mirror left and right.
        order: the four jitter operations in the order of their application.
        jitter: factors of brightness, contrast and saturation (1 leaves alone) and the shift of
            hue in turns (0 leaves alone).
        gray: drop the colour.
        sigma: of the blur in pixels of the view; 0 leaves alone.
        blur_kernel: side of the widest blur kernel, odd; None is as wide as sigma asks for.
        solarize: invert what is at or above ``solarize_threshold``.
        policies: operations of AutoAugment or another policy, applied after the flip; None is
            none of any image.
        shifts: pixels by which the crop shows what lies further down and to the right, mirrored
            where it ends; None is none of any image.
        holes: top, left, height and width of the grey box that is drawn last; None is none of
            any image.
    """

    size: int
    interpolation: Interpolation
    boxes: Int[np.ndarray, "B 4"]
    flip: Bool[np.ndarray, " B"]
    order: Int[np.ndarray, "B 4"]
    jitter: Float[np.ndarray, "B 4"]
    gray: Bool[np.ndarray, " B"]
    sigma: Float[np.ndarray, " B"]
    blur_kernel: int | None
    solarize: Bool[np.ndarray, " B"]
    solarize_threshold: int
    policies: Policies | None = None
    shifts: Int[np.ndarray, "B 2"] | None = None
    holes: Int[np.ndarray, "B 4"] | None = None

    def edges(
        self, heights: Int[np.ndarray, " B"], widths: Int[np.ndarray, " B"]
    ) -> Float[np.ndarray, "B 4"]:
        """Top, left, bottom and right edge of each crop, as shares of its image's sides.

        Of a mirrored view left is larger than right: its first column shows the right edge.
        What shifts and policies move by a few pixels is not counted.

        Args:
            heights: of the images.
            widths: of the images.
        """
        top, left, height, width = self.boxes.T
        ends = np.stack([top, left, top + height, left + width], 1)
        shares = ends / np.stack([heights, widths, heights, widths], 1)
        return np.where(self.flip[:, None], shares[:, [0, 3, 2, 1]], shares)

    def learnt(self) -> list[list[tuple[str, float]]]:
        """Operations of the policy of each image."""
        return [
            [] if self.policies is None else self.policies.of(i) for i in range(len(self.flip))
        ]

    def shifted(self) -> list[list[int]]:
        """Shift of each image; an empty list is none."""
        return [[]] * len(self.flip) if self.shifts is None else self.shifts.tolist()

    def hidden(self) -> list[list[int]]:
        """Grey box of each image; an empty list is none."""
        return [[]] * len(self.flip) if self.holes is None else self.holes.tolist()


def resized_crops(
    uniforms: Float[np.ndarray, "B 22"],
    heights: Int[np.ndarray, " B"],
    widths: Int[np.ndarray, " B"],
    scale: tuple[float, float],
    ratio: tuple[float, float],
) -> Int[np.ndarray, "B 4"]:
    """Boxes of torchvision's RandomResizedCrop: top, left, height, width.

    The first of ten candidates that fits the image is taken, else the largest central box whose
    aspect is allowed.

    Args:
        uniforms: in [0, 1): area and aspect of each of the ten candidates, then top and left.
        heights: of the images.
        widths: of the images.
        scale: share of the image's area, smallest and largest.
        ratio: width over height, smallest and largest; its logarithm is uniform.
    """
    areas = (heights * widths)[:, None] * between(uniforms[:, 0:20:2], *scale)
    aspects = np.exp(between(uniforms[:, 1:20:2], math.log(ratio[0]), math.log(ratio[1])))
    wide = np.rint(np.sqrt(areas * aspects)).astype(np.int64)
    high = np.rint(np.sqrt(areas / aspects)).astype(np.int64)
    fits = (wide > 0) & (wide <= widths[:, None]) & (high > 0) & (high <= heights[:, None])

    rows, first = np.arange(len(fits)), fits.argmax(1)
    found = fits[rows, first]
    central = _central(heights, widths, ratio)
    height = np.where(found, high[rows, first], central[0])
    width = np.where(found, wide[rows, first], central[1])
    top = np.where(found, uniforms[:, 20] * (heights - height + 1), (heights - height) // 2)
    left = np.where(found, uniforms[:, 21] * (widths - width + 1), (widths - width) // 2)
    return np.stack([top.astype(np.int64), left.astype(np.int64), height, width], 1)


def shifts(uniforms: Float[np.ndarray, "B 2"], most: int) -> Int[np.ndarray, "B 2"] | None:
    """Whole pixels from ``-most`` to ``most``, as likely; None where there are none."""
    return (uniforms * (2 * most + 1)).astype(np.int64) - most if most else None


def holes(
    uniforms: Float[np.ndarray, "B 2"], side: int, size: int
) -> Int[np.ndarray, "B 4"] | None:
    """Squares of Cutout: top, left, height and width of what lies inside the view.

    DeVries and Taylor, 2017, https://arxiv.org/abs/1708.04552, section 3: the centre is any
    pixel, so that a square may lie partly outside.

    Args:
        uniforms: in [0, 1): row and column of the centre.
        side: of the square in pixels; of 0 there are none.
        size: side of the view.
    """
    if side == 0:
        return None
    corner = (uniforms * size).astype(np.int64) - side // 2
    start, end = corner.clip(0, size), (corner + side).clip(0, size)
    return np.concatenate([start, end - start], 1)


def share_inside(
    boxes: Int[np.ndarray, "B 4"], others: Int[np.ndarray, "B 4"]
) -> Float[np.ndarray, " B"]:
    """Which share of its own area each box has in common with another one."""
    corner = np.maximum(boxes[:, :2], others[:, :2])
    ends = np.minimum(boxes[:, :2] + boxes[:, 2:], others[:, :2] + others[:, 2:])
    return (ends - corner).clip(min=0).prod(1) / boxes[:, 2:].prod(1)


def between(
    uniforms: Float[np.ndarray, "*shape"], low: float, high: float
) -> Float[np.ndarray, "*shape"]:
    """Uniforms in [0, 1) stretched to [low, high)."""
    return low + (high - low) * uniforms


def _central(
    heights: np.ndarray, widths: np.ndarray, ratio: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    aspect = widths / heights
    height = np.where(aspect < ratio[0], np.rint(widths / ratio[0]), heights)
    width = np.where(aspect > ratio[1], np.rint(heights * ratio[1]), widths)
    return height.astype(np.int64), width.astype(np.int64)
