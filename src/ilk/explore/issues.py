"""What is wrong with images of a page, as `ilk.curate` finds it. Axes: N images."""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ilk.core import UserError, shown
from ilk.curate import graph as neighbours
from ilk.curate.apart import KINDS, apart, mislabelled
from ilk.curate.faults import Found, faults, in_one
from ilk.curate.measured import measured
from ilk.explore.neighbours import NOWHERE, Graph
from ilk.explore.page import Page


@dataclass(frozen=True, slots=True)
class Issues:
    """What is wrong with which images.

    Args:
        kinds: each with the images that have it.
    """

    kinds: Sequence[Found]

    def said(self) -> list[dict[str, Any]]:
        """Each kind that was looked for, and how many images have it."""
        return [
            {"kind": found.kind, "count": int(found.mask.sum()), "words": found.says}
            for found in self.kinds
        ]

    def found(self, kind: str) -> dict[str, Any]:
        """The images of a kind, the worst first.

        Raises:
            UserError: there is no such kind.
        """
        for known in self.kinds:
            if known.kind == kind:
                rows = np.flatnonzero(known.mask)
                rows = rows[np.argsort(-known.badness[rows], kind="stable")]
                return {"rows": rows.tolist()}
        names = ", ".join(known.kind for known in self.kinds)
        raise UserError(f"issues: must be one of {names}, got {shown(kind)!r:.40}")

    def of(self, row: int) -> list[str]:
        """The kinds of one image."""
        return [found.kind for found in self.kinds if found.mask[row]]


def issues(page: Page) -> Issues:
    """What pixels show, and, once all neighbours are known, what these say.

    Raises:
        Working: the images are being looked at.
        UserError: the images are gone.
    """
    source, folder = page.collection.source(), page.collection.folder
    if folder is None:
        raise UserError("issues: must have a folder to keep measures in, got none")

    def make(tell: Any) -> Issues:
        table = measured(source, folder / "issues.parquet", progress=tell)
        return _noted(page, faults(table))

    found: Issues = page.jobs.result("issues", "Issues of all images", make)
    graph = page.jobs.ready("neighbours:0")
    if graph is None:
        return found
    return page.jobs.result(
        "issues of neighbours", "Issues by neighbours",
        lambda tell: _noted(page, [*found.kinds, *_by_neighbours(page, graph)]),
    )  # fmt: skip


def _noted(page: Page, kinds: Sequence[Found]) -> Issues:
    """Issues, and a column with those of each image.

    What ``ilk issues`` found by neighbours stays in it until the page knows these itself.
    """
    made = page.issues = Issues(kinds)
    looked = {found.kind for found in kinds}
    kept = page.collection.findings.columns().get("issue")
    older = [] if kept is None else [_kept(kept, kind) for kind in KINDS if kind not in looked]
    page.keep("issue", in_one([*kinds, *older]))
    return made


def _kept(column: Any, kind: str) -> Found:
    """The images that have a kind in a column of them."""
    lists = [(text or "").split(", ") for text in column.to_pylist()]
    mask = np.array([kind in known for known in lists], bool)
    return Found(kind, "", mask, np.zeros(len(mask)))


def _by_neighbours(page: Page, graph: Graph) -> list[Found]:
    """Outliers, tiny groups, and labels that neighbours do not share."""
    none = graph.rows == NOWHERE
    places = np.where(none, -1, graph.rows).astype(np.int64)
    cosines = np.where(none, -np.inf, graph.cosines).astype(np.float32)
    known = neighbours.Graph(places, cosines)
    found = apart(known)
    table = page.collection.table
    if "label" in table.column_names:
        found.append(mislabelled(known, table["label"].fill_null(-1).to_numpy()))
    return found
