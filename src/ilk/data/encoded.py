"""From an encoded file to its pixels as they are stored. Axes: H W C pixels.

JPEG goes through simplejpeg and plain PNG through OpenCV, which are several times faster than
Pillow; everything else goes through Pillow.
"""

import io
import logging
import struct
import warnings
import zlib
from collections.abc import Iterator
from functools import partial

import cv2
import numpy as np
import simplejpeg
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from ilk.core.detail import Detail
from ilk.data.source import BadItem
from ilk.data.values import as_bytes

MAX_PIXELS = 178_956_970  # above it Pillow refuses too, whatever is asked for

_PNG = b"\x89PNG\r\n\x1a\n"
_PLAIN = frozenset(b"IHDR IDAT IEND pHYs tIME tEXt zTXt iTXt sRGB gAMA cHRM sBIT".split())
_REDUCTIONS = (2, 4, 8)  # of a side, which the cosine transform can leave out by itself
_ORIENTATION = 0x0112  # EXIF tag; 1 is upright, 2 to 8 are flips and quarter turns

# Pillow reports oddities of headers as warnings and log lines; what matters becomes a reason.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())


def pixels_of(
    data: bytes, max_pixels: int, detail: Detail | None = None
) -> tuple[UInt8[np.ndarray, "H W C"], bool]:
    """Decode a file, upright, with the channels that it has.

    Returns the pixels and whether the last channel is opacity.

    Args:
        data: the file.
        max_pixels: a picture whose header states more is refused before it is decoded.
        detail: of a JPEG that has more, pixels may be left out; None is all of them.

    Raises:
        BadItem: empty, cut short, damaged, too large or no image.
    """
    if not data:
        raise BadItem("empty: zero bytes")
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data, max_pixels, detail), False
    if data.startswith(_PNG) and _is_plain_png(data, max_pixels):
        return _png(data), False
    return _other(data, max_pixels)


def stored(image: Image.Image) -> tuple[UInt8[np.ndarray, "H W C"], bool]:
    """The pixels of a Pillow image, and whether the last channel is opacity.

    Gray has 1 channel, gray with alpha 2, colour 3, colour with alpha 4. 1-bit becomes 0 and
    255; palettes, CMYK, YCbCr and HSV become RGB as Pillow does it; 16-bit gray is divided by
    257 and rounded; floats must lie in [0, 1].

    Raises:
        BadItem: a mode without a stated range or without a conversion.
    """
    if "transparency" in image.info and image.mode in ("1", "L", "P", "RGB"):
        image = image.convert("RGBA")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode in ("P", "CMYK", "YCbCr", "HSV", "RGBX"):
        image = image.convert("RGB")
    elif image.mode in ("PA", "RGBa", "La"):
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    if image.mode == "I" and image.format == "PNG":  # Pillow 10 reads 16-bit gray as 32-bit
        return as_bytes(np.array(image, np.uint16)[..., None]), False
    if image.mode.startswith("I;16") or image.mode in ("F", "I"):
        return as_bytes(np.array(image)[..., None]), False
    if image.mode not in ("L", "LA", "RGB", "RGBA"):
        raise BadItem(f"colour mode {image.mode} is not supported")
    pixels = np.array(image)
    return pixels.reshape(*pixels.shape[:2], -1), image.mode in ("LA", "RGBA")


def orientation(tiff: bytes) -> int:
    """The EXIF orientation, 1 to 8, in a block of EXIF; 1 where it says nothing legible."""
    try:
        order = {b"II": "<", b"MM": ">"}[tiff[:2]]
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for entry in range(count):
            tag, kind, _, value = struct.unpack_from(
                f"{order}HHIH", tiff, start + 2 + 12 * entry
            )
            if tag == _ORIENTATION:
                return value if kind == 3 and 1 <= value <= 8 else 1
    except (KeyError, struct.error):
        pass
    return 1


def upright(pixels: UInt8[np.ndarray, "H W C"], turn: int) -> UInt8[np.ndarray, "h w C"]:
    """Undo an EXIF orientation (CIPA DC-008, tag 274)."""
    if turn >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if turn in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if turn in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def check_pixels(height: int, width: int, max_pixels: int) -> None:
    """Refuse a picture that is larger than it may be."""
    if height * width > max_pixels:
        raise BadItem(f"too large: {width} x {height} pixels, at most {max_pixels}")


def _jpeg(data: bytes, max_pixels: int, detail: Detail | None) -> np.ndarray:
    try:
        high, wide, space, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:  # an unusual subsampling, or no header at all
        return _other(data, max_pixels)[0]
    height, width = int(high), int(wide)
    check_pixels(height, width, max_pixels)
    if space not in ("Gray", "YCbCr", "RGB"):
        return _other(data, max_pixels)[0]
    colours = "GRAY" if space == "Gray" else "RGB"
    by = 1 if detail is None else detail.spared(height, width, _REDUCTIONS)
    least = (-(-height // by), -(-width // by)) if by > 1 else (0, 0)  # 0 is the whole
    read = partial(
        simplejpeg.decode_jpeg, data, colours, min_height=least[0], min_width=least[1]
    )
    try:
        pixels = read()
    except ValueError as error:
        if "Premature end" in str(error):
            raise BadItem("truncated: the JPEG data ends too early") from error
        if "extraneous bytes" not in str(error):  # padding that some cameras write
            raise BadItem(f"damaged: {error}") from error
        pixels = read(strict=False)
    return upright(pixels, _jpeg_orientation(data))


def _jpeg_orientation(data: bytes) -> int:
    """Look for EXIF among the segments before the first scan."""
    start = 2
    while start + 4 <= len(data) and data[start] == 0xFF and data[start + 1] != 0xDA:
        size = int.from_bytes(data[start + 2 : start + 4], "big")
        if data[start + 1] == 0xE1 and data[start + 4 : start + 10] == b"Exif\0\0":
            return orientation(data[start + 10 : start + 2 + size])
        start += 2 + size
    return 1


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG, each against its CRC, up to the last."""
    start, kind = len(_PNG), b""
    while kind != b"IEND":
        head = data[start : start + 8]
        size, kind = int.from_bytes(head[:4], "big"), head[4:]
        end = start + 12 + size
        if len(head) < 8 or end > len(data):
            raise BadItem("truncated: the PNG ends before its last chunk")
        body = data[start + 4 : end - 4]
        if zlib.crc32(body) != int.from_bytes(data[end - 4 : end], "big"):
            raise BadItem(f"damaged: PNG chunk {kind.decode('latin-1')!r} has a wrong checksum")
        yield kind, body[4:]
        start = end


def _is_plain_png(data: bytes, max_pixels: int) -> bool:
    """Check a PNG; whether it is 8-bit gray or colour with nothing that alters its pixels."""
    chunks = list(_chunks(data))
    kind, header = chunks[0]
    if kind != b"IHDR" or len(header) != 13:
        raise BadItem("damaged: the PNG does not begin with its header")
    width, height, depth, colour = struct.unpack_from(">IIBB", header)
    check_pixels(height, width, max_pixels)
    return depth == 8 and colour in (0, 2) and {kind for kind, _ in chunks} <= _PLAIN


def _png(data: bytes) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise BadItem("damaged: the PNG data cannot be decoded")
    if pixels.ndim == 2:
        return pixels[..., None]
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def _other(data: bytes, max_pixels: int) -> tuple[np.ndarray, bool]:
    try:
        with Image.open(io.BytesIO(data)) as image:
            check_pixels(image.height, image.width, max_pixels)
            image.load()
            pixels, alpha = stored(image)
            return upright(pixels, _pillow_orientation(image)), alpha
    except BadItem:
        raise
    except UnidentifiedImageError as error:
        if data[:4] in (b"II*\0", b"MM\0*"):
            return _bands(data, max_pixels), False
        raise BadItem(_unknown(data)) from error
    except Image.DecompressionBombError as error:
        raise BadItem(f"too large: {error}") from error
    except MemoryError:
        raise
    except Exception as error:
        cut = "truncated" in str(error).lower()
        raise BadItem(f"{'truncated' if cut else 'not decodable'}: {error}") from error


def _unknown(data: bytes) -> str:
    if data.startswith(b"\xff\xd8\xff"):
        return "truncated: a JPEG without a whole header"
    if not any(data):
        return "not an image: nothing but zeros"
    return f"not an image: begins with {data[:8]!r}"


def _pillow_orientation(image: Image.Image) -> int:
    if image.format == "TIFF":
        turn = image.tag_v2.get(_ORIENTATION, 1)  # pyright: ignore[reportAttributeAccessIssue]
        return turn if turn in range(1, 9) else 1
    block: bytes = image.info.get("exif", b"")
    return orientation(block.removeprefix(b"Exif\0\0"))


def _bands(data: bytes, max_pixels: int) -> np.ndarray:
    """A TIFF of more bands or other numbers than Pillow takes, if tifffile is installed."""
    try:
        import tifffile
    except ImportError as error:
        raise BadItem("a TIFF that Pillow cannot read; pip install tifffile") from error
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = file.pages.first
            check_pixels(page.imagelength, page.imagewidth, max_pixels)
            pixels = page.asarray()
            if page.axes == "SYX":
                pixels = pixels.transpose(1, 2, 0)
    except BadItem:
        raise
    except Exception as error:
        raise BadItem(f"not decodable: {error}") from error
    return as_bytes(pixels.reshape(*pixels.shape[:2], -1))
