"""How many labels an accuracy takes, read off the curves of the few-label protocol."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from ilk.core.counts import count

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """An accuracy reached with some labels.

    Args:
        amount: how the labels were counted out.
        labels: how many in all.
        value: accuracy, mean over draws.
        low: lower end of its 95 % interval.
        high: upper end.
    """

    amount: str
    labels: int
    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, object]:
        """All of it, as JSON can hold it."""
        return asdict(self)


def crossing(curve: Sequence[tuple[int, float]], level: float) -> float | None:
    """How many labels it takes to reach a level, read between points by log labels.

    Args:
        curve: labels, ascending, and what is reached with them.
        level: to be reached.

    Returns:
        The first point where the first is enough, None where the last is not.
    """
    before: tuple[int, float] | None = None
    for labels, reached in curve:
        if reached >= level:
            if before is None or before[0] == labels:
                return labels
            part = (level - before[1]) / (reached - before[1])
            return math.exp(math.log(before[0]) * (1 - part) + math.log(labels) * part)
        before = (labels, reached)
    return None


def answers(curves: Mapping[str, Sequence[Point]]) -> list[str]:
    """For every level that labels make a difference to, how many it takes by each way.

    Levels that the fewest labels reach by every way are left out, and those above the first one
    that the most labels reach by none.

    Args:
        curves: by way.
    """
    ways = {way: sorted(curve, key=lambda p: p.labels) for way, curve in curves.items()}
    lines: list[str] = []
    for level in LEVELS:
        if all(curve[0].value >= level for curve in ways.values()):
            continue
        if all(p.value < level for curve in ways.values() for p in curve):
            most = max(p.labels for curve in ways.values() for p in curve)
            needs = f"takes more than {most:,} labels with every classifier"
            lines.append(f"{100 * level:g} % {needs}")
            break
        parts = (f"{way} {_needed(curve, level)}" for way, curve in ways.items())
        lines.append(f"{100 * level:g} % takes: {', '.join(parts)}")
    return lines


def _needed(points: Sequence[Point], level: float) -> str:
    mean = crossing([(p.labels, p.value) for p in points], level)
    least = crossing([(p.labels, p.high) for p in points], level)
    most = crossing([(p.labels, p.low) for p in points], level)
    if mean is None:
        return f"more than {count(points[-1].labels, 'label')}"
    if mean <= points[0].labels:
        return f"{count(points[0].labels, 'label')} or fewer"
    assert least is not None
    end = f"{most:,.0f}" if most is not None else f"more than {points[-1].labels:,}"
    return f"about {mean:,.0f} labels ({least:,.0f} to {end})"
