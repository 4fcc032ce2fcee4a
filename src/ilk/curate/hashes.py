"""What tells whether two images are copies: digests, a perceptual hash, a small image.

Axes: N images, H W C pixels, S pixels of a side, B bits.
"""

from dataclasses import dataclass
from hashlib import blake2b

import cv2
import numpy as np
from jaxtyping import UInt8, UInt64

from ilk.core import MinPixels
from ilk.data import decode
from ilk.embedding.batches import content_of

SIDE = 48  # pixels of the small gray image by which pairs are verified
GRID = 32  # pixels of a side that the hash is computed from
BITS = 8  # frequencies each way; 64 bits of which that of the mean is always 0
FLAT = 2.0  # standard deviation, of 255, below which an image has no structure to compare
TURNS = 8
DETAIL = MinPixels((4 * SIDE) ** 2, 4 * SIDE)  # of a large JPEG, for hash and small image
_LINE = 128  # pixels of a side in which borders are looked for
_PLAIN = 3.0  # standard deviation of a line, of 255, that belongs to a border
_LEFT = 4  # a border leaves at least this share of a side, as 1 / _LEFT


@dataclass(frozen=True, slots=True)
class Appearance:
    """What is kept of an image.

    Args:
        content: a digest of the bytes, as tables of embeddings have it.
        pixels: a digest of the pixels, upright, in sRGB; metadata do not enter.
        whole: the perceptual hash of the whole image; 0 if it has no structure.
        inner: the hash without a border of one colour; that of the whole if there is none.
        size: width and height, upright, in pixels.
        small: gray, in 48 x 48 pixels of which each is a mean.
    """

    content: int
    pixels: int
    whole: int
    inner: int
    size: tuple[int, int]
    small: UInt8[np.ndarray, "S S"]


def appearance(item: bytes | np.ndarray) -> Appearance:
    """Look at an image.

    Args:
        item: an encoded file or an array.

    Raises:
        BadItem: it cannot be decoded.
    """
    pixels = decode(item, channels=3)
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    inside = without_border(gray)
    whole = perceptual_hash(gray)
    return Appearance(
        content=content_of(item),
        pixels=_digest(pixels),
        whole=whole,
        inner=whole if inside.shape == gray.shape else perceptual_hash(inside),
        size=(pixels.shape[1], pixels.shape[0]),
        small=cv2.resize(gray, (SIDE, SIDE), interpolation=cv2.INTER_AREA),
    )


def perceptual_hash(gray: UInt8[np.ndarray, "H W"]) -> int:
    """64 bits: the signs of the lowest 8 x 8 frequencies of a cosine transform.

    As in pHash (Zauner, 2010), but with the signs themselves rather than a comparison with
    their median, so that flips and quarter turns change known bits: see `turned`. Brightness
    and contrast change none.

    Example:
        >>> ramp = np.arange(64, dtype=np.uint8).reshape(8, 8)
        >>> perceptual_hash(ramp) == perceptual_hash(2 * ramp + 7)
        True
    """
    grid = cv2.resize(gray, (GRID, GRID), interpolation=cv2.INTER_AREA).astype(np.float32)
    if grid.std() < FLAT:
        return 0
    signs = cv2.dct(grid - grid.mean())[:BITS, :BITS] > 0
    signs[0, 0] = False
    return int(np.packbits(signs).view(np.uint64)[0])


def turned(hashes: UInt64[np.ndarray, " N"], turn: int) -> UInt64[np.ndarray, " N"]:
    """The hashes that images have once they are turned, see `turn_pixels`.

    Args:
        hashes: those of upright images.
        turn: 0 to 7.
    """
    bits = np.unpackbits(hashes.view(np.uint8).reshape(-1, 8), axis=1).reshape(-1, BITS, BITS)
    if turn & 4:
        bits = bits.transpose(0, 2, 1)
    odd = (np.arange(BITS) % 2).astype(np.uint8)
    if turn & 2:
        bits = bits ^ odd[None, None, :]
    if turn & 1:
        bits = bits ^ odd[None, :, None]
    packed = np.packbits(np.ascontiguousarray(bits).reshape(-1, 64), axis=1).view(np.uint64)
    return np.where(hashes == 0, np.uint64(0), packed.ravel())


def turn_pixels(image: np.ndarray, turn: int) -> np.ndarray:
    """One of the eight turns and flips of an image [H, W, ...].

    Args:
        image: upright.
        turn: 4 exchanges rows and columns; then 2 mirrors left and right, 1 up and down.
    """
    image = image.swapaxes(0, 1) if turn & 4 else image
    image = image[:, ::-1] if turn & 2 else image
    return np.ascontiguousarray(image[::-1] if turn & 1 else image)


def distance(
    ours: UInt64[np.ndarray, " N"], theirs: UInt64[np.ndarray, " N"]
) -> UInt8[np.ndarray, " N"]:
    """In how many bits hashes differ, 0 to 64."""
    return np.bitwise_count(ours ^ theirs)


def without_border(gray: UInt8[np.ndarray, "H W"]) -> UInt8[np.ndarray, "h w"]:
    """The image without rows and columns at its sides that are of one colour each."""
    height, width = gray.shape
    line = cv2.resize(
        gray, (min(width, _LINE), min(height, _LINE)), interpolation=cv2.INTER_AREA
    )
    rows = _within(line.std(1) >= _PLAIN)
    columns = _within(line[rows].std(0) >= _PLAIN)
    rows = _within(line[:, columns].std(1) >= _PLAIN)
    if min(rows.stop - rows.start, columns.stop - columns.start) * _LEFT < max(line.shape):
        return gray
    top, bottom = (round(at * height / line.shape[0]) for at in (rows.start, rows.stop))
    left, right = (round(at * width / line.shape[1]) for at in (columns.start, columns.stop))
    return gray[top:bottom, left:right]


def _within(lively: np.ndarray) -> slice:
    """From the first to the last line that is not of one colour."""
    found = np.flatnonzero(lively)
    return slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(0, len(lively))


def _digest(pixels: UInt8[np.ndarray, "H W C"]) -> int:
    total = blake2b(str(pixels.shape).encode(), digest_size=8)
    total.update(pixels.tobytes())
    return int.from_bytes(total.digest(), "little")
