"""``ilk issues``: a table, a page and decisions."""

import json
import os
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ilk.curate import curated, decided, keep_decisions, read_decisions
from ilk.data import open_source
from ilk.embedding import embed_to_table
from ilk.networks import load_encoder
from ilk.search import build_index
from tests.curate.test_looks import textured


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of 12 images, one black, one with markup in its name, one damaged."""
    folder = tmp_path / "photos"
    for number in range(24):
        path = folder / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(textured(48, 48, seed=number)).save(path)
    Image.new("RGB", (48, 48)).save(folder / "cat" / "<img src=x onerror=alert(1)>.png")
    (folder / "dog" / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    return folder


class Images(HTMLParser):
    """The addresses of all images of a page, as a browser reads it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        assert tag != "script"
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag == "img":
            self.sources.append(dict(attrs)["src"])


def test_a_table_a_page_and_decisions(ilk, photos, tmp_path):
    said = ilk("issues", "photos", "--drop", "unreadable", "dark", "--json")
    assert said.code == 0, said.err
    answer = json.loads(said.out)
    assert answer["issues"]["unreadable"] == 1
    assert answer["issues"]["dark"] == 1
    table = pq.read_table("photos-issues.parquet")
    (row,) = table.filter(
        np.array(["onerror" in k for k in table["key"].to_pylist()])
    ).to_pylist()
    assert {"dark", "low-information", "gray"} <= set(row["issues"])
    assert row["width"] == 48
    page = Path("photos-issues.html").read_text()
    shown = Images(page)
    assert shown.sources
    assert all(source.startswith("data:image/png;") for source in shown.sources)
    assert "dark (1)" in page
    assert not list(tmp_path.glob("*.partial"))
    rows = {r["reason"]: r for r in read_decisions("curation.parquet").to_pylist()}
    assert set(rows) == {"unreadable", "dark"}
    assert rows["unreadable"]["key"] == "dog/damaged.png"
    assert rows["dark"]["content"] == row["content"]
    assert rows["dark"]["by"].startswith("issues: ")


def test_a_repeated_search_replaces_its_own_rows_alone(ilk, photos):
    ilk("issues", "photos", "--drop", "dark")
    (dark,) = read_decisions("curation.parquet").to_pylist()
    elsewhere = decided(["other.png"], [1], "drop", reason="dark", by="issues: of others")
    by_hand = decided(["dog/damaged.png"], None, "drop", reason="dark", by="hand")
    another = decided(["x"], [2], "drop", reason="blurry", by="issues: of another kind")
    for rows in (elsewhere, by_hand, another):
        keep_decisions("curation.parquet", rows)
    table = pq.read_table("photos-issues.parquet")
    at = next(n for n, k in enumerate(table["key"].to_pylist()) if k != dark["key"])
    fine, content = table["key"][at].as_py(), table["content"][at].as_py()
    older = decided([fine], [content], "drop", reason="dark", by="issues: a limit of before")
    keep_decisions("curation.parquet", older)
    assert ilk("issues", "photos", "--drop", "dark").code == 0
    left = {
        (row["key"], row["reason"]) for row in read_decisions("curation.parquet").to_pylist()
    }
    assert left == {
        (dark["key"], "dark"), ("other.png", "dark"), ("dog/damaged.png", "dark"),
        ("x", "blurry"),
    }  # fmt: skip


def test_an_image_whose_name_is_no_text_is_dropped(ilk, photos):
    name = b"\xe9.png".decode(errors="surrogateescape")
    Image.new("RGB", (48, 48)).save(photos / name)
    assert ilk("issues", "photos", "--drop", "dark").code == 0
    keys = read_decisions("curation.parquet")["key"].to_pylist()
    assert "\\xe9.png" in keys
    assert "\\xe9.png" in pq.read_table("photos-issues.parquet")["key"].to_pylist()
    left = curated(open_source("photos"), "curation.parquet")
    assert name not in [left.key(item) for item in range(len(left))]


def test_an_image_that_has_turned_black_is_found_when_asked_again(ilk, tmp_path):
    (tmp_path / "photos").mkdir()
    for number in range(3):
        Image.fromarray(textured(48, 48, seed=number)).save(f"photos/{number}.bmp")
    assert json.loads(ilk("issues", "photos", "--json").out)["issues"]["dark"] == 0
    Image.new("RGB", (48, 48)).save("photos/1.bmp")  # as many bytes as before
    os.utime("photos/1.bmp", (1, 1))
    again = ilk("issues", "photos", "--drop", "dark", "--json")
    assert json.loads(again.out)["issues"]["dark"] == 1
    assert read_decisions("curation.parquet")["key"].to_pylist() == ["1.bmp"]


def test_labels_are_not_dropped_by_an_index_without_labels(ilk, tmp_path):
    (tmp_path / "flat").mkdir()
    for number in range(3):
        Image.fromarray(textured(48, 48, seed=number)).save(f"flat/{number}.png")
    table = embed_to_table(load_encoder("random:resnet_mini"), open_source("flat"), "v.parquet")
    build_index(table, "v.index")
    said = ilk("issues", "flat", "--index", "v.index", "--drop", "label")
    assert said.code == 2
    assert "--drop: label must have an index with labels to go by, v.index has none" in said.err
    assert not Path("flat-issues.parquet").exists()


def test_neighbours_in_an_index_find_more(ilk, photos):
    table = embed_to_table(
        load_encoder("random:resnet_mini"), open_source("photos"), "v.parquet"
    )
    build_index(table, "photos.index")
    said = ilk("issues", "photos", "--index", "photos.index", "-o", "found.parquet", "--json")
    assert said.code == 0, said.err
    answer = json.loads(said.out)
    assert answer["page"] is None
    assert {"outlier", "tiny-group", "label"} <= set(answer["issues"])
    dark = ilk("select", "photos.index", "-n", 1, "--where", "issue~*dark*", "--json")
    assert json.loads(dark.out)["of"] == answer["issues"]["dark"] == 1
    Path("other").mkdir()
    Image.new("RGB", (9, 9)).save("other/1.png")
    said = ilk("issues", "other", "--index", "photos.index")
    assert said.code == 2
    assert "must be of the same images, 0 of its 25 rows have the key" in said.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            "photos --drop darc",
            "--drop: must be a kind of issue, got 'darc'; did you mean dark?",
        ),
        ("photos --drop outlier", "--drop: outlier must have an index to go by"),
        ("photos -o a.csv", "-o: must end in .html or .parquet, got a.csv"),
        ("photo", "did you mean photos?"),
    ],
)
def test_what_cannot_be_meant_is_refused(ilk, photos, words, says):
    said = ilk("issues", *words.split())
    assert said.code == 2
    assert says in said.err


def test_a_table_of_images_is_never_written_over(ilk, photos, tmp_path):
    table = embed_to_table(
        load_encoder("random:resnet_mini"), open_source("photos"), "v.parquet"
    )
    build_index(table, "v.index")
    before = Path("v.parquet").read_bytes()
    for words in (("issues", "photos", "-o", "v.html"), ("cluster", "v.index", "-o", "v.html")):
        said = ilk(*words)
        assert said.code == 2
        assert "v.parquet must be free or an older table of the kind" in said.err
    assert Path("v.parquet").read_bytes() == before
    assert not Path("v.html").exists()
