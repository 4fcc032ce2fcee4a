import errno
import os
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest

from ilk.core import UserError
from ilk.curate import (
    agreement,
    agreement_threshold,
    copies_among,
    duplicate_groups,
    group_decisions,
    groups,
    keep_rule,
    look_at,
    nearest_in_cells,
    tail,
    undo_rule_decisions,
    verdicts,
)
from ilk.curate import appearances as kept_appearances
from ilk.curate.appearances import Shelf
from ilk.curate.collection import open_collection
from ilk.curate.decisions import decided, keep_decisions, read_decisions
from ilk.curate.duplicates import near_threshold
from ilk.curate.hashes import turn_pixels
from ilk.data import open_source
from ilk.embedding import embed_to_table
from ilk.networks import load_encoder
from ilk.search import append_to_index, build_index, delete_from_index
from tests.curate.images import coded, photo


def small(pixels):
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return cv2.resize(gray, (48, 48), interpolation=cv2.INTER_AREA)


def framed(pixels):
    out = np.full((150, 160, 3), 235, np.uint8)
    out[:12] = 90
    out[30 : 30 + 96, 40 : 40 + 96] = pixels
    return out


ALTERED = {
    "the same": lambda p: p,
    "darker": lambda p: p // 2 + 20,
    "cropped": lambda p: p[4:82, 11:90],
    "half of each side": lambda p: p[40:, :52],
    "turned": lambda p: np.ascontiguousarray(np.rot90(p)),
    "in a frame": framed,
    "blurred": lambda p: cv2.GaussianBlur(p, (5, 5), 1),
}


@pytest.mark.parametrize("what", ALTERED)
def test_altered_copies_agree_from_both_sides_and_others_do_not(what):
    image = photo(5)
    copy = small(ALTERED[what](image))
    assert agreement(small(image), copy) > 0.7
    assert agreement(copy, small(image)) > 0.7
    assert agreement(small(photo(6)), copy) < 0.55


@pytest.mark.parametrize("turn", range(8))
def test_each_turn_of_a_crop_agrees(turn):
    image = photo(8)
    assert agreement(small(image), small(turn_pixels(image[:80, 10:], turn))) > 0.8


def test_nothing_agrees_with_an_image_of_one_colour():
    flat = np.full((48, 48), 128, np.uint8)
    assert agreement(flat, flat) == 0
    assert agreement(flat, small(photo(1))) == 0


def by_distance(points, limit):
    """Pairs, and who is close, of points on a line."""
    pairs = [
        (a, b)
        for a, b in combinations(range(len(points)), 2)
        if abs(points[a] - points[b]) <= limit
    ]
    asked = []

    def close(medoid, others):
        asked.append((medoid, tuple(others)))
        return np.array([abs(points[medoid] - points[o]) <= limit for o in others])

    return np.array(pairs, np.int64).reshape(-1, 2), close, asked


def test_a_chain_falls_apart_and_everyone_is_close_to_the_medoid():
    points = [0, 1, 2, 3, 4, 5, 6, 20, 21, 40]
    pairs, close, _ = by_distance(points, 1)
    found = groups(pairs, close)
    for medoid, *others in found:
        assert all(abs(points[medoid] - points[o]) <= 1 for o in others)
    members = sorted(m for group in found for m in group)
    assert len(set(members)) == len(members)
    assert [1, 0, 2] in found
    assert [7, 8] in found
    assert max(map(len, found)) == 3, "seven in a row are no group"


def test_copies_of_one_original_stay_together_without_pairs_among_themselves():
    pairs = np.array([[9, 1], [9, 2], [9, 3], [9, 4]])
    assert groups(pairs, lambda m, o: np.zeros(len(o), bool)) == [[9, 1, 2, 3, 4]]


def test_only_who_has_no_pair_with_the_medoid_is_asked_about():
    pairs = np.array([[0, 1], [1, 2], [2, 3]])
    asked = []
    groups(pairs, lambda m, o: asked.append((m, tuple(o))) or np.ones(len(o), bool))
    assert asked == [(1, (3,))]


def test_cells_find_what_comparing_all_finds():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(6000, 16)).astype(np.float32)
    twins = vectors[:500] + 0.05 * rng.normal(size=(500, 16)).astype(np.float32)
    every = np.concatenate([vectors, twins])
    rows, cosines = nearest_in_cells(every, every, 2)
    unit = every / np.linalg.norm(every, axis=1, keepdims=True)
    for row in range(0, 500, 25):
        exact = unit @ unit[row]
        best = np.argsort(-exact)[:2]
        assert rows[row].tolist() == best.tolist()
        np.testing.assert_allclose(cosines[row], exact[best], atol=1e-5)
    assert (rows[:500] == np.arange(6000, 6500)[:, None]).any(1).mean() > 0.99
    assert (rows[:, 0] == np.arange(6500)).mean() > 0.999


def test_few_vectors_are_compared_with_all_and_gaps_say_so():
    vectors = np.eye(3, dtype=np.float16)
    rows, cosines = nearest_in_cells(vectors, vectors[:1], 4)
    assert rows[0].tolist()[:1] == [0]
    assert rows[0, 3] == -1
    assert cosines[0, 0] == 1


def test_a_tail_is_that_of_the_bulk_whatever_a_few_copies_are():
    rng = np.random.default_rng(0)
    heights = rng.exponential(0.1, 20_000)
    values = np.tanh(heights)
    assert tail(values, 1e-3) == pytest.approx(np.quantile(values, 0.999), abs=0.03)
    copies = np.concatenate([values, np.full(150, 0.98)])
    assert tail(copies, 1e-3) == pytest.approx(tail(values, 1e-3), abs=0.06)
    assert tail(np.zeros(0), 1e-3) == 1


@pytest.fixture(scope="module")
def album():
    """24 images, then copies of some: which of which is in ``ORIGINALS``."""
    images = [coded(photo(seed), "JPEG", quality=95) for seed in range(24)]
    turned = np.ascontiguousarray(np.rot90(photo(3)))
    return open_source(
        [
            *images,
            images[0],
            coded(photo(1), "JPEG", quality=95, comment=b"sent by mail"),
            coded(turned, "JPEG", quality=80),
            coded(photo(3)[::-1], "JPEG", quality=80),
            coded(photo(4)[8:88, 10:90], "JPEG", quality=90),
            images[0],
            b"no image",
        ]
    )


def pairs_of(found):
    return {(copy.row, copy.of): copy.level for group in found for copy in group.copies}


def test_groups_have_the_level_at_which_each_copy_was_found(album):
    looks = look_at(album)
    assert [bad.index for bad in looks.bad] == [30]
    found = pairs_of(duplicate_groups(looks, threshold=0.6))
    assert found == {
        (24, 0): "same file", (29, 0): "same file", (25, 1): "same pixels",
        (26, 3): "hash", (27, 3): "hash",
    }  # fmt: skip


def test_vectors_propose_crops_and_pixels_decide(album):
    looks = look_at(album)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(31, 8)).astype(np.float32)
    vectors[28] = vectors[4] + 0.01  # the crop
    vectors[12] = vectors[13] + 0.01  # another image altogether
    found = pairs_of(duplicate_groups(looks, vectors, threshold=0.6))
    assert found[28, 4] == "embedding"
    assert (13, 12) not in found
    assert len(found) == 6


def test_copies_in_another_collection_are_found_once_each(album):
    train = open_source([coded(photo(seed), "JPEG", quality=95) for seed in (9, 0, 3, 1, 0)])
    test = look_at(album)
    found = {
        copy.row: (copy.of, copy.level)
        for copy in copies_among(look_at(train), test, threshold=0.6)
    }
    assert found == {
        9: (0, "same file"), 0: (1, "same file"), 24: (1, "same file"), 29: (1, "same file"),
        3: (2, "same file"), 26: (2, "hash"), 27: (2, "hash"), 1: (3, "same file"),
        25: (3, "same pixels"),
    }  # fmt: skip


def test_pairs_that_vectors_alone_propose_are_measured_by_themselves():
    rng = np.random.default_rng(0)
    others = np.tanh(rng.exponential(0.15, 40_000)).astype(np.float32)
    # of 4 pairs an image one in 4,000 may agree so well: the exponential law is known
    wanted = np.tanh(0.15 * np.log(4000))
    assert near_threshold(others, 0.5, 1e-3) == pytest.approx(wanted, abs=0.02)
    assert near_threshold(others, 0.95, 1e-3) == 0.95, "never below that of other pairs"
    copies = np.concatenate([others[:1000], np.full(1000, 0.97, np.float32)])
    assert near_threshold(copies, 0.5, 1e-3) == 0.9, "copies everywhere are no measure"
    assert near_threshold(others, 0.5, None) == near_threshold(others[:99], 0.5, 1e-3) == 0.5


def test_thousands_of_one_hash_stay_linear():
    looks = look_at(open_source(np.stack([photo(2, 24)] * 3 + [photo(2, 24) ^ 1] * 3)))
    found = duplicate_groups(looks, threshold=0.6)
    assert [len(group.rows) for group in found] == [6]


def test_no_images_are_no_groups():
    looks = look_at(open_source([b"nothing"]))
    assert (len(looks), duplicate_groups(looks, threshold=0.6)) == (0, [])


def test_the_threshold_lies_between_others_and_altered_copies():
    images = [coded(photo(seed), "JPEG") for seed in range(150)]
    source = open_source(images)
    looks = look_at(source)
    found = agreement_threshold(looks, source=source)
    assert 0.5 <= found.value < 0.75, (found.value, np.quantile(found.others, [0.9, 0.97, 1]))
    assert min(found.found.values()) > 0.8, found.found
    looser = agreement_threshold(looks, 0.05)
    assert looser.value <= found.value
    assert looser.copies == {}


def test_among_no_vectors_there_is_no_neighbour():
    none, some = np.zeros((0, 4), np.float16), np.eye(4, dtype=np.float16)
    assert nearest_in_cells(none, some, 2)[0].tolist() == [[-1, -1]] * 4
    assert nearest_in_cells(none, none, 2)[0].shape == (0, 2)


def test_an_index_of_which_every_row_is_deleted_has_no_copies(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(coded(photo(number)))
    source = open_source(str(tmp_path / "*.png"))
    table = embed_to_table(load_encoder("random:resnet_mini"), source, tmp_path / "t.parquet")
    index = build_index(table, tmp_path / "i.index")
    delete_from_index(tmp_path / "i.index", index.columns(["key"])["key"].to_pylist())
    found = open_collection(str(tmp_path / "i.index"))
    assert duplicate_groups(found.looks, found.vectors, threshold=0.9) == []


@pytest.fixture
def shelf(tmp_path):
    images = [coded(photo(seed, 32)) for seed in range(6)]

    def made(ids):
        contents = np.array(
            [look_at(open_source([images[i]])).column("content")[0] for i in ids]
        )
        source = open_source([images[i] for i in ids])
        return source, Shelf(tmp_path / "kept", np.array(ids), contents.astype(np.uint64))

    return made


def test_what_is_kept_is_not_computed_again(shelf, monkeypatch):
    monkeypatch.setattr(kept_appearances, "PIECE", 2)
    read = []
    real = kept_appearances.appearance
    monkeypatch.setattr(
        kept_appearances, "appearance", lambda item: read.append(1) or real(item)
    )
    source, place = shelf([0, 1, 2, 3, 5])
    read.clear()
    first = look_at(source, shelf=place)
    assert (len(read), len(list(place.folder.glob("*.npy")))) == (5, 3)
    again = look_at(source, shelf=place)
    assert len(read) == 5
    for name in ("whole", "pixels", "size"):
        assert again.column(name).tolist() == first.column(name).tolist()
    assert [again.small(row).tolist() for row in range(5)] == [
        look_at(source).small(row).tolist() for row in range(5)
    ]
    source, place = shelf([0, 1, 3, 5])  # one was deleted: its piece alone is made again
    read.clear()
    fewer = look_at(source, shelf=place)
    assert (len(read), fewer.items.tolist()) == (1, [0, 1, 2, 3])
    assert len(list(place.folder.glob("*.npy"))) == 3


def test_damaged_results_are_computed_again(shelf):
    source, place = shelf([0, 1, 2])
    wanted = look_at(source, shelf=place).column("whole").tolist()
    (file,) = place.folder.glob("*.npy")
    whole = file.read_bytes()
    for damaged in (whole[:500], whole[: len(whole) // 2], b"", coded(photo(0))):
        file.unlink()  # what is still mapped must not change
        file.write_bytes(damaged)
        assert look_at(source, shelf=place).column("whole").tolist() == wanted
    file.unlink()
    np.save(file, np.arange(3))
    assert look_at(source, shelf=place).column("whole").tolist() == wanted
    file.unlink()
    with file.open("wb") as packed:
        np.savez(packed, a=np.arange(3))
    assert look_at(source, shelf=place).column("whole").tolist() == wanted


def test_an_image_that_is_kept_twice_is_no_copy_of_itself(shelf):
    source, place = shelf([0, 1, 2])
    look_at(source, shelf=place)
    (file,) = place.folder.glob("*.npy")
    rows = np.load(file)
    file.unlink()
    np.save(file, rows[[0, 1, 1, 2]])
    again = look_at(source, shelf=place)
    assert again.items.tolist() == [0, 1, 2]
    assert duplicate_groups(again, threshold=0.9) == []


def test_where_nothing_can_be_kept_memory_holds_it(shelf, monkeypatch):
    source, place = shelf([0, 1, 2])
    place.folder.write_text("no folder")
    assert look_at(source, shelf=place).items.tolist() == [0, 1, 2]
    place.folder.unlink()
    look_at(source, shelf=place)

    def refuse(file, missing_ok=False):
        raise OSError(errno.EROFS, "Read-only file system", str(file))

    monkeypatch.setattr(Path, "unlink", refuse)
    fewer, place = shelf([0, 2])
    assert look_at(fewer, shelf=place).items.tolist() == [0, 1]


def test_a_link_in_an_index_leads_to_nothing_that_is_swept(tmp_path):
    photos, mine, index = tmp_path / "photos", tmp_path / "mine", tmp_path / "i"
    for folder in (photos, mine):
        folder.mkdir()
    (photos / "a.png").write_bytes(coded(photo(0, 32)))
    np.save(mine / "precious.npy", np.arange(3))
    encoder = load_encoder("random:resnet_mini")
    build_index(embed_to_table(encoder, open_source(photos), tmp_path / "t.parquet"), index)
    for link, target in (("appearances", mine), ("", tmp_path)):
        place = index / "derived" / link
        place.parent.mkdir(exist_ok=True)
        place.symlink_to(target)
        (tmp_path / "appearances").mkdir(exist_ok=True)
        np.save(tmp_path / "appearances" / "precious.npy", np.arange(3))
        assert len(open_collection(str(index)).looks) == 1
        assert [file.name for file in mine.iterdir()] == ["precious.npy"]
        assert [f.name for f in (tmp_path / "appearances").iterdir()] == ["precious.npy"]
        place.unlink()
        if link:
            place.parent.rmdir()


def test_rules_say_which_image_stays(tmp_path):
    folder = tmp_path / "photos"
    (folder / "best").mkdir(parents=True)
    image = photo(1)
    big = cv2.resize(image, (192, 192), interpolation=cv2.INTER_CUBIC)
    for name, pixels, when in (
        ("a.png", image, 300),
        ("big.png", big, 200),
        ("best/c.png", image[:, ::-1], 100),
    ):
        (folder / name).write_bytes(coded(np.ascontiguousarray(pixels)))
        os.utime(folder / name, (when, when))
    source = open_source(folder)
    looks = look_at(source)
    (group,) = duplicate_groups(looks, threshold=0.6)

    def stays(rule):
        return source.key(int(looks.items[keep_rule(rule, looks, source)(group)])).split("/")[
            -1
        ]

    assert [stays(rule) for rule in ("largest", "oldest")] == ["big.png", "c.png"]
    prefix = next(source.key(i) for i in range(3) if "best" in source.key(i))[: -len("c.png")]
    assert stays(f"folder:{prefix}") == "c.png"
    assert keep_rule("typical", looks, source)(group) == group.medoid
    for wrong in ("newest", "folder:", "largest:x"):
        with pytest.raises(UserError, match="keep: must be largest"):
            keep_rule(wrong, looks, source)
    loose = open_source([coded(image), coded(image[::-1])])
    seen = look_at(loose)
    (pair,) = duplicate_groups(seen, threshold=0.6)
    with pytest.raises(UserError, match="must be files in a folder"):
        keep_rule("oldest", seen, loose)(pair)


def index_over(folders, tmp_path):
    encoder = load_encoder("random:resnet_mini")
    for name in folders:
        embed_to_table(encoder, open_source(tmp_path / name), tmp_path / f"{name}.parquet")
    first, *more = (tmp_path / f"{name}.parquet" for name in folders)
    build_index(first, tmp_path / "i")
    for table in more:
        append_to_index(tmp_path / "i", table)
    return open_collection(str(tmp_path / "i"))


def test_the_oldest_stays_of_an_index_over_two_folders(tmp_path):
    for name, when in (("new", 200), ("old", 100)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(coded(photo(0)))
        os.utime(tmp_path / name / "0.png", (when, when))
    found = index_over(["new", "old"], tmp_path)
    (group,) = duplicate_groups(found.looks, threshold=0.6)
    assert keep_rule("oldest", found.looks, found.source)(group) == 1


def test_copies_whose_names_are_no_text_are_listed_by_the_keys_of_the_table(tmp_path):
    (tmp_path / "odd").mkdir()
    for name, when in ((b"\xe9.png", 200), (b"\xea.png", 100)):
        path = tmp_path / "odd" / name.decode(errors="surrogateescape")
        path.write_bytes(coded(photo(0)))
        os.utime(path, (when, when))
    found = index_over(["odd"], tmp_path)
    groups = duplicate_groups(found.looks, threshold=0.6)
    choose = keep_rule("oldest", found.looks, found.source)
    rows = group_decisions(groups, choose, found.looks, found.source, "oldest").to_pylist()
    assert [(row["key"], row["decision"], row["other"]) for row in rows] == [
        ("\\xea.png", "keep", None), ("\\xe9.png", "drop", "\\xea.png"),
    ]  # fmt: skip
    assert found.images()["key"].to_pylist() == ["\\xe9.png", "\\xea.png"]


def test_a_folder_in_which_no_image_lies_is_refused(album):
    with pytest.raises(
        UserError, match="folder must be what a key begins with, got '/nowhere'"
    ):
        keep_rule("folder:/nowhere", look_at(album), album)


def test_decisions_are_written_replaced_and_taken_back_and_those_by_hand_stay(album, tmp_path):
    looks = look_at(album)
    found = duplicate_groups(looks, threshold=0.6)
    path = tmp_path / "curation.parquet"
    hand = decided(["24"], [None], "keep", reason="duplicate", by="hand")
    dark = decided(["7"], [None], "drop", reason="dark", by="issues")
    choose = keep_rule("typical", looks, album)
    table = group_decisions(found, choose, looks, album, "typical")
    keep_decisions(path, table, instead="duplicate")
    dropped = {
        row["key"]: row["other"]
        for row in read_decisions(path).to_pylist()
        if row["decision"] == "drop"
    }
    assert dropped == {"24": "0", "29": "0", "25": "1", "26": "3", "27": "3"}
    kept = {row["key"] for row in read_decisions(path).to_pylist() if row["decision"] == "keep"}
    assert kept == {"0", "1", "3"}
    keep_decisions(path, hand)
    keep_decisions(path, dark)
    other = group_decisions(found[:1], choose, looks, album, "other")
    keep_decisions(path, other, instead="duplicate")
    words = {row["key"]: row["verdict"] for row in verdicts(read_decisions(path)).to_pylist()}
    assert words["24"] == "keep", "a hand beats rules"
    assert words["7"] == "drop"
    assert "25" not in words, "what the rule before decided is replaced"
    assert undo_rule_decisions(path, "duplicate") >= 2
    left = [(row["key"], row["by"]) for row in read_decisions(path).to_pylist()]
    assert left == [("24", "hand"), ("7", "issues")]
    assert undo_rule_decisions(tmp_path / "none.parquet", "duplicate") == 0
