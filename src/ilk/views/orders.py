"""Orders of tiles that differ as much as possible. Axes: N orders, P tiles."""

import math
from functools import lru_cache
from itertools import permutations

import numpy as np
from jaxtyping import Int

from ilk.core import UserError
from ilk.core.seeding import uniforms

POOL = 50_000  # orders to choose from, where there are more
MOST = 10_000  # orders that are chosen at most, as Goyal et al., ICCV 2019, have them


@lru_cache(maxsize=4)
def orders(count: int, tiles: int, seed: int = 0) -> Int[np.ndarray, "N P"]:
    """Permutations of 0 .. P - 1, far from one another by the number of places that differ.

    Noroozi and Favaro, ECCV 2016, https://arxiv.org/abs/1603.09246, section 4.2: one after the
    other is added that lies farthest from those before. Here the least distance counts first
    and the mean one second, and of more than 50,000 orders so many are drawn to choose from.
    The result cannot be written to, as it is kept for the next call.

    Args:
        count: N.
        tiles: P.
        seed: another one gives other orders.

    Raises:
        UserError: there are not as many orders.

    Example:
        >>> orders(3, 3).tolist()
        [[0, 1, 2], [2, 0, 1], [1, 2, 0]]
    """
    most = min(math.factorial(tiles), MOST)
    if not 2 <= count <= most:
        raise UserError(
            f"orders: must be 2 to {most:,} for {tiles} tiles, got {count:,}; choose as many"
        )
    pool = _pool(tiles, seed)
    chosen, least, total = [0], np.full(len(pool), tiles), np.zeros(len(pool), np.int64)
    for _ in range(count - 1):
        distance = (pool != pool[chosen[-1]]).sum(axis=1)
        least, total = np.minimum(least, distance), total + distance
        chosen.append(int((least * (tiles * count + 1) + total).argmax()))
    found = pool[chosen].astype(np.int64)
    found.flags.writeable = False
    return found


def _pool(tiles: int, seed: int) -> Int[np.ndarray, "M P"]:
    """All orders, or some of them, in random order."""
    many = math.factorial(tiles)
    drawn = uniforms(seed, 0, np.arange(min(many, POOL)), "orders", tiles)
    if many > POOL:
        return drawn.argsort(axis=1).astype(np.int8)
    return np.array(list(permutations(range(tiles))), np.int8)[drawn[:, 0].argsort()]
