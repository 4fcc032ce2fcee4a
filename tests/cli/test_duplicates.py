import json

import numpy as np
import pytest

from ilk.curate.decisions import read_decisions
from tests.curate.images import coded, photo


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "old").mkdir(parents=True)
    for seed in range(6):
        (folder / f"{seed}.jpg").write_bytes(coded(photo(seed), "JPEG", quality=95))
    (folder / "old" / "0.jpg").write_bytes((folder / "0.jpg").read_bytes())
    turned = np.ascontiguousarray(np.rot90(photo(1)))
    (folder / "old" / "1.jpg").write_bytes(coded(turned, "JPEG", quality=70))
    (folder / "cut.jpg").write_bytes((folder / "2.jpg").read_bytes()[:600])
    return folder


def test_copies_of_a_folder_are_told_listed_shown_and_taken_back(ilk, photos, tmp_path):
    found = ilk("duplicates", photos, "-o", "page.html", "--decisions", "list.parquet")
    assert found.code == 0, found.err
    assert "2 of 9 images are copies of another one, in 2 groups" in found.out
    assert "same file 1" in found.out
    assert "1 image could not be compared:" in found.out
    assert "cut.jpg: " in found.out
    dropped = [
        row for row in read_decisions("list.parquet").to_pylist() if row["decision"] == "drop"
    ]
    assert {row["reason"] for row in dropped} == {"duplicate"}
    assert len(dropped) == 2
    assert len(list(photos.rglob("*.jpg"))) == 9, "nothing is deleted"
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/png") == 4
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "cut.jpg" in page
    undone = ilk("duplicates", photos, "--undo", "--decisions", "list.parquet")
    assert "4 decisions taken back" in undone.out
    assert len(read_decisions("list.parquet")) == 0


def test_the_result_as_json_names_levels_and_bad_images(ilk, photos):
    found = json.loads(ilk("--json", "duplicates", photos, "--keep", "folder:old").out)
    levels = {copy["level"] for group in found["groups"] for copy in group["copies"]}
    assert levels == {"same file", "hash"}
    assert [key.split("/")[-1] for key in found["bad"]] == ["cut.jpg"]
    assert found["images"] == 9
    assert 0 < found["threshold"] < 1
    kept = next(group for group in found["groups"] if group["keep"].startswith("old/"))
    assert kept["copies"]


def test_test_images_that_are_copies_of_train_images_are_leaks(ilk, photos, tmp_path):
    test = tmp_path / "test"
    test.mkdir()
    for name, pixels in (("a", photo(3)[::-1]), ("b", photo(40)), ("c", photo(4) // 2 + 30)):
        (test / f"{name}.png").write_bytes(coded(np.ascontiguousarray(pixels)))
    found = ilk(
        "leaks", "--train", photos, "--test", test, "-o", "p.html", "--decisions", "d.parquet"
    )
    assert found.code == 0, found.err
    assert "2 of 3 images of" in found.out
    assert "--undo" not in found.out, "leaks has no such parameter"
    rows = read_decisions("d.parquet").to_pylist()
    assert [(row["key"][-5:], row["other"][-5:], row["reason"]) for row in rows] == [
        ("a.png", "3.jpg", "leak"), ("c.png", "4.jpg", "leak"),
    ]  # fmt: skip
    same = json.loads(ilk("--json", "duplicates", test, "--against", photos).out)
    assert [copy["key"][-5:] for copy in same["copies"]] == ["a.png", "c.png"]


def listed():
    return {(row["reason"], row["key"]) for row in read_decisions("d.parquet").to_pylist()}


def test_each_question_replaces_its_own_answers_alone(ilk, photos, tmp_path):
    for folder, seed in (("train", 3), ("more", 4), ("test", 3)):
        (tmp_path / folder).mkdir()
        name = f"{folder}.png"
        (tmp_path / folder / name).write_bytes(coded(photo(seed)))
    for words in (["photos"], ["test"], ["photos", "--against", "train"],
                  ["photos", "--against", "more"]):  # fmt: skip
        assert ilk("duplicates", *words, "--decisions", "d.parquet").code == 0
    within = {("duplicate", key) for key in ("0.jpg", "1.jpg", "old/0.jpg", "old/1.jpg")}
    assert listed() == within | {("copy", "3.jpg"), ("copy", "4.jpg")}
    for test in ("test", "more"):
        ilk("leaks", "--train", photos, "--test", test, "--decisions", "d.parquet")
    leaks = {("leak", "test.png"), ("leak", "more.png")}
    assert leaks < listed()
    (photos / "4.jpg").write_bytes(coded(photo(50), "JPEG"))
    ilk("leaks", "--train", photos, "--test", "more", "--decisions", "d.parquet")
    assert ("leak", "more.png") not in listed()
    undone = ilk("duplicates", photos, "--undo", "--decisions", "d.parquet")
    assert "6 decisions taken back" in undone.out
    assert listed() == {("leak", "test.png")}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["photos", "--keep", "newest"],
            "--keep: must be largest, oldest, typical or folder:PATH",
        ),
        (["photos", "--false-alarms", "0.5"], "--false-alarms: must be above 0 and below 0.1"),
        (["photos", "--threshold", "2"], "--threshold: must be above 0 and at most 1, got 2"),
        (["photos", "--undo"], "--undo: must come with --decisions LIST"),
        (["photos", "--keep", "folder:/nowhere"], "--keep: folder must be what a key begins"),
        (
            ["photos", "--against", "photos", "--keep", "nicest"],
            "--keep: must be left out with --against",
        ),
        (["fotos"], "fotos: must be an existing folder or file"),
    ],
)
def test_what_a_person_can_put_right_is_one_line(ilk, photos, words, line):
    found = ilk("duplicates", *words)
    assert found.code == 2
    assert line in found.err
    assert "Traceback" not in found.err


@pytest.mark.parametrize(
    "words", [("duplicates", "."), ("leaks", "--train", ".", "--test", "."), ("report", ".")]
)
def test_a_page_never_takes_the_place_of_an_image(ilk, photos, words):
    image = next(photos.rglob("*.jpg"), None) or next(photos.rglob("*.png"))
    before = image.read_bytes()
    verb, *rest = (str(photos) if word == "." else word for word in words)
    said = ilk(verb, *rest, "-o", image)
    assert (said.code, said.err.strip()) == (2, f"ilk: -o: must end in .html, got {image}")
    assert image.read_bytes() == before


def test_an_index_finds_crops_keeps_what_it_derived_and_says_what_is_gone(
    ilk, photos, tmp_path
):
    from ilk.data import open_source
    from ilk.embedding import embed_to_table
    from ilk.networks import load_encoder
    from ilk.search import build_index

    (photos / "crop.png").write_bytes(coded(photo(5)[10:90, 4:86]))
    encoder = load_encoder("random:resnet_mini")
    table = embed_to_table(encoder, open_source(photos), tmp_path / "t.parquet")
    build_index(table, tmp_path / "photos.index")
    found = json.loads(ilk("--json", "duplicates", "photos.index").out)
    levels = sorted(c["level"] for g in found["groups"] for c in g["copies"])
    assert levels == ["embedding", "hash", "same file"]
    copies = ilk("--json", "select", "photos.index", "-n", 1, "--where", "duplicates>=2")
    assert json.loads(copies.out)["of"] == sum(1 + len(g["copies"]) for g in found["groups"])
    assert list((tmp_path / "photos.index" / "derived" / "appearances").glob("*.npy"))
    (photos / "5.jpg").write_bytes(coded(photo(77), "JPEG"))
    (photos / "old" / "1.jpg").unlink()
    for file in (tmp_path / "photos.index" / "derived" / "appearances").glob("*.npy"):
        file.unlink()
    again = ilk("duplicates", "photos.index")
    assert "2 images could not be compared:" in again.out
    assert "5.jpg: changed: it is not the image that was embedded" in again.out
    assert "old/1.jpg: unreadable" in again.out
    photos.rename(tmp_path / "moved")
    gone = ilk("duplicates", "photos.index")
    assert gone.code == 0, gone.err
    assert "only files were compared" in gone.out
    assert "1 of 9 images are copies" in gone.out
