"""How the first row of a report differs from the others."""

from collections.abc import Mapping, Sequence

from ilk.evaluate import Result, SeedDifference, compare, difference_over_seeds, holm
from ilk.study import percentage_points
from ilk.viewer.report import Chapter, Grid
from ilk.viewer.seeds import Group, learned_from, stacked

ALPHA = 0.05  # below it a corrected p-value counts as a difference
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
        shared = [(a, b) for a, b in pairs if b is not None and _same_items(a, b)]
        mine = [a for a, _ in shared]
        found = compare(mine, [b for _, b in shared], group.name, first.name)
        lines += [(one.against, one.protocol, one.verdict) for one in found]
    kind = "Paired bootstrap over test images, 95 % intervals in percentage points"
    return _chapter(first, lines, kind)


def _of_seeds(encoders: Encoders, first: Group, others: Sequence[Group]) -> list[Chapter]:
    """The same where a row is a mean over seeds; p-values are corrected together."""
    found: list[tuple[Group, str, SeedDifference]] = []
    for group in others:
        for protocol in encoders[first.members[0]]:
            ours = stacked(first, encoders, protocol)
            theirs = stacked(group, encoders, protocol)
            same = len({learned_from(one, encoders, protocol) for one in (first, group)}) == 1
            if ours is None or theirs is None or not same:
                continue
            if ours.shape[1] == theirs.shape[1]:
                found.append((group, protocol, difference_over_seeds(ours, theirs)))
    corrected = holm([one.p for _, _, one in found])
    lines = [
        (group.name, protocol, _words(one, p))
        for (group, protocol, one), p in zip(found, corrected, strict=True)
    ]
    kind = (
        "Paired over test images, independent over seeds: 95 % intervals in percentage points, "
        "and p-values corrected for the number of comparisons (Holm)"
    )
    return _chapter(first, lines, kind)


def _words(one: SeedDifference, p: float) -> str:
    low, high, difference = map(percentage_points, (*one.interval, one.difference))
    points = f"{difference:+.1f} points ({low:+.1f} to {high:+.1f}), p = {p:.2g}"
    return points if p <= ALPHA else f"no significant difference: {points}"


def _chapter(first: Group, lines: Sequence[tuple[str, ...]], caption: str) -> list[Chapter]:
    if not lines:
        return []
    heads = ("Compared with", "Protocol", first.name)
    grid = Grid(caption=caption, heads=heads, rows=tuple(lines))
    lead = (
        f"Each row says how {first.name} differs from another encoder on the same test images."
        " Images that are hard for one are hard for the other, so a paired difference is more"
        " certain than two separate intervals suggest."
    )
    return [Chapter(title=f"Is {first.name} better?", lead=lead, grids=(grid,))]


def _same_items(mine: Result, other: Result) -> bool:
    """Whether the scores are of the same items: some protocols score train items."""
    if mine.scores is None or other.scores is None:
        return False
    same = (mine.train_data, mine.seed) == (other.train_data, other.seed)
    return same and len(mine.scores) == len(other.scores)
