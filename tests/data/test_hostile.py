"""Files that mean harm: other programs, much memory, long waits."""

import os
import struct
import subprocess
import sys
import threading
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ilk.core import UserError
from ilk.data import BadItem, Folder, Reader, decode, open_source, read_item
from ilk.data.formats import FORMATS, format_of
from ilk.data.memory import Memory
from ilk.data.source import ENDINGS, read_file, read_span
from tests.data.test_meaning import png, small_tiff
from tests.data.zoo import encoded, smooth, written

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n"


def test_every_ending_that_is_listed_is_of_a_known_format() -> None:
    assert {ending for endings in FORMATS.values() for ending in endings.split()} == ENDINGS


@pytest.mark.parametrize("kind", FORMATS)
def test_formats_are_known_by_their_beginning(kind: str) -> None:
    image = Image.fromarray(smooth(0))
    made = encoded(image, kind)
    assert format_of(made) == kind
    assert decode(made).shape[2] == 3


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (POSTSCRIPT, "PostScript"), (b"\xc5\xd0\xd3\xc6" + bytes(40), "PostScript"),
        (b"%PDF-1.7\n", "PDF"), (b"8BPS" + bytes(40), "Photoshop"), (b"<svg>", "begins with"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\xd7\xcd\xc6\x9a" + bytes(40), "metafile"),
        (b"/* XPM */", "begins with"), (b"\0\0\1\xb3" + bytes(40), "begins with"),
    ],
)  # fmt: skip
def test_no_other_format_starts_a_program(
    data: bytes, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A false Ghostscript lies in wait, and no process may be started."""
    trap = tmp_path / "trap"
    trap.mkdir()
    for name in ("gs", "gswin32c", "gswin64c"):
        (trap / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
        (trap / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{trap}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: pytest.fail("a process"))
    source = Folder(written(tmp_path / "photos", {"photo.jpg": data}))
    with pytest.raises(BadItem, match=reason):
        decode(read_item(source, 0))
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    "error", [MemoryError, RecursionError, OverflowError, zlib.error, SystemError]
)
def test_whatever_a_decoder_raises_is_a_bad_item(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(sys.modules["ilk.data.decode"], "pixels_of", fail)
    with pytest.raises(BadItem, match=r"^(too large: memory ran out|not decodable: \w+)$"):
        decode(b"x")


def test_interruptions_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["ilk.data.decode"], "pixels_of", fail)
    with pytest.raises(KeyboardInterrupt):
        decode(b"x")


def test_what_is_no_file_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    for name in ("pipe.jpg", "folder.jpg", "none.jpg"):
        with pytest.raises(BadItem, match="unreadable"):
            read_file(tmp_path / name)
        with pytest.raises(BadItem, match="unreadable"):
            read_span(tmp_path / name, 0, 1)


def test_a_pipe_in_a_folder_is_replaced(tmp_path: Path) -> None:
    good = encoded(Image.fromarray(smooth(0)), "PNG")
    source = Folder(written(tmp_path, {"a.png": b"", "b.png": good}))
    (tmp_path / "a.png").unlink()
    os.mkfifo(tmp_path / "a.png")
    assert Reader(source, max_bad_share=0.5).read(0)[1] == 1


def test_tiffs_of_no_pixels_and_of_endless_bands() -> None:
    for place in (10 + 8, 22 + 8):  # width, height
        empty = bytearray(small_tiff(8, 1, bytes(64)))
        empty[place : place + 4] = bytes(4)
        with pytest.raises(BadItem, match="empty: "):
            decode(bytes(empty))
    good = small_tiff(8, 1, bytes(64))
    for place in range(len(good)):  # the kind of change that ended runs
        for value in (0, 1, 255):
            changed = good[:place] + bytes([value]) + good[place + 1 :]
            with suppress(BadItem):
                assert decode(changed, max_pixels=10**6).size


def test_an_image_that_takes_too_much_is_refused_before_it_is_decoded() -> None:
    rows = [bytes(8 * 13_000)]
    bomb = bytearray(png(16, 6, rows, {}))
    struct.pack_into(">I", bomb, 20, 13_000)
    struct.pack_into(">I", bomb, 29, zlib.crc32(bomb[12:29]))
    with pytest.raises(BadItem, match="too large: takes 3.8 GiB to decode, at most 2.0"):
        decode(bytes(bomb))


def test_an_icon_may_not_hide_a_large_image() -> None:
    inner = encoded(Image.new("L", (5000, 10)), "PNG")
    icon = struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(inner), 22) + inner
    with pytest.raises(BadItem, match="too large: an icon of 5000 x 10"):
        decode(icon)


def test_threads_never_take_more_than_there_is() -> None:
    memory, lock = Memory(total=100, small=0), threading.Lock()
    held, peak, done = [0], [0], []

    def work(size: int) -> None:
        for _ in range(50):
            with memory.turn():
                with memory.hold(size, left=size // 2), lock:
                    held[0] += size
                    peak[0] = max(peak[0], held[0])
                with lock:
                    held[0] -= size
        done.append(size)

    threads = [
        threading.Thread(target=work, args=(size,)) for size in (100, 70, 40, 30, 20, 10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(done) == [10, 20, 30, 40, 70, 100]
    assert peak[0] <= 100 + 50  # what is left of a thread's image stays till its turn ends
    assert memory._free == 100


def test_a_thread_that_holds_something_does_not_wait() -> None:
    memory = Memory(total=100, small=10)
    with memory.turn(), memory.hold(80, left=80), memory.hold(5):
        pass
    with memory.turn():
        with memory.hold(80, left=80):
            pass
        with memory.hold(60, left=60):  # would wait for itself
            assert memory._free == -40
    assert memory._free == 100
    with pytest.raises(BadItem, match="too large"), memory.hold(101):
        pass


def repeating(path: Path, value: bytes, rows: int) -> Path:
    """A parquet file of which each row names the same value."""
    column = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([value]))
    pq.write_table(pa.table({"image": column}), path, compression="zstd", store_schema=False)
    return path


def test_rows_that_repeat_a_large_value_take_no_more_than_images_do(tmp_path: Path) -> None:
    path = repeating(tmp_path / "x.parquet", bytes(2**21), 4000)  # 8 GiB
    assert path.stat().st_size < 2000
    code = f"""
import resource
from ilk.data import BadItem, open_source
source = open_source({str(path)!r})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for index in (0, 3999, 5):
    try:
        source.item(index)
    except BadItem as error:
        print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    *said, kilobytes = done.stdout.decode().splitlines()
    assert len(said) == 3
    assert all("row group 0 is too large: it unpacks to more than 0.5" in line for line in said)
    assert int(kilobytes) < 2**20 + 2**19
    few = open_source(repeating(tmp_path / "few.parquet", bytes(2**21), 40))
    assert few.item(39) == bytes(2**21)


def test_an_array_that_unpacks_to_far_more_than_images_do_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    zeros = np.lib.format.header_data_from_array_1_0(np.zeros((1, 4, 4), np.uint8))
    zeros["shape"] = (2**16, 100, 100)  # 625 MiB
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed,
        packed.open("images.npy", "w") as file,
    ):
        np.lib.format.write_array_header_1_0(file, zeros)
        for _ in range(2**6):
            file.write(bytes(2**10 * 10**4))
    assert path.stat().st_size < 2**20
    with pytest.raises(
        UserError, match=r"'images.npy' must fit in memory, too large: it unpack"
    ):
        open_source(path)
    np.savez_compressed(path, images=np.zeros((2**10, 100, 100), np.uint8))
    assert len(open_source(path)) == 2**10
