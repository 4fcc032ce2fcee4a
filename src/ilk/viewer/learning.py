"""Learning curves of a run, read from its ``metrics.jsonl``."""

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


def learning_curves(path: Path) -> tuple[Figure, ...]:
    """A figure for everything that was measured while a run learned.

    Args:
        path: a line of JSON a measurement; a last line that is cut short is left out.
    """
    rows = metrics(path)
    names = dict.fromkeys(name for row in rows for name in row)
    terms = [name for name in names if name.startswith("loss/")]
    spreads = [name for name in names if name.endswith("_std")]
    wanted = [
        ("Loss", terms or ["loss"], "{:.2f}", "Each kind of term, as it counts in the sum."),
        ("Online k-NN", ["knn"], "{:.1%}", "On a held-out part of the training images."),
        ("Spread of features", spreads, "{:.2f}", "1 is evenly spread, 0 a collapse."),
        ("Effective rank", ["rankme"], "{:.0f}", "RankMe: directions that features use."),
        ("Entropy of targets", ["teacher_entropy"], "{:.2f}", "In nats; 0 is a single class."),
        (
            "Kin rule: precision",
            ["kin_precision"],
            "{:.0%}",
            "Of the weight on pairs that the rule found, that of one class.",
        ),
        (
            "Kin rule: recall",
            ["kin_recall"],
            "{:.1%}",
            "Of all pairs of one class, those that the rule found.",
        ),
        ("Norm of the gradient", ["grad_norm"], "{:.2f}", "Before clipping."),
        ("Learning rate", ["lr"], "", ""),
    ]
    return tuple(
        Figure(title=title, lines=lines, form=form, note=note)
        for title, chosen, form, note in wanted
        if (lines := _lines(rows, chosen))
    )


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
    """The measurements of a ``metrics.jsonl``, which may be damaged or a stranger's.

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
