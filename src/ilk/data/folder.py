"""A folder of images, however deep. Axes: N files, F folders.

A million files are listed in seconds, once: the listing is kept and used again as long as no
folder has changed its modification time, which it does when a name in it comes or goes.
"""

import os
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from ilk.core.errors import UserError
from ilk.data import cache
from ilk.data.names import Names, Paths, folder_classes
from ilk.data.source import ENDINGS, digest, read_file, spread

SIZES = 100_000  # files whose size enters the fingerprint: half a second of a local disk
SHORT = 32  # bytes of a name; longer ones are compared as they are
_USUAL = frozenset([b".jpg", b".JPG", b".png"])  # spares most names a closer look
_FRESH = 2_000_000_000  # ns; file times may be this coarse, so a younger folder is not trusted


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """What lies in a folder.

    Args:
        paths: of the images, sorted by folder and then by name.
        stamps: modification time of each folder in ns, of those without images too.
        others: how many visible files are no images.
    """

    paths: Paths
    stamps: Int64[np.ndarray, " F"]
    others: int


class Folder:
    """Every image file below a folder, in the order of (folder, name) as bytes.

    An image is known by its ending (``ENDINGS``, in any case). Hidden files and folders are
    skipped. Symbolic links are followed, but a folder that is reached twice is listed once.
    Labels are read off the folders, see ``folder_classes``.

    The fingerprint covers the relative names of all files and the sizes of 100,000 of them,
    evenly spread; it is the same for a copy of the folder. Keys are relative paths.
    """

    def __init__(self, root: Path, name: str | None = None) -> None:
        self.name = str(root) if name is None else name
        self._root = root
        found = listed(root)
        if not len(found.paths):
            raise UserError(
                f"{self.name}: the folder must hold images, found {found.others} other files; "
                f"known endings are {b' '.join(sorted(ENDINGS)).decode()}"
            )
        self._paths = found.paths
        self.classes, self._labels = folder_classes(found.paths)

    def __len__(self) -> int:
        """N, the number of image files."""
        return len(self._paths)

    def item(self, index: int) -> bytes:
        """The file."""
        return read_file(self.path(index))

    def label(self, index: int) -> int:
        """The class of the file's folder."""
        return int(self._labels[self._paths.folder[index]])

    def key(self, index: int) -> str:
        """The path relative to the folder."""
        return os.fsdecode(self._paths[index])

    def path(self, index: int) -> Path:
        """Where the file lies."""
        return self._root / self.key(index)

    @property
    def fingerprint(self) -> str:
        """Of names and sizes."""
        paths = self._paths
        places, counts = np.unique(paths.folder, return_counts=True)
        sizes = [self._size(int(index)) for index in spread(len(self), SIZES)]
        return digest(
            [
                *(paths.folders[int(place)] for place in places),
                counts.astype("<i8"),
                paths.names.blob,
                paths.names.ends.astype("<u8"),
                np.array(sizes, "<i8"),
            ]
        )

    def _size(self, index: int) -> int:
        try:
            return _status(os.fsencode(self._root), self._paths[index]).st_size
        except OSError:
            return -1


def listed(root: Path) -> Listing:
    """List a folder, or remember an earlier listing that still holds."""
    top = os.fsencode(root.absolute())
    kept = cache.load(b"folder:" + top)
    if kept is not None:
        known = Listing(Paths.unpacked(kept), kept["stamps"], int(kept["others"]))
        if _holds(top, known):
            return known
    began = time.time_ns()
    found, complete = _walk(top)
    listing = _sorted(found, others=sum(folder.others for folder in found.values()))
    if complete and int(listing.stamps.max(initial=0)) < began - _FRESH:
        rest = {"stamps": listing.stamps, "others": np.array(listing.others)}
        cache.save(b"folder:" + top, listing.paths.arrays() | rest)
    return listing


@dataclass(frozen=True, slots=True)
class _Found:
    """One folder's share of a listing, its names already joined."""

    stamp: int
    blob: bytes
    sizes: np.ndarray
    others: int


def _walk(top: bytes) -> tuple[dict[bytes, _Found], bool]:
    """Every folder below ``top`` by relative path, and whether all of them could be read."""
    found: dict[bytes, _Found] = {}
    seen: set[tuple[int, int]] = set()
    complete = True
    waiting = [b""]
    while waiting:
        path = waiting.pop()
        try:
            status = _status(top, path)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            found[path], below = _scan(top, path, status.st_mtime_ns)
            waiting.extend(sorted(below, reverse=True))
        except OSError as error:
            complete = False
            place = os.fsdecode(top + b"/" + path)
            warnings.warn(f"{place}: skipped, {error.strerror}", stacklevel=4)
    return found, complete


def _scan(top: bytes, path: bytes, stamp: int) -> tuple[_Found, list[bytes]]:
    """The images of one folder, and the folders in it."""
    with os.scandir(top + b"/" + path) as found:
        entries = list(found)
    try:
        below = [entry.name for entry in entries if entry.is_dir()]
    except OSError:  # a link to itself: left to its name, and to the reader
        below = [entry.name for entry in entries if _is_folder(entry)]
    names = [entry.name for entry in entries]
    if below:
        names = list({*names}.difference(below))
    blob, sizes, others = _images(names)
    folders = [name for name in below if not name.startswith(b".")]
    return (
        _Found(stamp, blob, sizes, others),
        [path + b"/" + name if path else name for name in folders],
    )


def _images(names: list[bytes]) -> tuple[bytes, np.ndarray, int]:
    """The visible ones that end as images do: sorted and joined, their sizes, and the rest."""
    others, joined = 0, _listed(names)
    ending = names[0][-4:] if names else b""
    # Where all end alike and none is hidden, none is looked at by itself.
    if ending not in _USUAL or joined.count(ending + b"/") < len(names) or b"/." in joined:
        seen = [name for name in names if not name.startswith(b".")]
        names = [name for name in seen if name[name.rfind(b".") :].lower() in ENDINGS]
        others, joined = len(seen) - len(names), _listed(names)
    places = np.flatnonzero(np.frombuffer(joined, np.uint8) == ord("/"))
    sizes = (np.diff(places) - 1).astype(np.uint16)
    return *_in_order(names, sizes), others


def _listed(names: list[bytes]) -> bytes:
    """Names between slashes, which none of them holds."""
    return b"/".join([b"", *names, b""]) if names else b""


def _in_order(names: list[bytes], sizes: np.ndarray) -> tuple[bytes, np.ndarray]:
    """Names sorted and joined, and their sizes.

    Eight bytes at a time are compared as one number, which is sooner done than comparing bytes.
    No name holds a zero, so names that are filled up with zeros have the same order.
    """
    width = -(-int(sizes.max(initial=0)) // 8) * 8
    if not 0 < width <= SHORT:
        order = sorted(range(len(names)), key=names.__getitem__)
        return b"".join([names[place] for place in order]), sizes[order]
    filled = np.array(names, f"S{width}")
    order = np.lexsort(filled.view(">u8").reshape(len(names), -1).astype(np.uint64).T[::-1])
    return filled[order].tobytes().translate(None, b"\0"), sizes[order]


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _sorted(found: dict[bytes, _Found], others: int) -> Listing:
    folders = sorted(found)
    each = [found[folder] for folder in folders]
    counts = np.array([len(folder.sizes) for folder in each], np.int64)
    paths = Paths(
        Names.pack(folders),
        np.repeat(np.arange(len(folders), dtype=np.uint32), counts),
        Names.joined([folder.blob for folder in each], [folder.sizes for folder in each]),
    )
    return Listing(paths, np.array([folder.stamp for folder in each], np.int64), others)


def _holds(top: bytes, listing: Listing) -> bool:
    """Whether no folder has changed since."""
    try:
        return all(
            _status(top, folder).st_mtime_ns == stamp
            for folder, stamp in zip(
                listing.paths.folders, listing.stamps.tolist(), strict=True
            )
        )
    except OSError:
        return False


def _status(top: bytes, path: bytes) -> os.stat_result:
    return os.stat(top + b"/" + path)  # noqa: PTH116
