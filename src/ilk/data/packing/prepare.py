"""From an item of a source to the image that is packed. Axes: H W C pixels."""

import io
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg
from jaxtyping import UInt8
from PIL import Image

from ilk.core.errors import UserError
from ilk.data.decode import decode
from ilk.data.encoded import pixels_of
from ilk.data.formats import format_of
from ilk.data.memory import MAX_PIXELS
from ilk.data.packing.remarks import KEPT, OPACITY, OPAQUE, UNFIT, remarks
from ilk.data.source import BadItem, only_bad_items

_CHANNELS = (1, 3)
_LONGEST = {"jpeg": 65_500, "webp": 16_383}  # pixels of a side
_QUICK = ("JPEG", "WEBP")  # formats that are as quick to decode as what would be made of them
_OPAQUE = 255
_EFFORT = 2  # of lossless WebP, 0 to 6; more makes files a few per cent smaller


@dataclass(frozen=True, kw_only=True, slots=True)
class Packing:
    """How images are made ready.

    Args:
        shorter_side: pixels; a larger image is made smaller, and no image is made larger.
        format: ``jpeg``, or ``webp`` without any loss.
        quality: that of JPEG, 1 to 100.

    Raises:
        UserError: a number is out of its range.
    """

    shorter_side: int = 512
    format: str = "jpeg"
    quality: int = 90

    def __post_init__(self) -> None:
        if self.shorter_side < 1:
            raise UserError(f"shorter_side: must be 1 or more, got {self.shorter_side}")
        if not 1 <= self.quality <= 100:
            raise UserError(f"quality: must be 1 to 100, got {self.quality}")
        if self.format not in _LONGEST:
            raise UserError(f"format: must be jpeg or webp, got {self.format!r}")


@dataclass(frozen=True, slots=True)
class Prepared:
    """An image that is ready.

    Args:
        data: the file.
        ending: the end of its name, such as ``jpg``.
        height: the original's, upright.
        width: likewise.
        remarks: keys of ``ilk.data.packing.WORDS``.
    """

    data: bytes
    ending: str
    height: int
    width: int
    remarks: frozenset[str]


def prepared(item: bytes | np.ndarray, packing: Packing) -> Prepared:
    """Make an image ready: upright, in sRGB, no larger than asked for.

    A JPEG or WebP that is small enough and needs no change is kept byte for byte, so that it
    does not lose twice. Opacity is kept in WebP. What neither format holds, such as seven
    bands, is kept as it is.

    Args:
        item: an encoded file, or an array [H, W] or [H, W, C].
        packing: how.

    Raises:
        BadItem: it cannot be read, or is an array that no format holds.
    """
    with only_bad_items("not decodable"):
        pixels, alpha, kind, found = _decoded(item)
        size = height, width = pixels.shape[:2]
        if not _holds(pixels.shape, packing, alpha=alpha):
            return _as_it_is(item, kind, size, found | {UNFIT})
        small = shrunk(pixels, packing.shorter_side, alpha=alpha)
        if alpha and small[..., -1].min() == _OPAQUE:
            small, alpha, found = small[..., :-1], False, found | {OPAQUE}
        if kind in _QUICK and small.shape[:2] == size and not found:
            return _as_it_is(item, kind, size, frozenset([KEPT]))
        made = "webp" if alpha else packing.format
        if alpha and packing.format == "jpeg":
            found |= {OPACITY}
        data = _webp(small, packing) if made == "webp" else _jpeg(small, packing.quality)
        return Prepared(data, "webp" if made == "webp" else "jpg", height, width, found)


def shrunk(
    pixels: UInt8[np.ndarray, "H W C"], shorter_side: int, *, alpha: bool = False
) -> UInt8[np.ndarray, "h w C"]:
    """An image whose shorter side has so many pixels; a smaller one stays as it is.

    Each new pixel is the mean of the area that it covers.

    Args:
        pixels: the image.
        shorter_side: in pixels.
        alpha: whether the last channel is opacity, by which colours are weighted.

    Example:
        >>> shrunk(np.zeros((100, 300, 3), np.uint8), 50).shape
        (50, 150, 3)
    """
    height, width, channels = pixels.shape
    side = min(height, width)
    if side <= shorter_side:
        return pixels
    size = (round(width * shorter_side / side), round(height * shorter_side / side))
    if not alpha:
        small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        return small.reshape(size[1], size[0], channels)
    opacity = pixels[..., -1:].astype(np.uint16)
    weighted = np.concatenate([pixels[..., :-1] * opacity, opacity * 255], axis=2)
    mean = cv2.resize(weighted, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    colours = mean[..., :-1] * 255 / np.maximum(mean[..., -1:], 1)
    joined = np.concatenate([colours, mean[..., -1:] / 255], axis=2)
    return np.clip(np.rint(joined), 0, 255).astype(np.uint8)


def _holds(shape: tuple[int, ...], packing: Packing, *, alpha: bool) -> bool:
    """Whether a format holds an image, once it is small."""
    height, width, channels = shape
    longer = max(height, width) * min(packing.shorter_side / min(height, width), 1)
    made = "webp" if alpha else packing.format
    return (alpha or channels in _CHANNELS) and longer <= _LONGEST[made]


def _decoded(
    item: bytes | np.ndarray,
) -> tuple[UInt8[np.ndarray, "H W C"], bool, str, frozenset[str]]:
    """Pixels, whether the last channel is opacity, the format and remarks."""
    if isinstance(item, bytes):
        pixels, alpha = pixels_of(item, MAX_PIXELS)
        kind = format_of(item)
        return pixels, alpha, kind, remarks(item, kind)
    channels = item.shape[2] if item.ndim == 3 else 1
    return decode(item, channels=channels), False, "", frozenset()


def _as_it_is(
    item: bytes | np.ndarray, kind: str, size: tuple[int, int], found: frozenset[str]
) -> Prepared:
    if not isinstance(item, bytes):
        shape = " x ".join(map(str, item.shape))
        raise BadItem(f"an array of {shape}, which neither JPEG nor WebP holds")
    ending = {"JPEG": "jpg", "JPEG2000": "jp2"}.get(kind, kind.lower())
    return Prepared(item, ending, *size, found)


def _jpeg(pixels: UInt8[np.ndarray, "H W C"], quality: int) -> bytes:
    grey = pixels.shape[2] == 1
    return simplejpeg.encode_jpeg(
        np.ascontiguousarray(pixels),
        quality,
        "GRAY" if grey else "RGB",
        "Gray" if grey else "420",
    )


def _webp(pixels: UInt8[np.ndarray, "H W C"], packing: Packing) -> bytes:
    """Without loss, or, where JPEG was asked for and cannot hold it, with its quality."""
    if pixels.shape[2] < 3:
        opacity = [pixels[..., -1:]] if pixels.shape[2] == 2 else []
        pixels = np.concatenate([pixels[..., :1]] * 3 + opacity, axis=2)
    file = io.BytesIO()
    options = (
        {"lossless": True, "quality": 50, "method": _EFFORT, "exact": True}
        if packing.format == "webp"
        else {"quality": packing.quality, "alpha_quality": 100}
    )
    Image.fromarray(pixels).save(file, "WEBP", **options)
    return file.getvalue()
