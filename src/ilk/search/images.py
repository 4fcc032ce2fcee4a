"""The images behind the rows of an index, where they are still there. Axes: N rows."""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

import re
import threading
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Int64

from ilk.core import UserError, stored
from ilk.data import BadItem, Source, open_source
from ilk.data.source import digest, read_file
from ilk.embedding.batches import content_of

_BYTE = re.compile(rb"\\x([0-9a-f]{2})")
Roots = tuple[tuple[str, Path], ...]  # what keys begin with, the longest first, and a place


class IndexedImages:
    """The images of the rows of an index, as a source.

    An image is found by its key and the roots that its table named, and it is given only where
    its bytes are the very ones that were embedded: a place that a stranger's index names is
    read, but what lies there is shown only to whoever knew it already.

    Args:
        table: key, content and, where there are classes, label of each row.
        parts: number of the part of each row.
        roots: for each part, where keys lead back to.
        classes: names of the labels.
        name: what messages call the source.
        fingerprint: a digest of the rows.

    Raises:
        UserError: nothing is left of what holds the images, or the table did not name it.
    """

    def __init__(
        self, table: Any, parts: Int64[np.ndarray, " N"], roots: Sequence[dict[str, str]],
        classes: tuple[str, ...], name: str, fingerprint: str,
    ) -> None:  # fmt: skip
        self.name, self.classes, self.fingerprint = name, classes, fingerprint
        self._keys = table["key"]
        self._contents = table["content"].to_numpy()
        self._labels = np.full(len(table), -1, np.int64)
        if "label" in table.column_names:
            found = table["label"].fill_null(-1).to_numpy()
            self._labels = np.where((found >= 0) & (found < len(classes)), found, -1)
        self._parts = parts
        self._roots: tuple[Roots, ...] = tuple(
            tuple(sorted(((p, Path(r)) for p, r in some.items()), key=lambda e: -len(e[0])))
            for some in roots
        )
        places = list(dict.fromkeys(place for some in self._roots for _, place in some))
        if not any(_holder(place) for place in places):
            named = ", ".join(map(str, places[:3])) or "no place"
            raise UserError(
                f"index: the images of {name} must be where they were when they were embedded, "
                f"its table names {named}; put them back, or embed again"
            )
        self._opened: dict[Path, tuple[Source, dict[str, int]]] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {n: v for n, v in vars(self).items() if n not in ("_lock", "_opened")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._opened, self._lock = {}, threading.Lock()

    def __len__(self) -> int:
        """N."""
        return len(self._keys)

    def key(self, index: int) -> str:
        """That of the table, with the bytes of its name where these are no text."""
        return raw_key(self._keys[index].as_py())

    def label(self, index: int) -> int:
        """As in the table."""
        return int(self._labels[index])

    @property
    def roots(self) -> dict[str, str]:
        """Where keys lead back to, as far as all parts agree."""
        found = {prefix: str(place) for some in self._roots for prefix, place in some}
        agree = all(
            found[prefix] == str(place) for some in self._roots for prefix, place in some
        )
        return {raw_key(prefix): root for prefix, root in found.items()} if agree else {}

    def place(self, index: int) -> Path | None:
        """Where the file of an image lies by the roots of its part; None where it is no file.

        It may have gone.
        """
        key = self._keys[index].as_py()
        for prefix, place in self._roots[int(self._parts[index])]:
            if key.startswith(prefix) and _is_folder(place):
                try:
                    return _below(place, key[len(prefix) :])
                except BadItem:
                    return None
        return None

    def item(self, index: int) -> bytes | np.ndarray:
        """The file or the pixels that were embedded.

        Raises:
            BadItem: it is gone, or not the same any more.
        """
        key = self._keys[index].as_py()
        found = self._find(key, self._roots[int(self._parts[index])])
        if content_of(found) != int(self._contents[index]):
            raise BadItem("changed: it is not the image that was embedded")
        return found

    def _find(self, key: str, roots: Roots) -> bytes | np.ndarray:
        for prefix, place in roots:
            holder = _holder(place) if key.startswith(prefix) else None
            if holder is None:
                continue
            rest = key[len(prefix) :]
            if holder.is_dir():
                return read_file(_below(place, rest))
            source, numbers = self._source(place, holder)
            if rest in numbers:
                return source.item(numbers[rest])
        raise BadItem("unreadable: the image has gone from where it was embedded")

    def _source(self, place: Path, holder: Path) -> tuple[Source, dict[str, int]]:
        """An archive or table, and the number of each of its keys."""
        with self._lock:
            if place not in self._opened:
                inside = place.relative_to(holder).as_posix()
                spec = f"{holder}:{inside}" if inside != "." else str(holder)
                try:
                    source = open_source(spec)
                except UserError as error:
                    raise BadItem(f"unreadable: {error}") from error
                numbers = {stored(source.key(at)): at for at in range(len(source))}
                self._opened[place] = source, numbers
            return self._opened[place]


def state(parts: Sequence[dict[str, Any]], deleted: np.ndarray, encoder: str) -> str:
    """A fingerprint of the rows of an index: of its parts and of what is deleted."""
    facts = [(part["rows"], part["data"], part["date"]) for part in parts]
    return digest([encoder.encode(), str(facts).encode(), deleted.astype("<i8")])


def raw_key(key: str) -> str:
    r"""The key of an image from that of a table: the inverse of `ilk.core.stored`.

    Example:
        >>> raw_key("a/\\xe9.png")
        'a/\udce9.png'
    """
    if "\\x" not in key:
        return key
    raw = _BYTE.sub(lambda found: bytes([int(found[1], 16)]), key.encode())
    return raw.decode(errors="surrogateescape")


def _is_folder(place: Path) -> bool:
    holder = _holder(place)
    return holder is not None and holder.is_dir()


def _holder(place: Path) -> Path | None:
    """The folder itself, or the archive or table of a place; None where it is gone."""
    if not place.is_absolute():
        return None
    try:
        if place.is_dir():
            return place
        return next((file for file in (place, *place.parents) if file.is_file()), None)
    except (OSError, ValueError):  # too long, forbidden, a zero in the name
        return None


def _below(place: Path, rest: str) -> Path:
    """A file in a folder.

    Raises:
        BadItem: the path leads out of it.
    """
    name = raw_key(rest)
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise BadItem("unreadable: a key must stay in the folder of its images")
    return place / path
