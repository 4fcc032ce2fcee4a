import gzip
import json
import pickle
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ilk.core.errors import UserError
from ilk.data import BadItem, Shards, Zip, labels, open_source
from ilk.data import shards as shards_module
from tests.data.zoo import tarred, zipped

FILES = {
    f"{kind}/{number}.jpg": f"{kind}{number}".encode() * 50
    for kind in "ab"
    for number in range(9)
}


def items(source) -> dict[str, bytes]:
    return {source.key(index): source.item(index) for index in range(len(source))}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_gives_its_files(tmp_path: Path, method: int) -> None:
    extra = {"b/list.txt": b"1", "a/.x.jpg": b"2", "__MACOSX/a/0.jpg": b"3", "a/sub/": b""}
    path = zipped(tmp_path / "x.zip", dict(reversed(FILES.items())) | extra, method)
    source = open_source(str(path))
    assert items(source) == FILES
    assert [source.key(index) for index in range(18)] == sorted(FILES)
    assert source.classes == ("a", "b")
    assert labels(source).tolist() == [0] * 9 + [1] * 9


def test_a_folder_of_a_zip(tmp_path: Path) -> None:
    files = {f"set/train/{name}": data for name, data in FILES.items()}
    path = zipped(
        tmp_path / "x.zip", files | {"set/test/c/1.jpg": b"1", "set/training.jpg": b"2"}
    )
    source = open_source(f"{path}:set/train")
    assert items(source) == FILES
    assert source.classes == ("a", "b")
    with pytest.raises(UserError, match="below val"):
        open_source(f"{path}:val")


def test_the_fingerprint_of_a_zip_follows_the_content(tmp_path: Path) -> None:
    one, two = (zipped(tmp_path / name, FILES) for name in ("1.zip", "2.zip"))
    stored = zipped(tmp_path / "3.zip", FILES, zipfile.ZIP_STORED)
    other = zipped(tmp_path / "4.zip", FILES | {"a/0.jpg": b"c0" * 50})
    assert Zip(one).fingerprint == Zip(two).fingerprint == Zip(stored).fingerprint
    assert Zip(one).fingerprint != Zip(other).fingerprint


def test_damage_in_a_zip_is_noticed(tmp_path: Path) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path = zipped(tmp_path / "x.zip", FILES, method)
        source = Zip(path)
        data = bytearray(path.read_bytes())
        place = data.index(b"a/0.jpg") + 7
        data[place + 3] ^= 0xFF
        path.write_bytes(data)
        with pytest.raises(BadItem, match="damaged"):
            source.item(0)
        assert source.item(1) == FILES["a/1.jpg"]
    path.write_bytes(data[: place + 5])
    with pytest.raises(BadItem, match="truncated"):
        source.item(0)


def test_zips_that_cannot_be_read_in_place(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", FILES, zipfile.ZIP_LZMA)
    with pytest.raises(UserError, match="compressed by LZMA"):
        Zip(path)
    path.write_bytes(b"nothing")
    with pytest.raises(UserError, match="must be a whole zip"):
        Zip(path)
    with pytest.raises(UserError, match="found none among 1"):
        Zip(zipped(path, {"a.txt": b"1"}))


def sample(number: int, label: object, kind: str = "cls") -> dict[str, bytes]:
    return {
        f"{number:04}.jpg": f"image {number}".encode(),
        f"{number:04}.{kind}": str(label).encode(),
    }


def shard(path: Path, numbers: range, kind: str = "cls", names: bool = False) -> Path:
    files: dict[str, bytes] = {}
    for number in numbers:
        label = f"class {number % 3}" if names else number % 3
        files |= sample(
            number, json.dumps({"id": 7, "label": label}) if kind == "json" else label, kind
        )
    return tarred(path, files)


@pytest.mark.parametrize("kind", ["cls", "json", "txt"])
@pytest.mark.parametrize("names", [False, True])
def test_shards_give_samples_and_labels(tmp_path: Path, kind: str, names: bool) -> None:
    shard(tmp_path / "part-0.tar", range(10), kind, names)
    shard(tmp_path / "part-1.tar", range(10, 15), kind, names)
    source = open_source(f"{tmp_path}/part-*.tar")
    assert [source.item(index) for index in range(15)] == [
        f"image {n}".encode() for n in range(15)
    ]
    assert source.classes == (("class 0", "class 1", "class 2") if names else ("0", "1", "2"))
    assert labels(source).tolist() == [n % 3 for n in range(15)]
    assert source.key(12) == "part-1.tar/0012.jpg"


def test_a_single_shard_and_a_list_of_shards(tmp_path: Path) -> None:
    one = shard(tmp_path / "part-0.tar", range(10))
    two = shard(tmp_path / "part-1.tar", range(10, 15))
    assert list(items(open_source(one)))[3] == "0003.jpg"
    both = open_source([str(one), str(two)])
    assert labels(both).tolist() == [n % 3 for n in range(15)]


def test_layouts_of_samples(tmp_path: Path) -> None:
    files = {
        "./a/1.json": b'{"width": 3}', "./a/1.mask.png": b"mask", "./a/1.jpg": b"one",
        "b/2.png": b"two", "b/2.cls": b"5", "b/2.txt": b"a caption",
        "b/3.x.jpg": b"three", "b/3.y.jpg": b"four", "b/4.txt": b"without an image",
        "b/._5.jpg": b"hidden",
    }  # fmt: skip
    source = Shards([tarred(tmp_path / "x.tar", files)], "x")
    assert items(source) == {
        "a/1.jpg": b"one", "b/2.png": b"two", "b/3.x.jpg": b"three", "b/3.y.jpg": b"four",
    }  # fmt: skip
    assert labels(source).tolist() == [-1, 5, -1, -1]


def test_captions_are_no_classes(tmp_path: Path) -> None:
    files: dict[str, bytes] = {}
    for number in range(9):
        files |= sample(number, f"an image of {number}", "txt")
    source = Shards([tarred(tmp_path / "x.tar", files)], "x")
    assert source.classes == ()
    assert set(labels(source)) == {-1}


def test_folders_of_a_tar_are_classes(tmp_path: Path) -> None:
    files = {f"set/train/{name}": data for name, data in FILES.items()}
    path = tarred(tmp_path / "x.tar", files | {"set/test/c/1.jpg": b"1"})
    source = open_source(f"{path}:set/train")
    assert items(source) == FILES
    assert source.classes == ("a", "b")
    assert labels(source).tolist() == [0] * 9 + [1] * 9
    with pytest.raises(UserError, match="below val"):
        open_source(f"{path}:val")


def test_a_shard_is_scanned_once_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shard(tmp_path / "x.tar", range(10))
    first = Shards([path], "x")
    calls = []
    index = shards_module.indexed
    monkeypatch.setattr(
        shards_module, "indexed", lambda opened: calls.append(1) or index(opened)
    )
    second = Shards([path], "x")
    assert not calls
    assert items(second) == items(first)
    assert second.fingerprint == first.fingerprint
    assert labels(second).tolist() == labels(first).tolist()
    third = Shards([shard(path, range(11))], "x")
    assert calls
    assert len(third) == 11
    assert third.fingerprint != first.fingerprint


@pytest.mark.parametrize("cut", [1, 300, 512, 700, 2000])
def test_a_shard_cut_short_is_an_error(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "x.tar"
    files = {f"{number}.jpg": bytes([number + 1]) * 700 for number in range(4)}
    whole = tarred(path, files).read_bytes()
    end = 4 * (512 + 1024)
    path.write_bytes(whole[: end - cut])
    with pytest.raises(UserError, match="whole, uncompressed tar"):
        Shards([path], "x")


def test_damaged_and_compressed_shards_are_errors(tmp_path: Path) -> None:
    path = shard(tmp_path / "x.tar", range(10))
    data = bytearray(path.read_bytes())
    data[5 * 1024 + 20] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="damaged header at byte 5120"):
        Shards([path], "x")
    path.write_bytes(gzip.compress(bytes(data)))
    with pytest.raises(UserError, match="undo its compression"):
        Shards([path], "x")
    with pytest.raises(UserError, match="found none"):
        Shards([tarred(path, {"a.txt": b"1"})], "x")


def test_a_shard_that_shrinks_gives_bad_items(tmp_path: Path) -> None:
    path = shard(tmp_path / "x.tar", range(10))
    source = Shards([path], "x")
    path.write_bytes(path.read_bytes()[:515])
    with pytest.raises(BadItem, match=r"truncated: x\.tar ends after 3 of its 7 bytes"):
        source.item(0)
    path.unlink()
    with pytest.raises(BadItem, match="vanished"):
        source.item(0)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_many_threads_and_a_pickled_copy_read_the_same(tmp_path: Path, kind: str) -> None:
    path = (zipped if kind == "zip" else tarred)(tmp_path / f"x.{kind}", FILES)
    source = open_source(str(path))
    other = pickle.loads(pickle.dumps(source))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(source.item, [*range(18)] * 20))
    assert found == list(FILES.values()) * 20
    assert items(other) == FILES
