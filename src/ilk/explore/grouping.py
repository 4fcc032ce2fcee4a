"""Groups of a page and what sets them apart. Axes: N images, K groups, V values of a column."""

from typing import Any

import numpy as np
from jaxtyping import Int64

from ilk.core import shown
from ilk.curate.clusters import Clusters, clustered
from ilk.explore.columns import MISSING, Category
from ilk.explore.page import Page

TERMS = 2  # of a group
CELLS = 5_000_000  # of groups by values, at most
COMMON = 1.5  # times as common in a group as elsewhere is a value that is named
NAME = "cluster"


def clusters(page: Page, space: int) -> list[dict[str, Any]]:
    """Groups of similar images, the largest first: their medoid, size and two terms.

    Raises:
        Working: they are being found.
        UserError: there is no such map.
    """
    among = page.maps.space(space)

    def make(tell: Any) -> list[dict[str, Any]]:
        whole = len(among.rows) == len(page)
        found = clustered(among.vectors if whole else among.vectors[among.rows])
        of = np.full(len(page), -1)
        of[among.rows] = found.of
        words = terms(page.columns, of, len(found.sizes))
        if space == 0:
            page.add_column(_column(of, found))
        return [
            {"row": int(among.rows[medoid]), "size": int(size), "words": term}
            for medoid, size, term in zip(found.medoids, found.sizes, words, strict=True)
        ]

    return page.jobs.result(f"clusters:{space}", f"Groups of {among.name}", make)


def _column(of: Int64[np.ndarray, " N"], found: Clusters) -> Category:
    """The number of each image's group, the largest being 0, as ``ilk cluster`` has it."""
    most = min(len(found.sizes), MISSING)
    codes = np.where((of < 0) | (of >= most), MISSING, of).astype(np.uint16)
    names = tuple(str(number) for number in range(most))
    counts = tuple(int(size) for size in found.sizes[:most])
    return Category(NAME, codes, names, counts, derived=True)


def terms(columns: Any, of: Int64[np.ndarray, " N"], count: int) -> list[str]:
    """The values of categories that are most distinctive of each group, at most two.

    A value's weight is p log(p / q) of its share p in the group and q in all, as in a relative
    entropy; it must be half as common again in the group as in all.

    Args:
        columns: categories among them are looked at.
        of: group of each image, -1 for none.
        count: K.
    """
    best: list[list[tuple[float, str]]] = [[] for _ in range(count)]
    inside = of >= 0
    for column in columns:
        values = len(column.values) if isinstance(column, Category) else 0
        if column.derived or values < 2 or values * count > CELLS:
            continue
        known = inside & (column.codes != MISSING)
        cells = of[known] * values + column.codes[known].astype(np.int64)
        table = np.bincount(cells, minlength=count * values).reshape(count, values)
        share = table / np.maximum(table.sum(1, keepdims=True), 1)
        usual = table.sum(0) / max(table.sum(), 1)
        ratio = share / np.maximum(usual, 1e-12)
        weight = np.where(ratio >= COMMON, share * np.log(np.maximum(ratio, 1e-12)), 0.0)
        for group, row in enumerate(weight):
            for code in np.argsort(-row)[:TERMS]:
                if row[code] > 0:
                    best[group].append((float(row[code]), column.values[code]))
    return [_joined(found) for found in best]


def _joined(found: list[tuple[float, str]]) -> str:
    words = dict.fromkeys(shown(value) for _, value in sorted(found, reverse=True))
    return ", ".join(list(words)[:TERMS])
