"""Tables of vectors from strangers: refused in one line, or read as they are."""

import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ilk.core import UserError
from ilk.embedding import embed_to_table, read_embeddings


@pytest.fixture
def table(encoder, arrays, tmp_path):
    """What ``ilk embed`` wrote, and its place."""
    path = embed_to_table(encoder(), arrays(6), tmp_path / "a.parquet")
    return path, pq.read_table(path)


def written(path, table, facts):
    raw = facts if isinstance(facts, bytes) else json.dumps(facts).encode()
    pq.write_table(table.replace_schema_metadata({b"ilk": raw}), path)
    return path


def facts_in(table):
    return json.loads(table.schema.metadata[b"ilk"])


def test_facts_are_read_as_they_were(table):
    path, found = table
    before = read_embeddings(path)
    again = read_embeddings(written(path, found, facts_in(found)))
    assert np.array_equal(before.vectors, again.vectors)
    assert before.labels.tolist() == again.labels.tolist() == [0, 1, 0, 1, -1, 1]


@pytest.mark.parametrize(
    "raw", [b"{", b"\xff\xfe", b"[" * 100_000, b"[1]", b"{}", b'{"made": NaN}']
)
def test_metadata_that_is_none_of_ours_is_refused(table, raw):
    path, found = table
    with pytest.raises(UserError, match="embeddings: .*a.parquet.* must be") as caught:
        read_embeddings(written(path, found, raw))
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("classes", 5), ("classes", [1, 2]), ("items", "x"), ("items", -1), ("items", 10**30),
        ("shard_rows", 0), ("dim", 0), ("dim", 10**12), ("encoder", None), ("data", ["x"]),
    ],
)  # fmt: skip
def test_a_fact_of_another_kind_is_refused_by_name(table, field, given):
    path, found = table
    facts = facts_in(found)
    facts["made"][field] = given
    with pytest.raises(UserError, match=f"{field} must be"):
        read_embeddings(written(path, found, facts))


@pytest.mark.parametrize("bad", [5, [{"x": 1}], [{"index": -1, "key": "a", "reason": "b"}]])
def test_bad_items_of_another_kind_are_refused(table, bad):
    path, found = table
    with pytest.raises(UserError, match="must be"):
        read_embeddings(written(path, found, facts_in(found) | {"bad": bad}))


COLUMNS = {
    "label of no class": ("label", [9] * 6, pa.int64(), "labels 9 to 9 of 2 classes"),
    "label below none": ("label", [-7] * 6, pa.int64(), "labels -7 to -7 of 2 classes"),
    "words": ("label", ["a"] * 6, pa.string(), "label of string, not int64"),
    "floats": ("label", [0.5] * 6, pa.float64(), "label of double, not int64"),
    "no vectors": ("vector", [None] * 6, pa.list_(pa.float32(), 3), "6 rows without vector"),
    "wide vectors": ("vector", [[1.0] * 4] * 6, pa.list_(pa.float32(), 4), "a column vector"),
    "lists": ("vector", [[1.0]] * 6, pa.list_(pa.float32()), "a column vector of list"),
    "no keys": ("key", [None] * 6, pa.string(), "6 rows without key"),
    "no contents": ("content", [None] * 6, pa.uint64(), "6 rows without content"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_of_another_kind_is_refused(table, name):
    path, found = table
    column, values, kind, reason = COLUMNS[name]
    place = found.schema.get_field_index(column)
    other = found.set_column(place, column, pa.array(values, kind))
    with pytest.raises(UserError, match=reason):
        read_embeddings(written(path, other, facts_in(found)))


@pytest.mark.parametrize("column", ["key", "vector"])
def test_a_missing_column_is_named(table, column):
    path, found = table
    with pytest.raises(UserError, match=f"no column {column}"):
        read_embeddings(written(path, found.drop([column]), facts_in(found)))


def test_more_rows_than_items_are_refused(table):
    path, found = table
    with pytest.raises(UserError, match="12 rows of 6 items"):
        read_embeddings(written(path, pa.concat_tables([found, found]), facts_in(found)))


def test_pipes_and_devices_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(UserError, match="must be a parquet file that ilk embed wrote"):
            read_embeddings(path)
