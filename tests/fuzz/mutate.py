"""Damaged files: a case is a pure function of its seed and number."""

import struct
import zlib
from collections.abc import Callable, Sequence

import numpy as np

PNG = b"\x89PNG\r\n\x1a\n"
EXTREMES = (0, 1, 2, 3, 8, 127, 128, 255, 256, 32767, 32768, 65535, 2**24, 2**31 - 1, 2**32 - 1)
HEADER = 400  # bytes; half of the changes fall among the first of them

Change = Callable[[np.random.Generator, bytearray, bytes], bytearray]


def case(seeds: Sequence[bytes], seed: int, number: int) -> bytes:
    """A file with one to five faults."""
    rng = np.random.default_rng([seed, number])
    data = bytearray(seeds[number % len(seeds)])
    other = seeds[int(rng.integers(len(seeds)))]
    for _ in range(int(rng.integers(1, 6))):
        data = CHANGES[int(rng.integers(len(CHANGES)))](rng, data, other)
    if data.startswith(PNG) and rng.random() < 0.7:
        data = checked(data)
    return bytes(data)


def checked(data: bytearray) -> bytearray:
    """Right checksums for the chunks of a PNG, so that its damage is looked at."""
    place = len(PNG)
    while place + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, place)
        end = place + 12 + size
        if end > len(data):
            break
        struct.pack_into(">I", data, end - 4, zlib.crc32(data[place + 4 : end - 4]))
        place = end
    return data


def _place(rng: np.random.Generator, data: bytearray) -> int:
    most = len(data) if rng.random() < 0.5 else min(len(data), HEADER)
    return int(rng.integers(max(most, 1)))


def _span(rng: np.random.Generator, data: bytearray) -> slice:
    start = _place(rng, data)
    return slice(start, start + int(rng.integers(1, 1 + 4 ** int(rng.integers(1, 6)))))


def flip(rng: np.random.Generator, data: bytearray, other: bytes) -> bytearray:
    if data:
        data[_place(rng, data)] ^= 1 << int(rng.integers(8))
    return data


def overwrite(rng: np.random.Generator, data: bytearray, other: bytes) -> bytearray:
    if data:
        data[_place(rng, data)] = int(rng.integers(256))
    return data


def extreme(rng: np.random.Generator, data: bytearray, other: bytes) -> bytearray:
    """A whole number of a header at the edge of its range."""
    value = EXTREMES[int(rng.integers(len(EXTREMES)))]
    size = int(rng.choice([2, 4, 8]))
    order = "big" if rng.random() < 0.5 else "little"
    start = _place(rng, data)
    data[start : start + size] = (value % 256**size).to_bytes(size, order)
    return data


def cut(rng: np.random.Generator, data: bytearray, other: bytes) -> bytearray:
    return data[: _place(rng, data)]


def remove(rng: np.random.Generator, data: bytearray, other: bytes) -> bytearray:
    del data[_span(rng, data)]
    return data


def clear(rng: np.random.Generator, data: bytearray, other: bytes) -> bytearray:
    span = _span(rng, data)
    data[span] = bytes([int(rng.choice([0, 255]))]) * len(data[span])
    return data


def insert(rng: np.random.Generator, data: bytearray, other: bytes) -> bytearray:
    place = _place(rng, data)
    data[place:place] = rng.bytes(int(rng.integers(1, 40)))
    return data


def double(rng: np.random.Generator, data: bytearray, other: bytes) -> bytearray:
    place = _place(rng, data)
    data[place:place] = data[_span(rng, data)]
    return data


def splice(rng: np.random.Generator, data: bytearray, other: bytes) -> bytearray:
    span = _span(rng, data)
    data[span] = other[_span(rng, bytearray(other))]
    return data


CHANGES: tuple[Change, ...] = (
    flip, flip, flip, overwrite, overwrite, extreme, extreme, cut, remove, clear, insert,
    double, splice,
)  # fmt: skip
