"""Which columns a page can draw."""

import pyarrow as pa

from ilk.explore.columns import columns


def test_every_column_has_a_name_of_its_own():
    keys = ["a/1.png", "b/2.png"]
    assert [one.name for one in columns(pa.table({"key": keys}))] == ["folder"]
    given = columns(pa.table({"key": keys, "folder": ["x", "y"]}))
    assert [(one.name, one.said()["values"]) for one in given] == [("folder", ["x", "y"])]
