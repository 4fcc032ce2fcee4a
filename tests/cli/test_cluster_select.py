"""``ilk cluster`` and ``ilk select``: an index in, groups and a choice out."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ilk.curate import curated, decided, keep_decisions, read_decisions
from ilk.curate.filters import Findings
from ilk.data import open_source
from ilk.embedding import embed_to_table
from ilk.networks import load_encoder
from ilk.search import Index, build_index, delete_from_index


@pytest.fixture
def photos(folder, tmp_path, monkeypatch) -> str:
    """An index of forty images in ten classes."""
    monkeypatch.chdir(tmp_path)
    source = open_source(str(folder / "train"))
    table = embed_to_table(load_encoder("random:resnet_mini"), source, tmp_path / "t.parquet")
    build_index(table, tmp_path / "photos.index")
    return "photos.index"


def test_groups_are_written_as_table_page_and_into_the_index(ilk, photos):
    said = ilk("cluster", photos, "-k", "6,2", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["groups"] == [6, 2]
    table = pq.read_table("photos-clusters.parquet")
    assert set(table["cluster"].to_pylist()) == set(range(6))
    assert set(table["cluster_2"].to_pylist()) == {0, 1}
    assert sum(table["medoid"].to_pylist()) == 6
    page = Path("photos-clusters.html").read_text()
    assert page.count("data:image/png") == 8
    index = Index.open(photos)
    kept = Findings.of(index).clusters()
    assert kept is not None
    assert kept["key"].to_pylist() == index.columns(["key"])["key"].to_pylist()
    inside = {row["key"] for row in kept.to_pylist() if row["cluster"] == 3}
    key = next(row["key"] for row in kept.to_pylist() if row["cluster"] != 3)
    said = ilk("search", photos, "--key", key, "-k", "40", "--where", "cluster=3", "--json")
    (found,) = json.loads(said.out)["found"]
    assert {row["key"] for row in found["nearest"]} == inside
    said = ilk("select", photos, "-n", "1", "--where", "cluster=3", "--json")
    assert json.loads(said.out)["of"] == len(inside)
    delete_from_index(photos, [index.columns(["key"])["key"][0].as_py()])
    assert Findings.of(Index.open(photos)).clusters() is None


def test_a_choice_is_a_list_that_training_takes(ilk, photos, folder):
    source = open_source(str(folder / "train"))
    dropped = source.key(0)
    content = Index.open(photos).columns(["key", "content"]).to_pylist()
    (own,) = [row["content"] for row in content if row["key"] == dropped]
    keep_decisions("curation.parquet", decided([dropped], [own], "drop", reason="dark", by="x"))
    said = ilk("select", photos, "-n", "12", "--by", "typical", "--json")
    assert said.code == 0, said.err
    answer = json.loads(said.out)
    assert answer["of"] == len(source) - 1
    assert dropped not in answer["selected"]
    left = curated(source, "curation.parquet")
    assert {left.key(i) for i in range(len(left))} == set(answer["selected"])
    said = ilk("select", photos, "-n", "2", "--per", "label", "--where", "width>=32", "--json")
    assert said.code == 0, said.err
    again = json.loads(said.out)["selected"]
    rows = read_decisions("curation.parquet").to_pylist()
    assert sorted(r["key"] for r in rows if r["reason"] == "selected") == sorted(again)
    classes = [key.split("/")[0] for key in again]
    assert all(classes.count(name) == 2 for name in source.classes)


def test_an_image_that_is_dropped_whatever_its_bytes_is_not_chosen(ilk, photos):
    keys = Index.open(photos).columns(["key"])["key"].to_pylist()
    keep_decisions("curation.parquet", decided(keys[:39], None, "drop", reason="x", by="hand"))
    said = ilk("select", photos, "-n", "1", "--by", "random", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["selected"] == keys[39:]
    assert json.loads(said.out)["of"] == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("cluster {} -k many", "-k: must be auto or numbers such as 50 or 1000,50, got 'many'"),
        ("cluster {} -k 500", "-k: must be from 1 to 40"),
        ("cluster {} -o a.csv", "-o: must end in .html or .parquet"),
        ("cluster nothing", "nothing"),
        ("select {} -n 0", "-n: must be 1 or more, got 0"),
        (
            "select {} -n 2 --per lable",
            "--per: must be a column, got 'lable'; did you mean label",
        ),
        ("select {} -n 2 --where lable=cat", "--where: must name a column, got 'lable'"),
        ("select {} -n 2 --where width<3", "must have an image to choose"),
    ],
)
def test_what_cannot_be_meant_is_refused(ilk, photos, words, says):
    said = ilk(*words.format(photos).split())
    assert said.code == 2
    assert says in said.err
