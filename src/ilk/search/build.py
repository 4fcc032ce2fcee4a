"""Indexes made from tables of vectors, made longer, and relieved of rows."""

# pyarrow has no types
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ilk.core import UserError, check_writable, lock, write_whole
from ilk.core.fields import as_json, read_json
from ilk.core.files import partial
from ilk.core.version import VERSION
from ilk.search.header import Header, with_part, write_header
from ilk.search.index import Index
from ilk.search.parts import PART_ROWS, Batch, read_part, write_part
from ilk.search.rows import write_deleted
from ilk.search.tables import Table

MAKING = "making.json"
Progress = Callable[[int, int], None]


def build_index(
    table: str | Path,
    folder: str | Path,
    *,
    part_rows: int = PART_ROWS,
    progress: Progress | None = None,
) -> Index:
    """Build an index from a table of ``ilk embed``.

    Call it again after an interruption: finished parts are kept. The folder appears under its
    name only when it is whole; until then its parts lie beside it in ``NAME.partial``.

    Args:
        table: parquet, a file or shards.
        folder: of the index.
        part_rows: rows of a part at most.
        progress: called with the rows done and their number.

    Raises:
        UserError: the table is none of ours, an index of something else is there, or nothing
            can be written.
    """
    source, out = Table(Path(table)), Path(folder)
    header = _header(source)
    with lock(out, "index"):
        if out.exists():
            return _finished(out, header, source)
        half = partial(out, "index")
        check_writable(half / MAKING, "index")
        _claim(half, {**asdict(header), "table": source.made, "part_rows": part_rows})
        for number, start in enumerate(range(0, len(source), part_rows)):
            stop = min(start + part_rows, len(source))
            part = read_part(half, number)
            if part is None:
                batches = _batches(source, start, stop, header.classes, progress)
                part = write_part(half, number, start, batches, _beside(source))
            header = with_part(header, part)
        write_header(half, header)
        (half / MAKING).unlink()
        half.rename(out)
    return Index(out)


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
    call goes on after an interruption, and adding a table twice adds nothing.

    Args:
        folder: of the index.
        table: under the same encoder.
        part_rows: rows of a part at most.
        progress: called with the rows done and their number.

    Raises:
        UserError: another encoder made the table.
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
            batches = new.of(_batches(source, start, stop, classes, progress))
            head = next(batches, None)
            if head is None:
                continue
            both = (batch for some in ([head], batches) for batch in some)
            part = write_part(out, len(header.parts), first, both, _beside(source))
            header = with_part(replace(header, classes=classes), part)
            gone = np.concatenate([np.setdiff1d(np.arange(first), index.ids), *new.replaced])
            # Deleted first: what is interrupted between the two is then a new row next time.
            write_deleted(out, gone.astype(np.int64))
            write_header(out, header)
            index, first = Index(out), header.rows
    return Index(out)


def delete_from_index(folder: str | Path, keys: Sequence[str]) -> Index:
    """Take rows out of an index by the keys of their images; no image is touched.

    Args:
        folder: of the index.
        keys: as they stand in its table.

    Raises:
        UserError: a key is not there.
    """
    out = Path(folder)
    with lock(out, "index"):
        index = Index(out)
        column = index.columns(["key"])["key"]
        wanted = pa.array(list(keys), pa.string())
        missing = wanted.filter(pc.invert(pc.is_in(wanted, column)))
        if len(missing):
            raise UserError(
                f"--delete: keys must be in {folder}, got {missing[0].as_py()!r:.200}"
                + (f" and {len(missing) - 1} more that are not" if len(missing) > 1 else "")
            )
        gone = pc.is_in(column, wanted).combine_chunks().to_numpy(zero_copy_only=False)
        before = np.setdiff1d(np.arange(index.header.rows), index.ids)
        write_deleted(out, np.concatenate([before, index.ids[gone]]))
    return Index(out)


def _header(source: Table) -> Header:
    made = source.made
    return Header(
        engine="exact", encoder=made["encoder"], encoder_name=made["encoder_name"],
        encoder_spec=source.encoder_spec, image_size=made["image_size"], dim=made["dim"],
        normalised="unit", classes=list(made["classes"]), parts=[], version=VERSION,
    )  # fmt: skip


def _beside(source: Table) -> dict[str, Any]:
    return {"data": source.made["data"], "roots": source.roots}


def _finished(out: Path, header: Header, source: Table) -> Index:
    """An index that is there already, if it is this one."""
    index = Index(out)
    parts = index.header.parts
    same = (index.header.encoder, parts[0]["data"]) == (header.encoder, source.made["data"])
    if not same or sum(part["rows"] for part in parts) != len(source):
        raise UserError(
            f"index: {out} must be free or the index of {source.path}, got another; choose "
            "another output, or --append"
        )
    return index


def _claim(half: Path, making: dict[str, Any]) -> None:
    """Go on only with parts of the same making."""
    place = half / MAKING
    words = as_json(making) + "\n"
    if not place.exists():
        write_whole(place, words, "index")
    elif as_json(read_json(place, "index")) + "\n" != words:
        raise UserError(
            f"index: {half} must hold the parts of the same table and settings, got others; "
            "remove it or choose another output"
        )


def _batches(
    source: Table, start: int, stop: int, classes: Sequence[str], progress: Progress | None
) -> Iterator[Batch]:
    """Columns and vectors of some rows, labels numbered as in ``classes``."""
    number = {name: place for place, name in enumerate(classes)}
    moved = np.array([*(number[name] for name in source.made["classes"]), -1], np.int64)
    done = start
    for batch in source.batches(start, stop):
        columns = source.facts(batch)
        if "label" in columns:
            found = columns["label"].fill_null(-1).to_numpy(zero_copy_only=False)
            columns["label"] = pa.array(moved[found], mask=found < 0)
        yield columns, source.vectors(batch)
        done += len(batch)
        if progress:
            progress(done, len(source))


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
