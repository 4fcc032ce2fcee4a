"""An index of images: opened, searched, and led back to the images.

Axes: N living rows, Q queries, D features.
"""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64

from ilk.core import UserError
from ilk.embedding import nearest_in_blocks
from ilk.networks import Encoder, load_encoder, warn
from ilk.search.header import Header, read_header
from ilk.search.images import IndexedImages, state
from ilk.search.ivf import AGAIN, Lists
from ilk.search.ivf import FOLDER as LISTS
from ilk.search.parts import check_parts, rows_file, vectors_file
from ilk.search.rows import read_deleted, read_rows
from ilk.search.vectors import Vectors, unit

ROWS, ASKED = 4096, 1024  # rows and queries that are compared at once
FEW = 65_536  # rows of a mask that are compared one and all
RANKED = 2**24  # numbers of vectors that are ranked at once


class Index:
    """Vectors of images in a folder, with what is known of each image.

    Rows that were deleted are in none of its arrays. A row has two numbers: its place, from 0
    to N - 1, in ``ids``, ``vectors`` and ``table``; and its id, which stays the same whatever
    is deleted or appended.

    Example:
        >>> from ilk.embedding import embed_to_table
        >>> from ilk.networks import load_encoder
        >>> from ilk.rendered import Rendered
        >>> from ilk.search import Index, build_index
        >>> encoder = load_encoder("random:resnet_mini")
        >>> table = embed_to_table(encoder, Rendered(12, size=32), "photos.parquet")
        >>> index = build_index(table, "photos.index")
        >>> ids, similarities = Index.open("photos.index").search(index.vectors[:2], k=3)
        >>> ids[:, 0].tolist(), similarities.shape
        ([0, 1], (2, 3))

    Args:
        folder: as ``ilk index`` wrote it.

    Raises:
        UserError: it is no index, or torn; the message says where.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.header: Header = read_header(self.folder)
        check_parts(self.folder, self.header)
        self._deleted = read_deleted(self.folder, self.header.rows)
        every = np.arange(self.header.rows)
        self._kept = np.delete(every, self._deleted) if len(self._deleted) else None
        self.ids: Int64[np.ndarray, " N"] = every if self._kept is None else self._kept
        files = [vectors_file(self.folder, part) for part in range(len(self.header.parts))]
        self.vectors = Vectors(files, self._kept)

    @classmethod
    def open(cls, folder: str | Path) -> "Index":
        """The index in a folder."""
        return cls(folder)

    def __len__(self) -> int:
        """N."""
        return len(self.ids)

    @property
    def fingerprint(self) -> str:
        """Changes with every row that is appended or deleted."""
        return state(self.header.parts, self._deleted, self.header.encoder)

    @cached_property
    def table(self) -> Any:
        """All columns of the living rows: id, key, content, width, height, label, facts."""
        return self.columns()

    def columns(self, names: Sequence[str] | None = None) -> Any:
        """Some columns of the living rows, as an Arrow table.

        Args:
            names: those that are there are read; all when None.
        """
        parts = range(len(self.header.parts))
        files = [rows_file(self.folder, part) for part in parts]
        return read_rows(files, self._kept, names)

    def places(self, ids: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
        """The places of ids; -1 for those that are not there."""
        ids = np.asarray(ids, np.int64)
        found = np.searchsorted(self.ids, ids)
        there = found < len(self.ids)
        there[there] = self.ids[found[there]] == ids[there]
        return np.where(there, found, -1)

    def search(
        self,
        vectors: np.ndarray,
        k: int = 10,
        *,
        within: np.ndarray | None = None,
        exact: bool = False,
        probed: int | None = None,
    ) -> tuple[Int64[np.ndarray, "Q k"], Float32[np.ndarray, "Q k"]]:
        """The nearest images of some vectors by cosine, most similar first.

        Args:
            vectors: [Q, D], of any length, under the encoder of the index.
            k: at least 1.
            within: a mask [N] of the rows that count; all when None.
            exact: compare all vectors, whatever the engine.
            probed: lists that engine ivf looks into; None for as many as its recall asks for.

        Returns:
            Ids, -1 where there are no more, and similarities, minus infinity there.

        Raises:
            UserError: the vectors are not of the index's kind.
        """
        queries = self._queries(vectors, k)
        if within is not None and (within.shape != (len(self),) or within.dtype != bool):
            raise UserError(
                f"within: must be a mask of {len(self)} rows, got shape {within.shape}"
            )
        few = within is not None and np.count_nonzero(within) <= FEW
        if self._lists is None or exact or few:
            return self._exact(queries, k, within)
        alive = None
        if within is not None or self._kept is not None:
            alive = np.zeros(self.header.rows, bool)
            alive[self.ids if within is None else self.ids[within]] = True
        assert self.header.ivf is not None
        count = min(AGAIN[self.header.ivf["codes"]] * k, self.header.rows)
        found = self._lists.search(queries, count, probed or self._lists.probed, alive)
        return self._ranked(queries, found, k)

    def _exact(
        self, queries: Float32[np.ndarray, "Q D"], k: int, within: np.ndarray | None
    ) -> tuple[Int64[np.ndarray, "Q k"], Float32[np.ndarray, "Q k"]]:
        """By comparing all vectors."""
        blocks = (
            (torch.from_numpy(numbers), torch.from_numpy(block))
            for numbers, block in self.vectors.some(within, ROWS)
        )
        with torch.inference_mode():
            found, similarities = nearest_in_blocks(torch.from_numpy(queries), blocks, k, ASKED)
        places = found.numpy()
        ids = np.where(places < 0, -1, self.ids[places]) if len(self) else places
        return ids, similarities.numpy()

    def _ranked(
        self, queries: Float32[np.ndarray, "Q D"], found: Int64[np.ndarray, "Q n"], k: int
    ) -> tuple[Int64[np.ndarray, "Q k"], Float32[np.ndarray, "Q k"]]:
        """Ids that the codes found, ranked by the vectors themselves."""
        ids = np.full((len(queries), k), -1)
        best = np.full((len(queries), k), -np.inf, np.float32)
        step = max(RANKED // (found.shape[1] * self.header.dim), 1)
        most = min(k, found.shape[1])
        for start in range(0, len(queries), step):
            some = np.sort(found[start : start + step], 1)  # of equals the lower id first
            rows = self.vectors.stored(some.clip(0).ravel()).astype(np.float32)
            rows = rows.reshape(*some.shape, self.header.dim)
            scores = np.einsum("qd,qnd->qn", queries[start : start + step], rows)
            scores[some < 0] = -np.inf
            order = np.argsort(-scores, 1, kind="stable")[:, :most]
            ids[start : start + step, :most] = np.take_along_axis(some, order, 1)
            best[start : start + step, :most] = np.take_along_axis(scores, order, 1)
        return ids, best

    @cached_property
    def _lists(self) -> Lists | None:
        header = self.header
        if header.ivf is None:
            return None
        return Lists(self.folder / LISTS, header.dim, header.rows, header.ivf)

    def _queries(self, vectors: np.ndarray, k: int) -> Float32[np.ndarray, "Q D"]:
        rows = np.asarray(vectors)
        if rows.ndim != 2 or rows.shape[1] != self.header.dim or rows.dtype.kind != "f":
            raise UserError(
                f"search: vectors must be an array [Q, {self.header.dim}] of numbers, got "
                f"{rows.dtype} of shape {rows.shape}"
            )
        if k < 1:
            raise UserError(f"k: must be 1 or more, got {k}")
        if not np.isfinite(rows).all():
            raise UserError("search: vectors must be finite, got NaN or infinity")
        return unit(rows)

    def images(self) -> IndexedImages:
        """The images of the living rows, as a source; each is compared with its digest.

        Raises:
            UserError: nothing is left of what holds them; the message says what is missing.
        """
        rows = [part["rows"] for part in self.header.parts]
        return IndexedImages(
            self.columns(["key", "content", "label"]),
            np.repeat(np.arange(len(rows)), rows)[self.ids],
            [part["roots"] for part in self.header.parts],
            tuple(self.header.classes),
            str(self.folder),
            self.fingerprint,
        )

    def encoder(
        self, spec: str | Path | None = None, tell: Callable[[str], None] = warn
    ) -> Encoder:
        """The encoder of the vectors.

        Args:
            spec: where it lies, as `ilk.networks.load_encoder` takes it; None for the place
                that the table named, where nothing is fetched from elsewhere.
            tell: as for `ilk.networks.load_encoder`.

        Raises:
            UserError: it is not there, or another one is.
        """
        named = str(spec or self.header.encoder_spec)
        if not named:
            raise UserError(
                f"encoder: the table of {self.folder} does not say where its encoder "
                f"({self.header.encoder_name}) lies; give the encoder"
            )
        if spec is None and _published(named):
            raise UserError(
                f"encoder: {self.folder} was made with published weights, {named}, which an "
                f"index never fetches of itself; give {named} as the encoder"
            )
        found = load_encoder(named, tell=tell)
        if found.fingerprint != self.header.encoder:
            raise UserError(
                f"encoder: {self.folder} must be asked with the encoder that it was made with, "
                f"a {self.header.encoder_name} of fingerprint {self.header.encoder[:12]}, got "
                f"another in {named}"
            )
        return found


def _published(spec: str) -> bool:
    """Whether an encoder may have to be fetched."""
    kind, _, name = spec.partition(":")
    return (
        kind not in {"random", spec}
        and not name.endswith("@random")
        and not Path(spec).exists()
    )
