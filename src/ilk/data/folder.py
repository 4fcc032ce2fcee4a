"""A folder of images, however deep. Axes: N files, F folders.

A million files are listed in seconds, once: the listing is kept and used again as long as no
folder has changed its modification time, which it does when a name in it comes or goes.
"""

import os
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from ilk.core.errors import UserError
from ilk.core.facts import Fact
from ilk.data import cache
from ilk.data.account import LeftOut, Tally, packed, summary, unpacked
from ilk.data.by_folder import folder_classes, folder_fact, folder_facts
from ilk.data.leavings import (
    HIDDEN,
    HIDDEN_FOLDER,
    SYSTEM_FOLDER,
    UNREADABLE,
    ending,
    is_system_folder,
    of_ending,
)
from ilk.data.names import Names, Paths
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
        left_out: what else lies there.
    """

    paths: Paths
    stamps: Int64[np.ndarray, " F"]
    left_out: tuple[LeftOut, ...]


class Folder:
    """Every image file below a folder, in the order of (folder, name) as bytes.

    An image is known by its ending (``ENDINGS``, in any case). Hidden files and folders are
    skipped, and so are folders of thumbnails and deleted files that other systems make; what is
    left out is counted in ``left_out``. Symbolic links are followed, but a folder that is
    reached twice is listed once. Labels are read off the folders, see ``folder_classes``.

    The fingerprint covers the relative names of all files and the sizes of 100,000 of them,
    evenly spread; it is the same for a copy of the folder. Keys are relative paths.
    """

    def __init__(self, root: Path, name: str | None = None) -> None:
        self.name = str(root) if name is None else name
        self._root = root
        self.roots = {"": str(root.absolute())}
        found = listed(root)
        if not len(found.paths):
            raise UserError(
                f"{self.name}: the folder must hold images, found {summary(found.left_out)}; "
                f"{_hint(self.name, found.left_out)}"
            )
        self._paths = found.paths
        self.left_out = found.left_out
        known = folder_classes(found.paths)
        self.classes, self._labels = known.classes, known.of_folder
        self.unlabelled_because = known.reason

    def __len__(self) -> int:
        """N, the number of image files."""
        return len(self._paths)

    def item(self, index: int) -> bytes:
        """The file."""
        return read_file(self.path(index))

    def label(self, index: int) -> int:
        """The class of the file's folder."""
        return int(self._labels[self._paths.folder[index]])

    @property
    def facts(self) -> tuple[str, ...]:
        """What the folders say beside the class."""
        return folder_facts(self._paths)

    def fact(self, name: str) -> Fact:
        """One of them."""
        return folder_fact(self._paths, name)

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
        known = Listing(Paths.unpacked(kept), kept["stamps"], unpacked(kept["left_out"]))
        if _holds(top, known):
            return known
    began = time.time_ns()
    tally = Tally()
    found, complete = _walk(top, tally)
    listing = _sorted(found, tally.result())
    if complete and int(listing.stamps.max(initial=0)) < began - _FRESH:
        rest = {"stamps": listing.stamps, "left_out": packed(listing.left_out)}
        cache.save(b"folder:" + top, listing.paths.arrays() | rest)
    return listing


@dataclass(frozen=True, slots=True)
class _Found:
    """One folder's share of a listing, its names already joined."""

    stamp: int
    blob: bytes
    sizes: np.ndarray


def _walk(top: bytes, tally: Tally) -> tuple[dict[bytes, _Found], bool]:
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
            found[path], below = _scan(top, path, status.st_mtime_ns, tally)
            waiting.extend(sorted(below, reverse=True))
        except OSError as error:
            complete = False
            tally.add(UNREADABLE, _shown(path or b"."))
            place = os.fsdecode(top + b"/" + path)
            warnings.warn(f"{place}: skipped, {error.strerror}", stacklevel=4)
    return found, complete


def _scan(top: bytes, path: bytes, stamp: int, tally: Tally) -> tuple[_Found, list[bytes]]:
    """The images of one folder, and the folders in it that are looked into."""
    with os.scandir(top + b"/" + path) as found:
        entries = list(found)
    try:
        below = [entry.name for entry in entries if entry.is_dir()]
    except OSError:  # a link to itself: left to its name, and to the reader
        below = [entry.name for entry in entries if _is_folder(entry)]
    names = [entry.name for entry in entries]
    if below:
        names = list({*names}.difference(below))
    start = path + b"/" if path else b""
    blob, sizes = _images(names, start, tally)
    folders: list[bytes] = []
    for name in sorted(below):
        if name.startswith(b"."):
            tally.add(HIDDEN_FOLDER, _shown(start + name))
        elif is_system_folder(name):
            tally.add(SYSTEM_FOLDER, _shown(start + name))
        else:
            folders.append(start + name)
    return _Found(stamp, blob, sizes), folders


def _images(names: list[bytes], start: bytes, tally: Tally) -> tuple[bytes, np.ndarray]:
    """The visible ones that end as images do, sorted and joined, and their sizes."""
    joined = _listed(names)
    usual = names[0][-4:] if names else b""
    # Where all have one ending and none is hidden, no name is looked at by itself.
    if usual not in _USUAL or joined.count(usual + b"/") < len(names) or b"/." in joined:
        seen = [name for name in names if not name.startswith(b".")]
        kept = [name for name in seen if name[name.rfind(b".") :].lower() in ENDINGS]
        if len(kept) < len(names):
            _count({*names}.difference(kept), start, tally)
        names, joined = kept, _listed(kept)
    places = np.flatnonzero(np.frombuffer(joined, np.uint8) == ord("/"))
    sizes = (np.diff(places) - 1).astype(np.uint16)
    return _in_order(names, sizes)


def _count(names: set[bytes], start: bytes, tally: Tally) -> None:
    """Account for the files of a folder that are no visible images."""
    ordered = sorted(names, reverse=True)
    kinds = [b"/" if name.startswith(b".") else ending(name) for name in ordered]
    counts = Counter(kinds)
    for kind, name in dict(zip(kinds, ordered, strict=True)).items():
        reason = HIDDEN if kind == b"/" else of_ending(name)
        tally.add(reason, _shown(start + name), counts[kind])


def _shown(path: bytes) -> str:
    return path.decode(errors="replace")


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


def _sorted(found: dict[bytes, _Found], left_out: tuple[LeftOut, ...]) -> Listing:
    folders = sorted(found)
    each = [found[folder] for folder in folders]
    counts = np.array([len(folder.sizes) for folder in each], np.int64)
    paths = Paths(
        Names.pack(folders),
        np.repeat(np.arange(len(folders), dtype=np.uint32), counts),
        Names.joined([folder.blob for folder in each], [folder.sizes for folder in each]),
    )
    return Listing(paths, np.array([folder.stamp for folder in each], np.int64), left_out)


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


def _hint(name: str, left_out: tuple[LeftOut, ...]) -> str:
    """What to do about a folder without images."""
    for container in (".parquet", ".tar", ".zip", ".npz"):
        if any(entry.reason == of_ending(container.encode()) for entry in left_out):
            return f"give {name.rstrip('/')}/*{container} to open those"
    if any(entry.reason == UNREADABLE for entry in left_out):
        return "make them readable"
    return f"known endings are {b' '.join(sorted(ENDINGS)).decode()}"


def _status(top: bytes, path: bytes) -> os.stat_result:
    return os.stat(top + b"/" + path)  # noqa: PTH116
