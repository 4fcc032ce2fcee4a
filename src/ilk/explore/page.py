"""The state behind the page of a collection: facts, columns, maps, images by row.

Axes: N images.
"""

# pyarrow has no types
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ilk.core import UserError, shown
from ilk.core.version import VERSION
from ilk.curate.filters import with_folder
from ilk.explore.collection import Collection
from ilk.explore.columns import Category, Column, columns, date_text, derived
from ilk.explore.curation import Curation
from ilk.explore.images import Images
from ilk.explore.jobs import Jobs
from ilk.explore.maps import Maps, started

ALONE = 200_000  # images up to which t-SNE begins without being asked for
ALL_NEIGHBOURS = 20_000  # images up to which all neighbours are found without being asked for


class Page:
    """The state behind a page.

    Args:
        collection: what it is over.
        images: gives pixels and thumbnails by row.
        curation: where decisions go.
        jobs: what takes long.
        command: the beginning of the command line that takes the page's filters.
    """

    def __init__(
        self, collection: Collection, images: Images, curation: Curation, jobs: Jobs,
        command: str = "",
    ) -> None:  # fmt: skip
        self.collection = collection
        self.images = images
        self.curation = curation
        self.jobs = jobs
        self.command = command
        self.columns: list[Column] = list(columns(collection.table))
        self.issues: Any = None  # `ilk.explore.issues.Issues`, once they are known
        self.copies: Any = None  # and its `Copies`
        self.maps = Maps(collection, jobs, self.keep)
        self.given = with_folder(collection.table)
        # columns that filters may name beside the given
        self.found: Mapping[str, pa.Array] = {}
        self._lock = threading.Lock()
        for name, values in collection.findings.columns().items():
            self.add(name, values)

    @classmethod
    def of(
        cls, collection: Collection, decisions: Path, pairs: Path, *, jobs: Jobs | None = None,
        command: str = "",
    ) -> "Page":  # fmt: skip
        """The page of a collection, with thumbnails and decisions in their places."""
        images = Images(collection.images, collection.contents, collection.folder)
        curation = Curation(collection, decisions, pairs)
        return cls(collection, images, curation, jobs or Jobs(), command)

    def __len__(self) -> int:
        """N."""
        return len(self.collection)

    def begin(self) -> None:
        """Start what every page needs."""
        every = range(len(self.collection.spaces))
        for space in every:
            started(lambda space=space: self.maps.points(space, "pca"))
        for space in every if len(self) <= ALONE else ():
            started(lambda space=space: self.maps.points(space, "tsne"))
        for space in every if len(self) <= ALL_NEIGHBOURS else ():
            started(lambda space=space: self.maps.graph(space))
        started(self.encoder)

    def about(self) -> dict[str, Any]:
        """Everything but the rows."""
        several = len(self.collection.spaces)
        return {
            "name": shown(self.collection.title),
            "count": len(self),
            "version": VERSION,
            "exported": False,
            "roots": [shown(root) for root in self.collection.roots],
            "where_command": shown(self.command),
            "maps": [self.maps.said(number) for number in range(several)],
            "pair": None if several < 2 else [several - 2, several - 1],
            "columns": [column.said() for column in self.columns],
            "images": self.images.problem,
            "decisions": shown(self.curation.decisions.name),
            "pairs": shown(self.curation.pairs.name),
            **self.cannot(),
        }

    def cannot(self) -> dict[str, str | None]:
        """Why some things cannot be done here; None for those that can."""
        pixels = self.images.problem
        return {
            "search": self.jobs.problem("encoder"),
            "write": None,
            "duplicates": pixels,
            "issues": pixels,
            "clusters": None,
        }

    def encoder(self) -> Any:
        """The encoder of the first map; the first call starts to load it.

        Raises:
            Working: it is being loaded.
            UserError: it is not there.
        """
        title = "Loading of the encoder"
        return self.jobs.result("encoder", title, lambda tell: self.collection.encoder())

    def add(self, name: str, values: pa.Array) -> None:
        """Show what was found of the images, unless a given column has its name.

        Args:
            name: the column, which appears after all others or in its old place.
            values: one an image, null where there is none.
        """
        made = None if name in self.given.column_names else derived(name, values)
        if made is None:
            return
        with self._lock:
            self.found = {**self.found, name: values}
            names = [known.name for known in self.columns]
            if name in names:
                self.columns[names.index(name)] = made
            else:
                self.columns.append(made)

    def keep(self, name: str, values: pa.Array) -> None:
        """Show what was found of the images, and keep it for the command line."""
        self.add(name, self.collection.findings.keep(name, values))

    def column(self, number: int) -> bytes:
        """The values of a column.

        Raises:
            UserError: there is none.
        """
        if not 0 <= number < len(self.columns):
            raise UserError(f"column: must be a number below {len(self.columns)}, got {number}")
        return self.columns[number].data

    @cached_property
    def order(self) -> bytes:
        """Rows by their key."""
        order = pc.sort_indices(self.collection.keys).to_numpy(zero_copy_only=False)
        return order.astype("<u4").tobytes()

    def rows(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """What is known of some images."""
        made = self.curation.made()
        sides = [self._column("width"), self._column("height")]
        keys = self.collection.keys.take(pa.array(rows, pa.int64())).to_pylist()
        label = self._column("label")
        return [
            {
                "row": row,
                "id": int(self.collection.ids[row]),
                "key": shown(key),
                "label": _said(label, row),
                "width": _said(sides[0], row),
                "height": _said(sides[1], row),
                "facts": self._facts(row),
                "issues": [] if self.issues is None else self.issues.of(row),
                "decision": _plain(made.get(row)),
            }
            for row, key in zip(rows, keys, strict=True)
        ]

    def decisions(self) -> list[dict[str, Any]]:
        """What was decided about images, by row."""
        made = self.curation.made()
        return [{"row": row, **(_plain(entry) or {})} for row, entry in made.items()]

    def _facts(self, row: int) -> dict[str, Any]:
        shown_above = {"label", "width", "height"}
        found = {
            shown(column.name): self._exact(column, row)
            for column in self.columns
            if column.name not in shown_above
        }
        return {name: value for name, value in found.items() if value is not None}

    def _exact(self, column: Column, row: int) -> Any:
        """A whole number or a date as the index has it, for what is drawn is rounded."""
        table = self.collection.table
        drawn = isinstance(column, Category) or column.derived
        if drawn or column.name not in table.column_names:
            return _said(column, row)
        if column.date:
            return date_text(table[column.name][row])
        if not column.whole:
            return _said(column, row)
        value = table[column.name][row].as_py()
        # a browser rounds numbers that are larger
        return value if value is None or abs(value) < 2**53 else str(value)

    def _column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)


def _said(column: Column | None, row: int) -> Any:
    value = None if column is None else column.value(row)
    return shown(value) if isinstance(value, str) else value


def _plain(decision: dict[str, Any] | None) -> dict[str, Any] | None:
    if decision is None:
        return None
    return {name: value if value is None else shown(value) for name, value in decision.items()}
