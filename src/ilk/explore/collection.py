"""What a page is over: the images of an index, their columns, and one or more sets of vectors.

Axes: N images, M of them that have a vector, D features, Q queries, k neighbours.
"""

# pyarrow has no types
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from jaxtyping import Float32, Int64

from ilk.core import UserError
from ilk.curate.filters import Findings
from ilk.data import Source
from ilk.data.source import digest
from ilk.embedding import Embeddings, nearest

Search = Callable[
    [Float32[np.ndarray, "Q D"], int],
    tuple[Int64[np.ndarray, "Q k"], Float32[np.ndarray, "Q k"]],
]
NONE = -1  # no row
FOLDER = "page"  # below what is derived from an index


@dataclass(frozen=True, kw_only=True, slots=True)
class Space:
    """The vectors of the images under one encoder.

    Args:
        name: for a person.
        encoder: that made them, for a person.
        vectors: row-addressable, N x D, of unit length.
        rows: that have a vector.
        search: rows and cosines of the k nearest, -1 for none.
    """

    name: str
    encoder: str
    vectors: Any
    rows: Int64[np.ndarray, " M"]
    search: Search

    @property
    def dim(self) -> int:
        """D."""
        return int(self.vectors.shape[1])


class Collection:
    """The images of a page, as they were when it was opened.

    Args:
        title: what they are called.
        ids: stable, ascending.
        table: a row an image: key, content, width, height, label_name, facts.
        spaces: the first has all images.
        images: a source of them, row by row; or why there is none.
        encoder: gives the encoder of the first space, or raises a UserError.
        roots: where keys lead back to.
        findings: what was found of them before, and where more is kept.
    """

    def __init__(
        self,
        title: str,
        ids: Int64[np.ndarray, " N"],
        table: pa.Table,
        spaces: Sequence[Space],
        *,
        images: Source | str,
        encoder: Callable[[], Any],
        findings: Findings,
        roots: Sequence[str] = (),
    ) -> None:
        self.title = title
        self.ids = ids
        self.table = table
        self.spaces = tuple(spaces)
        self.images = images
        self.encoder = encoder
        self.findings = findings
        self.folder = findings.folder and findings.folder / FOLDER
        self.roots = tuple(roots)

    def __len__(self) -> int:
        """N."""
        return len(self.ids)

    def source(self) -> Source:
        """The images.

        Raises:
            UserError: they are gone.
        """
        if isinstance(self.images, str):
            raise UserError(self.images)
        return self.images

    @cached_property
    def contents(self) -> np.ndarray:
        """A digest of the bytes of each image, uint64; 0 where it is not known."""
        if "content" not in self.table.column_names:
            return np.zeros(len(self), np.uint64)
        return self.table["content"].fill_null(0).to_numpy().astype(np.uint64)

    @cached_property
    def keys(self) -> pa.Array:
        """The key of each image."""
        found = self.table["key"].combine_chunks()
        return found.cast(pa.large_string())

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the images and the first encoder."""
        return digest([self.ids, self.contents, self.spaces[0].encoder.encode()])


def whole_space(name: str, encoder: str, vectors: Any, search: Search) -> Space:
    """A space in which every image has a vector."""
    rows = np.arange(len(vectors))
    return Space(name=name, encoder=encoder, vectors=vectors, rows=rows, search=search)


def further_space(name: str, table: Embeddings, keys: pa.Array, contents: np.ndarray) -> Space:
    """The vectors of the same images under another encoder.

    Images are the same where their bytes are, or, where these are not known, their keys.

    Args:
        name: for a person.
        table: vectors, in any order and of any images.
        keys: the key of each image of a collection.
        contents: digests of their bytes.

    Raises:
        UserError: fewer than three images are in both.
    """
    if table.contents is not None and contents.any():
        given, known = pa.array(contents), pa.array(table.contents)
    else:
        given, known = keys, table.keys.cast(pa.large_string())
    places = pc.index_in(given, known).fill_null(NONE).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(places >= 0)
    if len(rows) < 3:
        raise UserError(
            f"view: {name} must hold vectors of the same images, {len(rows)} of {len(keys)} are"
            " in it; embed the same images"
        )
    vectors = np.zeros((len(keys), table.vectors.shape[1]), np.float16)
    found = table.vectors[places[rows]]
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    vectors[rows] = found / np.maximum(lengths, 1e-12)
    return Space(
        name=name, encoder=table.encoder, vectors=vectors, rows=rows,
        search=exact(vectors, rows),
    )  # fmt: skip


def exact(vectors: np.ndarray, rows: Int64[np.ndarray, " M"]) -> Search:
    """Search by comparing with every vector in memory."""
    gallery = torch.from_numpy(vectors[rows])

    def search(queries: Float32[np.ndarray, "Q D"], k: int) -> tuple[np.ndarray, np.ndarray]:
        columns, cosines = nearest(torch.from_numpy(queries), gallery, k)
        return rows[columns.numpy()], cosines.numpy()

    return search
