"""The protocol of a set of images, and how an image is refused. Axes: N items."""

import errno
import os
import re
import stat
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64

from ilk.core.unknown import UNKNOWN

_LONGEST = 300  # characters of a message
_MOST_TIMES = 100  # what images without noise, such as drawings, are packed to
MAX_BYTES = 2**30  # a larger file cannot hold an image below Pillow's limit of pixels
ENDINGS = frozenset(
    b".jpg .jpeg .jpe .jfif .mpo .png .apng .webp .gif .bmp .dib .tif .tiff "
    b".ppm .pgm .pbm .pnm .jp2 .j2k .jpx .avif .tga .ico".split()
)  # of the formats in `ilk.data.formats`
_ADDRESS = re.compile(
    r" <[^<>]* at 0x[0-9a-f]+>"
)  # of an object, which says nothing to a person
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class BadItem(Exception):
    """One item cannot be used; the message is the reason, for a person to read."""


@runtime_checkable
class Source(Protocol):
    """A numbered set of items; reading one never depends on what was read before.

    A source can be read by many threads at once, and pickled. It may also have the properties
    ``unlabelled_because``, a clause that says why items have no label, ``left_out``, what it
    holds beside its items, see ``ilk.data.account``, and ``facts``, names of what it knows of
    items beside their label, with a method ``fact``, see ``ilk.data.facts``.
    """

    @property
    def name(self) -> str:
        """What the person called it."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels, empty when nothing is labelled."""
        ...

    if TYPE_CHECKING:  # before Python 3.12 isinstance would compute it, which can take seconds

        @property
        def fingerprint(self) -> str:
            """Hexadecimal digits that stay the same as long as the content does."""
            ...

    def __len__(self) -> int:
        """N, the number of items."""
        ...

    def item(self, index: int) -> bytes | np.ndarray:
        """An encoded file, or an array: an image [H, W, C], or anything else.

        Raises:
            BadItem: it cannot be read.
        """
        ...

    def label(self, index: int) -> int:
        """Position in ``classes``; -1 when not known."""
        ...

    def key(self, index: int) -> str:
        """The path or id by which a person finds the item again."""
        ...


def labels(source: Source, classes: tuple[str, ...] | None = None) -> Int64[np.ndarray, " N"]:
    """Every label of a source, -1 where not known.

    Args:
        source: labelled or not.
        classes: number the labels by position in these names rather than the source's own, so
            that two sources agree; a class that is not among them becomes -1.
    """
    found = np.fromiter(map(source.label, range(len(source))), np.int64, len(source))
    if classes is None:
        return found
    place = {name: number for number, name in enumerate(classes)}
    table = np.array([place.get(name, UNKNOWN) for name in source.classes] + [UNKNOWN])
    return table[found].astype(np.int64)


def digest(parts: Iterable[bytes | np.ndarray]) -> str:
    """A fingerprint of bytes, in order; where one part ends matters."""
    total = blake2b(digest_size=16)
    for part in parts:
        data = part if isinstance(part, bytes) else part.tobytes()
        total.update(len(data).to_bytes(8, "little"))
        total.update(data)
    return total.hexdigest()


def spread(count: int, most: int) -> Int64[np.ndarray, " K"]:
    """At most ``most`` different indices, evenly spread over ``count`` items, both ends too.

    Example:
        >>> spread(100, 5).tolist()
        [0, 24, 49, 74, 99]
    """
    return np.unique(np.linspace(0, max(count - 1, 0), min(count, most)).astype(np.int64))


def read_file(path: Path) -> bytes:
    """The whole of a regular file.

    Raises:
        BadItem: it vanished, may not be read, is no regular file or is larger than 1 GiB.
    """
    try:
        with _opened(path) as file:
            check_size(os.fstat(file.fileno()).st_size)
            return file.read()
    except OSError as error:
        raise BadItem(_reason(error)) from error


def beside(table: Path, path: str) -> Path:
    """Where an image lies that a table names by its path, in the folder of the table.

    Raises:
        BadItem: it lies elsewhere: a table must not choose files elsewhere.
    """
    root = table.parent.resolve()
    try:
        place = (root / path).resolve()
        inside = not Path(path).is_absolute() and place.is_relative_to(root)
    except (OSError, ValueError, RuntimeError):  # a zero in the name, a link to itself
        inside, place = False, root
    if not inside or "://" in path:
        raise BadItem("a path must stay in the folder of the parquet file")
    return place


def read_span(path: Path, offset: int, size: int) -> bytes:
    """Some bytes of an archive, opened for each call so that threads and forks share nothing.

    Raises:
        BadItem: the archive vanished, may not be read, or ends too early.
    """
    check_size(size)
    try:
        with _opened(path) as file:
            file.seek(offset)
            data = file.read(size)
    except OSError as error:
        raise BadItem(_reason(error)) from error
    if len(data) < size:
        raise BadItem(f"truncated: {path.name} ends after {len(data)} of its {size} bytes")
    return data


def _opened(path: Path) -> BinaryIO:
    """A regular file, opened; to open a pipe would wait for a writer."""
    handle = os.open(path, os.O_RDONLY | _AT_ONCE)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    raise BadItem("unreadable: not a regular file")


@contextmanager
def only_bad_items(what: str) -> Generator[None]:
    """Whatever goes wrong within is a `BadItem`; interruptions pass.

    Decoders and file systems raise errors of any kind for damaged files. One item must never
    end a run, so all of them count as the item's fault, also that memory ran out.

    Args:
        what: how the reason begins.
    """
    try:
        yield
    except BadItem:
        raise
    except MemoryError as error:
        raise BadItem("too large: memory ran out") from error
    except Exception as error:
        message = _ADDRESS.sub("", str(error)) or type(error).__name__
        begin = "truncated" if "truncated" in message.lower() else what
        raise BadItem(f"{begin}: {message}") from error


def one_line(error: BaseException) -> str:
    """What an error of another library says, in one line of bounded length."""
    return " ".join(str(error).split())[:_LONGEST] or type(error).__name__


def check_size(size: int) -> None:
    """Refuse what is too large to be read at all."""
    if size > MAX_BYTES:
        raise BadItem(f"too large: {size / 2**30:.1f} GiB, at most {MAX_BYTES / 2**30:.0f}")


def most_unpacked(size: int) -> int:
    """Bytes that a part of a file may unpack to, by what it takes there."""
    return max(2**29, _MOST_TIMES * size)


def check_unpacked(size: int, most: int) -> None:
    """Refuse what unpacks to more than images ever do."""
    if size > most:
        raise BadItem(
            f"too large: it unpacks to more than {most / 2**30:.1f} GiB, where images come to "
            f"less than {_MOST_TIMES} times their file"
        )


def _reason(error: OSError) -> str:
    known = {
        errno.ENOENT: "the file has vanished",
        errno.EACCES: "permission denied",
        errno.ELOOP: "a symbolic link to itself",
    }
    number = error.errno or 0
    return f"unreadable: {known.get(number, error.strerror or str(error))}"
