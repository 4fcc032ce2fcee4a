"""What the page of a collection can be told: facts, columns, maps, images by row.

Axes: N images.
"""

# pyarrow has no types
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ilk.core import UserError, shown
from ilk.core.version import VERSION
from ilk.data.source import digest
from ilk.explore.collection import Collection, Space
from ilk.explore.columns import Column, Number, columns
from ilk.explore.curation import Curation
from ilk.explore.derived import derived, keep
from ilk.explore.images import Images
from ilk.explore.jobs import Jobs, Working
from ilk.explore.neighbours import Graph, graph
from ilk.explore.projection import TITLES, Projection, available, project
from ilk.explore.trust import Trust, trustworthiness

ALONE = 200_000  # images up to which t-SNE begins without being asked for
ALL_NEIGHBOURS = 20_000  # images up to which all neighbours are found without being asked for


class Page:
    """The state behind a page.

    Args:
        collection: what it is over.
        images: of it, by row.
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
        self._lock = threading.Lock()

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
            self._started(lambda space=space: self.points(space, "pca"))
        for space in every if len(self) <= ALONE else ():
            self._started(lambda space=space: self.points(space, "tsne"))
        for space in every if len(self) <= ALL_NEIGHBOURS else ():
            self._started(lambda space=space: self.graph(space))
        self._started(self.encoder)

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
            "maps": [self._map(number) for number in range(several)],
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

    def points(self, space: int, name: str) -> Projection:
        """A map; the first call starts to make it.

        Raises:
            Working: it is being made.
            UserError: there is no such map.
        """
        self._check_map(space, name)
        title = f"{TITLES[name]} of {self.collection.spaces[space].name}"
        return self.jobs.result(f"{name}:{space}", title, lambda tell: self._made(space, name))

    def graph(self, space: int) -> Graph:
        """All neighbours; the first call starts to find them.

        Raises:
            Working: they are being found.
            UserError: there is no such map.
        """
        found = self.space(space)
        of, folder = self._of(found)

        def make(tell: Any) -> Graph:
            made = graph(found, folder, of, tell)
            if space == 0:
                self.add_column(Number("typicality", made.typicality, derived=True))
            return made

        title = f"Neighbours of all images in {found.name}"
        return self.jobs.result(f"neighbours:{space}", title, make)

    def encoder(self) -> Any:
        """The encoder of the first map; the first call starts to load it.

        Raises:
            Working: it is being loaded.
            UserError: it is not there.
        """
        title = "Loading of the encoder"
        return self.jobs.result("encoder", title, lambda tell: self.collection.encoder())

    def space(self, number: int) -> Space:
        """By its number.

        Raises:
            UserError: there is none.
        """
        spaces = self.collection.spaces
        if not 0 <= number < len(spaces):
            raise UserError(f"map: must be a number below {len(spaces)}, got {number}")
        return spaces[number]

    def add_column(self, column: Column) -> int:
        """Append a column, or replace the one of its name; return its position."""
        with self._lock:
            names = [known.name for known in self.columns]
            if column.name in names:
                place = names.index(column.name)
                self.columns[place] = column
            else:
                place = len(names)
                self.columns.append(column)
            return place

    def column(self, number: int) -> bytes:
        """The values of a column.

        Raises:
            UserError: there is none.
        """
        if not 0 <= number < len(self.columns):
            raise UserError(f"column: must be a number below {len(self.columns)}, got {number}")
        return self.columns[number].data

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
        issues = self.jobs.ready("issues")
        return [
            {
                "row": row,
                "id": int(self.collection.ids[row]),
                "key": shown(key),
                "label": _said(label, row),
                "width": _said(sides[0], row),
                "height": _said(sides[1], row),
                "facts": self._facts(row),
                "issues": [] if issues is None else issues.of(row),
                "decision": _plain(made.get(row)),
            }
            for row, key in zip(rows, keys, strict=True)
        ]

    def decisions(self) -> list[dict[str, Any]]:
        """What was decided about images, by row."""
        made = self.curation.made()
        return [{"row": row, **(_plain(entry) or {})} for row, entry in made.items()]

    def where_table(self) -> pa.Table:
        """The columns that a filter may name: those of the index and those of the page."""
        table = self.collection.table
        for column in self.columns:
            if column.name not in table.column_names and column.name != "label":
                table = table.append_column(column.name, column.arrow)
        return table

    def _facts(self, row: int) -> dict[str, Any]:
        shown_above = {"label", "width", "height"}
        found = {
            shown(column.name): _said(column, row)
            for column in self.columns
            if column.name not in shown_above
        }
        return {name: value for name, value in found.items() if value is not None}

    def _column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)

    def _check_map(self, space: int, name: str) -> None:
        self.space(space)
        if name not in available():
            raise UserError(f"map: must be one of {', '.join(available())}, got {name!r:.40}")

    def _of(self, space: Space) -> tuple[str, Any]:
        """The fingerprint of what is derived from a space, and where that is kept."""
        key = digest([space.encoder.encode(), space.rows.astype("<i8")])[:12]
        folder = self.collection.folder
        return self.collection.fingerprint, None if folder is None else folder / key

    def _made(self, number: int, name: str) -> Projection:
        """A map from where it is kept, or made; then how far it can be trusted."""
        space = self.space(number)
        of, folder = self._of(space)
        like = {"points": np.empty((len(self), 2), np.float32), "words": np.array("")}
        found = derived(folder, name, of, like)
        if found is None:
            made = project(name, space.vectors, space.rows)
            keep(folder, name, of, {"points": made.points, "words": np.array(made.words)})
        else:
            made = Projection(found["points"], str(found["words"]))
        self._started(lambda: self._trusted(number, name, made))
        return made

    def _trusted(self, number: int, name: str, made: Projection) -> Trust | None:
        space = self.space(number)
        of, folder = self._of(space)

        def make(tell: Any) -> Trust | None:
            found = derived(folder, f"{name}-trust", of, {"trust": np.empty(5)})
            if found is not None:
                return Trust.of(found["trust"])
            trust = trustworthiness(space.vectors, made.points)
            if trust is not None:
                keep(folder, f"{name}-trust", of, {"trust": trust.numbers})
            return trust

        title = f"Trustworthiness of {TITLES[name]} of {space.name}"
        return self.jobs.result(f"{name}-trust:{number}", title, make)

    def _map(self, number: int) -> dict[str, Any]:
        space = self.collection.spaces[number]
        return {
            "name": shown(space.name),
            "encoder": shown(space.encoder),
            "dim": space.dim,
            "rows": len(space.rows),
            "projections": [self._projection(number, name) for name in available()],
        }

    def _projection(self, number: int, name: str) -> dict[str, Any]:
        state = {"working": "working", "done": "ready"}
        made: Projection | None = self.jobs.ready(f"{name}:{number}")
        trust: Trust | None = self.jobs.ready(f"{name}-trust:{number}")
        return {
            "name": name,
            "title": TITLES[name],
            "state": state.get(self.jobs.state(f"{name}:{number}") or "", "absent"),
            "words": "" if made is None else shown(made.words),
            "points": 0 if made is None else int(np.isfinite(made.points[:, 0]).sum()),
            "trustworthiness": None if trust is None else trust.said(),
        }

    def _started(self, ask: Any) -> None:
        """Start something, whose result and failure are asked for later."""
        with contextlib.suppress(Working, UserError):
            ask()


def _said(column: Column | None, row: int) -> Any:
    value = None if column is None else column.value(row)
    return shown(value) if isinstance(value, str) else value


def _plain(decision: dict[str, Any] | None) -> dict[str, Any] | None:
    if decision is None:
        return None
    return {name: value if value is None else shown(value) for name, value in decision.items()}
