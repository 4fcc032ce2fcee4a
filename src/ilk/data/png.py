"""From a PNG file to its pixels. Axes: H W C pixels.

Plain PNG and 16 bits go through OpenCV, which is several times faster than Pillow and keeps all
bits; everything else goes through Pillow. Chunks are those of https://www.w3.org/TR/png-3.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import Image

from ilk.data.colour import in_srgb
from ilk.data.memory import MEMORY, check_pixels
from ilk.data.orientation import orientation, upright, xmp_orientation
from ilk.data.source import BadItem
from ilk.data.values import as_bytes

_MARK = b"\x89PNG\r\n\x1a\n"
_GRAY, _COLOUR, _PALETTE, _GRAY_ALPHA, _COLOUR_ALPHA = 0, 2, 3, 4, 6
_CHANNELS = {_GRAY: 1, _COLOUR: 3, _PALETTE: 4, _GRAY_ALPHA: 2, _COLOUR_ALPHA: 4}
_PIXELS = (b"IHDR", b"IDAT", b"IEND")
_KEPT = frozenset([b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"eXIf", b"acTL"])
_TEXTS = frozenset([b"iTXt", b"tEXt", b"zTXt"])
_XMP = b"XML:com.adobe.xmp\0"
_PROFILE = b"Raw profile type"  # of EXIF or XMP, as ImageMagick wrote it


@dataclass(frozen=True, slots=True)
class PngHeader:
    """What a PNG says of its pixels.

    Args:
        width: of the image.
        height: of the image.
        depth: bits of a sample.
        colour: kind of pixels, as the format numbers them.
        chunks: those that change the meaning of pixels, each the first of its kind.
        turn: orientation, 1 to 8.
        compressed: whether it may have an orientation in compressed text.
    """

    width: int
    height: int
    depth: int
    colour: int
    chunks: dict[bytes, bytes]
    turn: int
    compressed: bool

    @property
    def key(self) -> tuple[int, ...]:
        """The gray or the colour that is see-through, in the samples' own range."""
        if self.colour not in (_GRAY, _COLOUR) or b"tRNS" not in self.chunks:
            return ()
        body, count = self.chunks[b"tRNS"], _CHANNELS[self.colour]
        if len(body) != 2 * count:
            raise BadItem("damaged: the PNG states a see-through colour of another kind")
        return struct.unpack(f">{count}H", body)


def png_header(data: bytes, max_pixels: int) -> PngHeader:
    """Read and check all chunks but the pixels' own content.

    Raises:
        BadItem: a chunk is cut short or damaged, or the image is too large.
    """
    chunks: dict[bytes, bytes] = {}
    turns: dict[str, int | None] = {}
    compressed = False
    for kind, chunk in _chunks(data):
        body = chunk[8:-4]
        if not chunks and (kind != b"IHDR" or len(body) != 13):
            raise BadItem("damaged: the PNG does not begin with its header")
        if kind in _KEPT:
            chunks.setdefault(kind, bytes(body))
        elif kind in _TEXTS:
            start = bytes(body[: len(_XMP) + 2])
            compressed |= start.startswith(_PROFILE) or start == _XMP + b"\1\0"
            if start.startswith(_XMP):
                turns["xmp"] = xmp_orientation(bytes(body))
    turns["exif"] = orientation(chunks.get(b"eXIf", b""))
    width, height, depth, colour = struct.unpack_from(">IIBB", chunks[b"IHDR"])
    check_pixels(height, width, max_pixels)
    if colour not in _CHANNELS:
        raise BadItem(f"damaged: a PNG has no colour type {colour}")
    turn = turns["exif"] or turns.get("xmp") or 1
    return PngHeader(width, height, depth, colour, chunks, turn, compressed)


def read_png(data: bytes, header: PngHeader) -> tuple[UInt8[np.ndarray, "H W C"], bool] | None:
    """Decode it, upright and in sRGB; None for kinds that are better left to Pillow.

    Returns the pixels and whether the last channel is opacity.

    Raises:
        BadItem: its data is damaged.
    """
    deep = header.depth == 16
    plain = header.depth == 8 and header.colour in (_GRAY, _COLOUR) and not header.key
    if header.compressed or b"acTL" in header.chunks or not (deep or plain):
        return None
    channels = _CHANNELS[header.colour] + bool(header.key)
    size = header.width * header.height * channels
    with MEMORY.hold((6 if deep else 3) * size, left=size):
        stored = _stored(data)
        alpha = header.colour in (_GRAY_ALPHA, _COLOUR_ALPHA)
        if header.colour == _GRAY_ALPHA:
            stored = stored[..., ::3]
        pixels = as_bytes(stored)
        if header.key:
            seen = (stored != np.array(header.key, stored.dtype)).any(axis=2, keepdims=True)
            pixels, alpha = np.concatenate([pixels, seen * np.uint8(255)], axis=2), True
        return upright(_converted(pixels, header.chunks.get(b"iCCP")), header.turn), alpha


def _stored(data: bytes) -> UInt8[np.ndarray, "H W C"] | UInt16[np.ndarray, "H W C"]:
    """The samples as they are, the channels in their usual order."""
    # Nothing else reaches libpng: it would print warnings, and apply what is applied here.
    bare = [_MARK, *(chunk for kind, chunk in _chunks(data) if kind in _PIXELS)]
    pixels = cv2.imdecode(np.frombuffer(b"".join(bare), np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise BadItem("damaged: the PNG data cannot be decoded")
    if pixels.ndim == 2:
        return pixels[..., None]
    return cv2.cvtColor(
        pixels, cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    )


def _converted(
    pixels: UInt8[np.ndarray, "H W C"], chunk: bytes | None
) -> UInt8[np.ndarray, "H W C"]:
    """Colours as sRGB; opacity is left as it is."""
    if chunk is None or pixels.shape[2] == 2:
        return pixels
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    changed = in_srgb(image, _profile(chunk))
    return pixels if changed is image else np.array(changed).reshape(pixels.shape)


def _profile(chunk: bytes) -> bytes:
    """The profile of an iCCP chunk; empty where it is damaged or larger than any is."""
    packed = chunk.partition(b"\0")[2]
    try:
        return zlib.decompressobj().decompress(packed[1:], 2**22)
    except zlib.error:
        return b""


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """The chunks of a PNG, whole, each against its CRC, up to the last."""
    view, start, kind = memoryview(data), len(_MARK), b""
    while kind != b"IEND":
        head = data[start : start + 8]
        size, kind = int.from_bytes(head[:4], "big"), head[4:]
        end = start + 12 + size
        if len(head) < 8 or end > len(data):
            raise BadItem("truncated: the PNG ends before its last chunk")
        body = view[start + 4 : end - 4]
        if zlib.crc32(body) != int.from_bytes(data[end - 4 : end], "big"):
            raise BadItem(f"damaged: PNG chunk {kind.decode('latin-1')!r} has a wrong checksum")
        yield kind, view[start:end]
        start = end
