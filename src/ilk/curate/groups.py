"""From pairs to groups without chains: whoever is in a group is close to its medoid.

Axes: P pairs.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Int64

Close = Callable[[int, Sequence[int]], Bool[np.ndarray, " n"]]


def groups(pairs: Int64[np.ndarray, "P 2"], close: Close) -> list[list[int]]:
    """Groups of two members or more, each with its medoid first, then in order.

    Members of connected pairs are united. Of them the one with most pairs, the first of
    several, is the medoid; who is not close to it leaves, and those who left are grouped among
    themselves in the same way. So a chain a - b - c - d, where only neighbours are close, falls
    apart, and copies of one original stay together.

    Args:
        pairs: numbers of members that are close.
        close: for a medoid, which of several others are close to it; called for those that
            have no pair with it.

    Example:
        >>> near = np.array([[0, 1], [1, 2], [2, 3]])  # numbers that differ by one
        >>> groups(near, lambda medoid, others: np.abs(np.array(others) - medoid) <= 1)
        [[1, 0, 2]]
    """
    linked: dict[int, set[int]] = defaultdict(set)
    for a, b in pairs.tolist():
        if a != b:
            linked[a].add(b)
            linked[b].add(a)
    found: list[list[int]] = []
    left = set(linked)
    while left:
        for members in _united(left, linked):
            medoid = max(sorted(members), key=lambda m: len(linked[m] & members))
            others = sorted(members - linked[medoid] - {medoid})
            near = close(medoid, others) if others else np.zeros(0, bool)
            stay = (linked[medoid] & members) | {
                o for o, c in zip(others, near, strict=True) if c
            }
            if stay:
                found.append([medoid, *sorted(stay)])
            left -= stay | {medoid}
    return found


def _united(members: set[int], linked: Mapping[int, set[int]]) -> list[set[int]]:
    """Connected members, those that are alone included."""
    seen: set[int] = set()
    found: list[set[int]] = []
    for start in sorted(members):
        if start in seen:
            continue
        group, ahead = {start}, [start]
        while ahead:
            for other in linked[ahead.pop()] & members - group:
                group.add(other)
                ahead.append(other)
        seen |= group
        found.append(group)
    return found
