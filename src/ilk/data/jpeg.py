"""From a JPEG file to its pixels. Axes: H W C pixels.

libjpeg warns in one and the same way of odd headers and of damaged data. Decoding ends here at
its first warning. Oddities that every viewer accepts are then corrected in a copy, which must
decode without any warning: so no damage hides behind an odd header.

Segments and markers are those of ITU-T T.81, annex B.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import simplejpeg
from jaxtyping import UInt8
from PIL import Image

from ilk.core.min_pixels import MinPixels
from ilk.data.colour import in_srgb
from ilk.data.memory import MEMORY, check_pixels
from ilk.data.orientation import orientation, upright, xmp_orientation
from ilk.data.source import BadItem

_SCANS = 16  # of an image; encoders write a dozen at most
_VISITS = 2**30  # of pixels, over all scans, where there are more scans than that
_TRIES = 8  # copies that are decoded
_PADDING = 16  # bytes too many at the end of a scan; more are padding only if all are the same
_REDUCTIONS = (2, 4, 8)  # of a side, which the cosine transform can leave out by itself
_COLOURS = {"Gray": "GRAY", "YCbCr": "RGB", "RGB": "RGB", "CMYK": "CMYK", "YCCK": "CMYK"}
_CHANNELS = {"GRAY": 1, "RGB": 3, "CMYK": 4}

_EOI, _SOS = 0xD9, 0xDA
_APP0, _APP1, _APP2, _APP14, _APP15 = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
_ALONE = frozenset([0x01, *range(0xD0, 0xDA)])  # markers without a length
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL = (0xC0, 0xC1)
_NEXT = re.compile(rb"\xff([^\x00\xff])", re.DOTALL)
_SCAN_END = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])", re.DOTALL)
_TOO_MANY = re.compile(r"(\d+) extraneous bytes before marker 0x(\w\w)")
_EXIF, _XMP, _ICC = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"


class Unusual(Exception):
    """A kind of JPEG that simplejpeg does not read; Pillow may."""


class _Segment(NamedTuple):
    """A marker with what belongs to it, without the data of a scan."""

    marker: int  # its second byte
    start: int  # of the marker
    end: int  # of the segment


def read_jpeg(
    data: bytes, max_pixels: int, detail: MinPixels | None
) -> UInt8[np.ndarray, "H W C"]:
    """Decode a JPEG, upright: gray, or colours as sRGB.

    Args:
        data: the file.
        max_pixels: of a larger image not even the data is looked at.
        detail: pixels may be left out where there are more; None is all of them.

    Raises:
        BadItem: damaged, cut short, too large, or of a great many scans.
        Unusual: see there.
    """
    turn, profile = turn_and_profile(data)
    waiting = [data]
    first = ""
    for attempt in range(_TRIES):
        if not waiting:
            break
        copy = waiting.pop()
        try:
            return _read(copy, max_pixels, detail, turn, profile)
        except ValueError as error:
            message = str(error)
        if attempt == 0:
            waiting.append(_tidied(data))
        else:
            first = first or message
            waiting += _without_padding(copy, message)
    if not any(segment.marker == _SOS for segment in _segments(data)):
        raise BadItem("truncated: a JPEG without a whole header")
    if "Premature end of JPEG" in first:
        raise BadItem("truncated: the JPEG data ends too early")
    raise BadItem(f"damaged: {first}")


def _read(
    data: bytes, max_pixels: int, detail: MinPixels | None, turn: int, profile: bytes
) -> UInt8[np.ndarray, "H W C"]:
    """Decode it if there is nothing to warn of; ValueError if there is."""
    try:
        high, wide, space, _ = simplejpeg.decode_jpeg_header(data)
    except KeyError as error:  # a subsampling without a name
        raise Unusual from error
    height, width = int(high), int(wide)
    check_pixels(height, width, max_pixels)
    many = _starts_of_scans(data) > 1
    if many:
        _check_scans(data, height * width)
    colours = _COLOURS.get(space)
    if colours is None:
        raise Unusual
    by = 1 if detail is None else detail.reduction(height, width, _REDUCTIONS)
    least = (-(-height // by), -(-width // by))
    channels = _CHANNELS[colours]
    size = least[0] * least[1] * channels
    coefficients = 2 * height * width * channels if many else 0
    converted = 6 * size if profile or colours == "CMYK" else 0
    with MEMORY.hold(coefficients + 2 * size + converted, left=size):
        pixels = simplejpeg.decode_jpeg(
            data,
            colours,
            min_height=least[0] if by > 1 else 0,  # 0 is the whole
            min_width=least[1] if by > 1 else 0,
        )
        if converted:
            pixels = _converted(pixels, profile)
        return upright(pixels, turn)


def _converted(
    pixels: UInt8[np.ndarray, "H W C"], profile: bytes
) -> UInt8[np.ndarray, "H W D"]:
    if pixels.shape[2] == 4:  # Adobe stores how much paper is left white, not how much ink
        size = pixels.shape[1::-1]
        image = Image.frombuffer("CMYK", size, pixels, "raw", "CMYK;I", 0, 1)
        return np.array(in_srgb(image, profile).convert("RGB"))
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    changed = in_srgb(image, profile)
    return pixels if changed is image else np.array(changed).reshape(pixels.shape)


def turn_and_profile(data: bytes) -> tuple[int, bytes]:
    """What the segments before the first scan of a JPEG say: orientation and profile."""
    head = data[: data.find(b"\xff\xda")]
    if not (_EXIF in head or _XMP in head or _ICC in head):
        return 1, b""
    turns: list[int | None] = []
    packets: list[int | None] = []
    profile: dict[int, bytes] = {}
    for segment in _segments(data):
        if segment.marker == _SOS:
            break
        body = data[segment.start + 4 : segment.end]
        if segment.marker == _APP1 and body.startswith(_EXIF):
            turns.append(orientation(body[len(_EXIF) :]))
        elif segment.marker == _APP1 and body.startswith(_XMP):
            packets.append(xmp_orientation(body))
        elif segment.marker == _APP2 and body.startswith(_ICC) and len(body) > 14:
            profile.setdefault(body[12], body[14:])
    stated = [turn for turn in (turns[:1] + packets[:1]) if turn]
    return (stated or [1])[0], b"".join(profile[part] for part in sorted(profile))


def _segments(data: bytes) -> Iterator[_Segment]:
    """The segments of a JPEG in order, up to its end; what lies between them is passed over."""
    place, pattern = 2, _NEXT
    while found := pattern.search(data, place):
        start, marker = found.start(), found[1][0]
        size = b"" if marker in _ALONE else data[start + 2 : start + 4]
        place = start + 2 + int.from_bytes(size, "big")
        yield _Segment(marker, start, place)
        if marker == _EOI:
            return
        pattern = _SCAN_END if marker == _SOS else _NEXT


def _starts_of_scans(data: bytes) -> int:
    """How often two bytes may begin a scan: never fewer than there are scans.

    ``bytes.count`` of two bytes takes several times as long.
    """
    codes = np.frombuffer(data, np.uint8)
    marks = np.flatnonzero(codes[:-1] == 0xFF)
    return int(np.count_nonzero(codes[marks + 1] == _SOS))


def _check_scans(data: bytes, pixels: int) -> None:
    """Refuse what takes for ever: every scan goes over the whole image."""
    if data.count(b"\xff\xda") * pixels <= _VISITS:
        return
    scans = sum(segment.marker == _SOS for segment in _segments(data))
    if scans > _SCANS and scans * pixels > _VISITS:
        raise BadItem(f"too large: {scans} scans of {pixels} pixels")


def _tidied(data: bytes) -> bytes:
    """A copy with nothing odd in its header: no stray bytes, no fields without a meaning."""
    segments = list(_segments(data))
    frame = next((each.marker for each in segments if each.marker in _FRAMES), None)
    parts = [b"\xff\xd8"]
    for number, segment in enumerate(segments):
        body = bytearray(data[segment.start : segment.end])
        if _APP0 < segment.marker <= _APP15 and segment.marker != _APP14:
            continue
        if segment.marker == _APP0 and body.startswith(b"JFIF\0", 4):
            body[9:11] = b"\1\1"  # its version
        elif segment.marker == _SOS:
            if frame in _SEQUENTIAL:  # these fields are for progressive scans
                body[-3:] = b"\0\x3f\0"
            after = segments[number + 1].start if number + 1 < len(segments) else len(data)
            body += data[segment.end : after]
        parts.append(bytes(body))
    return b"".join(parts)


def _without_padding(data: bytes, message: str) -> list[bytes]:
    """Copies, each with the bytes too many taken out at another place that the warning fits."""
    found = _TOO_MANY.search(message)
    if not found:
        return []
    count, marker = int(found[1]), int(found[2], 16)
    copies: list[bytes] = []
    scan: _Segment | None = None
    for segment in _segments(data):
        extra = data[segment.start - count : segment.start]
        padding = count <= _PADDING or len(set(extra)) == 1
        if scan and segment.marker == marker and segment.start - count >= scan.end and padding:
            copies.append(data[: segment.start - count] + data[segment.start :])
        scan = segment if segment.marker == _SOS else None
    return copies[::-1]
