"""Which images of an index a filter means, for the command line and for the page.

A filter may name the columns of the index, the ``folder`` of a key, and what was found of the
images since: groups, copies, issues. What was found is kept beside the index, with the
fingerprint of the state that it was found in. Axes: N images.
"""

# pyarrow has no types
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool

from ilk.core import UserError
from ilk.curate.grouped import MARK as CLUSTERED
from ilk.curate.grouped import kept_table, save_table
from ilk.search import DERIVED, Index
from ilk.search.masks import mask
from ilk.search.where import columns_of, parse

MARK = b"ilk_column"
CLUSTERS = "clusters.parquet"
FOLDER = "columns"  # below what is derived from an index
FOUND_BY = {
    "cluster": "ilk cluster INDEX",
    "cluster_2": "ilk cluster INDEX -k 1000,50",
    "duplicates": "ilk duplicates INDEX",
    "issue": "ilk issues DATA --index INDEX",
    "typicality": "ilk view INDEX",
}
_KINDS: Mapping[str, Any] = {
    "duplicates": pa.int32(), "issue": pa.string(), "typicality": pa.float32()
}  # fmt: skip


class Findings:
    """What was found of the images of an index, kept for its state.

    Args:
        folder: for what is derived from the index; None where nothing is kept.
        state: fingerprint of the index.
        rows: N.
    """

    def __init__(self, folder: Path | None, state: str, rows: int) -> None:
        self.folder, self.state, self.rows = folder, state, rows

    @classmethod
    def of(cls, index: Index) -> "Findings":
        """Those of an index as it is."""
        folder = index.folder.resolve() / DERIVED
        own = all(unlinked(path) for path in (folder, folder / FOLDER, folder / "page"))
        return cls(folder if own else None, index.fingerprint, len(index))

    def clusters(self) -> pa.Table | None:
        """The groups that were found, as `ilk.curate.grouped.cluster_table` has them."""
        return self._kept(CLUSTERS, CLUSTERED)

    def keep_clusters(self, table: pa.Table) -> None:
        """Keep groups where that is possible."""
        self._save(CLUSTERS, table, CLUSTERED)

    def columns(self) -> dict[str, pa.Array]:
        """All that is known, by the name of the column."""
        found: dict[str, pa.Array] = {}
        clusters = self.clusters()
        if clusters is not None:
            for field in clusters.schema:
                if field.name.startswith("cluster") and pa.types.is_integer(field.type):
                    found[field.name] = clusters[field.name].combine_chunks()
        for name in _KINDS:
            table = self._kept(f"{FOLDER}/{name}.parquet", MARK)
            if table is not None and table.schema.equals(pa.schema({name: _KINDS[name]})):
                found[name] = table[name].combine_chunks()
        return found

    def keep(self, name: str, values: pa.Array) -> pa.Array:
        """Keep a column where that is possible, and return it in its type.

        Args:
            name: one of ``duplicates``, ``issue`` and ``typicality``.
            values: one an image, null where there is none.
        """
        column = values.cast(_KINDS[name])
        self._save(f"{FOLDER}/{name}.parquet", pa.table({name: column}), MARK)
        return column

    def _kept(self, name: str, mark: bytes) -> pa.Table | None:
        if self.folder is None:
            return None
        table = kept_table(self.folder / name, mark, self.state)
        return table if table is not None and len(table) == self.rows else None

    def _save(self, name: str, table: pa.Table, mark: bytes) -> None:
        if self.folder is not None:
            with contextlib.suppress(UserError):  # a folder that is only read
                save_table(self.folder / name, table, mark, self.state)


def unlinked(folder: Path) -> bool:
    """Whether no link within an index leads what is written to a folder elsewhere.

    Args:
        folder: below an index whose path was resolved.
    """
    return folder.resolve() == folder


def rows_of_index(index: Index, text: str) -> Bool[Any, " N"]:
    """Which images of an index a filter means.

    Raises:
        UserError: it is no filter, names no column, or a value does not fit its column.
    """
    return rows_meant(with_folder(index.table), Findings.of(index).columns(), text)


def rows_meant(table: pa.Table, found: Mapping[str, pa.Array], text: str) -> Bool[Any, " N"]:
    """Which images a filter means.

    Args:
        table: what is given of the images, see `with_folder`.
        found: further columns; one that has the name of a given one is not looked at.
        text: the filter, see `ilk.search.where`.

    Raises:
        UserError: it is no filter, names no column, or a value does not fit its column.
    """
    tree = parse(text)
    table = with_found(table, found)
    for name in columns_of(tree):
        if name in FOUND_BY and name not in table.column_names:
            raise UserError(
                f"where: {name} is not known of these images as they are now; "
                f"find it by {FOUND_BY[name]}"
            )
    return mask(table, tree)


def with_found(table: pa.Table, found: Mapping[str, pa.Array]) -> pa.Table:
    """A table with what was found beside it; what was given keeps its name."""
    for name, values in found.items():
        if name not in table.column_names:
            table = table.append_column(name, values)
    return table


def with_folder(table: pa.Table) -> pa.Table:
    """A table with the folder of each key, unless a fact has that name."""
    if "folder" in table.column_names:
        return table
    return table.append_column("folder", folders(table["key"]))


def folders(keys: Any) -> Any:
    """The folder of each key, null where it is in none.

    Example:
        >>> folders(pa.array(["a/b/1.png", "2.png"])).to_pylist()
        ['a/b', None]
    """
    found = pc.replace_substring_regex(keys, r"/?[^/]*$", "")
    return pc.if_else(pc.equal(found, ""), None, found)
