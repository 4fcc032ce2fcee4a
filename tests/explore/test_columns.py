"""Which columns a page can draw."""

from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pytest

from ilk.explore.columns import Number, column, columns, date_text


def test_every_column_has_a_name_of_its_own():
    keys = ["a/1.png", "b/2.png"]
    assert [one.name for one in columns(pa.table({"key": keys}))] == ["folder"]
    given = columns(pa.table({"key": keys, "folder": ["x", "y"]}))
    assert [(one.name, one.said()["values"]) for one in given] == [("folder", ["x", "y"])]


@pytest.mark.parametrize(
    ("values", "about"),
    [
        (pa.array([2**60 + 1, None]), 2**60),
        (pa.array([2**64 - 1], pa.uint64()), 2**64),
    ],
)
def test_what_a_page_cannot_hold_exactly_is_drawn_nearly(values, about):
    made = column("fact", values)
    assert made is not None
    assert made.said()["max"] == pytest.approx(about, rel=1e-6)


@pytest.mark.parametrize(
    ("values", "days", "text"),
    [
        (pa.array([date(2024, 1, 1), None]), 19_723, "2024-01-01"),
        (pa.array([date(1969, 12, 31)], pa.date64()), -1, "1969-12-31"),
        (pa.array([datetime(2024, 1, 1)]), 19_723, "2024-01-01"),
        (pa.array([datetime(2024, 1, 1, 12)]), 19_723.5, "2024-01-01 12:00:00"),
        (pa.array([1, None], pa.timestamp("ns", "UTC")), 0, "1970-01-01 00:00:00.000000001"),
        (pa.array([86_400], pa.timestamp("s", "No/Where")), 1, "1970-01-02"),
    ],
)
def test_dates_are_drawn_as_days_and_shown_as_they_are(values, days, text):
    made = column("taken", values)
    assert isinstance(made, Number)
    assert (made.said()["date"], made.said()["min"]) == (True, days)
    assert [date_text(value) for value in values] == [text, None][: len(values)]


def test_the_last_second_of_a_day_is_drawn_on_that_day():
    days = [datetime(year, 12, 31, 23, 59, 59) for year in range(1900, 2100)]
    made = column("taken", pa.array(days))
    assert isinstance(made, Number)
    first = np.array([(day.date() - date(1970, 1, 1)).days for day in days])
    assert np.floor(made.values).tolist() == first.tolist()
    assert column("taken", pa.array([None], pa.date32())) is None
