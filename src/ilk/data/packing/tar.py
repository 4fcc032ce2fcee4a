"""A pack as a tar file, in the manner of WebDataset.

An image is ``000000012.jpg``, and beside it ``000000012.json`` holds its key, label and facts
by name. Names of strangers are never names of members. At the end stands the index, and behind
it a member of fixed size that says where the index is; WebDataset skips both by their folder.
"""

import json
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ilk.core.files import sync_directory
from ilk.data.packing.stage import Stage
from ilk.data.source import read_span

_BLOCK = tarfile.BLOCKSIZE
_INDEX, _PLACE = "__ilk__/index", "__ilk__/place.json"
_END = bytes(2 * _BLOCK)
_LAST = 2 * _BLOCK + len(_END)  # bytes of the place and the end


def sample(
    number: int, ending: str, data: bytes, beside: Mapping[str, Any]
) -> tuple[bytes, int]:
    """The members of one image, and where in them its bytes begin.

    Args:
        number: the item's.
        ending: the end of the name.
        data: the image.
        beside: what is known of it.
    """
    stem = f"{number:09d}"
    text = json.dumps(beside, sort_keys=True).encode()
    return _member(f"{stem}.{ending}", data) + _member(f"{stem}.json", text), _BLOCK


def save_tar(target: Path, stage: Stage, index: bytes) -> None:
    """Finish the file to which images were appended, and give it its name.

    Args:
        target: the shard.
        stage: all its images.
        index: what is known of them, see ``ilk.data.packing.index``.
    """
    with stage.data.open("rb+") as file:
        file.truncate(stage.bytes)
        file.seek(stage.bytes)
        file.write(_member(_INDEX, index))
        place = json.dumps({"offset": stage.bytes + _BLOCK, "size": len(index)})
        file.write(_member(_PLACE, place.encode()) + _END)
        file.flush()
        os.fsync(file.fileno())
    stage.data.replace(target)
    sync_directory(target.parent)


def tar_index(path: Path) -> bytes | None:
    """The index of a pack; None where the file is no pack.

    Raises:
        BadItem: it says that the index lies where it does not.
    """
    size = path.stat().st_size
    if size < _LAST:
        return None
    last = read_span(path, size - _LAST, _LAST)
    if not last.startswith(_PLACE.encode() + b"\0"):
        return None
    try:
        place = json.loads(last[_BLOCK : 2 * _BLOCK].rstrip(b"\0"))
        return read_span(path, int(place["offset"]), int(place["size"]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _member(name: str, data: bytes) -> bytes:
    """Header, content and filling; the same bytes at any time and for any person."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    head = info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")
    return head + data + bytes(-len(data) % _BLOCK)
