"""Indexes made longer, and relieved of rows. Axes: N rows."""

# pyarrow has no types
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ilk.core import UserError, lock
from ilk.search.build import Progress, batches_of, beside
from ilk.search.header import Header, with_part, write_header
from ilk.search.index import Index
from ilk.search.ivf import FOLDER, Coarse
from ilk.search.lists import names
from ilk.search.parts import PART_ROWS, Batch, vectors_file, write_part
from ilk.search.recall import check_recall, measured
from ilk.search.rows import table_key, write_deleted
from ilk.search.tables import Table
from ilk.search.vectors import Vectors


def append_to_index(
    folder: str | Path,
    table: str | Path,
    *,
    part_rows: int = PART_ROWS,
    progress: Progress | None = None,
) -> Index:
    """Add the rows of a table that an index has not.

    A row is known by its key, below the same roots: one whose content is the same is left out,
    one whose content has changed takes the place of the old one, under a new id. So the same
    call goes on after an interruption, and adding a table twice adds nothing. With engine ivf
    recall is measured again, over as many lists as it takes.

    Args:
        folder: the index.
        table: vectors of the same encoder.
        part_rows: rows of a part at most.
        progress: called with the rows done and their number.

    Raises:
        UserError: another encoder made the table; or the recall cannot be had any more, then
            the rows are there, all lists are searched, the header says the recall that was
            measured, and the index should be built again.
    """
    source, out = Table(Path(table)), Path(folder)
    with lock(out, "index"):
        index = Index(out)
        if source.made["encoder"] != index.header.encoder:
            raise UserError(
                f"index: {table} must be of the encoder of {folder}, a "
                f"{index.header.encoder_name}, got another; embed the images with that one"
            )
        known = _known(index, source.roots)
        classes = list(dict.fromkeys([*index.header.classes, *source.made["classes"]]))
        header, first = index.header, index.header.rows
        for start in range(0, len(source), part_rows):
            stop = min(start + part_rows, len(source))
            new = _NewRows(known)
            batches = new.of(batches_of(source, start, stop, classes, progress))
            head = next(batches, None)
            if head is None:
                continue
            both = chain([head], batches)
            part = write_part(out, len(header.parts), first, both, beside(source))
            header = _with_lists(out, with_part(replace(header, classes=classes), part), first)
            gone = np.concatenate([np.setdiff1d(np.arange(first), index.ids), *new.replaced])
            # Deleted first: what is interrupted between the two is then a new row next time.
            write_deleted(out, gone.astype(np.int64))
            write_header(out, header)
            index, first = Index(out), header.rows
        if header.ivf is not None and header.recall is not None:
            wanted, before = header.recall["wanted"], header.ivf["probed"]
            probed, found = measured(index, wanted, before)
            write_header(
                out, replace(header, ivf={**header.ivf, "probed": probed}, recall=found)
            )
            check_recall(
                found, header.ivf["lists"],
                "all rows of the table are in the index, whose lists and codes were made for "
                "the earlier ones; build it again from a table of all images",
            )  # fmt: skip
    return Index(out)


def _with_lists(out: Path, header: Header, first: int) -> Header:
    """The header with the last part sorted into the lists, where there are lists."""
    if header.ivf is None:
        return header
    folder, segment = out / FOLDER, header.ivf["segments"]
    coarse = Coarse.load(folder, header.ivf["lists"], header.dim, header.ivf["codes"])
    blocks = Vectors([vectors_file(out, len(header.parts) - 1)]).blocks()
    coarse.encode(
        names(folder, segment, "lists"), ((first + at, block) for at, block in blocks)
    )
    return replace(header, ivf={**header.ivf, "segments": segment + 1})


def delete_from_index(folder: str | Path, keys: Sequence[str]) -> Index:
    """Take rows out of an index by the keys of their images; no image is touched.

    Args:
        folder: the index.
        keys: as they stand in its table, or with the bytes of names that are no text.

    Raises:
        UserError: a key is not there.
    """
    out = Path(folder)
    with lock(out, "index"):
        index = Index(out)
        column = index.columns(["key"])["key"]
        wanted = pa.array(map(table_key, keys), pa.string())
        missing = wanted.filter(pc.invert(pc.is_in(wanted, column)))
        if len(missing):
            raise UserError(
                f"delete: keys must be in {folder}, got {missing[0].as_py()!r:.200}"
                + (f" and {len(missing) - 1} more that are not" if len(missing) > 1 else "")
            )
        gone = pc.is_in(column, wanted).combine_chunks().to_numpy(zero_copy_only=False)
        before = np.setdiff1d(np.arange(index.header.rows), index.ids)
        write_deleted(out, np.concatenate([before, index.ids[gone]]))
    return Index(out)


class _NewRows:
    """The rows that are not known yet.

    Args:
        known: key, content and id of the rows that are.
    """

    def __init__(self, known: dict[str, Any]) -> None:
        self._known = known
        self.replaced: list[np.ndarray] = []

    def of(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Of some batches; what they take the place of is kept in ``replaced``."""
        for columns, vectors in batches:
            place = pc.index_in(columns["key"], self._known["key"])
            row = place.fill_null(-1).to_numpy(zero_copy_only=False)
            same = (row >= 0) & (self._known["content"][row] == columns["content"].to_numpy())
            self.replaced.append(self._known["id"][row[(row >= 0) & ~same]])
            if not same.all():
                fresh = pa.array(~same)
                yield {n: c.filter(fresh) for n, c in columns.items()}, vectors[~same]


def _known(index: Index, roots: dict[str, str]) -> dict[str, Any]:
    """Key, content and id of the rows whose keys lead to the same roots."""
    parts = index.header.parts
    same = np.array([part["roots"] == roots for part in parts])
    mine = np.repeat(same, [part["rows"] for part in parts])[index.ids]
    rows = index.columns(["key", "content"]).filter(pa.array(mine))
    content = np.append(rows["content"].to_numpy(), np.uint64(0))  # a place for none
    return {
        "key": rows["key"].combine_chunks(), "content": content,
        "id": np.append(index.ids[mine], -1),
    }  # fmt: skip
