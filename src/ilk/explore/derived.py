"""Arrays beside an index that can be made from it again, as long as it is the same.

Whatever cannot be read, is of another index or of another shape is as good as missing.
"""

import contextlib
import io
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ilk.core import UserError, write_whole
from ilk.curate.filters import unlinked

Arrays = Mapping[str, np.ndarray]
LAYOUT = 1  # raise it when arrays change their meaning
OF = "of"  # the name of the array that says what the others are of
ROOM = 2**16  # bytes beside the numbers
_USELESS = (  # damaged, too large, or packed in other ways
    OSError, ValueError, KeyError, EOFError, MemoryError, RuntimeError, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip


def derived(folder: Path | None, name: str, of: str, like: Arrays) -> Arrays | None:
    """Arrays that were kept, None where there are none to be used.

    Args:
        folder: where what is derived from an index is kept; None where nothing is kept.
        name: the file's name without its ending.
        of: fingerprint of what they were made from.
        like: by name an array of the same type and shape; of texts only the type counts.
    """
    if folder is None:
        return None
    path = folder / f"{name}.npz"
    try:
        if not path.is_file():  # a pipe would never end
            return None
        with zipfile.ZipFile(path) as packed:
            size = sum(entry.file_size for entry in packed.infolist())
            if size > sum(array.nbytes for array in like.values()) + ROOM:
                return None
        with np.load(path, allow_pickle=False) as found:
            if str(found[OF]) != _stamp(of):
                return None
            arrays = {key: found[key] for key in like}
    except _USELESS:
        return None
    return arrays if all(_fits(arrays[key], like[key]) for key in like) else None


def keep(folder: Path | None, name: str, of: str, arrays: Arrays) -> None:
    """Keep arrays for the next time; where nothing can be written nothing is kept."""
    if folder is None or not unlinked(folder):
        return
    into = io.BytesIO()
    stamped: dict[str, np.ndarray] = {OF: np.array(_stamp(of)), **arrays}
    np.savez(into, allow_pickle=False, **stamped)
    with contextlib.suppress(UserError):
        write_whole(folder / f"{name}.npz", into.getvalue(), "derived")


def remembered(
    folder: Path | None, name: str, of: str, like: Arrays, make: Callable[[], Arrays]
) -> Arrays:
    """What was kept, or else made now and kept."""
    found = derived(folder, name, of, like)
    if found is None:
        found = make()
        keep(folder, name, of, found)
    return found


def _stamp(of: str) -> str:
    return f"{LAYOUT} {of}"


def _fits(found: np.ndarray, like: np.ndarray) -> bool:
    if like.dtype.kind == "U":
        return found.dtype.kind == "U" and found.shape == like.shape
    return found.dtype == like.dtype and found.shape == like.shape
