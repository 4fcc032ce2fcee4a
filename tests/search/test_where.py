"""The filter language: read, written, and held against a slow reference."""

import fnmatch
import math
import operator
from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ilk.core import UserError, shown
from ilk.search import rows_where
from ilk.search.masks import mask
from ilk.search.where import Both, Compare, Either, Missing, Not, parse, written

SIGNS = {"=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
         ">": operator.gt, ">=": operator.ge}  # fmt: skip
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ["and", "Or", "not", "is", "missing", 'a"b', "a\\", "", " ", "*", "label", "é"]
)


def trees(leaves):
    def grown(inner):
        several = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return st.builds(Not, inner) | st.builds(Both, several) | st.builds(Either, several)

    return st.recursive(leaves, grown, max_leaves=6)


ANY = trees(
    st.builds(Compare, NAMES, st.sampled_from([*SIGNS, "~"]), NAMES) | st.builds(Missing, NAMES)
)


@settings(max_examples=25)
@given(ANY)
def test_what_is_written_reads_back(tree):
    assert parse(written(tree)) == tree


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["cat", "a*b", "a.b", "Zoë", "10", None]),
            "size": st.integers(-3, 3) | st.none(),
            "ratio": st.floats(-2, 2, width=32) | st.none() | st.just(float("nan")),
            "good": st.booleans() | st.none(),
            "day": st.dates(date(2023, 11, 1), date(2025, 2, 1)) | st.none(),
        }
    ),
    max_size=6,
)
SCHEMA = pa.schema(
    {"name": pa.string(), "size": pa.int32(), "ratio": pa.float32(), "good": pa.bool_(),
     "day": pa.date32()}
)  # fmt: skip
TESTS = st.one_of(
    st.builds(Compare, st.just("name"), st.sampled_from([*SIGNS, "~"]),
              st.sampled_from(["cat", "a*", "a?b", "*", "x"])),
    st.builds(Compare, st.just("size"), st.sampled_from([*SIGNS]),
              st.sampled_from(["0", "-1", "1.5", "99999999999999999999999"])),
    st.builds(Compare, st.just("ratio"), st.sampled_from([*SIGNS]),
              st.sampled_from(["0", "-1", "0.5"])),
    st.builds(Compare, st.just("good"), st.sampled_from(["=", "!="]),
              st.sampled_from(["true", "False"])),
    st.builds(Compare, st.just("day"), st.sampled_from([*SIGNS]),
              st.sampled_from(["2024", "2024-02", "2024-12", "2023-12-31"])),
    st.builds(Missing, st.sampled_from(SCHEMA.names)),
)  # fmt: skip


def slow(tree, row):
    """One row by plain Python."""
    match tree:
        case Not(inner):
            return not slow(inner, row)
        case Both(parts):
            return all(slow(part, row) for part in parts)
        case Either(parts):
            return any(slow(part, row) for part in parts)
        case Missing(column):
            return absent(row[column])
        case _:
            return slow_compare(tree.column, row[tree.column], tree.sign, tree.value)


def absent(given):
    return given is None or (isinstance(given, float) and math.isnan(given))


def slow_compare(column, given, sign, value):
    if absent(given):
        return sign == "!="
    if column == "name":
        return slow_text(given, sign, value)
    if column == "day":  # by the part that is named
        return SIGNS[sign](given.isoformat()[: len(value)], value)
    return SIGNS[sign](given, value.lower() == "true" if column == "good" else float(value))


def slow_text(given, sign, value):
    return fnmatch.fnmatchcase(given, value) if sign == "~" else SIGNS[sign](given, value)


@settings(max_examples=25)
@given(rows=ROWS, tree=trees(TESTS))
def test_masks_equal_a_plain_loop(rows, tree):
    table = pa.Table.from_pylist(rows, SCHEMA)
    wanted = [slow(tree, row) for row in table.to_pylist()]
    assert mask(table, tree).tolist() == wanted


TABLE = pa.table(
    {
        "key": ["train/cats/1.jpg", "train/dogs/2.jpg", "3.png"],
        "label": [0, 1, None],
        "label_name": pa.chunked_array([["cat"], ["dog", None]]).dictionary_encode(),
        "date": ["2023-05-01", "2024-12-31", "2025-01-01"],
        "lens": ["9", "10", "100"],
        "taken": pa.array([datetime(2024, 1, 1), None, datetime(2024, 6, 1)], "timestamp[us]"),
        "content": pa.array([2**64 - 1, 2**63, 5], pa.uint64()),
        "vector": [[1.0], [2.0], [3.0]],
    }
)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("label=cat and date<2024", [0]),
        ("label=cat OR date>2024", [0, 2]),  # the whole of 2024 is not after it
        ("date>=2024-12-31", [1, 2]),
        ("date<=2024", [0, 1]),
        ("lens>9", [1, 2]),  # as numbers, for all of them are
        ("lens=09", []),  # as text
        ("label is missing", [2]),
        ("label!=cat", [1, 2]),
        ("not label is not missing", [2]),
        ("key~train/*/?.jpg", [0, 1]),
        ('key~"*.PNG"', []),
        ("content=18446744073709551615", [0]),
        ("content>9223372036854775807 and taken is missing", [1]),
        ("taken<=2024-01-01", [0]),
        ("not (label=cat or label=dog)", [2]),
        ("label=cat or label=dog and date<2024", [0]),  # and binds more closely
    ],
)
def test_a_filter_means_these_rows(text, rows):
    assert np.flatnonzero(rows_where(TABLE, text)).tolist() == rows


@pytest.mark.parametrize("text", ["a\nb", "\x1b[31m", "\u202eb", "\u200b", "x\x00"])
def test_text_is_meant_as_it_is_shown(text):
    table = pa.table({"label": [text, "other", None]})
    for value in (text, shown(text)):
        for sign in ("=", "~"):
            found = rows_where(table, written(Compare("label", sign, value)))
            assert found.tolist() == [True, False, False]


MOMENTS = (
    datetime(1, 1, 1), datetime(1899, 12, 31, 23, 59, 59, 999_999), datetime(1900, 1, 1),
    datetime(1969, 12, 31, 23, 59, 59, 500_000), datetime(1970, 1, 1),
    datetime(1970, 1, 1, 0, 0, 0, 1), datetime(1970, 12, 31, 23, 59, 59, 999_999),
)  # fmt: skip
KINDS = [pa.timestamp("us"), pa.timestamp("us", "Europe/Zurich"), pa.timestamp("ms"),
         pa.timestamp("s"), pa.timestamp("ns"), pa.date32(), pa.date64()]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("sign", SIGNS)
def test_moments_before_1970_lie_in_their_year_and_day(kind, sign):
    moments = MOMENTS[kind == pa.timestamp("ns") :]  # these begin in 1677
    column = pa.array([m.date() for m in moments] if pa.types.is_date(kind) else moments)
    if pa.types.is_timestamp(kind):  # a file keeps the moment rounded downwards
        width = {"s": 10**6, "ms": 10**3, "us": 1, "ns": 1}[kind.unit]
        ticks = column.cast(pa.int64()).to_numpy() // width
        column = pa.array(ticks * 1000 if kind.unit == "ns" else ticks).cast(kind)
    table = pa.table({"ts": column.cast(kind)})
    for value in ("1969", "1969-12", "1969-12-31", "1970", "1970-01-01", "1899", "1900-01-01"):
        wanted = [SIGNS[sign](m.isoformat()[: len(value)], value) for m in moments]
        assert rows_where(table, f"ts{sign}{value}").tolist() == wanted, value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lable=cat", "must name a column, got 'lable'; did you mean label"),
        ("zz=1", "choose from key, label, label_name"),
        ("content>many", "content must be compared with a number, got 'many'"),
        (f"content>{'9' * 400}", "content must be compared with a number"),
        ("taken>may", "a date such as 2024, 2024-05 or 2024-05-31, got 'may'"),
        ("taken>2024-02-31", "must be compared with a date"),
        ("content~5", "must be text for ~, got a column of uint64"),
        ("vector=1", "must hold text, numbers, dates"),
        ("label=", "a value after =, got the end at character 7"),
        ("label cat", "one of = != .*, got 'cat' at character 7"),
        ("label=cat dog=2", "go on with and, or, or end here, got 'dog' at character 11"),
        ("(label=cat", "close a parenthesis, got the end at character 11"),
        ("label='cat", 'got "\'" at character 7; a quote must be closed'),
        ("label=and", "in quotes where it is one of the words"),
        ("label is cat", "missing after is, got 'cat'"),
        ("label==cat", "a value after =, got '=' at character 7"),
        ("!label", "got '!' at character 1; put it in quotes"),
        ("", "must name a column such as label, got the end at character 1"),
        ("(" * 200 + "a=1" + ")" * 200, "at most 100 deep"),
        ("not " * 2000 + "a=1", "at most 100 deep"),
        ("a" * 10_001, "at most 10000 characters"),
        ("key=\udce9", "must be UTF-8"),
    ],
)
def test_what_is_wrong_is_shown_in_one_line(text, says):
    with pytest.raises(UserError, match=says) as caught:
        rows_where(TABLE, text)
    assert "\n" not in str(caught.value)
