"""Files written whole or not at all, on every kind of place that will not have them."""

import errno
import os
import stat
import time
from pathlib import Path

import pytest

from ilk.core import UserError, check_writable, replacing, sweep, sweep_old, write_whole


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    place = tmp_path / "new/folder/a.json"
    write_whole(place, "first\n", "record")
    write_whole(place, "sécond\n".encode(), "record")
    assert place.read_bytes() == "sécond\n".encode()
    assert names(place.parent) == ["a.json"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(place.stat().st_mode) == 0o666 & ~mask


def half_written(place: Path, end: BaseException) -> None:
    with replacing(place, "x") as beside:
        beside.write_text("half")
        raise end


def test_whatever_ends_the_block_keeps_the_old_file(tmp_path):
    place = tmp_path / "a"
    place.write_text("old")
    for end in (KeyboardInterrupt(), ValueError("no"), UserError("no")):
        with pytest.raises(type(end)):
            half_written(place, end)
        assert place.read_text() == "old"
        assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
@pytest.mark.parametrize(
    "code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EIO]
)
def test_a_disk_that_fails_is_one_line_and_the_old_file(tmp_path, monkeypatch, call, code):
    place = tmp_path / "a"
    place.write_text("old")

    def fails(*_):
        raise OSError(code, os.strerror(code))

    if call == "fsync":
        monkeypatch.setattr(os, "fsync", fails)
    else:
        monkeypatch.setattr(Path, {"write": "write_bytes", "replace": "replace"}[call], fails)
    with pytest.raises(UserError, match=f"'{os.strerror(code)}'; what was there is kept, free"):
        write_whole(place, "new", "x", "free some space")
    monkeypatch.undo()
    assert place.read_text() == "old"
    assert names(tmp_path) == ["a"]


def wrong_places(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    return {
        "below a file": tmp_path / "file/a",
        "far below a file": tmp_path / "file/b/c/a",
        "a folder": tmp_path / "folder",
        "a pipe": tmp_path / "pipe",
        "a device": Path(os.devnull),
        "below a loop": tmp_path / "loop/a",
        "a name too long": tmp_path / ("n" * 256),
        "where the system lets nothing be made": Path("/proc/nothing/a"),
    }


def test_wrong_places_are_one_line_before_and_at_the_writing(tmp_path):
    places = wrong_places(tmp_path)
    before = names(tmp_path)
    for place in places.values():
        for write in (check_writable, lambda path, subject: write_whole(path, "x", subject)):
            with pytest.raises(UserError, match=r"^-o: .* must be writable, got '.+'; noth"):
                write(place, "-o")
    assert names(tmp_path) == before
    assert names(tmp_path / "folder") == []
    assert Path(os.devnull).is_char_device()


def test_names_of_the_greatest_length_are_written(tmp_path):
    place = tmp_path / ("ä" * 127 + "b")
    check_writable(place, "x")
    write_whole(place, "x", "x")
    assert place.read_text() == "x"


def test_checking_changes_nothing(tmp_path):
    place = tmp_path / "a"
    place.write_text("old")
    check_writable(place, "x")
    assert place.read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_only_what_killed_processes_left_beside_a_file_is_swept(tmp_path):
    ours = [".a.json.0123456789abcdef.tmp", ".a.json.4711.tmp"]
    others = [
        ".b.json.0123456789abcdef.tmp", ".a.json.tmp", ".a.json.notes.tmp", "a.json.12.tmp",
        ".aXjson.12.tmp", "a.json",
    ]  # fmt: skip
    for name in ours + others:
        (tmp_path / name).write_text("")
    (tmp_path / ".a.json.99.tmp").mkdir()
    sweep(tmp_path / "a.json", tmp_path / "missing/a.json")
    assert names(tmp_path) == sorted([*others, ".a.json.99.tmp"])


def test_old_leavings_of_a_cache_go_and_nothing_else(tmp_path):
    names = {
        ".listing-ab.npz.0123456789abcdef.tmp": 2 * 86_400,  # left by a process that was killed
        ".features-cd.arrow.fedcba9876543210.tmp": 60,  # on its way
        "listing-ab.npz": 2 * 86_400,
        ".notes.tmp": 2 * 86_400,
        ".listing-ab.npz.short.tmp": 2 * 86_400,
    }
    for name, age in names.items():
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    sweep_old(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(list(names)[1:])
    sweep_old(tmp_path / "missing")


def test_what_a_killed_save_leaves_has_the_name_that_is_swept(tmp_path):
    with replacing(tmp_path / "listing-ab.npz", "cache") as beside:
        os.utime(beside, (0, 0))
        sweep_old(tmp_path)
        assert not beside.exists()
        beside.write_text("again")
