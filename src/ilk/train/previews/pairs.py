"""Places of one view that a run treats as positives of places of another.

Axes: B images, M places of a view, H W C pixels.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from ilk.core import Output
from ilk.method import Method, root_of
from ilk.networks.places import FEATURE
from ilk.train.loop.step import KinRecord
from ilk.train.previews.step import StepPreview

LINES = 16  # of an image, more of which would hide it
Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class PlacePairs:
    """Two views of an image, and which places of them are positives.

    Args:
        item: number of the image.
        left: the view of the queries.
        right: the view of the candidates.
        lines: middles of places of both views, across and down as shares of a view's sides.
    """

    item: int
    left: UInt8[np.ndarray, "H W C"]
    right: UInt8[np.ndarray, "H W C"]
    lines: tuple[tuple[Point, Point], ...]


def has_places(method: Method) -> bool:
    """Whether a term of a method compares places of one view with those of another."""
    outputs = [
        entry
        for term in method.terms
        for entry in (term.queries[0], term.candidates[0])
        if isinstance(entry, Output)
    ]
    return any(root_of(method.heads, entry.head) != FEATURE for entry in outputs)


def place_pairs(seen: StepPreview, *, most: int = 6) -> tuple[PlacePairs, ...]:
    """Pairs of the first term whose queries and candidates are places of images.

    Args:
        seen: a batch as the run's terms see it.
        most: images, at most.
    """
    for record in seen.kin_records:
        query, other = record.term.queries[0], record.term.candidates[0]
        if isinstance(query, Output) and isinstance(other, Output):
            sides = [_side(seen, entry) for entry in (query, other)]
            if min(sides) > 1:
                return _pairs(seen, record, (query, other), most)
    return ()


def _side(seen: StepPreview, entry: Output) -> int:
    """Places along a side of an image; 0 where they form no square."""
    places = seen.counts[entry] // max(len(seen.views[entry.view]), 1)
    side = math.isqrt(places)
    return side if side**2 == places else 0


def _pairs(
    seen: StepPreview, record: KinRecord, entries: tuple[Output, Output], most: int
) -> tuple[PlacePairs, ...]:
    left, right = (seen.views[entry.view] for entry in entries)
    mine, theirs = (_side(seen, entry) for entry in entries)
    found: list[PlacePairs] = []
    for row in range(min(most, len(left), len(right))):
        first = row * mine**2
        kin = record.table(slice(first, first + mine**2))
        own = slice(row * theirs**2, (row + 1) * theirs**2)
        weights = kin.weights[:, own].float().cpu()
        best, column = weights.max(dim=1)
        places = np.flatnonzero(best.numpy() > 0)
        chosen = places[np.unique(np.linspace(0, len(places) - 1, LINES).round().astype(int))]
        found.append(
            PlacePairs(
                item=int(seen.items[row]), left=left[row], right=right[row],
                lines=tuple(
                    (_middle(int(place), mine), _middle(int(column[place]), theirs))
                    for place in (chosen if len(places) else ())
                ),
            )
        )  # fmt: skip
    return tuple(found)


def _middle(place: int, side: int) -> Point:
    row, column = divmod(place, side)
    return (column + 0.5) / side, (row + 0.5) / side
