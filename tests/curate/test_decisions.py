"""The list of decisions: merged, undone, read from strangers, written by several at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ilk.core import UserError, stored
from ilk.curate import (
    decided,
    keep_decisions,
    read_decisions,
    rows_about,
    undo_decisions,
    undo_rule_decisions,
    verdicts,
    write_decisions,
)
from ilk.curate.decisions import SCHEMA

WORDS = st.sampled_from(["drop", "keep", "select"])
ROWS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from([None, 1, 2]),
        WORDS,
        st.sampled_from(["dark", "twin", "x"]),
        st.sampled_from(["hand", "rule 1", "rule 2"]),
    ),
    max_size=12,
)


def table_of(rows: list[tuple[str, int | None, str, str, str]]) -> pa.Table:
    parts = [decided([k], [c], d, reason=r, by=b) for k, c, d, r, b in rows]
    return pa.concat_tables([SCHEMA.empty_table(), *parts])


def slow_latest(rows):
    out = {}
    for row in rows:
        image = row[0], row[1], row[3]
        if image in out and out[image][4] == "hand" != row[4]:
            continue
        out.pop(image, None)
        out[image] = row
    return list(out.values())


def slow_verdict(rows):
    """By plain rules: the last by hand says whether it is dropped, else any rule."""
    words, hand = [row[2] for row in rows], [row[2] for row in rows if row[4] == "hand"]
    if (hand[-1] == "drop") if hand else ("drop" in words):
        return "drop"
    return "select" if "select" in words else "keep"


@settings(max_examples=30)
@given(rows=ROWS, more=ROWS)
def test_merge_and_verdicts_equal_plain_loops(rows, more, tmp_path_factory):
    path = tmp_path_factory.mktemp("list") / "curation.parquet"
    keep_decisions(path, table_of(rows))
    merged = keep_decisions(path, table_of(more))
    wanted = slow_latest(rows + more)
    names = ["key", "content", "decision", "reason", "by"]
    assert [tuple(r[n] for n in names) for r in merged.to_pylist()] == wanted
    assert read_decisions(path).equals(merged)
    held = verdicts(merged)
    found = {(row["key"], row["content"]): row["verdict"] for row in held.to_pylist()}
    assert found == {
        (k, c): slow_verdict([r for r in wanted if r[0] == k and r[1] in (None, c)])
        for k, c in {(r[0], r[1]) for r in wanted}
    }
    assert len(held) == len(found)
    images = [(k, c) for k in "abcd" for c in (1, 2, 3)]
    keys, contents = (pa.array(column) for column in zip(*images, strict=True))
    about = [held["verdict"][row].as_py() if row >= 0 else None
             for row in rows_about(held, keys, contents).tolist()]  # fmt: skip
    assert about == [found.get((k, c), found.get((k, None))) for k, c in images]


def test_undo_takes_one_reason_and_leaves_the_others(tmp_path: Path):
    path = tmp_path / "curation.parquet"
    keep_decisions(path, decided(["a", "b"], [1, 2], "drop", reason="dark", by="issues"))
    keep_decisions(
        path, decided(["a"], [1], "drop", reason="duplicate", by="hash", others=["b"])
    )
    keep_decisions(path, decided(["b"], None, "keep", reason="looked at", by="hand"))
    assert undo_decisions(path, reason="dark", keys=["a"]) == 1
    assert undo_decisions(path, by="nothing of that name") == 0
    rows = [
        (r["key"], r["reason"], r["other"], r["content"])
        for r in read_decisions(path).to_pylist()
    ]
    assert rows == [
        ("b", "dark", None, 2),
        ("a", "duplicate", "b", 1),
        ("b", "looked at", None, None),
    ]
    found = {
        r["key"]: (r["verdict"], r["reason"])
        for r in verdicts(read_decisions(path)).to_pylist()
    }
    assert found == {"a": ("drop", "duplicate"), "b": ("keep", "looked at")}
    with pytest.raises(UserError, match="a reason, a rule or keys, got none"):
        undo_decisions(path)


def test_two_images_of_one_key_are_decided_and_undone_apart(tmp_path: Path):
    path = tmp_path / "curation.parquet"
    two = decided(["0.png", "0.png"], [1, 2], "drop", reason="dark", by="hand")
    assert len(keep_decisions(path, two)) == 2
    assert undo_decisions(path, by="hand", keys=["0.png"], contents=[2]) == 1
    assert read_decisions(path)["content"].to_pylist() == [1]
    keep_decisions(path, decided(["0.png"], None, "drop", reason="x", by="hand"))
    assert undo_decisions(path, by="hand", keys=["0.png"], contents=[2]) == 1, "holds for all"
    keep_decisions(path, two)
    assert undo_decisions(path, by="hand", keys=["0.png"], contents=[None]) == 2


def test_an_image_whose_content_is_not_known_has_the_rows_of_its_key():
    held = verdicts(decided(["a", "b"], [1, None], "drop", reason="dark", by="x"))
    keys = pa.chunked_array([["a", "b"], ["c"]])
    assert rows_about(held, keys, pa.nulls(3, pa.uint64())).tolist() == [0, 1, -1]
    assert rows_about(held, keys, pa.array([2, 2, 2])).tolist() == [-1, 1, -1]


def test_a_rule_makes_room_and_decides_in_one_write(tmp_path: Path, monkeypatch):
    path = tmp_path / "curation.parquet"
    keep_decisions(path, decided(["a", "b"], [1, 2], "drop", reason="leak", by="rule 1"))
    keep_decisions(path, decided(["c"], [3], "keep", reason="leak", by="hand"))
    writes: list[int] = []
    monkeypatch.setattr(
        "ilk.curate.decisions.write_decisions",
        lambda path, table: (writes.append(len(table)), write_decisions(path, table)),
    )
    new = decided(["b", "c"], [2, 3], "drop", reason="leak", by="rule 2")
    keep_decisions(path, new, instead="leak")
    assert writes == [2]
    rows = [(r["key"], r["by"]) for r in read_decisions(path).to_pylist()]
    assert rows == [("c", "hand"), ("b", "rule 2")]
    assert undo_rule_decisions(path, "leak") == 1
    assert read_decisions(path)["by"].to_pylist() == ["hand"]


def test_writers_at_once_lose_nothing(tmp_path: Path):
    path = tmp_path / "curation.parquet"

    def add(number: int) -> None:
        keep_decisions(
            path, decided([f"{number}.jpg"], [number], "drop", reason="x", by="hand")
        )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(12)))
    assert sorted(read_decisions(path)["content"].to_pylist()) == list(range(12))
    assert [file.name for file in tmp_path.iterdir()] == ["curation.parquet"]


def test_a_failed_write_keeps_the_old_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "curation.parquet"
    keep_decisions(path, decided(["a"], [1], "drop", reason="dark", by="issues"))
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ilk.curate.decisions.pq.write_table", full)
    with pytest.raises(UserError, match="No space left on device"):
        keep_decisions(path, decided(["b"], [1], "drop", reason="dark", by="issues"))
    assert path.read_bytes() == before


GOOD = {"key": ["a"], "decision": ["drop"], "reason": ["r"], "by": ["hand"],
        "date": pa.array([0], pa.timestamp("s", "UTC"))}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"decision": ["burn"]}, "must say one of drop, keep, select"),
        ({"decision": pa.array([None], pa.string())}, "rows without decision"),
        ({"key": ["k" * 20_000]}, "a key of 20000 characters"),
        ({"key": [[1]]}, "must be parquet with the columns"),
        ({"key": None}, "no column key"),
        ({"content": ["many"]}, "must be parquet with the columns"),
    ],
)
def test_a_list_from_a_stranger_is_refused_in_one_line(tmp_path: Path, change, says):
    path = tmp_path / "list.parquet"
    pq.write_table(pa.table({k: v for k, v in (GOOD | change).items() if v is not None}), path)
    with pytest.raises(UserError, match=says) as caught:
        read_decisions(path)
    assert "\n" not in str(caught.value)


def test_a_list_with_a_column_twice_is_refused(tmp_path: Path):
    table = pa.table(GOOD)
    pq.write_table(table.append_column("key", table["key"]), tmp_path / "list.parquet")
    with pytest.raises(UserError, match="must be parquet with the columns"):
        read_decisions(tmp_path / "list.parquet")


def test_a_list_of_another_hand_may_lack_what_may_be_null(tmp_path: Path):
    path = tmp_path / "list.parquet"
    pq.write_table(pa.table(GOOD | {"note": [object.__name__]}), path)
    (row,) = read_decisions(path).to_pylist()
    assert (row["key"], row["content"], row["other"]) == ("a", None, None)


def test_what_is_no_list_is_refused(tmp_path: Path):
    (tmp_path / "text.parquet").write_text("PAR1 but not really PAR1")
    for name in ("none.parquet", "text.parquet", "."):
        with pytest.raises(UserError, match="decisions: .* must be"):
            read_decisions(tmp_path / name)
    with pytest.raises(UserError, match="must be"):
        keep_decisions(tmp_path / "text.parquet", SCHEMA.empty_table())
    assert (tmp_path / "text.parquet").read_text() == "PAR1 but not really PAR1"


def test_names_that_are_no_text_are_kept_apart(tmp_path: Path):
    path = tmp_path / "list.parquet"
    keys = [stored(name) for name in ("a\udce9", "a\\xe9")]
    write_decisions(path, decided(keys, None, "drop", reason="r", by="hand", others=keys))
    table = read_decisions(path)
    assert table["key"].to_pylist() == table["other"].to_pylist() == keys
    assert len(set(keys)) == 2
    keep_decisions(path, SCHEMA.empty_table(), instead="r", among=table)
    assert undo_decisions(path, keys=keys[:1]) == 1
    assert read_decisions(path)["key"].to_pylist() == keys[1:]


def test_rows_of_another_rule_or_of_other_images_make_no_room(tmp_path: Path):
    path = tmp_path / "list.parquet"
    for key, by in (("a", "0.5 with x"), ("b", "0.5 with y"), ("c", "0.5 with x")):
        keep_decisions(path, decided([key], [1], "drop", reason="copy", by=by))
    among = pa.table({"key": ["a", "b"], "content": pa.array([1, 1], pa.uint64())})
    none = SCHEMA.empty_table()
    keep_decisions(path, none, instead="copy", by=" with x", among=among)
    assert read_decisions(path)["key"].to_pylist() == ["b", "c"]
