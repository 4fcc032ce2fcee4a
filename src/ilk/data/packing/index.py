"""What a pack says of its images: arrays and a record, in bytes. Axes: N items."""

import json
import zlib
from typing import Any, cast

import numpy as np

_HEAD = 8  # bytes of a length
LARGEST = 2**26  # bytes of an index, or more where it is not compressed suspiciously well
RATIO = 200  # what is compressed better is damaged, or meant to fill memory
TYPES = {"|u1", "<i4", "<u4", "<u8", "<i8"}  # of arrays


def written(record: dict[str, Any], arrays: dict[str, np.ndarray]) -> bytes:
    """A record and arrays, compressed; the same bytes for the same content.

    Args:
        record: values that JSON holds.
        arrays: whole numbers along one axis.
    """
    little = {
        name: np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        for name, array in arrays.items()
    }
    parts = [[name, array.dtype.str, len(array)] for name, array in little.items()]
    head = json.dumps({"record": record, "arrays": parts}).encode()
    whole = [len(head).to_bytes(_HEAD, "little"), head, *(a.tobytes() for a in little.values())]
    return zlib.compress(b"".join(whole), 6)


def read(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What was written, from bytes that a stranger may have made.

    Raises:
        ValueError: they are something else, damaged, or too large.
    """
    try:
        return _read(data)
    except (KeyError, TypeError, RecursionError, zlib.error, AttributeError) as error:
        raise ValueError(f"a damaged index ({error})") from error


def _read(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    packer, most = zlib.decompressobj(), max(LARGEST, RATIO * len(data))
    whole = packer.decompress(data, most)
    if not packer.eof:
        raise ValueError(f"a damaged index (cut short, or above {most} bytes)")
    start = _HEAD + int.from_bytes(whole[:_HEAD], "little")
    head = cast("dict[str, Any]", json.loads(whole[_HEAD:start]))
    record = head["record"]
    if not isinstance(record, dict):
        raise ValueError("a damaged index (no record)")
    arrays: dict[str, np.ndarray] = {}
    for name, kind, length in head["arrays"]:
        if kind not in TYPES or length < 0:
            raise ValueError("a damaged index (an unknown kind of array)")
        size = length * np.dtype(kind).itemsize
        part = whole[start : start + size]
        if len(part) < size:
            raise ValueError("a damaged index (it ends too early)")
        arrays[str(name)] = np.frombuffer(part, kind)
        start += size
    return cast("dict[str, Any]", record), arrays
