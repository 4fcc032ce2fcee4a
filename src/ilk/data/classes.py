"""Labels as they are written down, and the numbers that stand for them. Axes: N items."""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int32, Integer, Shaped

from ilk.core.facts import Fact
from ilk.core.unknown import UNKNOWN
from ilk.data.leavings import same

_MOST = 65_536  # a greater number is taken for an id and not for the number of a class
_LARGEST = 2**53  # below it every whole float is exact
_DIGITS = 19  # and more may not fit 64 bits
_DECIMALS = re.compile(r"[+-]?\d+\.\d*(e[+-]?\d{1,2})?", re.IGNORECASE | re.ASCII)
_BLANK = " \t\r\n\v\f\u00a0\ufeff\u200b"  # at the ends of a name it cannot be seen
_MISSING = ("NoneType", "NAType", "NaTType")  # the last two of pandas
_BOOLEAN = ("false", "true")
_SHOWN = 60  # characters


def nothing_known(count: int, reason: str) -> Fact:
    """No label for any of some items, and why."""
    return Fact((), np.full(count, UNKNOWN, np.int32), reason)


def numbered(
    texts: Sequence[str], codes: Integer[np.ndarray, " N"], names: Sequence[str] = ()
) -> Fact:
    """Number items whose label is a text.

    Texts that look the same are the same: one Unicode coding (NFC) for all, no blanks at their
    ends; an empty text is no label. Texts that are all whole numbers (``3`` or ``3.0``) count
    as class numbers already, see ``counted``; others are numbered in the order of the alphabet.

    Args:
        texts: all different.
        codes: for each item a position in ``texts``, -1 for none.
        names: of the classes from 0 on, in case the texts are numbers.
    """
    clean = [same(text).strip(_BLANK) for text in texts]
    whole = [_whole(text) for text in clean if text]
    if whole and None not in whole:
        values = [_whole(text) for text in (*clean, "")]
        table = np.array([UNKNOWN if value is None else value for value in values], np.int64)
        return counted(table[codes], names)
    classes = sorted({text for text in clean if text})
    place = {name: number for number, name in enumerate(classes)} | {"": UNKNOWN}
    table = np.array([place[text] for text in (*clean, "")], np.int32)
    found = table[codes]
    return Fact(tuple(classes), found, _missing(found))


def counted(numbers: Integer[np.ndarray, " N"], names: Sequence[str] = ()) -> Fact:
    """Number items by numbers, of which the negative ones are not known.

    A number below 65,536 keeps its meaning, so that two files agree though one lacks a class.
    Greater ones are ids, and are numbered in their order.

    Args:
        numbers: any integers.
        names: of the classes from 0 on; where there are none the number is the name.
    """
    known = np.unique(numbers[numbers >= 0])
    if not known.size:
        return nothing_known(
            len(numbers), "no label is 0 or greater, and others mean not known"
        )
    if known[-1] < _MOST:
        count = max(len(names), int(known[-1]) + 1)
        classes = (*map(same, names), *(str(number) for number in range(len(names), count)))
        found = np.where(numbers < 0, UNKNOWN, numbers).astype(np.int32)
    else:
        classes = tuple(map(str, known.tolist()))
        found = np.where(numbers < 0, UNKNOWN, np.searchsorted(known, numbers)).astype(np.int32)
    return Fact(classes, found, _missing(found))


def labels_of(
    values: Sequence[Any] | Shaped[np.ndarray, " N"], names: Sequence[str] = ()
) -> Fact:
    """Number items whose labels are any Python or NumPy values.

    Whole floats are numbers; NaN and None are not known; booleans are called false and true.

    Args:
        values: one label an item.
        names: of the classes from 0 on, in case the labels are numbers.

    Raises:
        ValueError: a label is something else, and what it is.
    """
    if isinstance(values, np.ndarray):
        if values.dtype.kind in "iu":
            return counted(values, names)
        values = values.tolist()
    plain = [plain_label(value) for value in values]
    kinds = set(map(type, plain)) - {type(None)}
    if kinds <= {int} and all(value is None or value < 2**63 for value in plain):
        numbers = [UNKNOWN if value is None else max(value, UNKNOWN) for value in plain]
        return counted(np.array(numbers, np.int64), names)
    if kinds == {bool}:
        codes = np.array([UNKNOWN if v is None else int(v) for v in plain], np.int64)
        return counted(codes, names) if names else numbered(_BOOLEAN, codes)
    places: dict[str, int] = {}
    for value in plain:
        if value is not None:
            places.setdefault(str(value), len(places))
    codes = [UNKNOWN if value is None else places[str(value)] for value in plain]
    return numbered(list(places), np.array(codes, np.int64), names)


def as_values(given: Any) -> np.ndarray:
    """Labels as an array, in which those of a list stay what they are.

    NumPy would make one kind of all: of names and NaN the name ``nan``.

    Example:
        >>> as_values(["cat", float("nan")]).tolist()
        ['cat', nan]
    """
    if hasattr(given, "dtype") or not isinstance(given, Sequence):
        return np.asarray(given)
    return np.array(given, dtype=object)


def plain_label(value: Any) -> Any:
    """A label as int, bool, str or None, which is a missing one.

    Raises:
        ValueError: it is something else.
    """
    if type(value).__name__ in _MISSING:
        return None
    if getattr(value, "shape", None) == () and callable(getattr(value, "item", None)):
        value = value.item()  # a number of NumPy, or a tensor of one number
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, float):
        if math.isnan(value):
            return None
        if value.is_integer() and abs(value) < _LARGEST:
            return int(value)
    if isinstance(value, int | str):
        return value
    raise ValueError(f"must be whole numbers or names, got {str(value)[:_SHOWN]}")


def _whole(text: str) -> int | None:
    """The whole number that a text is, None if it is another text."""
    if text.removeprefix("-").isdecimal():
        return int(text) if len(text) < _DIGITS else None
    if _DECIMALS.fullmatch(text) and float(text).is_integer() and float(text) < _LARGEST:
        return int(float(text))
    return None


def _missing(numbers: Int32[np.ndarray, " N"]) -> str:
    lost = int((numbers < 0).sum())
    return f"{lost} of {len(numbers)} labels are missing or negative" if lost else ""
