import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ilk.core.errors import UserError
from ilk.data import Arrays, BadItem, Reader, open_source
from tests.data.zoo import bad_files, encoded, good_files, smooth, written


class Fragile:
    """A source whose item i is an array full of i, unless it is one of the bad."""

    name, classes, fingerprint = "fragile", (), "0"

    def __init__(self, size: int, bad: set[int]) -> None:
        self.size, self.bad, self.asked = size, bad, []

    def __len__(self) -> int:
        return self.size

    def item(self, index: int) -> np.ndarray:
        self.asked.append(index)
        if index in self.bad:
            raise BadItem(f"reason {index}")
        return np.full((2, 2, 3), index % 256, np.uint8)

    def label(self, index: int) -> int:
        return -1

    def key(self, index: int) -> str:
        return f"key {index}"


@settings(max_examples=30)
@given(st.integers(1, 30), st.data())
def test_a_bad_item_is_replaced_by_the_next_good_one(size: int, data: st.DataObject) -> None:
    bad = data.draw(st.sets(st.integers(0, size - 1), max_size=size - 1))
    reader = Reader(Fragile(size, bad), max_bad_share=1.0)
    met = set()
    for index in data.draw(st.lists(st.integers(0, size - 1))):
        wanted = index
        while wanted in bad:
            met.add(wanted)
            wanted = (wanted + 1) % size
        pixels, real = reader.read(index)
        assert real == wanted
        assert pixels[0, 0, 0] == wanted
    assert [(b.index, b.key, b.reason) for b in reader.bad] == [
        (index, f"key {index}", f"reason {index}") for index in sorted(met)
    ]


def test_a_known_bad_item_is_not_read_again() -> None:
    source = Fragile(10, {4})
    reader = Reader(source)
    for _ in range(5):
        assert reader.read(4)[1] == 5
    assert source.asked.count(4) == 1


def test_an_item_that_turns_bad_is_recorded() -> None:
    source = Fragile(10, set())
    reader = Reader(source)
    assert reader.read(4)[1] == 4
    source.bad.add(4)
    assert [reader.read(4)[1] for _ in range(3)] == [5, 5, 5]
    assert [record.index for record in reader.bad] == [4]


@pytest.mark.parametrize(("share", "read"), [(0.0, 1), (0.1, 6), (1.0, 50)])
def test_a_source_of_bad_items_only_is_an_error(share: float, read: int) -> None:
    reader = Reader(Fragile(50, set(range(50))), max_bad_share=share)
    with pytest.raises(
        UserError, match=rf"fragile: .*{read} of the {read} read.*: reason"
    ) as no:
        reader.read(7)
    assert "mend or remove them. The first" in str(no.value)


@settings(max_examples=30)
@given(st.integers(1, 40), st.floats(0.0, 1.0), st.floats(0.0, 0.9), st.randoms())
def test_the_share_of_all_items_decides(size, true_share, limit, random) -> None:
    bad = set(random.sample(range(size), int(true_share * size)))
    reader = Reader(Fragile(size, bad), max_bad_share=limit)
    enough = len(bad) > limit * size
    with pytest.raises(UserError, match="at most") if enough else nullcontext():
        read_all(reader, size)


def read_all(reader: Reader, size: int) -> None:
    for index in range(size):
        reader.read(index)


def test_a_broken_folder_at_the_start_does_not_stop_a_good_source() -> None:
    reader = Reader(Fragile(10_000, set(range(900))))
    assert reader.read(0)[1] == 900


def test_what_another_process_met_counts_on() -> None:
    """As many bad items as were met in half of an epoch are not too many of what was read."""
    source = Fragile(10_000, {*range(0, 5000, 20), *range(5000, 5600, 2)})
    first, after = Reader(source, max_bad_share=0.05), Reader(source, max_bad_share=0.05)
    for index in range(5000):
        first.read(index)
    after.remember(first.bad, 5000)
    assert after.bad == first.bad
    source.asked.clear()
    assert after.read(0)[1] == 1
    assert source.asked == [1], "a bad item is not tried again"
    for reader in (first, after):
        more = map(reader.read, range(5000, 10_000))
        with pytest.raises(UserError, match="but 302 of the 510. read are"):
            list(more)


def test_a_hopeless_source_stops_early() -> None:
    source = Fragile(1_000_000, set(range(0, 1_000_000, 5)))
    reader = Reader(source)
    with pytest.raises(UserError, match="200 of the 1000 read.*, or allow .*share=0.2. The"):
        read_all(reader, 2000)


def test_no_bad_item_is_allowed_at_a_share_of_zero() -> None:
    reader = Reader(Fragile(10_000, {5}), max_bad_share=0.0)
    for index in range(5):
        reader.read(index)
    with pytest.raises(UserError, match="1 of the 6 read"):
        reader.read(5)


def test_a_zoo_among_good_files(tmp_path: Path) -> None:
    good, bad = good_files(), bad_files()
    many = {f"ok/{i:03}.png": encoded_smooth(i) for i in range(160)}
    files = {f"good/{name}": data for name, data in good.items()}
    broken = {f"bad/{name}": data for name, (data, _) in bad.items()}
    source = open_source(written(tmp_path, many | files | broken))
    reader = Reader(source)
    with ThreadPoolExecutor(8) as pool:
        real = [index for _, index in pool.map(reader.read, range(len(source)))]
    kept = {source.key(index) for index in real}
    assert kept == set(many) | set(files)
    assert [record.key for record in reader.bad] == sorted(broken)
    for record in reader.bad:
        assert record.reason.startswith(bad[record.key.removeprefix("bad/")][1])


def encoded_smooth(seed: int) -> bytes:
    return encoded(Image.fromarray(smooth(seed, 8, 8)), "PNG")


def test_threads_agree_and_record_each_bad_item_once() -> None:
    reader = Reader(Fragile(400, set(range(0, 400, 40))))
    barrier = threading.Barrier(8)

    def work(_: int) -> list[int]:
        barrier.wait()
        return [reader.read(index)[1] for index in range(400)]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(work, range(8)))
    assert all(real == found[0] for real in found)
    assert [record.index for record in reader.bad] == list(range(0, 400, 40))


def test_a_reader_can_be_pickled() -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 4, 4, 3), dtype=np.uint8)
    reader = Reader(Arrays(images))
    reader.read(3)
    other = pickle.loads(pickle.dumps(reader))
    np.testing.assert_array_equal(other.read(5)[0], images[5])
    assert len(other) == 9


def test_arrays_of_any_shape_pass_untouched_where_no_channels_are_asked_for() -> None:
    clips = np.random.default_rng(0).normal(size=(3, 2, 4, 5, 6))
    np.testing.assert_array_equal(Reader(Arrays(clips), None).read(1)[0], clips[1])
    windows = np.random.default_rng(0).normal(size=(3, 50, 6)).astype(np.float32)
    np.testing.assert_array_equal(Reader(Arrays(windows), None).read(2)[0], windows[2])


def test_clips_and_windows_come_in_one_form_or_are_refused() -> None:
    grey = np.random.default_rng(0).random((3, 2, 4, 5, 1))
    clip = Reader(Arrays(grey), 3, kind="clip").read(1)[0]
    np.testing.assert_array_equal(clip, np.rint(grey[1] * 255).repeat(3, 3).astype(np.uint8))
    windows = np.arange(60).reshape(3, 2, 10)
    window = Reader(Arrays(windows), 2, kind="window").read(2)[0]
    assert window.dtype == np.float32
    np.testing.assert_array_equal(window, windows[2])
    for values, channels, kind, reason in (
        (grey, 3, "image", r"shape \(2, 4, 5, 1\), where \[H, W, C\]"),
        (grey, 3, "window", r"where \[C, L\]"),
        (windows, 2, "clip", r"where \[T, H, W, C\]"),
        (windows, 3, "window", "has 2 channels, 3 are wanted"),
        (np.full((2, 2, 3), np.nan), 2, "window", "NaN"),
        (np.full((2, 2, 3), 1e300), 2, "window", "float32"),
    ):
        with pytest.raises(UserError, match=reason):
            Reader(Arrays(values), channels, kind=kind).read(0)


def test_the_cap_on_pixels_reaches_the_files(tmp_path: Path) -> None:
    source = open_source(written(tmp_path, {"a.png": good_files()["colour.png"]}))
    with pytest.raises(UserError, match="too large: 52 x 37 pixels, at most 100"):
        Reader(source, max_pixels=100).read(0)
