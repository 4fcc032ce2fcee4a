"""What the tags of a TIFF say of its values, and TIFFs that Pillow cannot read.

Tags are those of TIFF 6.0; values of a meaning that is not read are refused by name.
Axes: H W C pixels.
"""

import io
import logging
import math
import zlib
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from ilk.data.memory import MEMORY, check_pixels
from ilk.data.orientation import ORIENTATION, upright, xmp_orientation
from ilk.data.source import BadItem
from ilk.data.values import as_bytes

_BITS, _PACKING, _PHOTOMETRIC, _PLANAR, _XMP = 258, 259, 262, 284, 700
_TILE_SIDES, _INKS, _EXTRA, _FORMAT = (322, 323), 332, 338, 339
_WHITE, _BLACK, _RGB, _PALETTE, _INK, _YCBCR = 0, 1, 2, 3, 5, 6
_READ = (_WHITE, _BLACK, _RGB, _PALETTE, _INK, _YCBCR)
_MEANINGS = {4: "mask", 8: "CIELab", 9: "ICCLab", 10: "ITULab", 32803: "CFA"}
_SIGNED, _COMPLEX = 2, (5, 6)
_ASSOCIATED, _STRAIGHT = 1, 2  # kinds of opacity
_COLOURS = {_WHITE: 1, _BLACK: 1, _RGB: 3}  # channels before the extra ones
_RAW, _LZW, _PACKED, _DEFLATE = 1, 5, 32773, (8, 32946)

logging.getLogger("tifffile").addHandler(logging.NullHandler())


def check_tiff(image: Image.Image) -> None:
    """Refuse a TIFF whose values mean what is not read, as Pillow opened it.

    Raises:
        BadItem: naming the meaning.
    """
    tags: Any = image.tag_v2  # pyright: ignore[reportAttributeAccessIssue]
    _check(tags.get(_PHOTOMETRIC, _WHITE), _numbers(tags.get(_FORMAT, 1)))
    if tags.get(_PHOTOMETRIC) == _INK and tags.get(_INKS, 1) != 1:
        raise BadItem("inks other than cyan, magenta, yellow and black are not read")


def needs_bands(image: Image.Image) -> bool:
    """Whether Pillow takes its values wrongly.

    These are 16 bits in planes of one channel each, and packed floats of the other byte order.
    """
    tags: Any = image.tag_v2  # pyright: ignore[reportAttributeAccessIssue]
    deep = max(_numbers(tags.get(_BITS, 1))) > 8
    packed = tags.prefix == b"MM" and tags.get(_PACKING, _RAW) != _RAW
    return deep and (tags.get(_PLANAR, 1) == 2 or (packed and image.mode == "F"))


def tile_pixels(image: Image.Image) -> int:
    """Pixels of one tile, 0 where there are none; a tile may be larger than the image."""
    tags: Any = image.tag_v2  # pyright: ignore[reportAttributeAccessIssue]
    return math.prod(int(tags.get(tag, 0)) for tag in _TILE_SIDES)


def tiff_turn(image: Image.Image) -> int:
    """The orientation, 1 to 8, by the tag or else by XMP."""
    tags: Any = image.tag_v2  # pyright: ignore[reportAttributeAccessIssue]
    turn, packet = tags.get(ORIENTATION), tags.get(_XMP)
    if turn is None and isinstance(packet, bytes):
        turn = xmp_orientation(packet)
    return turn if isinstance(turn, int) and 1 <= turn <= 8 else 1


def finished(image: Image.Image, values: np.ndarray) -> UInt8[np.ndarray, "H W 1"]:
    """Gray of more than 8 bits, or floats, as bytes that grow with the light.

    Args:
        image: as Pillow opened it.
        values: as Pillow read them.
    """
    tags: Any = image.tag_v2  # pyright: ignore[reportAttributeAccessIssue]
    bits = max(_numbers(tags.get(_BITS, 1)))
    most = 2**bits - 1 if bits < 16 else None
    pixels = as_bytes(values, most)
    return 255 - pixels if tags.get(_PHOTOMETRIC, _WHITE) == _WHITE else pixels


def read_bands(data: bytes, max_pixels: int) -> tuple[UInt8[np.ndarray, "H W C"], bool]:
    """A TIFF of more bands or other numbers than Pillow takes, if tifffile is installed.

    Returns the pixels, upright, and whether the last channel is opacity.

    Raises:
        BadItem: with the reason.
    """
    try:
        import tifffile
    except ImportError as error:
        raise BadItem("a TIFF that Pillow cannot read; pip install tifffile") from error
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page: Any = file.pages.first
        check_pixels(page.imagelength, page.imagewidth, max_pixels)
        _check_page(page)
        values = page.imagelength * page.imagewidth * page.samplesperpixel
        tile = page.tilelength * page.tilewidth * page.samplesperpixel if page.is_tiled else 0
        size = (values + tile) * page.dtype.itemsize
        with MEMORY.hold(2 * size + 2 * values, left=values):
            _check_segments(page, data, size)
            pixels, alpha = _meant(page, _bands(page))
            tag = page.tags.get(ORIENTATION)
            turn = tag.value if tag is not None and tag.value in range(1, 9) else 1
            return upright(pixels, turn), alpha


def _check_page(page: Any) -> None:
    _check(int(page.photometric), [int(page.sampleformat)])
    if page.photometric not in _COLOURS or page.dtype is None or page.imagedepth != 1:
        raise BadItem(
            f"a TIFF of {page.bitspersample} bits, photometric interpretation "
            f"{int(page.photometric)} and {page.samplesperpixel} samples is not read"
        )
    if int(page.compression) not in (_RAW, _LZW, _PACKED, *_DEFLATE):
        raise BadItem(f"TIFF compression {int(page.compression)} is not read")


def _check_segments(page: Any, data: bytes, most: int) -> None:
    """Refuse strips and tiles that are not there, or hold more than the whole image."""
    for start, size in zip(page.dataoffsets, page.databytecounts, strict=True):
        if not size or start + size > len(data):
            raise BadItem("truncated: the TIFF ends before its pixels")
        if int(page.compression) in _DEFLATE:
            unpacked = zlib.decompressobj().decompress(data[start : start + size], most + 1)
            if len(unpacked) > most:
                raise BadItem("damaged: the TIFF holds more than its pixels")


def _numbers(values: Any) -> list[int]:
    return [int(value) for value in (values if isinstance(values, tuple) else (values,))]


def _check(photometric: int, formats: list[int]) -> None:
    if photometric not in _READ:
        name = _MEANINGS.get(photometric, "unknown")
        raise BadItem(f"TIFF photometric interpretation {photometric} ({name}) is not read")
    if _SIGNED in formats:
        raise BadItem("signed numbers have no stated range; use uint8 or uint16")
    if set(formats) & set(_COMPLEX):
        raise BadItem("complex numbers are no pixels")


def _bands(page: Any) -> UInt8[np.ndarray, "H W C"]:
    values = page.asarray(maxworkers=1)
    if page.axes == "SYX":
        values = values.transpose(1, 2, 0)
    elif page.axes not in ("YX", "YXS"):
        raise BadItem(f"a TIFF of axes {page.axes} is not read")
    bits = int(page.bitspersample)
    most = 2**bits - 1 if values.dtype == np.uint16 and bits < 16 else None
    return np.array(as_bytes(values.reshape(*values.shape[:2], -1), most))


def _meant(
    page: Any, pixels: UInt8[np.ndarray, "H W C"]
) -> tuple[UInt8[np.ndarray, "H W C"], bool]:
    """Bands as the tags mean them, and whether the last is opacity."""
    if page.photometric == _WHITE:
        pixels[..., 0] = 255 - pixels[..., 0]
    extra = [int(kind) for kind in page.extrasamples]
    if pixels.shape[2] != _COLOURS[int(page.photometric)] + 1 or not extra:
        return pixels, False
    if extra[0] == _ASSOCIATED:  # colours were multiplied by opacity
        opacity = np.maximum(pixels[..., -1:], 1).astype(np.uint16)
        straight = (pixels[..., :-1].astype(np.uint16) * 255 + opacity // 2) // opacity
        pixels[..., :-1] = np.minimum(straight, 255)
    return pixels, extra[0] in (_ASSOCIATED, _STRAIGHT)
