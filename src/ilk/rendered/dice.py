"""Named throws from a row of uniforms: what makes a scene is read off, never drawn twice."""

import numpy as np
from jaxtyping import Float64

from ilk.core.seeding import uniforms


class Dice:
    """Reads a row of uniforms from left to right.

    Args:
        row: uniforms in [0, 1), as many as will be thrown at most.
    """

    def __init__(self, row: Float64[np.ndarray, " T"]) -> None:
        self._row = iter(row.tolist())

    @staticmethod
    def of(seed: int, item: int, name: str, throws: int = 256) -> "Dice":
        """Dice that depend on the seed, the item and the name of the stream only."""
        return Dice(uniforms(seed, 0, np.array([item]), f"rendered/{name}", throws)[0])

    def between(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * next(self._row)

    def pick(self, count: int) -> int:
        """An integer in [0, count)."""
        return int(count * next(self._row))

    def chance(self, share: float) -> bool:
        """True in ``share`` of all throws."""
        return next(self._row) < share

    def around(self, spread: float) -> float:
        """A number in (-spread, spread), likelier near zero."""
        return spread * (next(self._row) + next(self._row) - 1)

    def rows(self, count: int, width: int) -> Float64[np.ndarray, "count width"]:
        """A table of uniforms, e.g. for things strewn over a background."""
        return np.array([[next(self._row) for _ in range(width)] for _ in range(count)])
