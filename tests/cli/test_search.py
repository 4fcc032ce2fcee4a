"""From a folder of images to a page of the nearest, by the commands a person types."""

import json
import re
import shutil

import pyarrow.parquet as pq
import pytest


@pytest.fixture
def photos(folder, tmp_path):
    place = tmp_path / "photos"
    shutil.copytree(folder / "test", place)
    return place


@pytest.fixture
def made(ilk, photos):
    """A table and an index of it in the current directory."""
    said = ilk("embed", "random:resnet_mini", "photos", "-o", "photos.parquet")
    assert said.code == 0, said.err
    said = ilk("index", "photos.parquet", "-o", "photos.index")
    assert said.code == 0, said.err
    assert "20 rows of 192 numbers" in said.out
    assert "exact search" in said.out
    return sorted(photos.rglob("*.png"))


def answer(said):
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_an_image_finds_itself_and_a_page_shows_what_is_near(ilk, made, tmp_path):
    page = tmp_path / "near.html"
    said = ilk("search", "photos.index", made[3], "-k", 5, "-o", page)
    assert said.code == 0, said.err
    assert made[3].relative_to(tmp_path / "photos").as_posix() in said.out
    text = page.read_text()
    assert text.count("data:image/png;base64") == 6
    assert not re.search(r"""(src|href)=["'](?!data:)""", text), "nothing from elsewhere"
    found = answer(ilk("--json", "search", "photos.index", made[3], made[4], "-k", 3))["found"]
    assert [len(entry["nearest"]) for entry in found] == [3, 3]
    best = found[0]["nearest"][0]
    assert (tmp_path / "photos" / best["key"]) == made[3]
    assert best["similarity"] == pytest.approx(1, abs=1e-3)


def test_a_key_a_filter_and_a_table(ilk, made, tmp_path):
    key = made[5].relative_to(tmp_path / "photos").as_posix()
    label = key.partition("/")[0]
    words = ("search", "photos.index", "--key", key, "-k", 4, "--where", f"label!={label}")
    found = answer(ilk("--json", *words, "-o", "near.parquet"))["found"][0]
    assert found["query"] == key
    assert len(found["nearest"]) == 4
    assert all(row["label"] != label for row in found["nearest"])
    table = pq.read_table("near.parquet")
    assert table["rank"].to_pylist() == [1, 2, 3, 4]
    assert table["key"].to_pylist() == [row["key"] for row in found["nearest"]]
    found = answer(ilk("--json", "search", "photos.index", "--key", key))["found"][0]
    assert len(found["nearest"]) == 19, "all but itself"
    assert key not in [row["key"] for row in found["nearest"]]


def test_what_is_appended_and_deleted_is_found_or_not(ilk, made, tmp_path):
    key = made[0].relative_to(tmp_path / "photos").as_posix()
    said = ilk("index", "-o", "photos.index", "--delete", key)
    assert said.code == 0, said.err
    assert "1 deleted row" in said.out
    assert ilk("search", "photos.index", "--key", key).code == 2
    made[1].rename(made[1].with_name("new.png"))
    assert ilk("embed", "random:resnet_mini", "photos", "-o", "more.parquet").code == 0
    done = answer(ilk("--json", "index", "more.parquet", "-o", "photos.index", "--append"))
    assert (done["rows"], done["deleted"], done["engine"]) == (21, 1, "exact")
    new = made[1].with_name("new.png").relative_to(tmp_path / "photos").as_posix()
    near = answer(ilk("--json", "search", "photos.index", "--key", new))["found"][0]["nearest"]
    assert near[0]["similarity"] == pytest.approx(1, abs=1e-3)
    page = ilk("search", "photos.index", "--key", new, "-o", "p.html")
    assert page.code == 0
    assert "(not shown)" in (tmp_path / "p.html").read_text(), "the old file is gone"


def test_an_image_whose_name_is_no_text_is_found_and_deleted_by_it(ilk, photos):
    name = b"\xe9.png".decode(errors="surrogateescape")
    next(photos.rglob("*.png")).rename(photos / name)
    assert ilk("embed", "random:resnet_mini", "photos", "-o", "odd.parquet").code == 0
    assert ilk("index", "odd.parquet", "-o", "odd.index").code == 0
    for key in (name, "\\xe9.png"):
        found = answer(ilk("--json", "search", "odd.index", "--key", key, "-k", 10**12))
        assert len(found["found"][0]["nearest"]) == 19
    assert answer(ilk("--json", "index", "-o", "odd.index", "--delete", name))["rows"] == 19


def test_an_index_of_lists_says_its_recall(ilk, made):
    pytest.importorskip("faiss", reason="needs faiss-cpu")
    said = ilk("index", "photos.parquet", "-o", "lists.index", "--engine", "ivf")
    assert said.code == 0, said.err
    assert re.search(
        r"recall@10 (1\.0|0\.9[5-9])\d+ on 20 queries, by \d+ of 9 lists", said.out
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["index", "-o", "x"], "needs TABLE"),
        (["index", "photo.parquet", "-o", "x"], "photos.parquet"),
        (["index", "photos.parquet", "-o", "x", "--delete", "a"], "needs TABLE"),
        (["index", "photos.parquet", "-o", "photos.parquet"], "got the file"),
        (["index", "photos.parquet", "-o", "x", "--recall", "2"], "at most 1"),
        (
            ["index", "photos.parquet", "-o", "x", "--recall", "0.9"],
            "must come with engine ivf",
        ),
        (
            ["index", "photos.parquet", "-o", "x", "--engine", "exact", "--codes", "pq"],
            "--codes: must come with engine ivf, got pq",
        ),
        (
            ["index", "photos.parquet", "-o", "photos.index", "--append", "--engine", "ivf"],
            "--engine: must be left out with --append",
        ),
        (
            ["index", "-o", "photos.index", "--delete", "a", "--codes", "pq"],
            "--codes: must be left out with --append and --delete",
        ),
        (["index", "-o", "photos.index", "--delete", "nothing"], "got 'nothing'"),
        (["index", "-o", "nowhere", "--delete", "a"], "found none"),
        (["search", "photos.index"], "got neither"),
        (["search", "nowhere", "--key", "a"], "must be a folder that ilk index wrote"),
        (["search", "photos.index", "--key", "a", "-k", "0"], "-k: must be 1"),
        (["search", "photos.index", "--key", "a", "-o", "x.pdf"], "must end in .html"),
        (
            ["search", "photos.index", "photos", "-o", "photos.parquet"],
            "photos.parquet must be free",
        ),
        (["search", "photos.index", "--key", "a"], "must be of an image in photos.index"),
        (
            ["search", "photos.index", "photos", "--encoder", "random:resnet_mini@x"],
            "plain name",
        ),
        (["search", "photos.index", "photos", "--where", "heigth>3"], "height"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(ilk, made, words, says):
    said = ilk(*words)
    assert said.code == 2
    assert says in said.err
    assert said.err.count("\n") == 1


def test_another_encoder_is_refused(ilk, made):
    said = ilk("search", "photos.index", "photos", "--encoder", "random:resnet18")
    assert said.code == 2
    assert "must be asked with the encoder that it was made with" in said.err
