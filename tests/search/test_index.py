import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ilk.core import UserError
from ilk.search import Index, Plan, append_to_index, build_index, delete_from_index


def slow(index, queries, k, within=None):
    """By definition, in double precision, over what is stored."""
    stored = index.vectors[:].astype(np.float64)
    asked = queries.astype(np.float64) / np.linalg.norm(queries, axis=1, keepdims=True)
    rows = range(len(stored)) if within is None else np.flatnonzero(within)
    out = np.full((len(queries), k), -1)
    for number, query in enumerate(asked):
        order = sorted(rows, key=lambda row: (-(stored[row] @ query), row))[:k]
        out[number, : len(order)] = index.ids[order]
    return out


def files_of(index):
    """The bytes of every file but for what says when it was written."""
    return {
        file.name: file.read_bytes()
        for file in sorted(index.folder.rglob("*"))
        if file.suffix == ".npy"
    } | {"table": index.table}


@pytest.mark.parametrize("shard_rows", [None, 7])
@pytest.mark.parametrize("part_rows", [100, 8])
def test_an_index_holds_the_unit_vectors_and_rows_of_its_table(
    table, vectors, tmp_path, shard_rows, part_rows
):
    rows = vectors(23)
    path = table(tmp_path / "t", rows, shard_rows=shard_rows)
    index = build_index(path, tmp_path / "i", Plan(part_rows=part_rows))
    wanted = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert np.array_equal(index.vectors[:], wanted.astype(np.float16))
    assert index.table["key"].to_pylist() == [f"{row}.png" for row in range(23)]
    assert index.table["id"].to_pylist() == index.ids.tolist() == list(range(23))
    assert index.table["label_name"].to_pylist()[:3] == ["ant", "cat", "ant"]
    assert index.header.normalised == "unit"
    assert index.header.encoder == "c0de"
    assert sum(part["rows"] for part in index.header.parts) == 23
    blocks = list(index.vectors.blocks(5))
    assert [first for first, _ in blocks] == [0, 5, 10, 15, 20]
    assert np.array_equal(np.concatenate([b for _, b in blocks]), index.vectors[:])
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("k", [1, 4, 30])
def test_search_is_the_slow_loop_with_deletions_and_masks(table, vectors, tmp_path, k):
    rows = vectors(25)
    rows[7] = rows[3]  # equal: the lower id first
    build_index(table(tmp_path / "t", rows), tmp_path / "i", Plan(part_rows=9))
    index = delete_from_index(tmp_path / "i", ["0.png", "10.png", "24.png"])
    asked = np.concatenate([vectors(5, seed=1), rows[3:4], 1e6 * rows[:1]])
    assert index.search(asked, k)[0].tolist() == slow(index, asked, k).tolist()
    within = np.arange(len(index)) % 3 == 0
    found, similarities = index.search(asked, k, within=within)
    assert found.tolist() == slow(index, asked, k, within).tolist()
    assert np.isneginf(similarities[found < 0]).all()
    none = index.search(asked, k, within=np.zeros(len(index), bool))[0]
    assert (none == -1).all()


def test_search_across_blocks_is_search_at_once(table, vectors, tmp_path, monkeypatch):
    rows = vectors(900, 4)
    rows[::7] = rows[0]  # many ties
    index = build_index(table(tmp_path / "t", rows), tmp_path / "i", Plan(part_rows=250))
    whole = index.search(rows[:40], 5)[0]
    some = index.vectors.some
    monkeypatch.setattr(index.vectors, "some", lambda within, _: some(within, 13))
    assert index.search(rows[:40], 5)[0].tolist() == whole.tolist()


@pytest.mark.parametrize(
    "rows",
    [
        3, -1, np.uint8(7), slice(None), slice(2, 9, 3), slice(20, 2, -4), slice(-3, None),
        slice(5, 5), [], [4, -2, 4], np.array([[0, 8], [-9, 1]], np.int32),
        np.arange(9) % 2 == 0, np.array([3, 1], np.uint64), np.zeros((0, 2), np.int64),
    ],
    ids=str,
)  # fmt: skip
def test_rows_are_taken_as_from_an_array(table, vectors, tmp_path, rows):
    build_index(table(tmp_path / "t", vectors(11)), tmp_path / "i", Plan(part_rows=4))
    index = delete_from_index(tmp_path / "i", ["0.png", "5.png"])
    stored = [np.load(tmp_path / f"i/vectors-{part:05d}.npy") for part in range(3)]
    every = np.delete(np.concatenate(stored), [0, 5], 0)
    found = index.vectors[rows]
    assert found.shape == every[rows].shape
    assert np.array_equal(found, every[rows])


@pytest.mark.parametrize("rows", [9, -10, [0, 9], [1.5], np.ones(8, bool)], ids=str)
def test_rows_beyond_the_last_are_refused(table, vectors, tmp_path, rows):
    index = build_index(table(tmp_path / "t", vectors(9)), tmp_path / "i")
    with pytest.raises(IndexError):
        index.vectors[rows]


def test_ids_survive_deletions_and_are_never_used_again(table, vectors, tmp_path):
    rows = vectors(10)
    build_index(table(tmp_path / "t", rows), tmp_path / "i")
    before = Index.open(tmp_path / "i")
    index = delete_from_index(tmp_path / "i", ["9.png", "2.png"])
    assert index.ids.tolist() == [0, 1, 3, 4, 5, 6, 7, 8]
    assert index.fingerprint != before.fingerprint
    assert index.table["key"].to_pylist()[2] == "3.png"
    assert np.array_equal(index.vectors[2], before.vectors[3])
    assert index.places(np.array([3, 2, 8, 9, 77, -1])).tolist() == [2, -1, 7, -1, -1, -1]
    index = append_to_index(tmp_path / "i", tmp_path / "t")
    assert index.ids.tolist() == [0, 1, 3, 4, 5, 6, 7, 8, 10, 11]
    assert index.table["key"].to_pylist()[-2:] == ["2.png", "9.png"]
    with pytest.raises(UserError, match=r"keys must be in .*, got 'x.png'"):
        delete_from_index(tmp_path / "i", ["1.png", "x.png"])
    assert len(Index.open(tmp_path / "i")) == 10


def test_appending_takes_what_is_new_and_what_has_changed(table, vectors, tmp_path):
    rows = vectors(12)
    build_index(table(tmp_path / "a", rows[:8]), tmp_path / "i", Plan(part_rows=3))
    contents = np.arange(12)
    contents[5] = 99  # the file was changed
    second = table(
        tmp_path / "b", rows, contents=contents, classes=("bee", "cat"), labels=[1] * 12
    )
    index = append_to_index(tmp_path / "i", second, part_rows=4)
    assert index.ids.tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12]
    keys = index.table["key"].to_pylist()
    assert sorted(keys) == sorted(f"{row}.png" for row in range(12))
    assert keys[-5:] == ["5.png", "8.png", "9.png", "10.png", "11.png"]
    assert index.header.classes == ["ant", "cat", "bee"]
    assert index.table["label"].to_pylist()[-1] == 1, "numbered as the index numbers them"
    again = append_to_index(tmp_path / "i", second)
    assert again.ids.tolist() == index.ids.tolist(), "nothing is new"
    with pytest.raises(UserError, match="must be of the encoder"):
        append_to_index(tmp_path / "i", table(tmp_path / "c", rows, encoder="beef"))


def test_the_same_key_below_other_roots_is_another_image(table, vectors, tmp_path):
    rows = vectors(4)
    build_index(table(tmp_path / "a", rows, roots={"": "/a"}), tmp_path / "i")
    index = append_to_index(tmp_path / "i", table(tmp_path / "b", rows, roots={"": "/b"}))
    assert len(index) == 8


@pytest.mark.parametrize("stop_at", [2, 11, 18])
def test_a_killed_build_goes_on(table, vectors, tmp_path, stop_at):
    path = table(tmp_path / "t", vectors(22))
    whole = build_index(path, tmp_path / "whole", Plan(part_rows=6))

    def stop(done, of):
        assert of == 22
        if done > stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_index(path, tmp_path / "i", Plan(part_rows=6), progress=stop)
    with pytest.raises(UserError, match="not finished"):
        Index.open(tmp_path / "i")
    told = []
    index = build_index(
        path, tmp_path / "i", Plan(part_rows=6), progress=lambda *n: told.append(n)
    )
    assert files_of(index) == files_of(whole)
    assert told[0][0] > 6 * (stop_at // 6), "finished parts are kept"
    told.clear()
    build_index(path, tmp_path / "i", Plan(part_rows=6), progress=lambda *n: told.append(n))
    assert not told, "nothing is left to do"
    with pytest.raises(UserError, match="must be free or this index of"):
        build_index(table(tmp_path / "u", vectors(22), data="beef"), tmp_path / "i")


def test_parts_of_another_making_are_refused(table, vectors, tmp_path):
    def stop(done, of):
        raise KeyboardInterrupt

    path = table(tmp_path / "t", vectors(9))
    with pytest.raises(KeyboardInterrupt):
        build_index(path, tmp_path / "i", progress=stop)
    with pytest.raises(UserError, match="same table and settings"):
        build_index(path, tmp_path / "i", Plan(part_rows=4))


def _shorter(file):
    file.write_bytes(file.read_bytes()[:-4])


def _packed(file):
    with file.open("wb") as into:
        np.savez(into, a=np.zeros(3))


def _rows(folder, change):
    file = folder / "rows-00000.parquet"
    pq.write_table(change(pq.read_table(file)), file)


TORN = {
    "vectors end early": lambda folder: _shorter(folder / "vectors-00001.npy"),
    "rows end early": lambda folder: _shorter(folder / "rows-00000.parquet"),
    "header ends early": lambda folder: _shorter(folder / "index.json"),
    "vectors are gone": lambda folder: (folder / "vectors-00000.npy").unlink(),
    "rows are gone": lambda folder: (folder / "rows-00001.parquet").unlink(),
    "zeros": lambda folder: np.save(
        folder / "vectors-00000.npy", np.full((6, 6), 3, np.float16)
    ),
    "objects": lambda folder: np.save(
        folder / "vectors-00000.npy", np.array([{}, 1], object), allow_pickle=True
    ),
    "other type": lambda folder: np.save(folder / "vectors-00000.npy", np.eye(6)),
    "fewer rows": lambda folder: np.save(
        folder / "vectors-00000.npy", np.eye(6, dtype=np.float16)[:5]
    ),
    "ids beyond": lambda folder: np.save(folder / "deleted.npy", np.array([3, 99])),
    "ids twice": lambda folder: np.save(folder / "deleted.npy", np.array([3, 3])),
    "ids of text": lambda folder: (folder / "deleted.npy").write_text("1, 2"),
    "packed vectors": lambda folder: _packed(folder / "vectors-00000.npy"),
    "packed ids": lambda folder: _packed(folder / "deleted.npy"),
    "a column twice": lambda folder: _rows(
        folder, lambda rows: rows.append_column("key", rows["key"])
    ),
    "other columns": lambda folder: pq.write_table(
        pa.table({"key": list("abcdef")}), folder / "rows-00000.parquet"
    ),
}


@pytest.mark.parametrize("file", ["vectors-00001.npy", "rows-00001.parquet"])
def test_files_of_another_index_are_noticed(table, vectors, tmp_path, file):
    rows = vectors(12)
    for name, some in (("i", rows), ("other", rows[::-1])):
        build_index(table(tmp_path / f"{name}-t", some), tmp_path / name, Plan(part_rows=6))
    own = (tmp_path / "i" / file).read_bytes()
    (tmp_path / "i" / file).write_bytes((tmp_path / "other" / file).read_bytes())
    with pytest.raises(UserError, match="its own vectors and rows in part 1, got those of"):
        Index.open(tmp_path / "i")
    (tmp_path / "i" / file).write_bytes(own)
    assert len(Index.open(tmp_path / "i")) == 12


def test_an_index_whose_parts_say_nothing_of_their_vectors_is_opened(table, vectors, tmp_path):
    build_index(table(tmp_path / "t", vectors(12)), tmp_path / "i")
    header = json.loads((tmp_path / "i/index.json").read_text())
    del header["parts"][0]["vectors"]
    (tmp_path / "i/index.json").write_text(json.dumps(header))
    file = tmp_path / "i/rows-00000.parquet"
    said = {"ilk": json.dumps(header["parts"][0])}
    pq.write_table(pq.read_table(file).replace_schema_metadata(said), file)
    assert len(Index.open(tmp_path / "i")) == 12


@pytest.mark.parametrize("kind", TORN)
def test_a_torn_index_is_refused_with_a_reason(table, vectors, tmp_path, kind):
    build_index(table(tmp_path / "t", vectors(12)), tmp_path / "i", Plan(part_rows=6))
    TORN[kind](tmp_path / "i")
    with pytest.raises(UserError, match=r"index: .*(must|torn)"):
        Index.open(tmp_path / "i")


@pytest.mark.parametrize("name", ["id", "key", "content"])
def test_rows_without_what_they_need_are_refused(table, vectors, tmp_path, name):
    def without(rows):
        values = [None, *rows[name].to_pylist()[1:]]
        field = rows.schema.field(name)
        return rows.set_column(
            rows.schema.names.index(name), name, pa.array(values, field.type)
        )

    build_index(table(tmp_path / "t", vectors(6)), tmp_path / "i")
    _rows(tmp_path / "i", without)
    with pytest.raises(UserError, match=f"rows without {name}"):
        Index.open(tmp_path / "i").columns([name])


@pytest.mark.parametrize("ids", [[0, 1, 2, 2, 4, 5], [0, 1, 3, 2, 4, 5], [1, 2, 3, 4, 5, 6],
                                  [0, 1, 2, 3, 4, -5]])  # fmt: skip
@pytest.mark.parametrize("part", [0, 1])
def test_ids_that_are_not_those_of_the_rows_are_refused(table, vectors, tmp_path, ids, part):
    build_index(table(tmp_path / "t", vectors(12)), tmp_path / "i", Plan(part_rows=6))
    file = tmp_path / "i" / f"rows-{part:05d}.parquet"
    rows = pq.read_table(file)
    pq.write_table(rows.set_column(0, "id", pa.array(np.array(ids) + 6 * part)), file)
    index = delete_from_index(tmp_path / "i", ["4.png"])
    for read in (lambda: index.table, lambda: index.columns(["key", "id"])):
        with pytest.raises(UserError, match=rf"ids other than {6 * part} to {6 * part + 5}"):
            read()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_vector_that_is_not_finite_is_refused_where_it_is_read(
    table, vectors, tmp_path, value
):
    build_index(table(tmp_path / "t", vectors(900)), tmp_path / "i", Plan(part_rows=450))
    file = tmp_path / "i/vectors-00001.npy"
    rows = np.load(file)
    rows[2, 3] = value  # its length is not looked at when the index is opened
    np.save(file, rows)
    index = Index.open(tmp_path / "i")
    every = np.ones(900, bool)
    for read in (
        lambda: index.search(vectors(1)), lambda: index.search(vectors(1), within=every),
        lambda: index.vectors[:], lambda: index.vectors[[7, 452]], lambda: index.vectors[452],
    ):  # fmt: skip
        with pytest.raises(UserError, match=r"vectors-00001\.npy .*not finite, of id 452"):
            read()
    every[452] = False
    assert np.isfinite(index.search(vectors(1), within=every)[1]).all()
    index = delete_from_index(tmp_path / "i", ["452.png"])
    assert np.isfinite(index.search(vectors(1), 899)[1]).all()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("layout", 99), ("engine", "magic"), ("engine", "ivf"), ("dim", -1), ("parts", []),
        ("parts", [{"rows": 3}]), ("classes", "ant"), ("other", 1), ("encoder", 3),
    ],
)  # fmt: skip
def test_a_header_that_cannot_be_is_refused(table, vectors, tmp_path, field, value):
    build_index(table(tmp_path / "t", vectors(6)), tmp_path / "i")
    place = tmp_path / "i" / "index.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | {field: value}))
    with pytest.raises(UserError, match=r"index\.json"):
        Index.open(tmp_path / "i")


def test_tables_that_cannot_be_indexed_are_refused(table, vectors, tmp_path):
    rows = vectors(8)
    rows[3, 2] = np.nan
    with pytest.raises(UserError, match="not finite"):
        build_index(table(tmp_path / "nan", rows), tmp_path / "i")
    wrong = table(tmp_path / "l", vectors(8), labels=np.array([0, 1, -2, 0, 0, 0, 0, 0]))
    with pytest.raises(UserError, match="labels of 2 classes"):
        build_index(wrong, tmp_path / "j")
    shards = table(tmp_path / "s", vectors(8), shard_rows=3)
    (shards / "part-00001.parquet").unlink()
    with pytest.raises(UserError, match="3 shards of one run, got 2"):
        build_index(shards, tmp_path / "k")


def test_queries_of_another_kind_are_refused(table, vectors, tmp_path):
    index = build_index(table(tmp_path / "t", vectors(8)), tmp_path / "i")
    for wrong in (vectors(2, 5), vectors(2)[0], np.ones((2, 6), int)):
        with pytest.raises(UserError, match=r"must be an array \[Q, 6\]"):
            index.search(wrong)
    with pytest.raises(UserError, match="finite"):
        index.search(np.full((1, 6), np.nan, np.float32))
    with pytest.raises(UserError, match="k: must be 1"):
        index.search(vectors(1), 0)
    with pytest.raises(UserError, match="mask of 8 rows"):
        index.search(vectors(1), within=np.ones(3, bool))


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        ([2023, 2024], ["unknown", "2025"], ["2023", "2024", "unknown", "2025"]),
        (["unknown", "2025"], [2023, None], ["unknown", "2025", "2023", None]),
        ([1, 2], [0.5, None], [1.0, 2.0, 0.5, None]),
        ([2**60, 1], [0.5, 1.5], [float(2**60), 1.0, 0.5, 1.5]),
        ([True, False], [1, 2], ["true", "false", "1", "2"]),
        (pa.nulls(2), ["x", "y"], [None, None, "x", "y"]),
        ([7, 8], pa.nulls(2), [7, 8, None, None]),
    ],
    ids=str,
)
def test_a_fact_whose_type_each_table_chose_has_one_that_holds_all(
    table, vectors, tmp_path, first, second, wanted
):
    rows = vectors(4)
    one = table(tmp_path / "a", rows[:2], more={"year": pa.array(first)})
    more = {"year": pa.array(second)}
    two = table(tmp_path / "b", rows[2:], keys=["2.png", "3.png"], more=more)
    build_index(one, tmp_path / "i")
    index = append_to_index(tmp_path / "i", two)
    assert index.table["year"].to_pylist() == wanted
    assert len(append_to_index(tmp_path / "i", two)) == 4


def test_an_index_of_images_that_have_changed_since_is_not_taken_for_theirs(
    table, vectors, tmp_path
):
    rows = vectors(9)
    path = table(tmp_path / "t", rows)
    build_index(path, tmp_path / "i")
    assert len(build_index(path, tmp_path / "i")) == 9
    contents = np.arange(9)
    contents[4] = 99  # a file was changed, and all are embedded again
    other = table(tmp_path / "u", -rows, contents=contents)
    with pytest.raises(UserError, match="must be free or this index of"):
        build_index(other, tmp_path / "i")
    delete_from_index(tmp_path / "i", ["4.png"])
    assert len(build_index(path, tmp_path / "i")) == 8


def test_further_columns_are_kept_and_may_be_missing_in_a_part(table, vectors, tmp_path):
    rows = vectors(6)
    first = table(tmp_path / "a", rows[:3], more={"site": pa.array(["x", "y", "x"])})
    build_index(first, tmp_path / "i")
    more = {"year": pa.array([1, 2, 3, 4, 5, 6])}
    index = append_to_index(tmp_path / "i", table(tmp_path / "b", rows, more=more))
    assert index.table["site"].to_pylist() == ["x", "y", "x", None, None, None]
    assert index.table["year"].to_pylist() == [None, None, None, 4, 5, 6]
    assert index.columns(["year", "nothing"]).column_names == ["year"]
