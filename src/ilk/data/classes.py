"""Labels as they are written down, and the numbers that stand for them. Axes: N items."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int32, Integer

from ilk.data.source import UNKNOWN

_MOST = 65_536  # a greater number is taken for an id and not for the number of a class


def numbered(
    texts: Sequence[str], codes: Integer[np.ndarray, " N"], names: Sequence[str] = ()
) -> tuple[tuple[str, ...], Int32[np.ndarray, " N"]]:
    """Class names and class numbers of items whose label is a text.

    Texts that are all whole numbers count as class numbers already, see ``counted``; others are
    numbered in the order of the alphabet.

    Args:
        texts: all different.
        codes: for each item a position in ``texts``, -1 for none.
        names: of the classes from 0 on, in case the texts are numbers.
    """
    if texts and all(text.removeprefix("-").isdecimal() for text in texts):
        values = np.array([int(text) for text in texts] + [UNKNOWN], np.int64)
        return counted(values[codes], names)
    order = sorted(range(len(texts)), key=texts.__getitem__)
    places = np.full(len(texts) + 1, UNKNOWN, np.int32)
    places[order] = np.arange(len(texts))
    return tuple(texts[code] for code in order), places[codes]


def counted(
    numbers: Integer[np.ndarray, " N"], names: Sequence[str] = ()
) -> tuple[tuple[str, ...], Int32[np.ndarray, " N"]]:
    """Class names and class numbers of numbers, of which the negative ones are not known.

    A number below 65,536 keeps its meaning, so that two files agree though one lacks a class.
    Greater ones are ids, and are numbered in their order.

    Args:
        numbers: any integers.
        names: of the classes from 0 on; where there are none the number is the name.
    """
    numbers = numbers.astype(np.int64)
    known = np.unique(numbers[numbers >= 0])
    if not known.size:
        return (), np.full(len(numbers), UNKNOWN, np.int32)
    if known[-1] < _MOST:
        count = max(len(names), int(known[-1]) + 1)
        all_names = (*names, *(str(number) for number in range(len(names), count)))
        return all_names, np.where(numbers < 0, UNKNOWN, numbers).astype(np.int32)
    places = np.where(numbers < 0, UNKNOWN, np.searchsorted(known, numbers))
    return tuple(map(str, known.tolist())), places.astype(np.int32)
