"""Vectors sorted into lists by their nearest centroid, and compressed: FAISS does the work.

A search looks into the lists of the nearest centroids, by codes, and ranks what it finds again
by the vectors themselves. Johnson et al., IEEE Big Data 2019, https://arxiv.org/abs/1702.08734.
Axes: N rows, Q queries, D features, L lists.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int64

from ilk.core import UserError, replacing
from ilk.search.lists import OneList, Segment, names, read_segment, write_segment
from ilk.search.rows import torn

FOLDER = "ivf"
PER_ROOT = 2.0  # lists for the square root of the rows
SAMPLE = 64  # vectors that train a list
MOST_SAMPLE = 2**30  # bytes of all these
ROUNDS = 8  # of k-means
# How many times the rows asked for are ranked again: the coarser the codes, the more.
AGAIN = {"none": 2, "sq8": 4, "pq": 20}
SEED = 0
_SHORTEST = 256  # vectors that train the codes pq


def faiss() -> Any:
    """The library, where it is installed.

    Raises:
        UserError: it is not.
    """
    try:
        import faiss as library
    except ImportError as error:
        raise UserError(
            "index: engine ivf needs FAISS, which is not installed; pip install 'ilk[search]', "
            "or faiss-cpu"
        ) from error
    return library


def lists_for(rows: int) -> int:
    """How many lists go with so many rows."""
    return max(min(round(PER_ROOT * rows**0.5), rows), 1)


class Coarse:
    """Centroids and codes, trained once for an index: all of its segments share them.

    Args:
        centroids: vectors of unit length.
        trained: what the codes learned.
        codes: ``none`` keeps half precision, ``sq8`` a byte a number, ``pq`` a byte for four.
    """

    def __init__(
        self, centroids: Float32[np.ndarray, "L D"], trained: Float32[np.ndarray, " t"],
        codes: str,
    ) -> None:  # fmt: skip
        self.centroids, self.trained, self.codes = centroids, trained, codes
        self.lists = len(centroids)
        library = faiss()
        self._quantizer = library.IndexFlatIP(centroids.shape[1])
        self._quantizer.add(np.ascontiguousarray(centroids))
        self.index = _empty(self._quantizer, centroids.shape[1], self.lists, codes)
        learned = _learned(self.index, codes)
        if len(trained) != _length(self.index, codes):
            raise ValueError(f"{len(trained)} numbers of codes {codes}")
        library.copy_array_to_vector(np.ascontiguousarray(trained), learned)
        self.index.is_trained = True

    @property
    def code(self) -> int:
        """Bytes of a code."""
        return int(self.index.code_size)

    @staticmethod
    def train(sample: Float32[np.ndarray, "n D"], lists: int, codes: str) -> "Coarse":
        """From some vectors of unit length.

        Raises:
            UserError: there are too few for these codes.
        """
        if codes == "pq" and len(sample) < _SHORTEST:
            raise UserError(
                f"codes: pq must have {_SHORTEST} rows to learn from, got {len(sample)}; "
                "use sq8"
            )
        library, dim = faiss(), sample.shape[1]
        quantizer = library.IndexFlatIP(dim)
        index = _empty(quantizer, dim, lists, codes)
        index.cp.niter, index.cp.seed, index.cp.spherical = ROUNDS, SEED, True
        index.cp.min_points_per_centroid = 1
        index.cp.max_points_per_centroid = SAMPLE
        if codes == "pq":
            index.pq.cp.min_points_per_centroid, index.pq.cp.seed = 1, SEED
        index.train(np.ascontiguousarray(sample))
        trained = library.vector_to_array(_learned(index, codes))
        return Coarse(quantizer.reconstruct_n(0, lists), trained.copy(), codes)

    def save(self, folder: Path) -> None:
        """Write both arrays; the centroids come last."""
        for name, array in (("trained", self.trained), ("centroids", self.centroids)):
            with replacing(folder / f"{name}.npy", "index") as beside, beside.open("wb") as f:
                np.save(f, array)

    @staticmethod
    def load(folder: Path, lists: int, dim: int, codes: str) -> "Coarse":
        """Read them back.

        Raises:
            UserError: they are not what was written.
        """
        try:
            arrays = [_plain(folder / f"{name}.npy") for name in ("centroids", "trained")]
            if arrays[0].shape != (lists, dim) or arrays[1].ndim != 1:
                raise ValueError(f"centroids of shape {arrays[0].shape}")
            return Coarse(arrays[0], arrays[1], codes)
        except (OSError, ValueError, EOFError, MemoryError) as error:
            raise torn(folder / "centroids.npy", error) from error

    def encode(
        self, place: tuple[Path, Path], blocks: Iterator[tuple[int, Float32[np.ndarray, "B D"]]]
    ) -> Segment:
        """Sort rows into lists and write them as a segment.

        Args:
            place: the segment's two files.
            blocks: id of the first row, and vectors.
        """
        library = faiss()
        self.index.reset()
        for first, block in blocks:
            ids = np.arange(first, first + len(block))
            self.index.add_with_ids(np.ascontiguousarray(block), ids)
        held = self.index.invlists
        sizes = np.array([held.list_size(number) for number in range(self.lists)], np.int64)

        def one(number: int) -> OneList:
            size = int(sizes[number])
            if not size:
                return np.empty((0, self.code), np.uint8), np.empty(0, np.int64)
            codes = library.rev_swig_ptr(held.get_codes(number), size * self.code)
            ids = library.rev_swig_ptr(held.get_ids(number), size)
            return codes.reshape(size, self.code), ids.astype(np.int64)

        def read(first: int, stop: int) -> list[OneList]:
            return [one(number) for number in range(first, stop)]

        made = write_segment(place, self.code, sizes, [read])
        self.index.reset()
        return made


class Lists:
    """The lists of an index, mapped from disk, as FAISS searches them.

    Args:
        folder: ``ivf`` of the index.
        dim: D.
        rows: number of rows of the index, the deleted ones too.
        setup: ``ivf`` of the header.

    Raises:
        UserError: FAISS is not installed, or a file is not whole.
    """

    def __init__(self, folder: Path, dim: int, rows: int, setup: dict[str, Any]) -> None:
        self.coarse = Coarse.load(folder, setup["lists"], dim, setup["codes"])
        self.probed, self._rows = int(setup["probed"]), rows
        segments = [
            read_segment(names(folder, number, "lists"), self.coarse.code, self.coarse.lists)
            for number in range(setup["segments"])
        ]
        if sum(segment.rows for segment in segments) != rows:
            raise torn(folder, ValueError(f"other rows in its lists than the {rows}"))
        library = faiss()
        self._mapped = [_mapped(segment) for segment in segments if segment.rows]
        pointers = library.InvertedListsPtrVector()
        for mapped in self._mapped:
            pointers.push_back(mapped)
        joined = self._mapped[0]
        if len(self._mapped) > 1:
            joined = library.HStackInvertedLists(pointers.size(), pointers.data())
        self._joined = joined  # FAISS does not keep it
        self.coarse.index.replace_invlists(joined, False)
        self.coarse.index.ntotal = rows

    def search(
        self, queries: Float32[np.ndarray, "Q D"], count: int, probed: int,
        alive: Bool[np.ndarray, " rows"] | None,
    ) -> Int64[np.ndarray, "Q count"]:  # fmt: skip
        """Ids by the codes, the nearest first; -1 where the lists have no more.

        Args:
            queries: vectors of unit length.
            count: ids of each.
            probed: lists that are looked into.
            alive: the rows that count, by id; all when None.
        """
        library = faiss()
        options: dict[str, Any] = {"nprobe": min(probed, self.coarse.lists)}
        if alive is not None:
            bits = np.packbits(alive, bitorder="little")
            options["sel"] = library.IDSelectorBitmap(bits)
        _, found = self.coarse.index.search(
            np.ascontiguousarray(queries), count,
            params=library.SearchParametersIVF(**options),
        )  # fmt: skip
        # Ids come from a file: none leads beyond the rows.
        return np.where((found >= 0) & (found < self._rows), found, -1)


def _empty(quantizer: Any, dim: int, lists: int, codes: str) -> Any:
    library = faiss()
    metric = library.METRIC_INNER_PRODUCT
    if codes == "pq":
        parts = max(n for n in range(1, max(dim // 4, 1) + 1) if dim % n == 0)
        return library.IndexIVFPQ(quantizer, dim, lists, parts, 8, metric)
    kind = library.ScalarQuantizer
    kinds = {"none": kind.QT_fp16, "sq8": kind.QT_8bit}
    return library.IndexIVFScalarQuantizer(quantizer, dim, lists, kinds[codes], metric, False)


def _learned(index: Any, codes: str) -> Any:
    return index.pq.centroids if codes == "pq" else index.sq.trained


def _length(index: Any, codes: str) -> int:
    """Numbers that the codes learn."""
    dim = int(index.d)
    return {"none": 0, "sq8": 2 * dim, "pq": 256 * dim}[codes]


def _mapped(segment: Segment) -> Any:
    library = faiss()
    lists = library.OnDiskInvertedLists(len(segment.sizes), segment.code, str(segment.file))
    offsets = segment.offsets
    table = np.stack([segment.sizes, segment.room, offsets[:-1]], 1).astype(np.uint64)
    library.memcpy(lists.lists.data(), library.swig_ptr(table), table.nbytes)
    lists.totsize, lists.read_only = int(offsets[-1]), True
    lists.prefetch_nthread = 0  # the system reads ahead: a list lies in one piece
    lists.do_mmap()
    return lists


def _plain(file: Path) -> Float32[np.ndarray, "*shape"]:
    if not file.is_file():
        raise OSError(f"no {file.name}")
    found = np.load(file, mmap_mode=None if file.stat().st_size < 200 else "r",
                    allow_pickle=False)  # fmt: skip
    if not isinstance(found, np.ndarray):
        raise ValueError(f"{file.name} that is no array")
    if found.dtype != np.float32 or not np.isfinite(found).all():
        raise ValueError(f"{found.dtype} or numbers that are not finite")
    return np.array(found)
