"""Images in tar shards, in the layout of WebDataset, read in place. Axes: N images.

Files of one sample follow one another and share their path up to the first dot of the file
name: ``0001.jpg 0001.cls 0002.jpg 0002.cls``, see https://github.com/webdataset/webdataset.
"""

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import numpy as np
from jaxtyping import Bool, Int32

from ilk.core.errors import UserError
from ilk.data import cache
from ilk.data.classes import numbered
from ilk.data.names import Names, Paths, folder_classes
from ilk.data.source import UNKNOWN, digest, is_image, read_span

_FIELDS = ("label", "cls", "class", "target")  # of a .json member, the first that is there
_KINDS = {".cls": b"c", ".json": b"j", ".txt": b"t"}  # letters in order of preference
_CAPTION = _KINDS[".txt"]
_LONGEST = {b"c": 256, b"j": 65_536, b"t": 64}  # bytes; what is longer holds no label


class Shards:
    """Every image of one or many tar files, in their order; nothing is unpacked.

    A sample's label is its ``.cls``, the field ``label``, ``cls``, ``class`` or ``target`` of
    its ``.json``, or its ``.txt``; a ``.txt`` that few samples share is taken for a caption and
    ignored. Shards without any of these are labelled by folder, see ``folder_classes``. Of
    several images in a sample the first whose whole ending is that of an image counts
    (``0001.jpg`` before ``0001.mask.png``). The places of the members are found once for
    each shard and kept. The fingerprint covers names, sizes and labels.

    Args:
        paths: of the shards.
        name: what the person called them.
        inside: a folder of the shards to which they are confined; empty is all of them.
    """

    def __init__(self, paths: list[Path], name: str, inside: str = "") -> None:
        self.name = name
        self._shards = paths
        parts = [_indexed(path) for path in paths]
        every = Paths.joined([Paths.unpacked(part) for part in parts])
        self._paths, kept = every.below(inside.strip("/").encode())
        if not len(self._paths):
            where = f" below {inside}" if inside else ""
            raise UserError(f"{name}: must hold images{where}, found none")
        counts = [len(part["offset"]) for part in parts]
        self._shard = np.repeat(np.arange(len(parts), dtype=np.int32), counts)[kept]
        self._offset = np.concatenate([part["offset"] for part in parts])[kept]
        self._size = np.concatenate([part["size"] for part in parts])[kept]
        texts = [Names(part["labels"], part["label_ends"]) for part in parts]
        self.classes, self._labels = _classes(texts, kept)
        if not self.classes:
            self.classes, of_folder = folder_classes(self._paths)
            self._labels = of_folder[self._paths.folder]

    def __len__(self) -> int:
        """N, the number of samples."""
        return len(self._paths)

    def item(self, index: int) -> bytes:
        """The image of a sample."""
        shard = self._shards[int(self._shard[index])]
        return read_span(shard, int(self._offset[index]), int(self._size[index]))

    def label(self, index: int) -> int:
        """The class that stands beside the image."""
        return int(self._labels[index])

    def key(self, index: int) -> str:
        """The path of the image in its shard, after the shard's name if there are several."""
        path = self._paths[index].decode(errors="surrogateescape")
        shard = self._shards[int(self._shard[index])].name
        return f"{shard}/{path}" if len(self._shards) > 1 else path

    @property
    def fingerprint(self) -> str:
        """Of names, sizes and labels."""
        names = self._paths.arrays().values()
        return digest([*names, self._size.astype("<i8"), self._labels.astype("<i4")])


def _classes(
    parts: list[Names], kept: Bool[np.ndarray, " M"]
) -> tuple[tuple[str, ...], Int32[np.ndarray, " N"]]:
    """Number the label texts of the members that are kept."""
    places: dict[bytes, int] = {b"": UNKNOWN}
    each = (places.setdefault(text, len(places) - 1) for part in parts for text in part)
    codes = np.fromiter(each, np.int64, len(kept))[kept]
    counts = np.bincount(codes[codes >= 0], minlength=len(places) - 1)
    texts = [text for text, place in places.items() if place >= 0]
    caption = np.array([text.startswith(_CAPTION) for text in texts], bool) & (counts > 0)
    if 2 * caption.sum() > counts[caption].sum():
        counts[caption] = 0
    names: dict[str, int] = {}
    moved = np.full(len(places), UNKNOWN)
    for place in np.flatnonzero(counts):
        moved[place] = names.setdefault(texts[place][1:].decode(errors="replace"), len(names))
    return numbered(list(names), moved[codes])


@dataclass(slots=True)
class _Sample:
    """The images and the label of the members that share a stem."""

    images: list[tarfile.TarInfo] = field(default_factory=list)
    label: bytes = b""  # the kind, one letter, then the text

    def chosen(self, stem: str) -> list[tarfile.TarInfo]:
        """The image that stands for the sample; all of them if none is named plainly."""
        plain = [image for image in self.images if image.name.count(".", len(stem)) == 1]
        return plain[:1] or self.images


def _indexed(path: Path) -> dict[str, np.ndarray]:
    """Where the images of a shard lie and what their labels say; found once and kept."""
    try:
        status = path.stat()
        stamp = np.array([status.st_size, status.st_mtime_ns])
        subject = b"shard:" + str(path.absolute()).encode(errors="surrogateescape")
        kept = cache.load(subject)
        if kept is not None and np.array_equal(kept["stamp"], stamp):
            return kept
        with tarfile.open(path, "r:") as shard:
            found = _index(shard)
    except (OSError, tarfile.TarError) as error:
        raise UserError(
            f"{path}: must be a whole, uncompressed tar file, got: {error}; "
            "fetch it again, or undo its compression"
        ) from error
    cache.save(subject, found | {"stamp": stamp})
    return found


def _index(shard: tarfile.TarFile) -> dict[str, np.ndarray]:
    images: list[tuple[bytes, int, int]] = []
    texts: list[bytes] = []
    for stem, members in groupby(_files(shard), key=lambda member: _stem(member.name)):
        sample = _Sample()
        for member in members:
            if is_image(member.name):
                sample.images.append(member)
            elif label := _label(shard, member):
                sample.label = min(label, sample.label or label)
        for image in sample.chosen(stem):
            place = image.name.encode(errors="surrogateescape")
            images.append((place, image.offset_data, image.size))
            texts.append(sample.label)
    labels = Names.pack(texts)
    return Paths.pack([place for place, _, _ in images]).arrays() | {
        "offset": np.array([offset for _, offset, _ in images], np.int64),
        "size": np.array([size for _, _, size in images], np.int64),
        "labels": labels.blob,
        "label_ends": labels.ends,
    }


def _files(shard: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Regular files one by one; the shard forgets them, or it would hold all in memory."""
    while (member := shard.next()) is not None:
        shard.members.clear()  # pyright: ignore[reportAttributeAccessIssue]
        if member.isfile():
            member.name = member.name.removeprefix("./")
            yield member
    shard.fileobj.seek(shard.offset)
    if any(shard.fileobj.read(tarfile.BLOCKSIZE)):
        raise tarfile.ReadError(f"a damaged header at byte {shard.offset}")


def _stem(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    return folder + slash + name.partition(".")[0]


def _label(shard: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """A letter for the kind of member and the text; empty if it is no label."""
    kind = _KINDS.get(member.name[len(_stem(member.name)) :])
    if kind is None or member.size > _LONGEST[kind]:
        return b""
    file = shard.extractfile(member)
    text = file.read().strip() if file else b""
    if kind == _KINDS[".json"]:
        text = _field(text)
    return kind + text if text else b""


def _field(text: bytes) -> bytes:
    try:
        record: Any = json.loads(text)
    except ValueError:
        return b""
    if not isinstance(record, dict):
        return b""
    entries = cast("dict[str, object]", record)
    for name in _FIELDS:
        if isinstance(entries.get(name), int | str):
            return str(entries[name]).encode()
    return b""
