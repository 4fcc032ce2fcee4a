import os
import pickle
import shutil
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ilk.core.errors import UserError
from ilk.data import BadItem, Folder, Reader, labels, open_source
from ilk.data import folder as folder_module
from ilk.data.source import ENDINGS
from tests.data.zoo import age, good_files, written


def slow_listing(root: Path) -> list[str]:
    """Every image by os.walk, sorted by folder and then by name."""
    found = []
    for top, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower().encode() in ENDINGS:
                parent = os.path.relpath(top, root)
                found.append((b"" if parent == "." else os.fsencode(parent), os.fsencode(name)))
    return [os.fsdecode(b"/".join(path).lstrip(b"/")) for path in sorted(found)]


def keys(source: Folder) -> list[str]:
    return [source.key(index) for index in range(len(source))]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return grown(tmp_path / "tree", 300)


def grown(root: Path, count: int) -> Path:
    """Images in folders of several depths, among other files."""
    rng = np.random.default_rng(0)
    endings = ["jpg", "JPG", "jpeg", "png", "WebP", "tiff"]
    for number in range(count):
        a, b, c = rng.integers(0, 6, 3)
        folder = root / [f"c{a}", f"c{a}/d-{b}", f"c{a}/d-{b}/e.{c}", f"c{a}.x/d"][number % 4]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"\u00e4{rng.integers(1e9)}.{endings[number % 6]}").touch()
    for name in ("c0/read.me", "c0/.hidden.jpg", ".git/x.jpg", "c1/list.txt", "c1/none"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).touch()
    (root / "c2" / "folder.jpg").mkdir()
    age(root)
    return root


def test_the_listing_is_that_of_a_walk(tmp_path: Path) -> None:
    root = grown(tmp_path / "tree", 3000)
    source = Folder(root)
    assert len(source) == 3000
    assert keys(source) == slow_listing(root)
    np.testing.assert_array_equal(keys(Folder(root)), keys(source))


@given(st.sets(st.binary(min_size=1, max_size=40).filter(lambda name: not {*name} & {*b"\0/"})))
def test_names_come_in_the_order_of_their_bytes(names: set[bytes]) -> None:
    mixed = list(names)
    sizes = np.array([len(name) for name in mixed], np.uint16)
    blob, ordered = folder_module._in_order(mixed, sizes)
    assert blob == b"".join(sorted(mixed))
    assert ordered.tolist() == [len(name) for name in sorted(mixed)]


def test_top_folders_are_the_classes(tree: Path) -> None:
    source = Folder(tree)
    assert source.classes == tuple(sorted({key.split("/")[0] for key in keys(source)}))
    assert [source.classes[label] for label in labels(source)] == [
        key.split("/")[0] for key in keys(source)
    ]


@pytest.mark.parametrize(
    ("files", "classes", "numbers"),
    [
        (["a/1.jpg", "b/2.jpg"], ("a", "b"), [0, 1]),
        (["a/x/1.jpg", "a/y/2.jpg", "b/2.jpg"], ("a", "b"), [0, 0, 1]),
        (["top/a/1.jpg", "top/b/c/2.jpg"], ("a", "b"), [0, 1]),
        (["0.jpg", "a/1.jpg", "b/2.jpg"], ("a", "b"), [-1, 0, 1]),
        (["0.jpg", "1.jpg", "a/1.jpg", "b/2.jpg"], (), [-1, -1, -1, -1]),
        (
            ["0.jpg", "t/a/1.jpg", "t/b/2.jpg", "t/3.jpg", "t/b/4.jpg"],
            ("a", "b"),
            [-1, -1, 0, 1, 1],
        ),
        (["test/a/1.jpg", "train/a/1.jpg", "train/b/2.jpg"], ("a", "b"), [0, 0, 1]),
        (["test/1.jpg", "train/2.jpg"], (), [-1, -1]),
        (["train/1.jpg", "car/2.jpg"], ("car", "train"), [0, 1]),
        (["a/1.jpg", "a/2.jpg"], (), [-1, -1]),
        (["1.jpg", "2.jpg"], (), [-1, -1]),
        (["a/0.jpg", "a/x/1.jpg"], (), [-1, -1]),
    ],
)
def test_classes_of_small_trees(tmp_path: Path, files, classes, numbers) -> None:
    source = Folder(written(tmp_path, dict.fromkeys(files, b"x")))
    assert source.classes == classes
    assert labels(source).tolist() == numbers


def listed_calls(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """A list that grows with every folder that is really listed."""
    calls: list[bytes] = []
    scan = folder_module._scan

    def counting(top, path, *rest):
        calls.append(path)
        return scan(top, path, *rest)

    monkeypatch.setattr(folder_module, "_scan", counting)
    return calls


def test_a_second_look_lists_nothing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Folder(tree)
    calls = listed_calls(monkeypatch)
    second = Folder(tree)
    assert not calls
    assert keys(second) == keys(first)
    assert (second.classes, second.fingerprint) == (first.classes, first.fingerprint)


@pytest.mark.parametrize("change", ["add", "remove", "rename", "add folder", "remove folder"])
def test_a_change_is_noticed(tree: Path, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Folder(tree)
    calls = listed_calls(monkeypatch)
    victim = next(path for path in sorted((tree / "c3" / "d-1").iterdir()) if path.is_file())
    if change == "add":
        (tree / "c3" / "d-1" / "new.png").touch()
    elif change == "remove":
        victim.unlink()
    elif change == "rename":
        victim.rename(victim.with_name("other.png"))
    elif change == "add folder":
        (tree / "c9").mkdir()
        (tree / "c9" / "a.png").touch()
    else:
        shutil.rmtree(tree / "c3" / "d-1")
    after = Folder(tree)
    assert calls
    assert keys(after) == slow_listing(tree) != keys(before)
    assert after.fingerprint != before.fingerprint


def test_a_folder_that_is_still_changing_is_not_remembered(
    tree: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time_ns()
    os.utime(tree / "c3", ns=(now, now))
    Folder(tree)
    assert not list(own_cache.iterdir())
    age(tree)
    Folder(tree)
    calls = listed_calls(monkeypatch)
    Folder(tree)
    assert len(list(own_cache.iterdir())) == 1
    assert not calls


@pytest.mark.parametrize("damage", ["garbage", "cut", "empty", "unwritable"])
def test_a_useless_cache_is_no_error(
    tree: Path, own_cache: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Folder(tree)
    (kept,) = own_cache.iterdir()
    if damage == "unwritable":
        monkeypatch.setenv("ILK_CACHE", str(kept / "below-a-file"))
    else:
        whole = kept.read_bytes()
        bad = {"garbage": b"garbage", "cut": whole[: len(whole) // 2], "empty": b""}
        kept.write_bytes(bad[damage])
    assert keys(Folder(tree)) == slow_listing(tree)


def test_cycles_of_links_end_and_links_are_followed(tmp_path: Path) -> None:
    outside = written(tmp_path / "outside", {"far.jpg": b"far"})
    root = written(tmp_path / "root", {"a/1.jpg": b"1", "b/2.jpg": b"2"})
    (root / "a" / "up").symlink_to(root)
    (root / "b" / "over").symlink_to(root / "a")
    (root / "c").symlink_to(outside)
    (root / "d.jpg").symlink_to(outside / "far.jpg")
    source = Folder(root)
    assert keys(source) == ["d.jpg", "a/1.jpg", "b/2.jpg", "c/far.jpg"]
    assert source.item(0) == source.item(3) == b"far"


def test_the_fingerprint_follows_the_content_and_not_the_place(tmp_path: Path) -> None:
    root = written(tmp_path / "one", {"a/1.jpg": b"1", "b/2.jpg": b"22"})
    print_ = Folder(root).fingerprint
    shutil.copytree(root, tmp_path / "two")
    (tmp_path / "two" / "empty").mkdir()
    assert Folder(tmp_path / "two").fingerprint == print_
    (root / "b" / "2.jpg").write_bytes(b"333")
    assert Folder(root).fingerprint != print_


def test_files_that_cannot_be_read_are_bad(tmp_path: Path) -> None:
    good = good_files()["colour.png"]
    names = [f"{number}.png" for number in range(30)]
    root = written(tmp_path, dict.fromkeys(names, good))
    (root / "5.png").unlink()
    (root / "5.png").symlink_to(root / "nowhere")
    (root / "7.png").unlink()
    os.mkfifo(root / "7.png")
    (root / "8.png").unlink()
    (root / "8.png").symlink_to(root / "8.png")
    source = Folder(root)
    (root / "3.png").unlink()
    with (root / "9.png").open("wb") as file:
        file.truncate(2**30 + 1)
    reader = Reader(source, max_bad_share=0.2)
    for index in range(30):
        reader.read(index)
    assert {record.key: record.reason for record in reader.bad} == {
        "3.png": "unreadable: the file has vanished",
        "5.png": "unreadable: the file has vanished",
        "7.png": "unreadable: not a regular file",
        "8.png": "unreadable: a symbolic link to itself",
        "9.png": "too large: 1.0 GiB, at most 1",
    }


def test_permission_denied_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Folder(written(tmp_path, {"a.jpg": b"x"}))

    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)  # root may read everything
    with pytest.raises(BadItem, match="permission denied"):
        source.item(0)


def test_a_folder_that_cannot_be_listed_is_told_and_skipped(
    tree: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = folder_module._scan

    def denying(top, path, *rest):
        if path == b"c3":
            raise PermissionError(13, "Permission denied")
        return scan(top, path, *rest)

    monkeypatch.setattr(folder_module, "_scan", denying)
    with pytest.warns(UserWarning, match=r"c3: skipped, Permission denied"):
        source = Folder(tree)
    assert keys(source) == [key for key in slow_listing(tree) if not key.startswith("c3/")]
    assert not list(own_cache.iterdir())


def test_a_folder_that_cannot_be_read_at_all_is_named(tree: Path, own_cache: Path, monkeypatch):
    def denying(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(folder_module, "_scan", denying)
    with (
        pytest.warns(UserWarning, match="skipped, Permission denied"),
        pytest.raises(UserError, match=r"cannot be read: 1 .such as \..; make them readable$"),
    ):
        Folder(tree)


def test_the_table_is_small(tmp_path: Path) -> None:
    tree = grown(tmp_path / "tree", 3000)
    Folder(tree)
    tracemalloc.start()
    source = Folder(tree)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held / len(source) < 100
    assert len(pickle.dumps(source)) / len(source) < 100


def test_names_that_are_not_unicode(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a")
    (tmp_path / os.fsdecode(b"\xff.jpg")).write_bytes(b"odd")
    source = Folder(tmp_path)
    assert source.item(1) == b"odd"
    assert os.fsencode(source.key(1)) == b"\xff.jpg"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("missing", "must be an existing folder"),
        ("x" * 5000, "must be a path, got: .*File name too long"),
        ("x" * 5000 + ".jpg", "must be a path, got: .*File name too long"),
        ("missing:train", "must be an existing folder"),
        ("empty", "must hold images, found nothing; known endings"),
        ("texts", "must hold images, found files that end in .txt: 2"),
        ("texts:train", "sub-folder 'train' must exist, found none"),
        ("texts/one.txt", "must be a folder, .zip"),
        ("*.tar", "must be an existing folder"),
    ],
)
def test_what_holds_no_images_is_an_error(tmp_path: Path, spec: str, message: str) -> None:
    written(tmp_path, {"texts/one.txt": b"1", "texts/two.txt": b"2", "one.jpg": b"1"})
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=message):
        open_source(f"{tmp_path}/{spec}")
