"""Images in a zip archive, read in place. Axes: N images."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from ilk.core.errors import UserError
from ilk.data.names import Paths, folder_classes
from ilk.data.source import BadItem, check_size, digest, is_image, read_span

_LOCAL_HEADER = 30  # bytes, before the member's name and extra field (APPNOTE 4.3.7)
_ENCRYPTED = 1  # flag bit 0
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Zip:
    """Every image of a zip archive, sorted by (folder, name); nothing is unpacked to disk.

    Only where each member lies is kept in memory, some 50 bytes a file. Members are checked
    against their CRC. Hidden files and what macOS adds (``__MACOSX``) are skipped. Labels are
    read off the folders, see ``folder_classes``. The fingerprint covers names and CRCs.

    Args:
        path: of the archive.
        name: what the person called it.
        inside: a folder of the archive to which it is confined; empty is all of it.
    """

    def __init__(self, path: Path, name: str | None = None, inside: str = "") -> None:
        self.name = str(path) if name is None else name
        self._path = path
        members = _members(path, f"{inside.strip('/')}/" if inside else "", self.name)
        self._paths = Paths.pack([name for _, name, _ in members])
        infos = [info for _, _, info in members]
        self._offset = np.array([info.header_offset for info in infos], np.int64)
        self._stored = np.array([info.compress_size for info in infos], np.int64)
        self._size = np.array([info.file_size for info in infos], np.int64)
        self._crc = np.array([info.CRC for info in infos], np.uint32)
        self._deflated = np.array([info.compress_type for info in infos], np.uint8) > 0
        self.classes, self._labels = folder_classes(self._paths)

    def __len__(self) -> int:
        """N, the number of images."""
        return len(self._paths)

    def item(self, index: int) -> bytes:
        """The member, checked against its CRC."""
        offset, size = int(self._offset[index]), int(self._size[index])
        check_size(size)
        head = read_span(self._path, offset, _LOCAL_HEADER)
        skip = int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
        data = read_span(self._path, offset + _LOCAL_HEADER + skip, int(self._stored[index]))
        if self._deflated[index]:
            data = _inflated(data, size)
        if zlib.crc32(data) != self._crc[index]:
            raise BadItem("damaged: its checksum in the archive differs")
        return data

    def label(self, index: int) -> int:
        """The class of the member's folder."""
        return int(self._labels[self._paths.folder[index]])

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


_Member = tuple[bytes, bytes, zipfile.ZipInfo]  # its folder, its path, where it lies


def _members(path: Path, inside: str, name: str) -> list[_Member]:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{name}: must be a readable zip archive, got: {error}") from error
    found: list[_Member] = []
    for info in infos:
        place = info.filename.removeprefix("./")
        if place.startswith(inside) and is_image(place):
            _check_readable(info, name)
            member = place[len(inside) :].encode(errors="surrogateescape")
            found.append((member.rpartition(b"/")[0], member, info))
    if not found:
        where = f" below {inside}" if inside else ""
        raise UserError(
            f"{name}: must hold images{where}, found none among {len(infos)} members"
        )
    return sorted(found, key=lambda member: member[:2])


def _check_readable(info: zipfile.ZipInfo, name: str) -> None:
    if info.flag_bits & _ENCRYPTED:
        raise UserError(f"{name}: must not be encrypted, {info.filename} is; unpack it first")
    if info.compress_type not in _METHODS:
        raise UserError(
            f"{name}: members must be stored or deflated, {info.filename} has compression "
            f"method {info.compress_type}; unpack it or pack it again with zip"
        )


def _inflated(data: bytes, size: int) -> bytes:
    """Raw deflate; stops at the stated size, so that a bomb stays small."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, max(size, 1))
    except zlib.error as error:
        raise BadItem(f"damaged in the archive: {error}") from error
