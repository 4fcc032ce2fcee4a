"""What can be measured of one image that says whether something is wrong with it.

Axes: H W pixels.
"""

import io
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from ilk.core.min_pixels import MinPixels
from ilk.data import decode

SIDE = 256  # pixels of the shorter side at which is measured; encoders see little more
_FINER = MinPixels(area=SIDE * SIDE, side=SIDE)
_JPEG = b"\xff\xd8"
_LEVELS = 255.0
_FLAT = 0.5  # gray levels of mean gradient, below which there is no edge to be sharp


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """Measures of an image.

    Args:
        width: in pixels, upright.
        height: likewise.
        highlight: luma that 99 % of the pixels stay below, 0 to 1.
        shadow: luma that 5 % of the pixels stay below, 0 to 1.
        entropy: entropy of the histogram of luma, 0 to 8 bits.
        sharpness: share of the gradients that a slight blur takes away, 0 to 1; NaN where there
            are none to speak of. The idea is that of Crete et al., Human Vision and Electronic
            Imaging 2007: blurring once more changes a blurred image little.
        colour: difference of the largest and smallest channel that 99 % of the pixels stay
            below, 0 to 1.
    """

    width: int
    height: int
    highlight: float
    shadow: float
    entropy: float
    sharpness: float
    colour: float


def look(item: bytes | np.ndarray) -> Look:
    """Measure an image; its shorter side is made 256 pixels first where it is longer.

    Raises:
        BadItem: it cannot be decoded.
    """
    pixels = decode(item, channels=3, detail=_FINER)
    width, height = _size(item, pixels)
    small = _reduced(pixels)
    luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    spread = small.max(2) - small.min(2)
    shadow, highlight = np.percentile(luma, (5, 99))
    return Look(
        width=width,
        height=height,
        highlight=float(highlight) / _LEVELS,
        shadow=float(shadow) / _LEVELS,
        entropy=entropy(luma),
        sharpness=sharpness(luma.astype(np.float32)),
        colour=float(np.percentile(spread, 99)) / _LEVELS,
    )


def entropy(luma: UInt8[np.ndarray, "H W"]) -> float:
    """The entropy of the histogram of gray levels, in bits.

    Example:
        >>> entropy(np.array([[0, 255]], np.uint8))
        1.0
    """
    share = np.bincount(luma.ravel(), minlength=256) / luma.size
    share = share[share > 0]
    return float(-(share * np.log2(share)).sum()) + 0.0


def sharpness(luma: Float32[np.ndarray, "H W"]) -> float:
    """The share of the gradients that a blur by a Gaussian of one pixel takes away.

    Args:
        luma: in gray levels.

    Returns:
        0 to 1; NaN where gradients are below half a gray level on average.
    """
    before = _gradients(luma)
    if before < _FLAT:
        return float("nan")
    return float(np.clip(1 - _gradients(cv2.GaussianBlur(luma, (0, 0), 1.0)) / before, 0, 1))


def _gradients(luma: Float32[np.ndarray, "H W"]) -> float:
    """The mean absolute difference of neighbours."""
    parts = [np.abs(np.diff(luma, axis=axis)) for axis in (0, 1)]
    return float(sum(part.sum() for part in parts) / max(sum(part.size for part in parts), 1))


def _reduced(pixels: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "h w 3"]:
    scale = SIDE / min(pixels.shape[:2])
    if scale >= 1:
        return np.ascontiguousarray(pixels)
    size = [max(round(side * scale), 1) for side in pixels.shape[1::-1]]
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _size(item: bytes | np.ndarray, pixels: np.ndarray) -> tuple[int, int]:
    """Width and height of the whole image, of which a JPEG was perhaps decoded in part."""
    height, width = pixels.shape[:2]
    if not isinstance(item, bytes) or not item.startswith(_JPEG):
        return width, height
    try:
        with Image.open(io.BytesIO(item)) as image:
            wide, high = image.size
    except (OSError, ValueError, SyntaxError):  # Pillow is stricter than the decoder
        return width, height
    turned = abs(wide * height - high * width) > abs(high * height - wide * width)
    return (high, wide) if turned else (wide, high)
