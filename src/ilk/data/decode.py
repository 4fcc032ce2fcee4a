"""From what a source gives to pixels of one kind. Axes: H W C pixels."""

import cv2
import numpy as np
from jaxtyping import UInt8

from ilk.core.min_pixels import MinPixels
from ilk.data.encoded import pixels_of
from ilk.data.memory import MAX_PIXELS, check_pixels
from ilk.data.source import BadItem, Source, only_bad_items
from ilk.data.values import as_bytes, over_white

_IMAGE_DIMS = (2, 3)


def read_item(source: Source, index: int) -> bytes | np.ndarray:
    """An item of a source, to be decoded.

    Raises:
        BadItem: whatever goes wrong, but for an interruption.
    """
    with only_bad_items("unreadable"):
        return source.item(index)


def decode(
    item: bytes | np.ndarray,
    *,
    channels: int | None = 3,
    max_pixels: int = MAX_PIXELS,
    detail: MinPixels | None = None,
) -> np.ndarray:
    """The pixels of an item, [H, W, C] uint8.

    A file is turned upright by its orientation (EXIF, or else XMP); colours of an embedded
    profile become sRGB; of an animation the first frame counts, of several pages the first.
    Arrays [H, W] or [H, W, C] of uint8, uint16, bool or floats in [0, 1] become uint8 (see
    ``as_bytes``); arrays of other dimensions, such as clips and signals, come back untouched.

    Args:
        item: an encoded file or an array.
        channels: 3 gives RGB, gray is repeated; 1 gives luma (ITU-R 601). For both, the alpha
            of a file is laid over white; the meaning of a fourth channel of an array is not
            known, and it is refused. Another number must be what the item has. None leaves a
            file the channels that it has, and an array altogether as it is.
        max_pixels: a larger image is refused, a file before it is decoded.
        detail: a JPEG may come out with its sides divided by 2, 4 or 8, as far as this much is
            left of it; None is the whole of it.

    Raises:
        BadItem: with the reason, whatever goes wrong, but for an interruption.

    Example:
        >>> decode(np.array([[0.0, 1.0]]), channels=3).tolist()
        [[[0, 0, 0], [255, 255, 255]]]
    """
    with only_bad_items("not decodable"):
        if isinstance(item, bytes):
            pixels, alpha = pixels_of(item, max_pixels, detail)
            if alpha and channels in (1, 3):
                pixels = over_white(pixels)
            return pixels if channels is None else _with(pixels, channels)
        if channels is None or item.ndim not in _IMAGE_DIMS:
            return item
        check_pixels(item.shape[0], item.shape[1], max_pixels)
        if not item.size:
            raise BadItem(f"empty: an array of shape {item.shape}")
        values = item if item.ndim == _IMAGE_DIMS[1] else item[..., None]
        return _with(as_bytes(values), channels)


def _with(pixels: UInt8[np.ndarray, "H W C"], channels: int) -> UInt8[np.ndarray, "H W D"]:
    """Another number of channels, if there is a way."""
    has = pixels.shape[2]
    if has == channels:
        return pixels
    if (has, channels) == (1, 3):
        return np.repeat(pixels, 3, axis=2)
    if (has, channels) == (3, 1):
        return cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)[..., None]
    raise BadItem(f"has {has} channels, {channels} are wanted")
