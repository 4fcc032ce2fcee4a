"""Which rows of a table a filter means. Axes: N rows."""

# pyarrow has no types
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

import math
import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool

from ilk.core import UserError, shown
from ilk.core.names import did_you_mean
from ilk.search.where import Both, Compare, Either, Filter, Missing, Not, parse

_SIGNS: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_NAMES = {"label": "label_name"}  # a label is asked for by its name where it has one
_SHOWN = 20  # names of columns
_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_MOMENT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[ T][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?"
_UNSEEN = r"[^\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}]"  # `shown` writes some of these as escapes
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?")
_TRUTH = {"true": True, "false": False}
_A_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def rows_where(table: pa.Table, text: str) -> Bool[np.ndarray, " N"]:
    """Which rows of a table a filter means.

    Text is compared as text, and as it is shown: a control mark in it is meant by its escape.
    Where all of a column are numbers, or all are dates, less and more go by these. A date is a
    day, a month or a year, and all of that is meant: ``date>2024`` begins with 2025. ``label``
    is the name of a class where the table has such names.

    Example:
        >>> table = pa.table({"label": ["cat", "dog", None], "width": [64, 128, 256]})
        >>> rows_where(table, "label=cat or width>=200").tolist()
        [True, False, True]

    Args:
        table: plain columns: text, numbers, dates, true and false.
        text: the filter, see `ilk.search.where`.

    Raises:
        UserError: it is no filter, names no column, or a value does not fit its column.
    """
    return mask(table, parse(text))


def mask(table: pa.Table, tree: Filter) -> Bool[np.ndarray, " N"]:
    """The same of a filter that was read."""
    match tree:
        case Compare():
            return _compared(table, tree)
        case Missing(column):
            return ~_known(_column(table, column))
        case Not(inner):
            return ~mask(table, inner)
        case Both(parts):
            return np.logical_and.reduce([mask(table, part) for part in parts])
        case Either(parts):
            return np.logical_or.reduce([mask(table, part) for part in parts])


def _column(table: pa.Table, name: str) -> Any:
    names = table.column_names
    meant = _NAMES.get(name, name)
    meant = meant if meant in names else name
    if meant not in names:
        hint = did_you_mean(name, names, f"choose from {', '.join(names[:_SHOWN])}")
        raise UserError(f"where: must name a column, got {name!r:.200}; {hint}")
    column = table[meant].combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(pa.string()) if pa.types.is_large_string(column.type) else column


def _known(column: Any) -> Bool[np.ndarray, " N"]:
    """Which rows have a value; NaN is none."""
    return pc.invert(column.is_null(nan_is_null=True)).to_numpy(zero_copy_only=False)


def _compared(table: pa.Table, test: Compare) -> Bool[np.ndarray, " N"]:
    if test.sign == "!=":
        return ~_compared(table, Compare(test.column, "=", test.value))
    column, kind = _column(table, test.column), pa.types
    if kind.is_string(column.type):
        return _text(column, test)
    if test.sign == "~":
        _refuse(test, "must be text for ~", column)
    if kind.is_boolean(column.type):
        return _truth(column, test)
    if kind.is_integer(column.type) or kind.is_floating(column.type):
        return _numbers(column, test)
    if kind.is_date(column.type) or kind.is_timestamp(column.type):
        return _dates(column, test)
    return _refuse(test, "must hold text, numbers, dates, or true and false", column)


def _refuse(test: Compare, must: str, column: Any) -> Any:
    raise UserError(f"where: {test.column} {must}, got a column of {column.type}")


def _text(column: Any, test: Compare) -> Bool[np.ndarray, " N"]:
    column, value = _plain(column), shown(test.value)
    if test.sign == "~":
        found = pc.match_substring_regex(column, _pattern(value))
        return found.fill_null(False).to_numpy(zero_copy_only=False)
    if test.sign != "=":
        for read, form, kind, compared in (
            (_number, _NUMBER, pa.float64(), _numbers),
            (_span, _MOMENT, pa.timestamp("s"), _dates),
        ):
            if read(value) is None or not _all_are(column, form):
                continue
            try:
                typed = column.cast(kind)
            except pa.ArrowInvalid:  # such as a 31st of February
                continue
            return compared(typed, test)
    names = {"=": "equal", "<": "less", "<=": "less_equal", ">": "greater",
             ">=": "greater_equal"}  # fmt: skip
    found = pc.call_function(names[test.sign], [column, pa.scalar(value, pa.string())])
    return found.fill_null(False).to_numpy(zero_copy_only=False)


def _plain(column: Any) -> Any:
    """A column of texts as they are shown."""
    if not pc.any(pc.match_substring_regex(column, _UNSEEN)).as_py():
        return column
    return pa.array(
        [text if text is None else shown(text) for text in column.to_pylist()], pa.string()
    )


def _all_are(column: Any, form: str) -> bool:
    """Whether all known texts have a form."""
    return pc.all(pc.match_substring_regex(column, f"^(?:{form})$"), min_count=0).as_py()


def _pattern(glob: str) -> str:
    """A regular expression for the whole of a text; ``*`` and ``?`` stand for others."""
    parts = {"*": ".*", "?": "."}
    return "^(?s:" + "".join(parts.get(sign) or re.escape(sign) for sign in glob) + ")$"


def _truth(column: Any, test: Compare) -> Bool[np.ndarray, " N"]:
    wanted = _TRUTH.get(test.value.lower())
    if wanted is None or test.sign != "=":
        raise UserError(
            f"where: {test.column} must be = or != true or false, got "
            f"{test.sign}{test.value!r:.60}"
        )
    return pc.equal(column, wanted).fill_null(False).to_numpy(zero_copy_only=False)


def _numbers(column: Any, test: Compare) -> Bool[np.ndarray, " N"]:
    value = _number(test.value)
    if value is None:
        raise UserError(
            f"where: {test.column} must be compared with a number, got {test.value!r:.60}"
        )
    values: np.ndarray = column.fill_null(0).to_numpy(zero_copy_only=False)
    return _SIGNS[test.sign](values, value) & _known(column)


def _number(text: str) -> int | float | None:
    """A finite number; whole ones are exact."""
    if not re.fullmatch(_NUMBER, text):
        return None
    try:
        value = int(text)
        if abs(value) <= 2**64:  # a larger one may not even fit a float
            return value
    except ValueError:
        pass
    value = float(text)
    return value if math.isfinite(value) else None


def _dates(column: Any, test: Compare) -> Bool[np.ndarray, " N"]:
    span = _span(test.value)
    if span is None:
        raise UserError(
            f"where: {test.column} must be compared with a date such as 2024, 2024-05 or "
            f"2024-05-31, got {test.value!r:.60}"
        )
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("ms"))
    ticks: np.ndarray = column.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    values = ticks // _A_SECOND[column.type.unit]  # downwards, before 1970 as well
    first, after = span
    parts: Mapping[str, Callable[[], Any]] = {
        "=": lambda: (values >= first) & (values < after),
        "<": lambda: values < first,
        "<=": lambda: values < after,
        ">": lambda: values >= after,
        ">=": lambda: values >= first,
    }
    return parts[test.sign]() & _known(column)


def _span(text: str) -> tuple[int, int] | None:
    """First second of a year, month or day, and that after its last one."""
    found = _DATE.fullmatch(text)
    if not found:
        return None
    year, month, day = (int(part) if part else 0 for part in found.groups())
    try:
        first = datetime(year, month or 1, day or 1, tzinfo=UTC)
        if day:
            return int(first.timestamp()), int(first.timestamp()) + 86_400
        months = year * 12 + (month or 12)  # of the month after
        after = datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)
    except ValueError:
        return None
    return int(first.timestamp()), int(after.timestamp())
