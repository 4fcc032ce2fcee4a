"""Groups of a page and what sets them apart. Axes: N images, K groups, V values of a column."""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

import contextlib
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int64

from ilk.core import shown
from ilk.curate.clusters import clustered
from ilk.curate.grouped import cluster_table, groups_of
from ilk.explore.collection import Space
from ilk.explore.columns import MISSING, Category
from ilk.explore.page import Page

TERMS = 2  # of a group
CELLS = 5_000_000  # of groups by values, at most
COMMON = 1.5  # times as common in a group as elsewhere is a value that is named
NAME = "cluster"
Groups = tuple[Int64[np.ndarray, " N"], Int64[np.ndarray, " K"]]


def clusters(page: Page, space: int) -> list[dict[str, Any]]:
    """Groups of similar images, the largest first: their medoid, size and two terms.

    Raises:
        Working: they are being found.
        UserError: there is no such map.
    """
    among = page.maps.space(space)

    def make(tell: Any) -> list[dict[str, Any]]:
        of, medoids = _of_index(page) if space == 0 else _of_space(page, among)
        sizes = np.bincount(of[of >= 0])
        words = terms(page.columns, of, len(medoids))
        return [
            {"row": int(medoid), "size": int(size), "words": term}
            for medoid, size, term in zip(medoids, sizes, words, strict=True)
        ]

    return page.jobs.result(f"clusters:{space}", f"Groups of {among.name}", make)


def _of_space(page: Page, among: Space) -> Groups:
    """The group of each image, -1 for none, and the medoids."""
    found = clustered(among.vectors[among.rows])
    of = np.full(len(page), -1)
    of[among.rows] = found.of
    return of, among.rows[found.medoids]


def _of_index(page: Page) -> Groups:
    """The groups that ``ilk cluster`` found last; else they are found now and kept."""
    collection = page.collection
    table = collection.findings.clusters()
    with contextlib.suppress(
        ValueError, KeyError, TypeError, pa.ArrowException
    ):  # a stranger's
        if table is not None:
            return groups_of(table)
    found = clustered(collection.spaces[0].vectors)
    table = cluster_table(collection.table.select(["id", "key", "content"]), [found])
    collection.findings.keep_clusters(table)
    page.add(NAME, table[NAME].combine_chunks())
    return found.of, found.medoids


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
