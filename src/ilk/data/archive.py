"""Images in a zip archive, read in place. Axes: N images."""

import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ilk.core.errors import UserError
from ilk.core.facts import Fact
from ilk.data.account import LeftOut, Tally, summary
from ilk.data.by_folder import folder_classes, folder_fact, folder_facts
from ilk.data.leavings import not_an_image, target_of, tidy
from ilk.data.names import Paths
from ilk.data.source import BadItem, check_size, digest, one_line, read_span

_LOCAL_HEADER = 30  # bytes, before the member's name and extra field (APPNOTE 4.3.7)
_SIGNATURE = b"PK\3\4"
_ENCRYPTED, _UTF8 = 1, 0x800  # flag bits
_UNICODE_PATH = 0x7075  # the extra field of a name in UTF-8 (APPNOTE 4.6.9)
_DOS = (0, 10, 11, 14)  # systems whose programs may write \ between folders (APPNOTE 4.4.2)
_UNIX = 3
_HUGE = 2**62  # bytes; a size beyond is not true, and too large anyway
_LONGEST_LINK = 4096  # bytes of a path
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_METHOD_NAMES = {
    9: "Deflate64",
    12: "bzip2",
    14: "LZMA",
    20: "Zstandard",
    93: "Zstandard",
    95: "XZ",
}
OLDER = "older members under a name that comes again; the last one counts"
LOST_LINK = "links that lead to no image in the archive"


class Zip:
    """Every image of a zip archive, sorted by (folder, name); nothing is unpacked to disk.

    Only where each member lies is kept in memory, some 50 bytes a file. Members are checked
    against their CRC. What other systems add is left out and counted in ``left_out``: hidden
    files, ``__MACOSX`` and other folders of side files. Symbolic links to images inside are
    those images. Of members of one name the last counts. Names without the flag of UTF-8 that
    are UTF-8 all the same are read as such, and backslashes from Windows as slashes. Labels are
    read off the folders, see ``folder_classes``. The fingerprint covers names and CRCs.

    Args:
        path: of the archive.
        name: what the person called it.
        inside: a folder of the archive to which it is confined; empty is all of it.
    """

    def __init__(self, path: Path, name: str | None = None, inside: str = "") -> None:
        self.name = str(path) if name is None else name
        self._path = path
        self.roots = {"": str(path.absolute() / inside.strip("/"))}
        members, self.left_out = _members(path, inside.strip("/"), self.name)
        self._paths = Paths.pack([member.path for member in members])
        infos = [member.info for member in members]
        self._offset = np.array([info.header_offset for info in infos], np.int64)
        self._stored = np.array([info.compress_size for info in infos], np.int64)
        self._size = np.array([min(info.file_size, _HUGE) for info in infos], np.int64)
        self._crc = np.array([info.CRC for info in infos], np.uint32)
        self._deflated = np.array([info.compress_type for info in infos], np.uint8) > 0
        known = folder_classes(self._paths)
        self.classes, self._labels = known.classes, known.of_folder
        self.unlabelled_because = known.reason

    def __len__(self) -> int:
        """N, the number of images."""
        return len(self._paths)

    def item(self, index: int) -> bytes:
        """The member, checked against its CRC."""
        offset, size = int(self._offset[index]), int(self._size[index])
        check_size(size)
        data = _raw(self._path, offset, int(self._stored[index]))
        if self._deflated[index]:
            data = _inflated(data, size)
        if zlib.crc32(data) != self._crc[index]:
            raise BadItem("damaged: its checksum in the archive differs")
        return data

    def label(self, index: int) -> int:
        """The class of the member's folder."""
        return int(self._labels[self._paths.folder[index]])

    @property
    def facts(self) -> tuple[str, ...]:
        """What the folders say beside the class."""
        return folder_facts(self._paths)

    def fact(self, name: str) -> Fact:
        """One of them."""
        return folder_fact(self._paths, name)

    def key(self, index: int) -> str:
        """The member's path, from the folder to which the archive is confined."""
        return self._paths[index].decode(errors="surrogateescape")

    @property
    def fingerprint(self) -> str:
        """Of names and checksums."""
        parts = self._paths.arrays().values()
        return digest(
            [*(part.astype(part.dtype.newbyteorder("<")) for part in parts), self._crc]
        )


@dataclass(frozen=True, slots=True)
class _Member:
    path: bytes  # from the folder to which the archive is confined
    info: zipfile.ZipInfo  # where it lies


def _members(path: Path, inside: str, name: str) -> tuple[list[_Member], tuple[LeftOut, ...]]:
    tally = Tally()
    files = _files(path, name, tally)
    start = f"{inside}/" if inside else ""
    found: list[_Member] = []
    for place, info in files.items():
        if not place.startswith(start):
            continue
        if reason := not_an_image(place):
            tally.add(reason, place)
            continue
        real = _behind(path, place, info, files)
        if real is None:
            tally.add(LOST_LINK, place)
            continue
        _check_readable(real, name, path.stat().st_size)
        found.append(_Member(place[len(start) :].encode(errors="surrogateescape"), real))
    if not found:
        where = f" below {inside}" if inside else ""
        raise UserError(
            f"{name}: must hold images{where}, found none among {len(files)} members but "
            f"{summary(tally.result())}"
        )
    return sorted(found, key=lambda m: (m.path.rpartition(b"/")[0], m.path)), tally.result()


def _files(path: Path, name: str, tally: Tally) -> dict[str, zipfile.ZipInfo]:
    """The members that are no folders, by the name that is meant."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except Exception as error:  # a damaged directory makes the parser raise whatever it likes
        raise UserError(
            f"{name}: must be a whole zip archive that can be read, got: {one_line(error)}; "
            "fetch it again, or unpack it into a folder"
        ) from error
    files: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        place = _meant(info)
        if place.endswith("/"):
            continue
        place = tidy(place)
        if files.pop(place, None) is not None:
            tally.add(OLDER, place)
        files[place] = info
    return files


def _meant(info: zipfile.ZipInfo) -> str:
    """The name of a member as its maker meant it."""
    place = info.filename
    if not info.flag_bits & _UTF8 and not place.isascii():
        try:
            raw = place.encode("cp437")
            place = _unicode_path(info.extra, zlib.crc32(raw)) or raw.decode()
        except UnicodeError:  # another coding, which the archive does not say
            pass
    if info.create_system in _DOS and "/" not in place:
        place = place.replace("\\", "/")
    return place


def _unicode_path(extra: bytes, crc: int) -> str:
    """The name in the extra field for it; empty if there is none, or one for another name."""
    while len(extra) >= 4:
        kind, size = (int.from_bytes(extra[at : at + 2], "little") for at in (0, 2))
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and field[1:5] == crc.to_bytes(4, "little"):
            return field[5:].decode()
    return ""


def _behind(
    path: Path, place: str, info: zipfile.ZipInfo, files: dict[str, zipfile.ZipInfo]
) -> zipfile.ZipInfo | None:
    """The member itself, or the one that it links to, if that is in the archive."""
    for _ in range(8):  # links to links; more are a circle
        if info.create_system != _UNIX or not stat.S_ISLNK(info.external_attr >> 16):
            return info
        if not 0 < info.file_size <= _LONGEST_LINK or info.flag_bits & _ENCRYPTED:
            return None
        try:
            data = _raw(path, info.header_offset, info.compress_size)
            text = _inflated(data, info.file_size) if info.compress_type else data
        except BadItem:
            return None
        target = target_of(place, text.decode(errors="replace"))
        if target is None or target not in files:
            return None
        place, info = target, files[target]
    return None


def _check_readable(info: zipfile.ZipInfo, name: str, size: int) -> None:
    if info.flag_bits & _ENCRYPTED:
        raise UserError(f"{name}: must not be encrypted, {info.filename} is; unpack it first")
    if info.compress_type not in _METHODS:
        known = _METHOD_NAMES.get(info.compress_type, f"method {info.compress_type}")
        raise UserError(
            f"{name}: members must be stored or deflated, {info.filename} is compressed by "
            f"{known}; unpack it or pack it again with zip"
        )
    if info.volume:
        raise UserError(
            f"{name}: must be whole, but is one of several parts; join them with zip -s 0"
        )
    if not 0 <= info.header_offset <= info.header_offset + info.compress_size <= size:
        raise UserError(
            f"{name}: must be a whole zip archive, but {info.filename} lies outside of it; "
            "fetch it again"
        )


def _raw(path: Path, offset: int, size: int) -> bytes:
    """The bytes of a member as they are stored."""
    head = read_span(path, offset, _LOCAL_HEADER)
    if not head.startswith(_SIGNATURE):
        raise BadItem("damaged: the archive says that it lies elsewhere")
    skip = int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    return read_span(path, offset + _LOCAL_HEADER + skip, size)


def _inflated(data: bytes, size: int) -> bytes:
    """Raw deflate; stops at the stated size, so that a bomb stays small."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, max(size, 1))
    except zlib.error as error:
        raise BadItem(f"damaged in the archive: {error}") from error
