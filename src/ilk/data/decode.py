"""From what a source gives to items of one kind.

Axes: T frames, H W C pixels, L samples.
"""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from ilk.core.items import ITEM_AXES, ItemKind
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
    kind: ItemKind = "image",
) -> np.ndarray:
    """The pixels of an image, [H, W, C] uint8.

    A clip comes as [T, H, W, C] uint8, a window as [C, L] float32.

    A file is turned upright by its orientation (EXIF, or else XMP); colours of an embedded
    profile become sRGB; of an animation the first frame counts, of several pages the first.
    Arrays [H, W] or [H, W, C] of uint8, uint16, bool or floats in [0, 1] become uint8 (see
    ``as_bytes``), and so do clips [T, H, W, C]. Windows [C, L] are finite numbers of any type.

    Args:
        item: an encoded file or an array.
        channels: 3 gives RGB, gray is repeated; 1 gives luma (ITU-R 601). For both, the alpha
            of a file is laid over white; the meaning of a fourth channel of an array is not
            known, and it is refused. Another number must be what the item has. None leaves a
            file the channels that it has, and an array altogether as it is.
        max_pixels: a larger image is refused, a file before it is decoded.
        detail: a JPEG may come out with its sides divided by 2, 4 or 8, as far as this much is
            left of it; None is the whole of it.
        kind: what the item must be; clips and windows are arrays alone.

    Raises:
        BadItem: with the reason, whatever goes wrong, but for an interruption.

    Example:
        >>> decode(np.array([[0.0, 1.0]]), channels=3).tolist()
        [[[0, 0, 0], [255, 255, 255]]]
    """
    with only_bad_items("not decodable"):
        if isinstance(item, bytes):
            if kind != "image":
                raise BadItem(f"an image file, where an array {ITEM_AXES[kind]} is wanted")
            pixels, alpha = pixels_of(item, max_pixels, detail)
            if alpha and channels in (1, 3):
                pixels = over_white(pixels)
            return pixels if channels is None else _with(pixels, channels)
        return item if channels is None else _of_array(item, channels, max_pixels, kind)


def _of_array(item: np.ndarray, channels: int, max_pixels: int, kind: ItemKind) -> np.ndarray:
    if kind == "window":
        return _window(item, channels)
    if kind == "clip":
        return _clip(item, channels, max_pixels)
    if item.ndim not in _IMAGE_DIMS:
        raise _other(item, "image")
    check_pixels(item.shape[0], item.shape[1], max_pixels)
    if not item.size:
        raise BadItem(f"empty: an array of shape {item.shape}")
    values = item if item.ndim == _IMAGE_DIMS[1] else item[..., None]
    return _with(as_bytes(values), channels)


def _clip(item: np.ndarray, channels: int, max_pixels: int) -> UInt8[np.ndarray, "T H W C"]:
    if item.ndim != 4 or not item.size:
        raise _other(item, "clip")
    frames, height, width, _ = item.shape
    check_pixels(frames * height, width, max_pixels)
    rows = as_bytes(item).reshape(frames * height, width, -1)
    return _with(rows, channels).reshape(frames, height, width, channels)


def _window(item: np.ndarray, channels: int) -> Float32[np.ndarray, "C L"]:
    if item.ndim != 2 or not item.size:
        raise _other(item, "window")
    if len(item) != channels:
        raise BadItem(f"has {len(item)} channels, {channels} are wanted")
    with np.errstate(over="ignore"):
        window = item.astype(np.float32)
    if not np.isfinite(window).all():
        raise BadItem("has NaN, infinity, or a number that float32 cannot hold")
    return window


def _other(item: np.ndarray, kind: ItemKind) -> BadItem:
    return BadItem(f"an array of shape {item.shape}, where {ITEM_AXES[kind]} is wanted")


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
