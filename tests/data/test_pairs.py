"""Pairs marked by hand: each once in whichever order, and checked when they are read."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ilk.core import UserError
from ilk.data.pairs import forget_pairs, keep_pairs, marked, read_pairs


def test_the_latest_word_of_a_pair_holds_in_either_order(tmp_path: Path):
    path = tmp_path / "pairs.parquet"
    keep_pairs(path, marked([("b", "a", True), ("c", "a", False), ("d", "d", True)]))
    keep_pairs(path, marked([("a", "b", False), ("a", "b\\xe9", True)]))
    rows = [tuple(row.values()) for row in read_pairs(path).to_pylist()]
    assert rows == [("a", "c", False), ("a", "b", False), ("a", "b\\xe9", True)]
    assert len(keep_pairs(path, marked([]))) == 3
    assert len(forget_pairs(path, [("b\\xe9", "a")])) == 2


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"key_a": ["a"], "key_b": ["b"]}, "no column same"),
        ({"key_a": ["a"], "key_b": ["b"], "same": ["yes, the same"]}, "must be parquet with"),
        ({"key_a": ["a" * 10_001], "key_b": ["b"], "same": [True]}, "a key_a of 10001"),
        ({"key_a": ["a"], "key_b": pa.array([None], pa.string()), "same": [True]}, "1 rows w"),
    ],
)
def test_what_a_stranger_gives_is_checked(tmp_path: Path, columns, says):
    pq.write_table(pa.table(columns), tmp_path / "pairs.parquet")
    with pytest.raises(UserError, match=says):
        read_pairs(tmp_path / "pairs.parquet")
