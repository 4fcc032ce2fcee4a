"""Locks that end with their holder."""

import errno
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ilk.core import UserError, holder, lock
from ilk.core.locks import lock_file

HOLD = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from ilk.core.locks import lock
with lock(Path(sys.argv[1]), "x"):
    print("held", flush=True)
    time.sleep(600)
"""


def refused(place: Path, why: str) -> None:
    with pytest.raises(UserError, match=why), lock(place, "-o"):
        pass


@pytest.fixture
def other(tmp_path):
    """Starts another process that holds the lock of a place."""
    started = []

    def start(place: Path) -> subprocess.Popen[str]:
        source = str(Path(__file__).parents[2] / "src")
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(place), source], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.slow
def test_a_killed_process_lets_go_and_is_named_before(tmp_path, other):
    process = other(tmp_path / "a")
    found = holder(tmp_path / "a")
    assert found.pid == process.pid
    assert str(tmp_path) in found.command
    began = time.monotonic()
    refused(tmp_path / "a", rf"^-o: {tmp_path}/a .*process {process.pid} on \S+ since")
    assert time.monotonic() - began < 10
    process.kill()
    process.wait()
    assert holder(tmp_path / "a") is None
    with lock(tmp_path / "a", "-o"):
        assert holder(tmp_path / "a").pid == os.getpid()
    assert not list(tmp_path.iterdir())


def test_one_at_a_time_in_one_process_as_well(tmp_path):
    place = tmp_path / "results.json"
    held: list[int] = []

    def count() -> None:
        for _ in range(20):
            with lock(place, "x", wait=60):
                held.append(len(held))
                number = len(held)
                time.sleep(0.001)
                assert len(held) == number

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert held == list(range(80))
    assert not list(tmp_path.iterdir())


def test_files_of_one_directory_do_not_wait_for_each_other(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    with lock(tmp_path / "a", "x"), lock(tmp_path / "b", "x"):
        refused(tmp_path / "link" / "a", "used by one process at a time")
        assert holder(tmp_path / "a") is not None
        assert holder(tmp_path / "b") is not None


def test_looking_does_not_keep_others_out(tmp_path):
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            holder(tmp_path / "a")

    thread = threading.Thread(target=look)
    thread.start()
    held = 0
    try:
        for _ in range(50):
            with lock(tmp_path / "a", "x", wait=60):
                held += 1
    finally:
        stop.set()
        thread.join()
    assert held == 50


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_disk_that_cannot_lock_is_used_and_says_so(tmp_path, monkeypatch, code):
    def fails(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("ilk.core.locks.fcntl.flock", fails)
    with pytest.warns(UserWarning, match="cannot lock"), lock(tmp_path / "a", "x"):
        assert holder(tmp_path / "a") is None


def test_a_system_without_locks_is_used_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("ilk.core.locks.fcntl", None)
    with pytest.warns(UserWarning, match="cannot lock"), lock(tmp_path / "a", "x"):
        assert holder(tmp_path / "a") is None


@pytest.mark.parametrize(
    "words", [b"", b"{", b"[1]", b"{}", b'{"pid": "x"}', b"\xff\xfe", b"[" * 4096]
)
def test_what_a_stranger_wrote_into_a_lock_is_only_shown(tmp_path, words):
    with lock(tmp_path / "a", "x"):
        lock_file(tmp_path / "a").write_bytes(words)
        assert holder(tmp_path / "a").pid == 0
        with (
            pytest.raises(UserError, match="process 0 on an unknown host"),
            lock(tmp_path / "a", "x"),
        ):
            pass


def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path):
    target = tmp_path / "precious"
    target.write_text("mine")
    (tmp_path / ".a.lock").symlink_to(target)
    with pytest.raises(UserError, match="must be writable"), lock(tmp_path / "a", "x"):
        pass
    assert target.read_text() == "mine"


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"^x: .* must be writable"), lock(
        tmp_path / "file/a", "x"
    ):  # fmt: skip
        pass


def test_the_lock_says_who_and_since_when(tmp_path):
    with lock(tmp_path / "a", "x"):
        wrote = json.loads(lock_file(tmp_path / "a").read_text())
    assert wrote.keys() == {"pid", "host", "command", "since"}
