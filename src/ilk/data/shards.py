"""Images in tar shards, in the layout of WebDataset, read in place. Axes: N images.

Files of one sample share their path up to the first dot of the file name: ``0001.jpg 0001.cls
0002.jpg 0002.cls``, see https://github.com/webdataset/webdataset.
"""

import os
import tarfile
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int32

from ilk.core.errors import UserError
from ilk.core.facts import Fact
from ilk.core.unknown import UNKNOWN
from ilk.data import cache
from ilk.data.account import Tally, packed, summary, unpacked
from ilk.data.by_folder import folder_classes, folder_fact, folder_facts
from ilk.data.classes import numbered
from ilk.data.names import Names, Paths
from ilk.data.shard_index import CAPTION, ENDINGS, FIELDS, indexed
from ilk.data.source import digest, one_line, read_span


class Shards:
    """Every image of one or many tar files, in their order; nothing is unpacked.

    An image's label is the ``.cls`` of its sample, the field ``label``, ``cls``, ``class`` or
    ``target`` of its ``.json``, or its ``.txt``; a ``.txt`` that few samples share is taken for
    a caption and ignored. A label file of the image's very name goes before that of its sample,
    so that ``img.v2.jpg`` goes with ``img.v2.cls``. Shards without any of these are labelled by
    folder, see ``folder_classes``. Of several images in a sample the first whose whole ending
    is that of an image counts (``0001.jpg`` before ``0001.mask.png``). Links to images inside
    the shard are those images. Of members of one name the last counts. What is left out is
    counted in ``left_out``, over the whole of all shards. The places of the members are found
    once for each shard and kept. The fingerprint covers names, sizes and labels.

    Args:
        paths: of the shards.
        name: what the person called them.
        inside: a folder of the shards to which they are confined; empty is all of them.

    Attributes:
        by_folder: whether labels are read off folders.
    """

    def __init__(self, paths: list[Path], name: str, inside: str = "") -> None:
        self.name = name
        self._shards = paths
        self._prefixes = _prefixes(paths)
        self.roots = {
            prefix: str(path.absolute() / inside.strip("/"))
            for prefix, path in zip(self._prefixes, paths, strict=True)
        }
        parts = [_found(path) for path in paths]
        tally = Tally()
        for part in parts:
            tally.extend(unpacked(part["left_out"]))
        self.left_out = tally.result()
        every = Paths.joined([Paths.unpacked(part) for part in parts])
        self._paths, kept = every.below(inside.strip("/").encode())
        if not len(self._paths):
            where = f" below {inside}" if inside else ""
            found = f" but {summary(self.left_out)}" if self.left_out else ""
            raise UserError(f"{name}: must hold images{where}, found none{found}")
        counts = [len(part["offset"]) for part in parts]
        self._shard = np.repeat(np.arange(len(parts), dtype=np.int32), counts)[kept]
        self._offset = np.concatenate([part["offset"] for part in parts])[kept]
        self._size = np.concatenate([part["size"] for part in parts])[kept]
        texts = [Names(part["labels"], part["label_ends"]) for part in parts]
        known = _of_samples(texts, kept)
        self.by_folder = not known.names
        if self.by_folder:
            by_folder = folder_classes(self._paths)
            of_image = by_folder.of_folder[self._paths.folder]
            reason = by_folder.reason and f"{known.reason}, and {by_folder.reason}"
            known = Fact(by_folder.classes, of_image, reason)
        self.classes, self._labels = known.names, known.values
        self.unlabelled_because = known.reason

    def __len__(self) -> int:
        """N, the number of images."""
        return len(self._paths)

    def item(self, index: int) -> bytes:
        """The image of a sample."""
        shard = self._shards[int(self._shard[index])]
        return read_span(shard, int(self._offset[index]), int(self._size[index]))

    def label(self, index: int) -> int:
        """The class that stands beside the image."""
        return int(self._labels[index])

    @property
    def facts(self) -> tuple[str, ...]:
        """What the folders say beside the class."""
        return folder_facts(self._paths)

    def fact(self, name: str) -> Fact:
        """One of them."""
        return folder_fact(self._paths, name)

    def key(self, index: int) -> str:
        """The path of the image in its shard, after the shard's name if there are several.

        Shards in different folders are named by their path from the folder that all share.
        """
        path = self._paths[index].decode(errors="surrogateescape")
        return self._prefixes[int(self._shard[index])] + path

    @property
    def fingerprint(self) -> str:
        """Of names, sizes and labels."""
        names = self._paths.arrays().values()
        return digest([*names, self._size.astype("<i8"), self._labels.astype("<i4")])


def _prefixes(paths: list[Path]) -> list[str]:
    """What the keys of each shard begin with."""
    if len(paths) == 1:
        return [""]
    places = [path.absolute() for path in paths]
    shared = os.path.commonpath([place.parent for place in places])
    return [f"{place.relative_to(shared).as_posix()}/" for place in places]


def _found(path: Path) -> dict[str, np.ndarray]:
    """Where the images of a shard lie and what their labels say; found once and kept."""
    try:
        status = path.stat()
        stamp = np.array([status.st_size, status.st_mtime_ns])
        subject = b"shard:" + str(path.absolute()).encode(errors="surrogateescape")
        kept = cache.load(subject)
        if kept is not None and np.array_equal(kept["stamp"], stamp):
            return kept
        with tarfile.open(path, "r:") as shard:
            found = indexed(shard)
    except Exception as error:  # a damaged header makes the parser raise whatever it likes
        raise UserError(
            f"{path}: must be a whole, uncompressed tar file, got: {one_line(error)}; "
            "fetch it again, or undo its compression"
        ) from error
    labels = Names.pack(found.labels)
    arrays = Paths.pack([image.path for image in found.images]).arrays() | {
        "offset": np.array([image.offset for image in found.images], np.int64),
        "size": np.array([image.size for image in found.images], np.int64),
        "labels": labels.blob,
        "label_ends": labels.ends,
        "left_out": packed(found.left_out),
    }
    cache.save(subject, arrays | {"stamp": stamp})
    return arrays


def _of_samples(parts: list[Names], kept: Bool[np.ndarray, " M"]) -> Fact:
    """Number the label texts of the members that are kept."""
    places: dict[bytes, int] = {b"": UNKNOWN}
    each = (places.setdefault(text, len(places) - 1) for part in parts for text in part)
    codes = np.fromiter(each, np.int64, len(kept))[kept]
    counts = np.bincount(codes[codes >= 0], minlength=len(places) - 1)
    texts = [text for text, place in places.items() if place >= 0]
    caption = np.array([text.startswith(CAPTION) for text in texts], bool) & (counts > 0)
    captions, captioned = int(caption.sum()), int(counts[caption].sum())
    if 2 * captions > captioned:
        counts[caption] = 0
    names: dict[str, int] = {}
    moved = np.full(len(places), UNKNOWN)
    for place in np.flatnonzero(counts):
        moved[place] = names.setdefault(texts[place][1:].decode(errors="replace"), len(names))
    known = numbered(list(names), moved[codes])
    return Fact(known.names, known.values, _why(known.values, captions, captioned))


def _why(numbers: Int32[np.ndarray, " N"], captions: int, captioned: int) -> str:
    """Why samples have no label of their own."""
    lost = int((numbers < 0).sum())
    if lost and 2 * captions > captioned:
        return (
            f"the .txt files of {captioned} images hold {captions} different texts, which are "
            "taken for captions"
        )
    if lost == len(numbers):
        return (
            f"no image has a label in a file of its name that ends in {', '.join(ENDINGS)} "
            f"(of a .json the field {', '.join(FIELDS)})"
        )
    return f"{lost} of {len(numbers)} images have no label file" if lost else ""
