"""Whether the first row of a report is better than the others."""

from collections.abc import Mapping, Sequence

from ilk.evaluate import Result, SeedDifference, compare, difference_over_seeds, holm
from ilk.viewer.report import Chapter, Grid
from ilk.viewer.seeds import Group, stacked

ALPHA = 0.05  # below it a corrected probability counts as a difference
Encoders = Mapping[str, Mapping[str, Result]]


def differences(encoders: Encoders, rows: Sequence[Group]) -> list[Chapter]:
    """The first row against every other, item by item.

    Args:
        encoders: results by protocol, of each encoder by its name.
        rows: encoders that stand together.
    """
    first, *others = rows
    if any(len(group.members) > 1 for group in rows):
        return _of_seeds(encoders, first, others)
    lines: list[tuple[str, ...]] = []
    for group in others:
        theirs = encoders[group.name]
        pairs = [(r, theirs.get(name)) for name, r in encoders[first.name].items()]
        alike = [(a, b) for a, b in pairs if b is not None and _same_items(a, b)]
        found = compare([a for a, _ in alike], [b for _, b in alike], group.name)
        lines += [(f"against {one.against}", one.protocol, one.verdict) for one in found]
    kind = "Paired bootstrap over test items, 95 % intervals in percentage points"
    return _chapter(first, lines, kind)


def _of_seeds(encoders: Encoders, first: Group, others: Sequence[Group]) -> list[Chapter]:
    """The same where a row is a mean over seeds; probabilities are corrected together."""
    found: list[tuple[Group, str, SeedDifference]] = []
    for group in others:
        for protocol in encoders[first.members[0]]:
            ours = stacked(first, encoders, protocol)
            theirs = stacked(group, encoders, protocol)
            if ours is not None and theirs is not None and ours.shape[1] == theirs.shape[1]:
                found.append((group, protocol, difference_over_seeds(ours, theirs)))
    corrected = holm([one.p for _, _, one in found])
    lines = [
        (f"against {group.name}", protocol, _words(one, p))
        for (group, protocol, one), p in zip(found, corrected, strict=True)
    ]
    kind = (
        "Paired over test images, independent over seeds: 95 % intervals in points, and "
        "probabilities corrected for their number (Holm)"
    )
    return _chapter(first, lines, kind)


def _words(one: SeedDifference, p: float) -> str:
    low, high = (100 * end for end in one.interval)
    points = f"{100 * one.difference:+.1f} points ({low:+.1f} to {high:+.1f}), p = {p:.2g}"
    return points if p <= ALPHA else f"cannot be told apart: {points}"


def _chapter(first: Group, lines: Sequence[tuple[str, ...]], caption: str) -> list[Chapter]:
    if not lines:
        return []
    grid = Grid(caption=caption, heads=("", "Protocol", first.name), rows=tuple(lines))
    lead = (
        "What is hard for one is hard for the other, so differences are surer than two"
        " intervals side by side suggest."
    )
    return [Chapter(title=f"Is {first.name} better?", lead=lead, grids=(grid,))]


def _same_items(mine: Result, other: Result) -> bool:
    """Whether the scores are of the same items: some protocols score train items."""
    if mine.scores is None or other.scores is None:
        return False
    same = (mine.train_data, mine.seed) == (other.train_data, other.seed)
    return same and len(mine.scores) == len(other.scores)
