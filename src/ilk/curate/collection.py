"""Images in whatever holds them, an index or not, and how they look."""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from ilk.core import UNKNOWN, UserError, stored
from ilk.curate.appearances import KEPT, Appearances, Shelf, look_at
from ilk.curate.cells import Rows
from ilk.curate.filters import Findings
from ilk.data import BadItem, Source, open_source
from ilk.search import DERIVED, Index
from ilk.search.images import raw_key

HEADER = "index.json"


@dataclass(frozen=True, slots=True, eq=False)
class Collection:
    """A set of images.

    Args:
        source: where the images come from.
        looks: how they look.
        vectors: one for each item of the source; None where there are none.
        encoder: fingerprint of what made the vectors; empty where there are none.
        gone: why only files can be compared, and not what they show; empty if they can.
        findings: keeps what is found of the images of an index; None where there is none.
    """

    source: Source
    looks: Appearances
    vectors: Rows | None = None
    encoder: str = ""
    gone: str = ""
    findings: Findings | None = None

    def key(self, row: int) -> str:
        """The key of the image in a row of ``looks``, as tables hold it."""
        return stored(self.source.key(int(self.looks.items[row])))

    def images(self) -> pa.Table:
        """Key and content of each image that was looked at."""
        keys = pa.array(map(self.key, range(len(self.looks))), pa.string())
        return pa.table({"key": keys, "content": self.looks.column("content")})


def open_collection(
    spec: str, *, workers: int = 1, progress: Callable[[int, int], None] | None = None
) -> Collection:
    """Open an index, or anything else that holds images, and look at each image once.

    What an index derives is kept in its folder. Where its images are gone, their digests are
    still known.

    Args:
        spec: the folder of an index, or as for `ilk.data.open_source`.
        workers: threads.
        progress: called with the images done and their number.

    Raises:
        UserError: there is no such thing.
    """
    folder = Path(spec).expanduser()
    if not (folder / HEADER).is_file():
        source = open_source(spec)
        return Collection(source, look_at(source, workers=workers, progress=progress))
    index = Index.open(folder)
    contents = index.columns(["content"])["content"].to_numpy()
    try:
        source = index.images()
    except UserError as error:
        return Collection(_Gone(index), _by_content(contents), gone=str(error))
    shelf = Shelf.beside(folder.resolve() / DERIVED, index.ids, contents)
    looks = look_at(source, workers=workers, shelf=shelf, progress=progress)
    encoder, findings = index.header.encoder, Findings.of(index)
    return Collection(source, looks, index.vectors, encoder, findings=findings)


def _by_content(contents: np.ndarray) -> Appearances:
    """The appearances of images of which no more is known."""
    rows = np.zeros(len(contents), KEPT)
    rows["id"] = np.arange(len(contents))
    rows["content"] = rows["pixels"] = contents
    return Appearances(rows["id"], [rows])


class _Gone:
    """The rows of an index whose images are gone, as a source that gives none."""

    def __init__(self, index: Index) -> None:
        self.name, self.fingerprint = str(index.folder), index.fingerprint
        self.classes: tuple[str, ...] = ()
        self._keys = index.columns(["key"])["key"]

    def __len__(self) -> int:
        return len(self._keys)

    def item(self, index: int) -> bytes:
        raise BadItem("unreadable: the image has gone from where it was embedded")

    def label(self, index: int) -> int:
        return UNKNOWN

    def key(self, index: int) -> str:
        return raw_key(self._keys[index].as_py())
