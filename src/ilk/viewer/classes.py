"""Accuracy by class, and which classes are confused."""

from collections.abc import Mapping
from typing import Any, cast

from ilk.evaluate import Result
from ilk.viewer.report import MISSING, Chapter, Grid, Matrix

MOST = 40  # classes of the table, those of the lowest accuracy
PAIRS = 10  # confused pairs that are listed


def classes(encoders: Mapping[str, Mapping[str, Result]]) -> list[Chapter]:
    """A chapter on the first encoder's classes beside the others', for k-NN or what there is.

    Args:
        encoders: results by protocol, of each by its name.
    """
    first = next(iter(encoders))
    protocol = next((p for p, r in encoders[first].items() if "by class" in r.details), None)
    if protocol is None:
        return []
    tables = {
        name: _accuracies(results[protocol])
        for name, results in encoders.items()
        if protocol in results and "by class" in results[protocol].details
    }
    details = cast("dict[str, Any]", encoders[first][protocol].details)
    images = {row["name"]: row["images"] for row in details["by class"]}
    hardest = sorted(images, key=lambda name: tables[first][name])[:MOST]
    rows = tuple(
        (name, f"{images[name]:,}", *(_percent(table.get(name)) for table in tables.values()))
        for name in hardest
    )
    left = f", the {MOST} lowest of {len(images)}" if len(images) > MOST else ""
    grid = Grid(
        caption=f"Accuracy by class, {protocol}{left}",
        heads=("Class", "Test images", *tables),
        rows=rows,
    )
    return [
        Chapter(
            title="Accuracy by class",
            lead="The classes with the lowest accuracy come first. Further down are the pairs "
            "of classes that are confused most often.",
            grids=(grid, *_confused(first, details)),
            matrices=_matrix(first, protocol, details),
        )
    ]


def _accuracies(result: Result) -> dict[str, float]:
    details = cast("dict[str, Any]", result.details)
    return {row["name"]: row["correct"] / row["images"] for row in details["by class"]}


def _percent(share: float | None) -> str:
    return MISSING if share is None else f"{100 * share:.1f} %"


def _confused(name: str, details: Mapping[str, Any]) -> tuple[Grid, ...]:
    pairs = details.get("confused", [])[:PAIRS]
    if not pairs:
        return ()
    rows = tuple((p["true"], p["predicted"], f"{p['images']:,}") for p in pairs)
    heads = ("True class", "Predicted class", "Test images")
    return (Grid(caption=f"Most frequent confusions of {name}", heads=heads, rows=rows),)


def _matrix(name: str, protocol: str, details: Mapping[str, Any]) -> tuple[Matrix, ...]:
    kept = details.get("confusion")
    if kept is None:
        return ()
    caption = (
        f"{name}, {protocol}: number of test images by true class (row) and predicted class"
        " (column)"
    )
    counts = tuple(map(tuple, kept["images"]))
    return (Matrix(caption=caption, names=tuple(kept["classes"]), counts=counts),)
