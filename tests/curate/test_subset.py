"""What a list leaves of a source, and a run on that."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ilk.core import UserError
from ilk.curate import curated, decided, keep_decisions, undo_decisions
from ilk.data import left_out, open_source, read_item
from ilk.embedding.batches import content_of
from ilk.train import Interrupted, Settings, dry_run, read_record, resume, train
from tests.train.conftest import TINY, Witness
from tests.train.test_resume import StopAt


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve images, 00.png to 11.png."""
    folder = tmp_path / "photos"
    folder.mkdir()
    chance = np.random.default_rng(0)
    for number in range(12):
        pixels = chance.integers(0, 255, (16, 16, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return folder


def about(photos: Path, numbers: list[int]):
    """Keys and contents."""
    source = open_source(str(photos))
    keys = [f"{number:02}.png" for number in numbers]
    places = {source.key(index): index for index in range(len(source))}
    return keys, [content_of(read_item(source, places[key])) for key in keys]


def keys_of(source) -> list[int]:
    return [int(source.key(index)[:2]) for index in range(len(source))]


def test_what_is_dropped_is_left_out_and_counted_by_reason(photos: Path, tmp_path: Path):
    path = tmp_path / "curation.parquet"
    keep_decisions(path, decided(*about(photos, [0, 1]), "drop", reason="dark", by="issues"))
    keep_decisions(path, decided(*about(photos, [1, 2]), "drop", reason="duplicate", by="x"))
    keep_decisions(path, decided(["gone.png"], [5], "drop", reason="dark", by="issues"))
    keep_decisions(path, decided(*about(photos, [0]), "keep", reason="fine", by="hand"))
    left = curated(open_source(str(photos)), path)
    assert keys_of(left) == [0, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert [str(entry) for entry in left_out(left)] == [
        "dropped as duplicate: 2 (such as 01.png)",
        "rows of curation.parquet about no image here: 1 (such as gone.png)",
    ]
    undo_decisions(path, reason="duplicate")
    assert keys_of(curated(open_source(str(photos)), path)) == [0, *range(2, 12)]


def test_what_is_selected_is_all_there_is_but_for_what_is_dropped(photos, tmp_path):
    path = tmp_path / "curation.parquet"
    keep_decisions(
        path, decided(*about(photos, [3, 7, 9]), "select", reason="selected", by="x")
    )
    keep_decisions(path, decided(*about(photos, [7]), "drop", reason="dark", by="issues"))
    keep_decisions(path, decided(*about(photos, [1]), "keep", reason="duplicate", by="hash"))
    left = curated(open_source(str(photos)), path)
    assert keys_of(left) == [3, 9]
    assert {e.reason: e.count for e in left_out(left)} == {
        "not selected": 9,
        "dropped as dark": 1,
    }


def test_where_all_selected_images_are_dropped_none_is_left(photos, tmp_path):
    path = tmp_path / "curation.parquet"
    chosen = about(photos, [3, 7])
    keep_decisions(path, decided(*chosen, "select", reason="selected", by="x"))
    keep_decisions(path, decided(*chosen, "drop", reason="dark", by="issues"))
    with pytest.raises(UserError, match="must leave an image of .*, it leaves none"):
        curated(open_source(str(photos)), path)


def test_a_decision_about_other_bytes_does_not_hold(photos, tmp_path):
    path = tmp_path / "curation.parquet"
    keep_decisions(path, decided(*about(photos, [4, 5]), "drop", reason="dark", by="issues"))
    keep_decisions(path, decided(["06.png"], None, "drop", reason="unreadable", by="issues"))
    Image.new("RGB", (8, 8)).save(photos / "05.png")
    left = curated(open_source(str(photos)), path, workers=2)
    assert keys_of(left) == [0, 1, 2, 3, 5, 7, 8, 9, 10, 11]
    assert (
        "rows of curation.parquet about images that have changed since: 1 (such as 05.png)"
        in map(str, left_out(left))
    )


def test_images_of_one_key_are_left_out_each_by_its_own_content(tmp_path):
    """One index has images of two folders with the same names."""
    for name, gray in (("imgs", 10), ("im2", 200)):
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8), (gray,) * 3).save(tmp_path / name / "0.png")
        Image.new("RGB", (8, 8), (gray, 0, 0)).save(tmp_path / name / "1.png")
    path = tmp_path / "curation.parquet"
    sources = [open_source(str(tmp_path / name)) for name in ("imgs", "im2")]
    both = [content_of(read_item(source, 0)) for source in sources]
    keep_decisions(path, decided(["0.png"] * 2, both, "drop", reason="dark", by="hand"))
    for source in sources:
        left = curated(source, path)
        assert [left.key(index) for index in range(len(left))] == ["1.png"]
        assert [str(entry) for entry in left_out(left)] == [
            "dropped as dark: 1 (such as 0.png)"
        ]
    undo_decisions(path, by="hand", keys=["0.png"], contents=both[:1])
    keep_decisions(path, decided(["1.png"], None, "drop", reason="dark", by="x"))
    assert [curated(sources[0], path).key(0)] == ["0.png"]


@pytest.mark.parametrize(
    ("keys", "decision", "says"),
    [
        (["00.png"], "keep", "must drop or select an image, got 1 that are only kept"),
        (["a/00.png"], "drop", "must be of images in .*, got 1 others, first 'a/00.png'"),
        ([f"{n:02}.png" for n in range(12)], "drop", "it leaves none"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused(photos, tmp_path, keys, decision, says):
    path = tmp_path / "curation.parquet"
    keep_decisions(path, decided(keys, None, decision, reason="r", by="hand"))
    with pytest.raises(UserError, match=f"subset: .*{says}"):
        curated(open_source(str(photos)), path)


def test_a_run_says_records_and_checks_what_was_left_out(photos, tmp_path):
    path = tmp_path / "curation.parquet"
    keep_decisions(path, decided(*about(photos, [0, 1]), "drop", reason="dark", by="issues"))
    settings = Settings(**TINY, steps=4, subset=str(path))
    lines: list[str] = []
    record = dry_run(settings, str(photos), lines.append)
    assert "subset  dropped as dark: 2 (such as 00.png)" in lines
    assert record["data"]["items"] == 10
    with pytest.raises(Interrupted):
        train(settings, str(photos), tmp_path / "run", StopAt(2))
    (left,) = read_record(tmp_path / "run")["data"]["left_out"]
    assert left == {"reason": "dropped as dark", "count": 2, "first": "00.png"}
    keep_decisions(path, decided(["05.png"], None, "drop", reason="dark", by="hand"))
    with pytest.raises(UserError, match="and the old list, back or start a new run"):
        resume(tmp_path / "run", Witness())
    undo_decisions(path, by="hand")
    resume(tmp_path / "run", Witness())
    assert read_record(tmp_path / "run")["status"] == "finished"
