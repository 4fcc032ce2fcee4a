"""Whether a small image shows the whole of another, turned, in all of it or in a window.

Axes: N images, P pairs, W windows, S pixels of a side, F values of a window.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, Int64, UInt8

from ilk.core.prefetch import mapped_ahead
from ilk.curate.hashes import FLAT, SIDE, TURNS, turn_pixels

COARSE = 12  # pixels of a side of the windows that are compared at first
SIDES = (12, 13, 15, 17, 20, 24)  # of the image they lie in: they are 1 to 0.5 of its sides
HOPE = 0.7  # correlation of the best window below which a pair is not looked at closer
BLOCKS = 6  # blocks of a side that must agree each for itself
_ALL = np.ones((SIDE, SIDE), np.uint8)
_STEPS = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-4)
_BLUR = 5  # pixels, odd, of the filter while images are brought into line
_MANY = 512  # pairs of one piece of work
Small = UInt8[np.ndarray, "S S"]

_WINDOWS = tuple(
    (COARSE / side, top / side, left / side)
    for side in SIDES
    for top in range(side - COARSE + 1)
    for left in range(side - COARSE + 1)
)  # share of the sides, top and left
_PLACES = np.arange(COARSE * COARSE).reshape(COARSE, COARSE)
_TURNED = np.stack([turn_pixels(_PLACES, turn).ravel() for turn in range(TURNS)])


def agreements(
    small: Callable[[int], Small],
    pairs: Int64[np.ndarray, "P 2"],
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Float32[np.ndarray, " P"]:
    """How well the images of each pair agree, see `agreement`.

    Args:
        small: gives the small gray image of a number.
        pairs: numbers of images.
        workers: threads.
        progress: called with the pairs done and their number.
    """
    both = np.concatenate([pairs, pairs[:, ::-1]])
    order = np.argsort(both[:, 0], kind="stable")
    hopes: list[_Hope] = [_Hope(0.0, 0, 0)] * len(both)
    done = np.zeros(len(pairs), np.float32)

    def coarse(part: np.ndarray) -> list[_Hope]:
        return list(_hopes(small, both[part]))

    def fine(part: range) -> list[float]:
        return [_better(small, pairs[p], hopes[p], hopes[p + len(pairs)]) for p in part]

    pieces = [order[start : start + _MANY] for start in range(0, len(order), _MANY)]
    found = mapped_ahead(coarse, pieces, workers=workers, name="ilk-compare")
    for piece, some in zip(pieces, found, strict=True):
        for place, hope in zip(piece, some, strict=True):
            hopes[place] = hope
    parts = [range(s, min(s + _MANY, len(pairs))) for s in range(0, len(pairs), _MANY)]
    for part, some in zip(
        parts, mapped_ahead(fine, parts, workers=workers, name="ilk-align"), strict=True
    ):
        done[part.start : part.stop] = some
        if progress:
            progress(part.stop, len(pairs))
    return done


def agreement(ours: Small, theirs: Small) -> float:
    """How well two small images agree once they are in line, about 0 for others, at most 1.

    The whole of one is looked for in windows of the other that have 1 to 0.5 of its sides,
    under the eight turns, first by normalised correlation; the best is brought into line by an
    affine map (Evangelidis and Psarakis, PAMI 2008). The agreement is the mean correlation
    within 6 x 6 blocks, each without its mean: large areas of light and dark, which other
    images share, count for nothing, and a frame around another image for little.
    """
    pair = np.array([[0, 1]])
    return float(agreements([ours, theirs].__getitem__, pair)[0])


@dataclass(frozen=True, slots=True)
class _Hope:
    """The window of an image that correlates best with the whole of another."""

    correlation: float
    window: int
    turn: int


def _hopes(small: Callable[[int], Small], pairs: np.ndarray) -> Iterator[_Hope]:
    """For pairs that are sorted by their first image."""
    at, inside = -1, np.zeros((0, 0), np.float32)
    for ours, theirs in pairs.tolist():
        if ours != at:
            at, inside = ours, _unit(np.concatenate(list(_windows(small(ours)))))
        whole = _unit(next(_windows(small(theirs))))[0]
        table = inside @ whole[_TURNED].T
        best = int(table.argmax())
        yield _Hope(float(table.flat[best]), best // TURNS, best % TURNS)


def _windows(image: Small) -> Iterator[Float32[np.ndarray, "W F"]]:
    values = image.astype(np.float32)
    for side in SIDES:
        shrunk = cv2.resize(values, (side, side), interpolation=cv2.INTER_AREA)
        seen = np.lib.stride_tricks.sliding_window_view(shrunk, (COARSE, COARSE))
        yield seen.reshape(-1, COARSE * COARSE)


def _unit(rows: Float32[np.ndarray, "W F"]) -> Float32[np.ndarray, "W F"]:
    """Without mean and of unit length; what has no structure correlates with nothing."""
    rows = rows - rows.mean(1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.where(length > FLAT * COARSE, rows / np.maximum(length, 1e-6), 0)


def _better(
    small: Callable[[int], Small], pair: Int64[np.ndarray, "2"], ahead: _Hope, back: _Hope
) -> float:
    """The agreement where the whole of one is in the other, whichever correlates better."""
    first, second = pair.tolist()
    if back.correlation > ahead.correlation:
        first, second, ahead = second, first, back
    if ahead.correlation < HOPE:
        return 0.0
    return _in_line(small(first), small(second), ahead)


def _in_line(ours: Small, theirs: Small, hope: _Hope) -> float:
    share, top, left = _WINDOWS[hope.window]
    wanted = turn_pixels(theirs, hope.turn).astype(np.float32)
    image = ours.astype(np.float32)
    half = (share - 1) / 2  # places are those of the middles of pixels
    warp = np.array([[share, 0, left * SIDE + half], [0, share, top * SIDE + half]], np.float32)
    try:
        _, warp = cv2.findTransformECC(
            wanted, image, warp, cv2.MOTION_AFFINE, _STEPS, _ALL, _BLUR
        )
    except cv2.error:  # it does not converge: they have nothing in common
        return 0.0
    seen = cv2.warpAffine(
        image, warp, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return _by_blocks(wanted, seen)


def _by_blocks(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Mean correlation within blocks that have structure in either image."""
    a, b = (_blocks(image) for image in (ours, theirs))
    spread_a, spread_b = a.std(1), b.std(1)
    lively = np.maximum(spread_a, spread_b) > FLAT
    if lively.sum() * 4 < len(a):
        return 0.0  # too little to tell images apart by
    found = (a * b).mean(1) / np.maximum(spread_a * spread_b, 1.0)
    return float(found[lively].mean())


def _blocks(image: np.ndarray) -> Float32[np.ndarray, "blocks values"]:
    side = SIDE // BLOCKS
    parts = image.reshape(BLOCKS, side, BLOCKS, side).swapaxes(1, 2).reshape(BLOCKS**2, -1)
    return parts - parts.mean(1, keepdims=True)
