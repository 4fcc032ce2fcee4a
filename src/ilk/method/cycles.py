"""Items in one random order after another. Axes: N items, K taken at once."""

import numpy as np
from jaxtyping import Int

from ilk.core import seeding

_KEPT = 1024  # items from which on an order is kept, for it takes a while to make


class Cycle:
    """Items that are gone through again and again, each time in another order.

    Args:
        items: N of them.
        each: K, how many are taken at once; what does not fill K waits for another order.
        seed: of the run.
        stream: name of the randomness.
    """

    def __init__(self, items: Int[np.ndarray, " N"], each: int, seed: int, stream: str) -> None:
        self._items, self._each, self._seed, self._stream = items, each, seed, stream
        self._kept: tuple[int, Int[np.ndarray, " N"]] = (-1, items)

    def __call__(self, visit: int) -> Int[np.ndarray, " K"]:
        """The items of a visit, a pure function of its number."""
        time, place = divmod(visit, len(self._items) // self._each)
        return self._order(time)[place * self._each : (place + 1) * self._each]

    def _order(self, time: int) -> Int[np.ndarray, " N"]:
        if self._kept[0] == time:
            return self._kept[1]
        draws = seeding.uniforms(self._seed, time, self._items, self._stream, 1)[:, 0]
        order = self._items[draws.argsort(kind="stable")]
        if len(order) >= _KEPT:  # a copy of the numbers, no state: it follows from ``time``
            self._kept = time, order
        return order
