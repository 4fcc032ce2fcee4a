"""What other systems write is read as its maker means it, or counted with the reason."""

import contextlib
import io
import json
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from ilk.core.errors import UserError
from ilk.data import BadItem, LeftOut, Shards, Subset, Zip, labels, left_out, open_source
from ilk.data.account import Tally, packed, unpacked
from ilk.data.leavings import HIDDEN, SYSTEM
from tests.data.zoo import LEAVINGS, age, linked, tarred, written, zipped, zipped_as

FILES = {f"{kind}/{number}.jpg": f"{kind}{number}".encode() for kind in "ab" for number in "12"}
NFC, NFD = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))


def items(source) -> dict[str, bytes]:
    return {source.key(index): source.item(index) for index in range(len(source))}


def counts(source) -> dict[str, int]:
    return {entry.reason: entry.count for entry in left_out(source)}


def made(kind: str, root: Path, files: dict[str, bytes]):
    if kind == "folder":
        return open_source(written(root / "x", files))
    return open_source((zipped if kind == "zip" else tarred)(root / f"x.{kind}", files))


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_what_other_systems_leave_is_neither_an_image_nor_forgotten(tmp_path, kind) -> None:
    source = made(kind, tmp_path, FILES | dict.fromkeys(LEAVINGS, b"left"))
    assert items(source) == FILES
    assert source.classes == ("a", "b")
    assert not source.unlabelled_because
    if kind != "folder":  # where folders are counted and not what is in them
        assert sum(counts(source).values()) == len(LEAVINGS)


def test_a_folder_says_what_it_left_out(tmp_path: Path) -> None:
    others = ["a/x.txt", "b/y.TXT", "b/raw.cr2", "b/readme", ".DS_Store", "a/._1.jpg"]
    root = written(tmp_path / "x", FILES | dict.fromkeys(others, b""))
    written(root, {"@eaDir/1.jpg": b"", ".git/1.jpg": b""})
    first = open_source(root)
    kept = open_source(root)  # from the listing that was kept
    assert first.left_out == kept.left_out
    assert counts(first) == {
        "files that end in .txt": 2,
        "files that end in .cr2": 1,
        "files without a usual ending": 1,
        "hidden files": 2,
        "hidden folders, not looked into": 1,
        "folders of thumbnails, deleted or side files, not looked into": 1,
    }
    assert left_out(Subset(first, np.array([0]))) == first.left_out
    assert counts(open_source([str(root), str(root)]))["hidden files"] == 4


def test_an_account_stays_small() -> None:
    tally = Tally()
    for number in range(1000):
        tally.add(f"reason {number % 30}", f"{number}.x")
    found = tally.result()
    assert len(found) == 21
    assert sum(entry.count for entry in found) == 1000
    assert unpacked(packed(found)) == found
    assert str(LeftOut("hidden files", 2, "a")) == "hidden files: 2 (such as a)"


def test_a_folder_of_containers_says_how_to_open_them(tmp_path: Path) -> None:
    written(tmp_path / "x", {"1.parquet": b"", "2.parquet": b"", "notes.txt": b""})
    with pytest.raises(
        UserError, match=r"files that end in \.parquet: 2 .*give .*x/\*\.parquet"
    ):
        open_source(tmp_path / "x")


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_folders_that_look_the_same_are_one_class(tmp_path: Path, kind: str) -> None:
    files = {f"{NFC}/1.jpg": b"1", f"{NFD}/2.jpg": b"2", "tea/3.jpg": b"3"}
    source = made(kind, tmp_path, files)
    assert source.classes == (NFC, "tea")
    found = {source.key(index): source.label(index) for index in range(3)}
    assert found == {f"{NFC}/1.jpg": 0, f"{NFD}/2.jpg": 0, "tea/3.jpg": 1}


def test_paths_that_look_the_same_are_found(tmp_path: Path) -> None:
    written(tmp_path / NFD / NFD, FILES)
    assert items(open_source(f"{tmp_path}/{NFC}:{NFC}")) == FILES


def test_a_tar_made_on_a_mac_keeps_its_labels(tmp_path: Path) -> None:
    files: dict[str, bytes] = {}
    for number in range(6):
        for name, data in (
            (f"{number}.jpg", b"image"),
            (f"{number}.cls", b"%d" % (number % 2)),
        ):
            files |= {
                f"._{name}": b"resource fork",
                f"PaxHeader/{name}": b"12 a=b\n",
                name: data,
            }
    source = Shards([tarred(tmp_path / "x.tar", files)], "x")
    assert labels(source).tolist() == [0, 1, 0, 1, 0, 1]
    assert counts(source) == {HIDDEN: 12, SYSTEM: 12}


def test_links_in_a_tar_are_what_they_stand_for(tmp_path: Path) -> None:
    files = {"a/1.jpg": b"one", "a/1.cls": b"cat", "b/2.jpg": b"two", "b/2.cls": b"dog"}
    links = {
        "c/3.jpg": (tarfile.LNKTYPE, "a/1.jpg"),
        "c/3.cls": (tarfile.LNKTYPE, "./b/2.cls"),
        "c/4.jpg": (tarfile.SYMTYPE, "../b/2.jpg"),
        "c/5.jpg": (tarfile.SYMTYPE, "4.jpg"),
        "c/6.jpg": (tarfile.SYMTYPE, "/etc/passwd"),
        "c/7.jpg": (tarfile.SYMTYPE, "../../b/2.jpg"),
        "c/8.jpg": (tarfile.SYMTYPE, "8.jpg"),
        "c/9.jpg": (tarfile.LNKTYPE, "gone.jpg"),
    }
    source = Shards([linked(tmp_path / "x.tar", files, links)], "x")
    images = {name: data for name, data in files.items() if name.endswith(".jpg")}
    assert items(source) == images | {"c/3.jpg": b"one", "c/4.jpg": b"two", "c/5.jpg": b"two"}
    assert labels(source).tolist() == [0, 1, 1, -1, -1]
    assert counts(source) == {"links that lead to no image in the archive": 4}


def test_links_in_a_zip_are_what_they_stand_for(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", FILES)
    with zipfile.ZipFile(path, "a") as archive:
        targets = ["../a/1.jpg", "3.jpg", "/etc/passwd", "6.jpg", "../../x.jpg"]
        for name, target in zip((f"b/{n}.jpg" for n in "34567"), targets, strict=True):
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, target)
    source = Zip(path)
    assert items(source) == FILES | {"b/3.jpg": b"a1", "b/4.jpg": b"a1"}
    assert counts(source) == {"links that lead to no image in the archive": 3}


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_of_members_of_one_name_the_last_counts(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"x.{kind}"
    if kind == "zip":
        zipped(path, FILES)
        with (
            zipfile.ZipFile(path, "a") as archive,
            pytest.warns(UserWarning, match="Duplicate"),
        ):
            archive.writestr("a/1.jpg", b"new")
    else:
        tarred(path, FILES)
        tarred(path, {"./a/1.jpg": b"new"}, "a")
    source = open_source(path)
    assert items(source) == FILES | {"a/1.jpg": b"new"}
    assert counts(source) == {
        "older members under a name that comes again; the last one counts": 1
    }


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_members_may_be_named_as_if_they_lay_elsewhere(tmp_path: Path, kind: str) -> None:
    files = {"/abs/1.jpg": b"1", "../up/2.jpg": b"2", ".//c/./3.jpg": b"3"}
    source = made(kind, tmp_path, files)
    assert items(source) == {"abs/1.jpg": b"1", "../up/2.jpg": b"2", "c/3.jpg": b"3"}
    assert not list(tmp_path.parent.glob("up"))


def unicode_path(raw: bytes, name: str) -> bytes:
    field = b"\1" + zlib.crc32(raw).to_bytes(4, "little") + name.encode()
    return (0x7075).to_bytes(2, "little") + len(field).to_bytes(2, "little") + field


def test_names_in_a_zip_are_read_as_they_are_meant(tmp_path: Path) -> None:
    raw = "ж/5.jpg".encode("cp1251")
    members = {
        b"a/1.jpg": {"data": b"1"},
        "é/2.jpg".encode(): {"data": b"2"},  # UTF-8 without the flag, as macOS writes it
        "ü/3.jpg".encode(): {"data": b"3", "utf8": True},
        "ä/4.jpg".encode("cp437"): {"data": b"4", "system": 0},
        raw: {"data": b"5", "extra": unicode_path(raw, "ж/5.jpg")},
        rb"w\6.jpg": {"data": b"6", "system": 0},
        rb"u\7.jpg": {"data": b"7"},  # on Unix this is a name
    }
    path = zipped_as(tmp_path / "x.zip", members)
    assert items(Zip(path)) == {
        "a/1.jpg": b"1", "é/2.jpg": b"2", "ü/3.jpg": b"3", "ä/4.jpg": b"4", "ж/5.jpg": b"5",
        "w/6.jpg": b"6", r"u\7.jpg": b"7",
    }  # fmt: skip


def field(at: int, value: int, size: int = 2):
    """Overwrite a field of the first entry of the directory."""

    def change(data: bytearray) -> None:
        place = data.index(b"PK\1\2") + at
        data[place : place + size] = value.to_bytes(size, "little")

    return change


def not_utf8(data: bytearray) -> None:
    for signature, flags, start in ((b"PK\1\2", 9, 46), (b"PK\3\4", 7, 30)):
        place = data.index(signature)
        data[place + flags] |= 8
        data[place + start] = 0xFF


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (field(6, 99), "zip file version 9.9"),  # needed to extract
        (field(8, 1), "must not be encrypted"),
        (field(10, 9), "compressed by Deflate64"),
        (field(10, 77), "compressed by method 77"),
        (field(34, 3), "one of several parts"),
        (field(42, 2**31, 4), "lies outside"),
        (field(20, 2**31, 4), "lies outside"),
        (not_utf8, "must be a whole zip archive that can be read"),
        (lambda data: data.__delitem__(slice(len(data) // 2, None)), "fetch it again"),
        (lambda data: data.__delitem__(slice(0, 40)), "must be a whole zip|lies outside"),
    ],
)  # fmt: skip
def test_a_zip_that_cannot_be_read_is_one_line(tmp_path: Path, change, message: str) -> None:
    data = bytearray(zipped(tmp_path / "x.zip", FILES).read_bytes())
    change(data)
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(UserError, match=message) as caught:
        Zip(tmp_path / "x.zip")
    assert "\n" not in str(caught.value)


def test_a_size_that_is_not_true_makes_a_bad_item(tmp_path: Path) -> None:
    data = bytearray(zipped(tmp_path / "x.zip", FILES).read_bytes())
    for size, reason in ((2**32 - 1, "too large"), (1, "checksum")):
        field(24, size, 4)(data)
        (tmp_path / "x.zip").write_bytes(data)
        source = Zip(tmp_path / "x.zip")
        with pytest.raises(BadItem, match=reason):
            source.item(0)
        assert source.item(1) == FILES["a/2.jpg"]


def test_damage_anywhere_in_a_zip_or_tar_is_never_a_traceback(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for kind in ("zip", "tar"):
        whole = (zipped if kind == "zip" else tarred)(
            tmp_path / f"x.{kind}", FILES
        ).read_bytes()
        whole = whole[: 512 * 20]
        read = 0
        for _ in range(400):
            data = bytearray(whole)
            for place in rng.integers(0, len(data), 3):
                data[place] = rng.integers(256)
            if kind == "tar":  # so that it is not only the checksum that notices
                for start in range(0, 4 * 1024, 1024):
                    block = data[start : start + 512]
                    block[148:156] = b" " * 8
                    data[start + 148 : start + 156] = b"%06o\0 " % sum(block)
            (tmp_path / f"y.{kind}").write_bytes(data)
            age(tmp_path)
            with contextlib.suppress(UserError):
                source = open_source(tmp_path / f"y.{kind}")
                for index in range(len(source)):
                    source.label(index)
                    with contextlib.suppress(BadItem):
                        source.item(index)
                        read += 1
        assert read, "damage of three bytes leaves some members readable"


def header(name: str, size: bytes, kind: bytes = b"0") -> bytes:
    """A block of a tar with any size field."""
    member = tarfile.TarInfo(name)
    block = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    block[124:136], block[156:157] = size, kind
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    "size",
    [
        b"\xff" * 12, b"\xff" * 10 + b"\xfe\x00", b"\x80" + b"\xff" * 11, b"-0000000512\0",
        b"zzzzzzzzzzz\0",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [b"0", b"x", b"L", b"S"])
def test_sizes_that_cannot_be_are_one_line(tmp_path: Path, size: bytes, kind: bytes) -> None:
    good = header("1.jpg", b"00000000003\0") + b"one".ljust(512, b"\0")
    path = tmp_path / "x.tar"
    path.write_bytes(good + header("2.jpg", size, kind) + bytes(1024))
    if kind == b"S" and size in (b"\xff" * 12, b"-0000000512\0"):  # the true size is elsewhere
        assert items(Shards([path], "x")) == {"1.jpg": b"one"}
        return
    with pytest.raises(UserError, match="whole, uncompressed tar") as caught:
        Shards([path], "x")
    assert "\n" not in str(caught.value)


def test_a_sparse_member_is_left_out(tmp_path: Path) -> None:
    path = tarred(tmp_path / "x.tar", {"1.jpg": b"one"})
    data = bytearray(path.read_bytes())
    member = tarfile.TarInfo("2.jpg")
    member.size = 3
    block = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    block[156:157] = tarfile.GNUTYPE_SPARSE
    block[386:410] = b"00000000000\0" + b"00000000003\0"  # one piece, of three bytes
    block[483:495] = b"00000001000\0"  # the real size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    data[1024:2048] = bytes(block) + b"two".ljust(512, b"\0")
    path.write_bytes(data)
    source = Shards([path], "x")
    assert items(source) == {"1.jpg": b"one"}
    assert counts(source) == {"sparse members, devices and the like": 1}


def test_archives_that_were_put_one_behind_the_other_are_refused(tmp_path: Path) -> None:
    one, two = (tarred(tmp_path / f"{n}.tar", {f"{n}.jpg": b"x"}).read_bytes() for n in "12")
    (tmp_path / "both.tar").write_bytes(one + two)
    with pytest.raises(UserError, match=r"a second archive at byte 10240.*--concatenate"):
        open_source(tmp_path / "both.tar")
    (tmp_path / "filled.tar").write_bytes(one[:9000] + b"filling" * 50)
    assert len(open_source(tmp_path / "filled.tar")) == 1


@pytest.mark.parametrize("ending", ["gz", "bz2", "xz"])
def test_a_compressed_tar_says_how_to_undo_it(tmp_path: Path, ending: str) -> None:
    tarred(tmp_path / f"x.tar.{ending}", FILES, f"w:{ending}")
    with pytest.raises(UserError, match=rf"undo its compression: \w+ x\.tar\.{ending}"):
        open_source(tmp_path / f"x.tar.{ending}")


def test_names_of_members_that_are_no_unicode(tmp_path: Path) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name in ("\udcff.jpg", "\udcff.cls"):
            member = tarfile.TarInfo(name)
            member.size = 1
            archive.addfile(member, io.BytesIO(b"3"))
    (tmp_path / "x.tar").write_bytes(file.getvalue())
    source = Shards([tmp_path / "x.tar"], "x")
    assert source.key(0) == "\udcff.jpg"
    assert labels(source).tolist() == [3]
    assert json.dumps([entry.first for entry in source.left_out])
