"""Several processes write one table: each its own shards, and together what one writes."""

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ilk.core import UserError
from ilk.core.facts import Fact
from ilk.data import open_source
from ilk.embedding import embed_to_table, left_behind, read_embeddings
from ilk.embedding.job import Known, known
from ilk.rendered import Rendered
from tests.processes import ranks

TORCHRUN = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "LOCAL_RANK": "0"}


def files(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture
def as_rank(monkeypatch):
    def become(number):
        for name, value in {**TORCHRUN, "RANK": str(number)}.items():
            monkeypatch.setenv(name, value)

    return become


def test_two_processes_write_byte_for_byte_what_one_writes(encoder, tmp_path):
    for number in range(23):
        place = tmp_path / "photos" / f"{number}.png"
        place.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(place), np.full((16, 16, 3), 9 * number, np.uint8))
    (tmp_path / "photos/8.png").write_bytes(b"no image")
    words = ["ilk.cli", "embed", "random:resnet_mini", str(tmp_path / "photos"),
             "--shard-rows", "5", "--batch-size", "4", "-o"]  # fmt: skip
    two = ranks(*words, tmp_path / "two")
    assert [end.returncode for end in two] == [0, 0], two
    assert "Process 2 of 2" in two[1].stdout
    (one,) = ranks(*words, tmp_path / "one", env=[{}])
    assert one.returncode == 0, one.stderr
    assert files(tmp_path / "two") == files(tmp_path / "one")
    assert len(left_behind(tmp_path / "two")) == 1
    assert len(read_embeddings(tmp_path / "two")) == 22


def test_no_shard_is_made_twice_and_a_restart_goes_on(encoder, arrays, tmp_path, as_rank):
    read = []
    for number in (1, 0):
        as_rank(number)
        source = arrays(22)
        embed_to_table(encoder(), source, tmp_path / "t", shard_rows=4, workers=1)
        read.append(source.read)
    assert read[0] == [4, 5, 6, 7, 12, 13, 14, 15, 20, 21]
    assert sorted(read[0] + read[1]) == list(range(22))
    (tmp_path / "t/part-00002.parquet").unlink()  # as if it was stopped in there
    for number, wanted in ((1, []), (0, [8, 9, 10, 11])):
        as_rank(number)
        source = arrays(22)
        embed_to_table(encoder(), source, tmp_path / "t", shard_rows=4, workers=1)
        assert source.read == wanted


def test_a_shard_that_another_process_writes_is_not_touched(encoder, arrays, tmp_path, as_rank):
    from ilk.core import lock

    as_rank(0)
    (tmp_path / "t").mkdir()
    with lock(tmp_path / "t/part-00000.parquet", "test"), pytest.raises(UserError, match="one"):
        embed_to_table(encoder(), arrays(9), tmp_path / "t", shard_rows=4)


def test_what_a_source_knows_of_its_items_stands_in_the_table(encoder, arrays, tmp_path):
    facts = {
        "site": ["b", "a", None, "b", "a"],
        "year": [2024, 2023, -1, 2024, 2020],
        "share": ["0.5", "1e3", "2", "2", "0.5"],
        "key": ["x", "y", "x", "x", "x"],
    }
    source = open_source(arrays(5, bad=frozenset({1})), facts=facts)
    table = pq.read_table(embed_to_table(encoder(), source, tmp_path / "t.parquet"))
    assert table["site"].to_pylist() == ["b", None, "b", "a"]
    assert table["year"].to_pylist() == [2024, None, 2024, 2020]
    assert table["year"].type == pa.int64()
    assert table["share"].to_pylist() == [0.5, 2.0, 2.0, 0.5]
    zeros = Known(Fact(("007", "008"), np.array([0, -1], np.int32)))
    assert zeros.of(np.arange(2)).to_pylist() == ["007", None], "no number"
    versions = Known(Fact(("1.1", "1.10", "2"), np.array([0, 1, 2], np.int32)))
    assert versions.of(np.arange(3)).to_pylist() == ["1.1", "1.10", "2"], "two are one number"
    assert table["fact.key"].to_pylist() == ["x"] * 4
    assert table.column_names[-1] == "vector"
    assert len(read_embeddings(tmp_path / "t.parquet")) == 4
    for ending in (".csv", ".npz"):
        embed_to_table(encoder(), source, tmp_path / f"t{ending}")
    with np.load(tmp_path / "t.npz", allow_pickle=False) as found:
        assert found["year"].tolist() == [2024, -1, 2024, 2020]


def test_facts_of_rendered_images_are_read_back(encoder, tmp_path):
    source = Rendered(6, size=16)
    table = pq.read_table(embed_to_table(encoder(), source, tmp_path / "t.parquet"))
    fact = source.fact("background")
    assert table["background"].to_pylist() == [fact.names[value] for value in fact.values]


def test_the_name_of_the_label_is_no_further_fact(arrays):
    facts = {"label_name": ["a", "b", "a"]}
    assert list(known(open_source(arrays(3), facts=facts))) == []
    unlabelled = open_source(arrays(3, classes=()), facts=facts)
    assert list(known(unlabelled)) == ["fact.label_name"]
