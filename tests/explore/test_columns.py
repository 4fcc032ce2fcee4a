"""Which columns a page can draw."""

from datetime import datetime

import pyarrow as pa
import pytest

from ilk.explore.columns import column, columns


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
        (pa.array([datetime(2024, 1, 1, 0, 0, 0, 5)]), 2024),
        (pa.array([1, None], pa.timestamp("ns", "UTC")), 1970),
    ],
)
def test_what_a_page_cannot_hold_exactly_is_drawn_nearly(values, about):
    made = column("fact", values)
    assert made is not None
    assert made.said()["max"] == pytest.approx(about, rel=1e-6)
