"""Inverted lists on disk. Axes: L lists, D features, C bytes of a code.

A segment is two files: ``lists-N.bin`` has for each list its codes and then its ids, each with
room for a multiple of eight; ``sizes-N.npy`` says how many a list has. They are our own and not
FAISS's files, so that all that stands in them can be checked before FAISS reads from them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Int64, UInt8

from ilk.core import replacing
from ilk.search.parts import ADVICE
from ilk.search.rows import torn

_ROOM = 8  # so that ids begin at a multiple of their size
_ID = 8  # bytes
_TOGETHER = 2**26  # bytes of lists that are put together at once
OneList = tuple[UInt8[np.ndarray, "n C"], Int64[np.ndarray, " n"]]


@dataclass(frozen=True, eq=False, slots=True)
class Segment:
    """Some rows, sorted into lists.

    Args:
        file: codes and ids.
        sizes: rows of each list.
        code: C.
    """

    file: Path
    sizes: Int64[np.ndarray, " L"]
    code: int

    @property
    def room(self) -> Int64[np.ndarray, " L"]:
        """For how many codes each list has room."""
        return -(-self.sizes // _ROOM) * _ROOM

    @property
    def offsets(self) -> Int64[np.ndarray, " ends"]:
        """Where each list begins, in bytes, and where the last ends."""
        return np.concatenate([[0], np.cumsum(self.room * (self.code + _ID))])

    @property
    def rows(self) -> int:
        """Of all lists."""
        return int(self.sizes.sum())

    def read(self, first: int, stop: int) -> list[OneList]:
        """Codes and ids of some lists, read rather than mapped: memory stays bounded."""
        offsets, room = self.offsets[first : stop + 1], self.room[first:stop]
        length = int(offsets[-1] - offsets[0])
        data = np.fromfile(self.file, np.uint8, length, offset=int(offsets[0]))
        found: list[OneList] = []
        for size, start, held in zip(
            self.sizes[first:stop].tolist(), (offsets[:-1] - offsets[0]).tolist(),
            room.tolist(), strict=True,
        ):  # fmt: skip
            middle = start + held * self.code
            codes = data[start : start + size * self.code].reshape(size, self.code)
            found.append((codes, data[middle : middle + size * _ID].view(np.int64)))
        return found


def names(folder: Path, number: int, kind: str) -> tuple[Path, Path]:
    """The two files of a segment, or of a part of one where it is put together."""
    return folder / f"{kind}-{number:05d}.bin", folder / f"{kind}-sizes-{number:05d}.npy"


def write_segment(
    place: tuple[Path, Path], code: int, sizes: Int64[np.ndarray, " L"],
    sources: Sequence[Callable[[int, int], list[OneList]]],
) -> Segment:  # fmt: skip
    """Write a segment list by list, each from all sources in their order; the sizes come last.

    Args:
        place: its two files.
        code: C.
        sizes: rows of each list, all sources together.
        sources: give codes and ids of a range of lists.
    """
    made = Segment(place[0], sizes.astype(np.int64), code)
    with replacing(place[0], "index", ADVICE) as beside, beside.open("wb") as file:
        file.truncate(int(made.offsets[-1]))
        offsets, room = made.offsets.tolist(), made.room.tolist()
        for first, stop in _ranges(made.offsets):
            found = [source(first, stop) for source in sources]
            for number, pieces in enumerate(zip(*found, strict=True), first):
                _put(file, offsets[number], [codes for codes, _ in pieces])
                middle = offsets[number] + room[number] * code
                _put(file, middle, [ids for _, ids in pieces])
    with replacing(place[1], "index", ADVICE) as beside, beside.open("wb") as file:
        np.save(file, made.sizes)
    return made


def _ranges(offsets: Int64[np.ndarray, " ends"]) -> Iterator[tuple[int, int]]:
    """Ranges of lists that are in memory together."""
    first, lists = 0, len(offsets) - 1
    while first < lists:
        stop = int(np.searchsorted(offsets, offsets[first] + _TOGETHER, side="right")) - 1
        stop = min(max(stop, first + 1), lists)
        yield first, stop
        first = stop


def _put(file: BinaryIO, start: int, pieces: Sequence[np.ndarray]) -> None:
    file.seek(start)
    for piece in pieces:
        file.write(piece.tobytes())


def read_segment(place: tuple[Path, Path], code: int, lists: int) -> Segment:
    """A segment, once its files are known to be whole.

    Raises:
        UserError: they are not.
    """
    try:
        for file in place:
            if not file.is_file():
                raise OSError(f"no {file.name}")
        sizes = np.load(place[1], mmap_mode="r", allow_pickle=False)
        if not isinstance(sizes, np.ndarray):
            raise ValueError(f"{place[1].name} that is no array")
        if sizes.dtype != np.int64 or sizes.shape != (lists,):
            raise ValueError(f"sizes of {sizes.shape} lists instead of {lists}")
        sizes = np.array(sizes)
        length = place[0].stat().st_size
        if lists and not 0 <= sizes.min() <= sizes.max() <= length:
            raise ValueError("sizes that cannot be")
        made = Segment(place[0], sizes, code)
        if int(made.offsets[-1]) != length:
            raise ValueError(f"{length} bytes instead of {int(made.offsets[-1])}")
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise torn(place[0], error) from error
    return made
