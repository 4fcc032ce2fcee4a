"""The vectors of an index on disk. Axes: N living rows, B rows of a block, D features."""

import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float16, Float32, Int64

from ilk.core import UserError

BLOCK = 16_384  # rows that are in memory at once
_FEW = 4096  # rows from anywhere that are read before what was mapped is given back
_PIECE = 2**18  # halves that are read at once: they stay in the cache of a core
LOOKED_AT = 256  # vectors of a part whose length is looked at when it is opened
OFF = 0.02  # by which the length of a vector in half precision may miss one
_ENDLESS, _BELOW = 0x7C00, 0xFC00  # the bits of a half that is infinite, and minus infinity


class Vectors:
    """Rows of unit length in half precision, in files one after the other.

    A row is numbered by its place among those that are not deleted. Only what is asked for is
    read; the files may be larger than memory.

    Args:
        files: in their order, each a part.
        kept: numbers of the rows in the files that are not deleted, ascending; None for all.

    Example:
        >>> import numpy as np
        >>> np.save("a.npy", np.eye(3, dtype=np.float16))
        >>> vectors = Vectors([Path("a.npy")], kept=np.array([0, 2]))
        >>> vectors.shape, vectors[1].tolist()
        ((2, 3), [0.0, 0.0, 1.0])
    """

    def __init__(
        self, files: Sequence[Path], kept: Int64[np.ndarray, " N"] | None = None
    ) -> None:
        self._parts = [opened(file) for file in files]
        self._files = list(files)
        self._ends = np.cumsum([len(part) for part in self._parts])
        self._kept = kept
        self.shape = (self._all if kept is None else len(kept), self._parts[0].shape[1])

    @property
    def _all(self) -> int:
        return int(self._ends[-1])

    def __len__(self) -> int:
        """N."""
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Float16[np.ndarray, "*n D"]:
        """Some rows: a number, a slice, an array of numbers or a mask [N]."""
        asked = _numbers(rows, len(self))
        flat = asked.reshape(-1)
        found = self.stored(flat if self._kept is None else self._kept[flat])
        return found.reshape(*asked.shape, self.shape[1])

    def stored(self, rows: Int64[np.ndarray, " n"]) -> Float16[np.ndarray, "n D"]:
        """Rows by their number in the files, the deleted ones too."""
        found = np.empty((len(rows), self.shape[1]), np.float16)
        part = np.searchsorted(self._ends, rows, side="right")
        for number in np.unique(part):
            mine, whole = np.flatnonzero(part == number), self._parts[number]
            start = self._ends[number] - len(whole)
            for at in range(0, len(mine), _FEW):
                some = mine[at : at + _FEW]
                found[some] = whole[rows[some] - start]
                _released(whole)
        self._check_finite(found, rows)
        return found

    def blocks(self, rows: int = BLOCK) -> Iterator[tuple[int, Float32[np.ndarray, "B D"]]]:
        """All rows in blocks: the number of the first, and the vectors in single precision."""
        for numbers, block in self.some(None, rows):
            yield int(numbers[0]), block

    def some(
        self, within: Bool[np.ndarray, " N"] | None, rows: int = BLOCK
    ) -> Iterator[tuple[Int64[np.ndarray, " B"], Float32[np.ndarray, "B D"]]]:
        """The rows of a mask in blocks: their numbers, and the vectors in single precision.

        What is read is given back to the system block by block, so that memory does not grow.
        """
        for start in range(0, self._all, rows):
            stop = min(start + rows, self._all)
            numbers = np.arange(start, stop)
            if self._kept is not None:
                numbers = np.arange(*np.searchsorted(self._kept, [start, stop]))
            if within is not None:
                numbers = numbers[within[numbers]]
            if not len(numbers):
                continue
            stored = numbers if self._kept is None else self._kept[numbers]
            yield numbers, self._read(start, stop, stored)

    def _read(
        self, start: int, stop: int, stored: Int64[np.ndarray, " B"]
    ) -> Float32[np.ndarray, "B D"]:
        """Some of the rows from start to stop, which are read rather than mapped."""
        block = torch.empty(len(stored), self.shape[1])
        for first, halves in self._pieces(start, stop):
            low, high = np.searchsorted(stored, [first, first + len(halves)])
            some = stored[low:high]
            kept = halves if len(some) == len(halves) else halves[some - first]
            self._check_finite(kept, some)
            # torch widens halves several times as fast as NumPy
            block[low:high] = torch.from_numpy(kept)
        return block.numpy()

    def _pieces(
        self, start: int, stop: int
    ) -> Iterator[tuple[int, Float16[np.ndarray, "n D"]]]:
        """Rows of the files, and the number of the first; they hold until the next."""
        width = self.shape[1]
        piece = np.empty((max(_PIECE // width, 1), width), np.float16)
        ends = 0
        for file, part in zip(self._files, self._parts, strict=True):
            low, high = max(start - ends, 0), min(stop - ends, len(part))
            ends += len(part)
            if low >= high:
                continue
            with file.open("rb", buffering=0) as opened:
                opened.seek(part.offset + 2 * low * width)
                for at in range(low, high, len(piece)):
                    halves = piece[: high - at]
                    if opened.readinto(halves.data.cast("B")) < halves.nbytes:
                        raise UserError(f"index: {file} must stay whole while it is open")
                    yield ends - len(part) + at, halves

    def _check_finite(
        self, rows: Float16[np.ndarray, "n D"], stored: Int64[np.ndarray, " n"]
    ) -> None:
        # by the bits: several times as fast as isfinite
        signed, unsigned = rows.view(np.int16), rows.view(np.uint16)
        if not rows.size or (signed.max() < _ENDLESS and unsigned.max() < _BELOW):
            return
        wrong = int(stored[np.argmin(np.isfinite(rows).all(1))])
        part = int(np.searchsorted(self._ends, wrong, side="right"))
        raise _torn(self._files[part], f"a row that is not finite, of id {wrong}")


def opened(file: Path) -> np.memmap:
    """A part, mapped from its file.

    Raises:
        UserError: it is no whole array [N, D] of half precision, or not of unit length.
    """
    try:
        part = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _torn(file, str(error) or "less than its first line says") from error
    if not isinstance(part, np.memmap):
        raise _torn(file, "no array")
    if part.ndim != 2 or part.dtype != np.float16 or not part.flags.c_contiguous:
        raise _torn(file, f"{part.dtype} of shape {part.shape}")
    lengths = np.linalg.norm(looked_at(part).astype(np.float32), axis=1)
    wrong = ~((np.abs(lengths - 1) < OFF) | (lengths == 0))
    if wrong.any():
        raise _torn(file, f"vectors of length {lengths[wrong][0]:.3g}")
    return part


def looked_at(part: np.ndarray) -> Float16[np.ndarray, "n D"]:
    """Some rows of a part, from all over it: by these it is known again."""
    some = np.unique(np.linspace(0, max(len(part) - 1, 0), LOOKED_AT).astype(np.int64))
    return np.ascontiguousarray(part[some[: len(part)]])


def _released(part: np.memmap) -> None:
    """Give back what is mapped: around each row that is read the system maps its neighbours."""
    mapped = part.base
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def unit(
    vectors: Float32[np.ndarray, "N D"] | Float16[np.ndarray, "N D"],
) -> Float32[np.ndarray, "N D"]:
    """Rows of unit length; a row of zeros stays as it is."""
    rows = vectors.astype(np.float32)
    # of the largest first: the squares of large numbers would be infinite
    rows /= np.maximum(np.abs(rows).max(1, keepdims=True, initial=0), 1e-30)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _numbers(rows: Any, size: int) -> Int64[np.ndarray, "*n"]:
    """The numbers of rows as NumPy counts them; few cost little, however many there are."""
    if isinstance(rows, slice):
        return np.arange(*rows.indices(size))
    found = np.asarray(rows)
    if found.dtype.kind not in "iu":  # a mask, an empty list, or what NumPy refuses
        return np.arange(size)[rows]
    if found.size and not -size <= found.min() <= found.max() < size:
        raise IndexError(f"rows must be below {size}, got {found.min()} to {found.max()}")
    found = found.astype(np.int64)
    return np.where(found < 0, found + size, found)


def _torn(file: Path, got: str) -> UserError:
    reason = " ".join(got.split())[:200]
    return UserError(
        f"index: {file} must hold the vectors that ilk index wrote, got '{reason}'; build the "
        "index again"
    )
