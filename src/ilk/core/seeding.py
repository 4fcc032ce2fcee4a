"""Randomness as a pure function: the same arguments give the same numbers, in any order.

Nothing here keeps state, so worker counts, process ids and the order of calls cannot change a
image, and a stopped run has no random state to lose.
"""

import hashlib

import numpy as np
from jaxtyping import Float64, Int

_GOLDEN = np.uint64(
    0x9E3779B97F4A7C15
)  # 2**64 / golden ratio: consecutive counters land far apart


def stream(name: str) -> int:
    """A stable 63-bit number for the name of a random stream, e.g. of a view."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little") >> 1


def uniforms(
    seed: int, epoch: int, items: Int[np.ndarray, " B"], name: str, draws: int
) -> Float64[np.ndarray, "B draws"]:
    """Independent uniforms in [0, 1), a row an item.

    Args:
        seed: of the run.
        epoch: or any other counter, such as a step.
        items: index of each item in its data set; a row depends on its own item only.
        name: of the stream, e.g. ``"view/a"``; streams are independent of one another.
        draws: how many numbers an item needs.
    """
    key = _mix(_mix(_word(seed) + _GOLDEN) ^ _word(epoch))
    key = _mix(key ^ _word(stream(name)))
    rows = _mix(key ^ _mix(items.astype(np.uint64) + _GOLDEN))
    counters = np.arange(1, draws + 1, dtype=np.uint64) * _GOLDEN
    return (_mix(rows[:, None] + counters[None, :]) >> np.uint64(11)) * 2.0**-53


def uniform(seed: int, epoch: int, name: str) -> float:
    """A single uniform in [0, 1), for choices that a whole batch shares."""
    return float(uniforms(seed, epoch, np.zeros(1, np.int64), name, 1)[0, 0])


def permutation(seed: int, epoch: int, size: int) -> Int[np.ndarray, " N"]:
    """The order of ``size`` items in an epoch."""
    bits = np.random.Philox(key=np.concatenate([_word(seed), _word(epoch)]))
    return np.random.Generator(bits).permutation(size)


def integer(seed: int, epoch: int, name: str) -> int:
    """A 53-bit seed for another library's generator."""
    return int(uniform(seed, epoch, name) * 2**53)


def _word(value: int) -> np.ndarray:
    return np.array([value & (2**64 - 1)], dtype=np.uint64)


def _mix(words: np.ndarray) -> np.ndarray:
    """The SplitMix64 finaliser (Steele et al., OOPSLA 2014): a bijection that scatters bits."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
