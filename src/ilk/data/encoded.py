"""From an encoded file to its pixels as they are stored. Axes: H W C pixels.

JPEG goes through simplejpeg, plain and 16-bit PNG through OpenCV, which are several times
faster than Pillow; everything else goes through Pillow.
"""

import io
import logging
import struct
import warnings

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from ilk.core.min_pixels import MinPixels
from ilk.data.colour import in_srgb
from ilk.data.formats import format_of
from ilk.data.jpeg import Unusual, read_jpeg
from ilk.data.memory import MEMORY, check_pixels
from ilk.data.orientation import ORIENTATION, upright
from ilk.data.png import PngHeader, png_header, read_png
from ilk.data.source import BadItem
from ilk.data.tiff import check_tiff, finished, needs_bands, read_bands, tiff_turn, tile_pixels
from ilk.data.values import as_bytes

_STRIP = 2**20  # pixels that are converted at a time
_CORE = {"1": 1, "L": 1, "P": 1, "I;16": 2}  # bytes of a pixel in Pillow; of other modes 4
# Bytes of a pixel that a decoder takes beside, at most.
_WORK = {"JPEG2000": 16, "AVIF": 16, "WEBP": 16, "TIFF": 8, "PPM": 8, "GIF": 8, "JPEG": 8}
_LARGE_TIFF = b"MM\0+"  # of 64-bit offsets, in the byte order that Pillow does not read
_ICON = 1024  # pixels of a side, at most

# Pillow reports oddities of headers as warnings and log lines; what matters becomes a reason.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())


def pixels_of(
    data: bytes, max_pixels: int, detail: MinPixels | None = None
) -> tuple[UInt8[np.ndarray, "H W C"], bool]:
    """Decode a file, upright, in gray or sRGB, with the channels that it has.

    Returns the pixels and whether the last channel is opacity.

    Args:
        data: the file.
        max_pixels: an image whose header states more is refused before it is decoded.
        detail: of a JPEG that has more, pixels may be left out; None is all of them.

    Raises:
        BadItem: empty, cut short, damaged, too large or no image. Decoders raise other errors
            as well; ``decode`` knows them all.
    """
    if not data:
        raise BadItem("empty: zero bytes")
    kind, header = format_of(data), None
    if kind == "JPEG":
        try:
            return read_jpeg(data, max_pixels, detail), False
        except Unusual:
            pass
    elif kind == "PNG":
        header = png_header(data, max_pixels)
        done = read_png(data, header)
        if done is not None:
            return done
    elif kind == "ICO":
        _check_icons(data)
    return _by_pillow(data, kind, max_pixels, header)


def stored(image: Image.Image) -> tuple[UInt8[np.ndarray, "H W C"], bool]:
    """The pixels of a Pillow image, and whether the last channel is opacity.

    Gray has 1 channel, gray with alpha 2, colour 3, colour with alpha 4. 1-bit becomes 0 and
    255; palettes, CMYK, YCbCr and HSV become RGB as Pillow does it, colours of a profile become
    sRGB; 16-bit gray is divided by 257 and rounded; floats must lie in [0, 1].

    Raises:
        BadItem: a mode without a stated range or without a conversion.
    """
    if image.mode == "I" and image.format in ("PNG", "PPM"):  # of 16 bits in Pillow
        return as_bytes(np.array(image, np.uint16)[..., None]), False
    if image.mode.startswith("I;16") or image.mode in ("F", "I"):
        values = np.asarray(image)[..., None]
        return finished(image, values) if image.format == "TIFF" else as_bytes(values), False
    mode = _target(image)
    channels = Image.getmodebands(mode)
    pixels = np.empty((image.height, image.width, channels), np.uint8)
    rows = max(_STRIP // max(image.width, 1), 1)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        whole = rows >= image.height
        part = image if whole else image.crop((0, top, image.width, bottom))
        pixels[top:bottom] = _strip(part, mode).reshape(-1, image.width, channels)
    return pixels, mode in ("LA", "RGBA")


def _target(image: Image.Image) -> str:
    """The mode that holds the pixels of an image."""
    clear = "transparency" in image.info and image.mode in ("1", "L", "P", "RGB")
    lucid = image.mode == "P" and image.palette is not None and image.palette.mode == "RGBA"
    if clear or lucid or image.mode in ("PA", "RGBa", "RGBA"):
        return "RGBA"
    if image.mode in ("La", "LA"):
        return "LA"
    if image.mode in ("1", "L"):
        return "L"
    if image.mode in ("P", "CMYK", "YCbCr", "HSV", "RGBX", "RGB"):
        return "RGB"
    raise BadItem(f"colour mode {image.mode} is not supported")


def _strip(image: Image.Image, mode: str) -> np.ndarray:
    """Convert some rows, first to a mode that a profile can be for."""
    profile = image.info.get("icc_profile")
    if image.mode not in ("CMYK", mode):
        image = image.convert(mode)
    changed = in_srgb(image, profile)
    return np.asarray(changed if changed.mode == mode else changed.convert(mode))


def _by_pillow(
    data: bytes, kind: str, max_pixels: int, header: PngHeader | None
) -> tuple[UInt8[np.ndarray, "H W C"], bool]:
    if data.startswith(_LARGE_TIFF):
        return read_bands(data, max_pixels)
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            check_pixels(image.height, image.width, max_pixels)
            if kind == "TIFF":
                check_tiff(image)
            if kind != "TIFF" or not needs_bands(image):
                return _loaded(image, kind, header)
    except UnidentifiedImageError as error:
        if kind != "TIFF":
            raise BadItem(f"damaged: {kind} without a whole header") from error
    return read_bands(data, max_pixels)


def _loaded(
    image: Image.Image, kind: str, header: PngHeader | None
) -> tuple[UInt8[np.ndarray, "H W C"], bool]:
    size = image.width * image.height
    channels = {"1": 1, "L": 1, "P": 4, "CMYK": 3}.get(image.mode, len(image.getbands()))
    tile = 8 * tile_pixels(image) if kind == "TIFF" else 0
    each = _CORE.get(image.mode, 4) + _WORK.get(kind, 0) + 2 * channels
    with MEMORY.hold(size * each + tile, left=size * channels):
        image.load()
        if header and header.key and header.depth in (2, 4):  # Pillow has stretched the grays
            image.info["transparency"] = header.key[0] * 255 // (2**header.depth - 1)
        pixels, alpha = stored(image)
        return upright(pixels, _turn(image, kind, header)), alpha


def _turn(image: Image.Image, kind: str, header: PngHeader | None) -> int:
    if kind == "TIFF":
        return tiff_turn(image)
    if header and not header.compressed:
        return header.turn
    turn = image.getexif().get(ORIENTATION, 1)  # XMP is looked at too
    return turn if turn in range(1, 9) else 1


def _check_icons(data: bytes) -> None:
    """Refuse an icon whose images are larger than any icon is: its directory may lie."""
    (count,) = struct.unpack_from("<H", data, 4)
    for entry in range(count):
        (start,) = struct.unpack_from("<I", data, 6 + 16 * entry + 12)
        head = data[start : start + 24]
        form = ">II" if head.startswith(b"\x89PNG") else "<ii"
        width, height = struct.unpack_from(form, head, 16 if form == ">II" else 4)
        if not (0 < width <= _ICON and 0 < height <= 2 * _ICON):
            raise BadItem(f"too large: an icon of {width} x {height} pixels")
