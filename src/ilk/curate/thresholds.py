"""From what agreement on two images count as copies: read off the images themselves.

Axes: n sampled images or pairs, H W C pixels.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8
from PIL import Image

from ilk.core import seeding
from ilk.core.prefetch import mapped_ahead
from ilk.curate.aligned import agreements
from ilk.curate.appearances import Appearances
from ilk.curate.candidates import RADIUS
from ilk.curate.hashes import DETAIL, TURNS, appearance, distance, turned
from ilk.data import BadItem, Source, decode, read_item
from ilk.data.source import spread

SAMPLE = 200  # images of which copies are made
OTHERS = 2000  # images among which others are looked for
RATE = 1e-3  # default share of pairs of other images that may count as copies
FEW = 100  # pairs below which a tail is not estimated
USUAL = 0.66  # threshold for fewer: that of photographs, by benchmarks/duplicates.py
LEAST = 0.5  # below it half of an image may be another one
FROM = 0.9  # share of pairs below which the tail of a distribution begins
UP_TO = 0.97  # share of pairs above which there may be copies among them
Pixels = UInt8[np.ndarray, "_ _ 3"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Threshold:
    """From what agreement on two images are copies.

    Args:
        value: the agreement.
        rate: share of pairs of other, similar images that reach it.
        others: agreement of such pairs, of images drawn at random.
        copies: agreement of an image with altered copies of it, by what was done.
    """

    value: float
    rate: float
    others: Float32[np.ndarray, " _"]
    copies: Mapping[str, Float32[np.ndarray, " _"]]

    @property
    def found(self) -> dict[str, float]:
        """Share of altered copies that agree well enough once compared, by what was done."""
        return {
            what: float((some >= self.value).mean())
            for what, some in self.copies.items()
            if len(some)
        }


def tail(values: Float[np.ndarray, " n"], rate: float) -> float:
    """The value that a share of all exceeds, where the largest may be of another kind.

    The excess over the 90 % quantile is taken to be exponential, after Fisher's transform, as
    tails of distributions are over high thresholds (Pickands, 1975); its mean is estimated
    without what lies above the 97 % quantile, where copies may be.

    Args:
        values: correlations, in [-1, 1]; some tens at least.
        rate: below 0.1.

    Returns:
        1 where there are no values.
    """
    if not len(values):
        return 1.0
    heights = np.arctanh(np.clip(values, -0.999, 0.999))
    start, end = np.quantile(heights, [FROM, UP_TO])
    over = heights[(heights > start)] - start
    known = over[over < end - start]
    mean = np.minimum(over, end - start).sum() / max(len(known), 1)
    share = len(over) / len(heights)
    return float(np.tanh(start + mean * np.log(max(share / rate, 1.0))))


def agreement_threshold(
    looks: Appearances,
    rate: float = RATE,
    *,
    source: Source | None = None,
    workers: int = 1,
    seed: int = 0,
) -> Threshold:
    """The agreement that so few pairs of other images reach, measured on a sample.

    Others are, for 2,000 images drawn at random, the two nearest of them by coarse pixels:
    similar ones, but hardly copies where images are many. Pairs that agree by their hash are
    left out, for most of those are copies.

    Args:
        looks: how the images look.
        rate: share of pairs of others that may reach it.
        source: that the images come from; altered copies are made of 200 of them, to see how
            many count as copies. None makes none.
        workers: threads.
        seed: decides which images are drawn.
    """
    drawn = np.sort(seeding.permutation(seed, 0, len(looks))[:OTHERS])
    others = agreements(looks.small, _similar(looks, drawn), workers=workers)
    some = drawn[spread(len(drawn), SAMPLE)] if len(drawn) else drawn
    return Threshold(
        value=max(tail(others, rate), LEAST) if len(others) >= FEW else USUAL,
        rate=rate,
        others=others,
        copies={} if source is None else _copies(source, looks, some, workers),
    )


def _similar(looks: Appearances, drawn: np.ndarray) -> np.ndarray:
    """Each of some images with the two nearest of them by their coarse pixels."""
    if len(drawn) < 2:
        return np.zeros((0, 2), np.int64)
    import torch

    from ilk.embedding import nearest

    coarse = [
        cv2.resize(looks.small(int(row)), (8, 8), interpolation=cv2.INTER_AREA).ravel()
        for row in drawn
    ]
    values = np.array(coarse, np.float32).reshape(len(drawn), 64)
    values -= values.mean(1, keepdims=True)
    rows = torch.from_numpy(values)
    places = nearest(rows, rows, 3)[0].numpy()
    pairs = np.stack([np.repeat(np.arange(len(drawn)), places.shape[1]), places.ravel()], 1)
    pairs = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], 1), axis=0)
    return drawn[pairs[~_near_by_hash(looks, *drawn[pairs].T)]].reshape(-1, 2)


def _near_by_hash(looks: Appearances, ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Whether the hashes of pairs make them candidates."""
    hashes = [looks.column(name) for name in ("whole", "inner")]
    apart = [
        distance(turned(a[ours], turn), b[theirs])
        for a in hashes for b in hashes for turn in range(TURNS)
    ]  # fmt: skip
    return np.min(apart, axis=0) <= RADIUS


def _jpeg(pixels: Pixels) -> Pixels:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=50)
    return decode(out.getvalue(), channels=3)


def _cropped(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    return pixels[height // 20 : height - height // 7, width // 7 : width - width // 20]


def _bordered(pixels: Pixels) -> Pixels:
    side = max(min(pixels.shape[:2]) // 10, 1)
    return np.pad(pixels, [(side, side), (side, side), (0, 0)])


ALTERED: Mapping[str, Callable[[Pixels], Pixels]] = {
    "re-encoded": _jpeg,
    "cropped to 80 %": _cropped,
    "turned": lambda pixels: np.ascontiguousarray(pixels.swapaxes(0, 1)[::-1]),
    "brighter": lambda pixels: (pixels * 1.4).clip(0, 255).astype(np.uint8),
    "bordered": _bordered,
}


def _copies(
    source: Source, looks: Appearances, rows: np.ndarray, workers: int
) -> dict[str, np.ndarray]:
    def altered(row: int) -> list[np.ndarray]:
        try:
            pixels = decode(read_item(source, int(looks.items[row])), channels=3, detail=DETAIL)
        except BadItem:  # it has gone since it was looked at
            return []
        return [appearance(change(pixels)).small for change in ALTERED.values()]

    made = mapped_ahead(altered, rows.tolist(), workers=workers, name="ilk-copies")
    both = [
        [looks.small(row), *some] for row, some in zip(rows.tolist(), made, strict=True) if some
    ]
    width = 1 + len(ALTERED)
    smalls = [small for some in both for small in some]
    pairs = [(width * n, width * n + c) for n in range(len(both)) for c in range(1, width)]
    found = agreements(smalls.__getitem__, np.array(pairs, np.int64).reshape(-1, 2))
    columns = found.reshape(-1, len(ALTERED)).T
    return dict(zip(ALTERED, columns, strict=True))
