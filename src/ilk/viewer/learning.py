"""Learning curves of a run, read from its ``metrics.jsonl``."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from ilk.viewer.report import Figure, Line

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
    """The lines of a ``metrics.jsonl``, up to the first that is cut short."""
    rows: list[Numbers] = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows
