"""The maps of a collection: made when they are asked for, kept, and trusted so far.

Axes: N images.
"""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ilk.core import UserError, shown
from ilk.data.source import digest
from ilk.explore.collection import Collection, Space
from ilk.explore.derived import derived, keep
from ilk.explore.jobs import Jobs, Working
from ilk.explore.neighbours import Graph, graph
from ilk.explore.projection import TITLES, Projection, available, project
from ilk.explore.trust import Trust, trustworthiness


class Maps:
    """Points, and neighbours of all images, in every space of a collection.

    Args:
        collection: the images and their vectors.
        jobs: what takes long.
        keep_column: takes what is learned of each image.
    """

    def __init__(
        self, collection: Collection, jobs: Jobs, keep_column: Callable[[str, pa.Array], object]
    ) -> None:
        self.collection = collection
        self.jobs = jobs
        self._keep_column = keep_column

    def points(self, space: int, name: str) -> Projection:
        """A map; the first call starts to make it.

        Raises:
            Working: it is being made.
            UserError: there is no such map.
        """
        self._check_map(space, name)
        title = f"{TITLES[name]} of {self.collection.spaces[space].name}"
        return self.jobs.result(
            f"{name}:{space}", title, lambda tell: self._made(space, name), urgent=name == "pca"
        )

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
                self._keep_column("typicality", pa.array(made.typicality, from_pandas=True))
            return made

        title = f"Neighbours of all images in {found.name}"
        return self.jobs.result(f"neighbours:{space}", title, make)

    def space(self, number: int) -> Space:
        """By its number.

        Raises:
            UserError: there is none.
        """
        spaces = self.collection.spaces
        if not 0 <= number < len(spaces):
            raise UserError(f"map: must be a number below {len(spaces)}, got {number}")
        return spaces[number]

    def said(self, number: int) -> dict[str, Any]:
        """What the page must know of the maps of a space."""
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

    def _check_map(self, space: int, name: str) -> None:
        self.space(space)
        if name not in available():
            raise UserError(f"map: must be one of {', '.join(available())}, got {name!r:.40}")

    def _of(self, space: Space) -> tuple[str, Path | None]:
        """The fingerprint of what is derived from a space, and where that is kept."""
        key = digest([space.encoder.encode(), space.rows.astype("<i8")])[:12]
        folder = self.collection.folder
        return self.collection.fingerprint, None if folder is None else folder / key

    def _made(self, number: int, name: str) -> Projection:
        """A map from where it is kept, or made; then how far it can be trusted."""
        space = self.space(number)
        of, folder = self._of(space)
        like = {
            "points": np.empty((len(self.collection), 2), np.float32),
            "words": np.array(""),
        }
        found = derived(folder, name, of, like)
        if found is None:
            made = project(name, space.vectors, space.rows)
            keep(folder, name, of, {"points": made.points, "words": np.array(made.words)})
        else:
            made = Projection(found["points"], str(found["words"]))
        started(lambda: self._trusted(number, name, made))
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


def started(ask: Callable[[], object]) -> None:
    """Start something, whose result and failure are asked for later."""
    with contextlib.suppress(Working, UserError):
        ask()
