"""Columns of a table as a page draws them: numbers, and categories with a dictionary.

Axes: N images.
"""

# pyarrow has no types
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float32, UInt16

from ilk.core import shown
from ilk.curate.filters import folders

MISSING = 65_535  # a code that stands for no value
MOST = MISSING  # values of a category
UNSHOWN = {"id", "key", "content", "vector", "label", "label_name"}


@dataclass(frozen=True, slots=True)
class Category:
    """Texts by their number.

    Args:
        name: what the column is called.
        codes: position in ``values``; 65535 where there is none.
        values: the commonest first.
        counts: how often each is there.
        derived: computed from images or vectors and not given with them.
    """

    name: str
    codes: UInt16[np.ndarray, " N"]
    values: tuple[str, ...]
    counts: tuple[int, ...]
    derived: bool = False

    @property
    def data(self) -> bytes:
        """Little endian."""
        return self.codes.astype("<u2").tobytes()

    def value(self, row: int) -> str | None:
        """The value of one image, None where there is none."""
        code = int(self.codes[row])
        return None if code == MISSING else self.values[code]

    def said(self) -> dict[str, Any]:
        """What the page must know of it."""
        return {
            "name": shown(self.name),
            "kind": "category",
            "values": [shown(value) for value in self.values],
            "counts": list(self.counts),
            "missing": int(np.count_nonzero(self.codes == MISSING)),
            "derived": self.derived,
        }


@dataclass(frozen=True, slots=True)
class Number:
    """Numbers, NaN where there is none.

    Args:
        name: what the column is called.
        values: one an image.
        whole: all are whole numbers.
        derived: as for a category.
        date: they are days since 1970, in UTC.
    """

    name: str
    values: Float32[np.ndarray, " N"]
    whole: bool = False
    derived: bool = False
    date: bool = False

    @property
    def data(self) -> bytes:
        """Little endian."""
        return self.values.astype("<f4").tobytes()

    def value(self, row: int) -> float | int | None:
        """The value of one image, None where there is none."""
        value = float(self.values[row])
        if not np.isfinite(value):
            return None
        return int(value) if self.whole else value

    def said(self) -> dict[str, Any]:
        """What the page must know of it."""
        known = self.values[np.isfinite(self.values)]
        return {
            "name": shown(self.name),
            "kind": "number",
            "min": float(known.min()) if len(known) else None,
            "max": float(known.max()) if len(known) else None,
            "whole": self.whole,
            "date": self.date,
            "missing": len(self.values) - len(known),
            "derived": self.derived,
        }


Column = Category | Number


def columns(table: pa.Table) -> tuple[Column, ...]:
    """All columns of a table that a page can draw: label, folder, and what else there is.

    Texts with more than 65,535 different values are left out, and so are columns without any.

    Args:
        table: with ``key``, and perhaps ``label_name``, ``width``, ``height`` and facts.
    """
    made: list[Column | None] = []
    if "label_name" in table.column_names:
        made.append(category("label", table["label_name"]))
    if "folder" not in table.column_names:  # a fact of that name may say more than the key
        made.append(category("folder", folders(table["key"])))
    made += [column(name, table[name]) for name in table.column_names if name not in UNSHOWN]
    return tuple(found for found in made if found is not None)


def column(name: str, values: Any) -> Column | None:
    """An Arrow column as one of the two kinds, None where it can be neither."""
    kind = values.type
    if pa.types.is_boolean(kind):
        return category(name, pc.if_else(values, "true", "false"))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return dates(name, values)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return number(name, values)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return category(name, values)
    return None


def category(name: str, values: Any) -> Category | None:
    """Texts as a category, None where there are none or too many.

    Example:
        >>> made = category("kind", pa.array(["cat", "dog", None, "dog"]))
        >>> made.values, made.codes.tolist()
        (('dog', 'cat'), [1, 0, 65535, 0])
    """
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    coded = pc.dictionary_encode(values)
    texts = coded.dictionary.to_pylist()
    if not 0 < len(texts) < MOST:
        return None
    found = coded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
    counts = np.bincount(found, minlength=len(texts))[: len(texts)]
    order = sorted(range(len(texts)), key=lambda code: (-counts[code], texts[code]))
    place = np.full(len(texts) + 1, MISSING, np.uint16)
    place[order] = np.arange(len(order))
    return Category(
        name=name,
        codes=place[found],
        values=tuple(texts[code] for code in order),
        counts=tuple(int(counts[code]) for code in order),
    )


def derived(name: str, values: Any) -> Column | None:
    """The same of what was computed of the images; the number of a group is a category."""
    made = groups(name, values) if name.startswith("cluster") else column(name, values)
    return None if made is None else replace(made, derived=True)


def groups(name: str, values: Any) -> Category | None:
    """Numbers of groups, the largest being 0, as texts; None where they are others."""
    found = values.cast(pa.int64()).fill_null(MISSING).to_numpy(zero_copy_only=False)
    known = found[found != MISSING]
    if not len(known) or known.min() < 0 or known.max() >= MOST:
        return None
    counts = np.bincount(known)
    names = tuple(str(number) for number in range(len(counts)))
    return Category(name, found.astype(np.uint16), names, tuple(counts.tolist()))


def number(name: str, values: Any) -> Number | None:
    """Numbers, None where there are none."""
    whole = pa.types.is_integer(values.type)
    found = pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    if not np.isfinite(found).any():
        return None
    with np.errstate(over="ignore"):
        return Number(name, found.astype(np.float32), whole)


def dates(name: str, values: Any) -> Number | None:
    """Dates and times as days since 1970, None where there are none.

    Whole days are exact. A time is rounded down, by less than three minutes until 2059, so that
    it stays on its day.
    """
    seconds = values.cast(pa.timestamp("s"), safe=False).cast(pa.int64())
    days = pc.divide(seconds.cast(pa.float64(), safe=False), 86_400.0)
    found = days.to_numpy(zero_copy_only=False)
    if not np.isfinite(found).any():
        return None
    drawn = found.astype(np.float32)
    late = drawn > found
    drawn[late] = np.nextafter(drawn[late], np.float32(-np.inf))
    return Number(name, drawn, date=True)


def date_text(value: Any) -> str | None:
    """An Arrow date or time in UTC as text, such as 2024-05-31 or 2024-05-31 12:30:00.

    Example:
        >>> date_text(pa.scalar(86_400_500, pa.timestamp("ms", "UTC")))
        '1970-01-02 00:00:00.5'
    """
    if pa.types.is_timestamp(value.type):  # without its zone, which may have no known name
        value = value.cast(pa.timestamp(value.type.unit))
    text = value.cast(pa.string()).as_py()
    if text is None:
        return None
    seconds = text.rstrip("0").rstrip(".") if "." in text else text
    return seconds.removesuffix(" 00:00:00")
