"""Learning curves of a run, read from its ``metrics.jsonl``."""

import fnmatch
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from ilk.core import UserError
from ilk.core.fields import read_plain
from ilk.viewer.report import Figure, Line

MOST = 2**28  # bytes of a file of measurements that is drawn
LARGEST = 1e300  # of a number that is drawn
Numbers = Mapping[str, float]
# Title, y axis, form of a number and note of each figure; then which numbers it draws, as
# patterns of which the first that fits counts.
MEASURED = (
    ("Loss", "loss", "{:.2f}", "Each term, times its weight.", ("loss/*", "loss")),
    ("Online k-NN accuracy", "accuracy", "{:.1%}",
     "Measured on a held-out part of the training images.", ("knn",)),
    ("Share of stable neighbours", "share of neighbours", "{:.1%}",
     "Of its nearest neighbours, those that an image keeps when all look otherwise.",
     ("stable",)),
    ("Spread of the features", "relative standard deviation", "{:.2f}",
     "1 means that features are spread evenly, 0 that they collapsed.", ("*_std",)),
    ("Effective rank", "dimensions", "{:.0f}",
     "RankMe: the number of dimensions that the features use.", ("rankme",)),
    ("Entropy of the targets", "nats", "{:.2f}",
     "0 means that the teacher is certain of one class for each image.", ("teacher_entropy",)),
    ("Precision of the kin rule", "share of weight", "{:.0%}",
     "Of the weight that the rule gives to pairs of images as positives (kin), the share that"
     " lies on pairs of one class.", ("kin_precision",)),
    ("Recall of the kin rule", "share of pairs", "{:.1%}",
     "Of all pairs of images of one class, the share that the rule finds.", ("kin_recall",)),
    ("Pseudo-labels", "share of rows", "{:.0%}",
     "pseudo_share: unlabelled rows with a target, such as those above the threshold;"
     " pseudo_accuracy: of those whose class is known to the monitor, the share that is right.",
     ("pseudo_*",)),
    ("Gradient of the unlabelled terms", "norm", "{:.3f}", "Measured before clipping.",
     ("unlabelled_grad_norm",)),
    ("Norm of the gradient", "norm", "{:.2f}", "Measured before clipping.", ("grad_norm",)),
    ("Learning rate", "learning rate", "", "", ("lr",)),
)  # fmt: skip


def learning_curves(path: Path) -> tuple[Figure, ...]:
    """A figure for everything that was measured while a run learned.

    Args:
        path: a line of JSON a measurement; a last line that is cut short is left out.
    """
    rows = metrics(path)
    names = list(dict.fromkeys(name for row in rows for name in row))
    return tuple(
        Figure(title=title, lines=lines, form=form, note=note, y=y)
        for title, y, form, note, patterns in MEASURED
        if (lines := _lines(rows, _matching(names, patterns)))
    )


def _matching(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """The names that fit the first pattern that any name fits."""
    found = (fnmatch.filter(names, pattern) for pattern in patterns)
    return next((some for some in found if some), [])


def _lines(rows: Sequence[Numbers], names: Sequence[str]) -> tuple[Line, ...]:
    many = len(names) > 1
    made = (
        Line(name=_short(name) if many else "", points=_points(rows, name)) for name in names
    )
    return tuple(line for line in made if line.points)


def _points(rows: Sequence[Numbers], name: str) -> tuple[tuple[float, float], ...]:
    return tuple(
        (row["epoch"], row[name]) for row in rows if name in row and math.isfinite(row[name])
    )


def _short(name: str) -> str:
    return name.removeprefix("loss/").removesuffix("_std")


def metrics(path: Path) -> list[Numbers]:
    """The measurements of a ``metrics.jsonl``, which may be damaged or come from anybody.

    Lines that are no object with an epoch, and values that are no finite numbers, are left out.
    """
    try:
        data = read_plain(path, "metrics", MOST)
    except UserError:
        return []
    rows = (_numbers(line) for line in data.splitlines())
    return [row for row in rows if "epoch" in row]


def _numbers(line: bytes) -> Numbers:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    given = cast("dict[str, Any]", content)
    return {
        name: number
        for name, number in given.items()
        if type(number) in {int, float} and abs(number) < LARGEST
    }
