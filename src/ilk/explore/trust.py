"""How far a map can be trusted. Axes: N images, M with a point, S sampled, D features."""

from dataclasses import asdict, astuple, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64

from ilk.explore.vectors import BLOCK, as_floats
from ilk.explore.vectors import sample as drawn

AMONG = 100_000  # images, at most, that ranks are counted among
ASKED = 256  # images whose neighbours are looked at together


@dataclass(frozen=True, slots=True)
class Trust:
    """Trustworthiness: 1 where all neighbours on the map are neighbours by the vectors.

    Args:
        value: the mean.
        low: end of its 95 % interval.
        high: the other end.
        neighbours: on the map, that are looked at.
        sample: images that it is the mean over.
    """

    value: float
    low: float
    high: float
    neighbours: int
    sample: int

    def said(self) -> dict[str, float]:
        """By name."""
        return asdict(self)

    @property
    def numbers(self) -> Float[np.ndarray, "5"]:
        """To be kept."""
        return np.array(astuple(self), np.float64)

    @classmethod
    def of(cls, numbers: Float[np.ndarray, "5"]) -> "Trust":
        """From what was kept."""
        value, low, high, neighbours, sample = numbers.tolist()
        return cls(value, low, high, int(neighbours), int(sample))


def trustworthiness(
    vectors: Any,
    points: Float32[np.ndarray, "N 2"],
    *,
    neighbours: int = 10,
    sample: int = 1000,
) -> Trust | None:
    """How far neighbours on a map are neighbours by cosine, with an interval.

    Venna and Kaski, ICANN 2001: 1 - 2 / (n k (2n - 3k - 1)) times the sum, over all images and
    their k neighbours on the map, of the neighbour's rank by the vectors beyond k. Here the
    mean is over a sample of images; of more than 100,000 it is among a sample of so many.

    Args:
        vectors: row-addressable, N x D, of unit length.
        points: places on the map, NaN where there is none.
        neighbours: k.
        sample: images whose neighbours are looked at.

    Returns:
        None where the map has too few points for it to mean anything.
    """
    rows = drawn(np.flatnonzero(np.isfinite(points[:, 0])), AMONG)
    count = len(rows)
    if count < 3 * neighbours + 2:
        return None
    asked = drawn(np.arange(count), sample)
    all_points = points[rows].astype(np.float32)
    near = np.stack([_nearest(all_points, place, neighbours) for place in asked.tolist()])
    beyond = np.concatenate(
        [
            _beyond(vectors, rows, asked[start : start + ASKED], near[start : start + ASKED])
            for start in range(0, len(asked), ASKED)
        ]
    )
    scores = 1 - beyond * 2 / (neighbours * (2 * count - 3 * neighbours - 1))
    value = float(scores.mean())
    # Where all images were asked nothing is left to chance.
    spread = 0.0 if len(asked) == count else 1.96 * float(scores.std()) / len(asked) ** 0.5
    return Trust(value, value - spread, min(value + spread, 1.0), neighbours, len(asked))


def _nearest(points: Float32[np.ndarray, "M 2"], place: int, k: int) -> Int64[np.ndarray, " k"]:
    """The k others that are nearest on the map."""
    distances = ((points - points[place]) ** 2).sum(1)
    distances[place] = np.inf
    return np.argpartition(distances, k)[:k]


def _beyond(
    vectors: Any,
    rows: Int64[np.ndarray, " M"],
    asked: Int64[np.ndarray, " S"],
    near: Int64[np.ndarray, "S k"],
) -> Float[np.ndarray, " S"]:
    """For each image, by how much the ranks of its neighbours on the map exceed k, in all."""
    own = as_floats(vectors, rows[asked])
    at = np.stack([as_floats(vectors, rows[row]) for row in near])
    bounds = np.einsum("sd,skd->sk", own, at)
    nearer = np.zeros(near.shape, np.int64)  # images with a larger cosine than the neighbour's
    for start in range(0, len(rows), BLOCK):
        part = slice(start, start + BLOCK)
        cosines = own @ as_floats(vectors, rows[part]).T
        inside = (asked >= start) & (asked < start + cosines.shape[1])
        cosines[inside, asked[inside] - start] = -np.inf
        for column in range(near.shape[1]):
            others = np.arange(start, start + cosines.shape[1]) != near[:, column, None]
            nearer[:, column] += _count(cosines > bounds[:, column, None], others)
    return (nearer + 1 - near.shape[1]).clip(0).sum(1).astype(np.float64)


def _count(larger: Bool[np.ndarray, "S M"], others: Bool[np.ndarray, "S M"]) -> Any:
    return np.count_nonzero(larger & others, axis=1)
