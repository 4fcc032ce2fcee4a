"""Millions of names in little memory. Axes: N files, F folders."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8, UInt32


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """A list of byte strings without an object for each.

    Args:
        blob: all of them, one after the other.
        ends: where each one ends; uint32 while the blob is below 4 GiB, else uint64.
    """

    blob: UInt8[np.ndarray, " bytes"]
    ends: np.ndarray

    @staticmethod
    def pack(names: Sequence[bytes]) -> "Names":
        """Put together."""
        return Names.joined([b"".join(names)], [np.fromiter(map(len, names), np.int64)])

    @staticmethod
    def joined(blobs: Iterable[bytes], sizes: Sequence[np.ndarray]) -> "Names":
        """Put together what is already joined piece by piece."""
        blob = np.frombuffer(b"".join(blobs), np.uint8)
        ends = np.cumsum(np.concatenate([np.zeros(0, np.int64), *sizes]))
        return Names(blob, ends.astype(np.uint32 if blob.size < 2**32 else np.uint64))

    def where(self, kept: Bool[np.ndarray, " N"]) -> "Names":
        """Those that are kept, in their order."""
        sizes = np.diff(self.ends.astype(np.int64), prepend=0)
        return Names.joined([self.blob[np.repeat(kept, sizes)].tobytes()], [sizes[kept]])

    def __len__(self) -> int:
        """How many."""
        return len(self.ends)

    def __iter__(self) -> Iterator[bytes]:
        """One after the other."""
        blob, start = self.blob.tobytes(), 0
        for end in self.ends.tolist():
            yield blob[start:end]
            start = end

    def __getitem__(self, index: int) -> bytes:
        """One of them."""
        index = range(len(self.ends))[index]
        start = int(self.ends[index - 1]) if index else 0
        return self.blob[start : int(self.ends[index])].tobytes()


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """Relative paths of files, with ``/`` between the parts; some 30 bytes a file.

    Args:
        folders: the path of each folder, empty for the root.
        folder: of each file, a position in ``folders``.
        names: of each file, without its folder.
    """

    folders: Names
    folder: UInt32[np.ndarray, " N"]
    names: Names

    @staticmethod
    def pack(paths: Sequence[bytes]) -> "Paths":
        """Put together, in the given order."""
        places: dict[bytes, int] = {}
        folder = np.zeros(len(paths), np.uint32)
        names: list[bytes] = []
        for index, path in enumerate(paths):
            parent, _, name = path.rpartition(b"/")
            folder[index] = places.setdefault(parent, len(places))
            names.append(name)
        return Paths(Names.pack(list(places)), folder, Names.pack(names))

    @staticmethod
    def joined(parts: "Sequence[Paths]") -> "Paths":
        """All paths, part after part; the same folder in two parts is one."""
        places: dict[bytes, int] = {}
        folder = [np.zeros(0, np.uint32)]
        for part in parts:
            moved = [places.setdefault(path, len(places)) for path in part.folders]
            folder.append(np.array(moved, np.uint32)[part.folder])
        names = Names.joined(
            [part.names.blob.tobytes() for part in parts],
            [np.diff(part.names.ends.astype(np.int64), prepend=0) for part in parts],
        )
        return Paths(Names.pack(list(places)), np.concatenate(folder), names)

    def below(self, top: bytes) -> "tuple[Paths, Bool[np.ndarray, ' N']]":
        """The paths below a folder, relative to it, and which of all paths they were."""
        if not top:
            return self, np.ones(len(self), bool)
        inside = np.array([(path + b"/").startswith(top + b"/") for path in self.folders], bool)
        kept = inside[self.folder]
        cut = Names.pack([path[len(top) + 1 :] for path in self.folders])
        return Paths(cut, self.folder[kept], self.names.where(kept)), kept

    def arrays(self) -> dict[str, np.ndarray]:
        """The parts by name, to be stored."""
        return {
            "folders": self.folders.blob,
            "folder_ends": self.folders.ends,
            "folder": self.folder,
            "names": self.names.blob,
            "name_ends": self.names.ends,
        }

    @staticmethod
    def unpacked(arrays: dict[str, np.ndarray]) -> "Paths":
        """From what ``arrays`` gave; other entries are ignored."""
        folders = Names(arrays["folders"], arrays["folder_ends"])
        return Paths(folders, arrays["folder"], Names(arrays["names"], arrays["name_ends"]))

    def __len__(self) -> int:
        """How many files."""
        return len(self.names)

    def __getitem__(self, index: int) -> bytes:
        """The relative path of a file."""
        parent = self.folders[int(self.folder[index])]
        return parent + b"/" + self.names[index] if parent else self.names[index]
