"""Random numbers on the device: the same for an image in whichever rank or row it is.

Axes: the shape of the numbers that draw.
"""

from jaxtyping import Float, Int
from torch import Tensor

from ilk.core import seeding

_FIRST, _SECOND = -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15  # SplitMix64's factors, signed
_GOLDEN = -0x61C8864680B583EB  # 2**64 / golden ratio, signed


def hash_uniform(
    numbers: Int[Tensor, "*shape"], *, seed: int, step: int, name: str
) -> Float[Tensor, "*shape"]:
    """One uniform in [0, 1) for each number: equal numbers give equal uniforms.

    Args:
        numbers: what the draws depend on, such as slots or pairs of sources.
        seed: the run's.
        step: or any other counter.
        name: of the stream; streams are independent of one another.
    """
    key = seeding.integer(seed, step, name)
    words = _mixed(_mixed(numbers.long() + _GOLDEN) ^ key)
    return _shifted(words, 40).float() * 2.0**-24


def paired(rows: Int[Tensor, " Q"], columns: Int[Tensor, " K"]) -> Int[Tensor, "Q K"]:
    """One number for each pair, all but surely another for another pair."""
    return _mixed(rows + _GOLDEN)[:, None] + _mixed(columns)[None, :]


def _mixed(words: Tensor) -> Tensor:
    """The SplitMix64 finaliser; products of 64-bit integers wrap around."""
    words = (words ^ _shifted(words, 30)) * _FIRST
    words = (words ^ _shifted(words, 27)) * _SECOND
    return words ^ _shifted(words, 31)


def _shifted(words: Tensor, by: int) -> Tensor:
    """A logical shift to the right; that of torch keeps the sign."""
    return (words >> by) & ((1 << (64 - by)) - 1)
