"""Masks whose pixels are numbers of classes: read as stored, whoever wrote them."""

from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ilk.core import UserError
from ilk.data import Arrays, BadItem, Packing, Subset, open_label_maps, open_source, pack
from ilk.rendered import Rendered

SHAPE = (20, 24)


def numbers(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, SHAPE, dtype=np.uint8)


def coded(values: np.ndarray, mode: str, place: Path) -> None:
    image = Image.fromarray(values)
    if mode == "P":  # a palette whose colours say nothing of the numbers
        image.putpalette(np.random.default_rng(9).integers(0, 256, 768, dtype=np.uint8))
        assert image.mode == "P"
    image.convert(mode).save(place)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("images", "masks"):
        (tmp_path / name / "a").mkdir(parents=True)
    for item, mode in enumerate(("L", "P", "RGB")):
        pixels = np.zeros((*SHAPE, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"images/a/{item}.jpg"), pixels)
        coded(numbers(item), mode, tmp_path / f"masks/a/{item}.png")
    return tmp_path / "images", tmp_path / "masks"


def test_numbers_are_read_as_they_are_stored(folders):
    source = open_source(folders[0])
    maps = open_label_maps(open_source(folders[1]), source)
    assert len(maps) == 3
    for item in range(3):
        np.testing.assert_array_equal(maps(item, SHAPE), numbers(item))
    part = maps.take(np.array([2, 0]))
    np.testing.assert_array_equal(part(0, SHAPE), numbers(2))
    with pytest.raises(BadItem, match=r"its image's size \(9, 9\), got \(20, 24\)"):
        maps(0, (9, 9))


def test_a_column_of_a_table_is_a_source_of_masks(tmp_path):
    rows = [cv2.imencode(".png", numbers(item))[1].tobytes() for item in range(4)]
    table = pa.table({"image": rows[::-1], "mask": rows, "split": ["a", "b", "a", "b"]})
    pq.write_table(table, tmp_path / "t.parquet")
    source = open_source(f"{tmp_path}/t.parquet:b,images=image")
    maps = open_label_maps(open_source(f"{tmp_path}/t.parquet:images=mask"), source)
    np.testing.assert_array_equal(maps(1, SHAPE), numbers(3))


def test_a_source_that_knows_its_foreground(tmp_path):
    source = Subset(Rendered(6, size=24), np.array([4, 1]))
    maps = open_label_maps(None, source)
    np.testing.assert_array_equal(maps(0, (24, 24)), 255 * Rendered(6, size=24).mask(4))
    assert open_label_maps(None, Arrays(np.zeros((2, 8, 8, 3), np.uint8))) is None


def test_masks_of_originals_fit_packed_images(folders, tmp_path):
    pack(open_source(folders[0]), tmp_path / "small.tar", Packing(shorter_side=10))
    packed = open_source(tmp_path / "small.tar")
    maps = open_label_maps(open_source(folders[1]), packed)
    np.testing.assert_array_equal(maps(1, (10, 12)), numbers(1))


def test_other_masks_are_other_data(folders):
    source, before = open_source(folders[0]), open_source(folders[1])
    one = open_label_maps(before, source).fingerprint
    coded(np.zeros((40, 30), np.uint8), "L", folders[1] / "a/1.png")
    assert open_label_maps(open_source(folders[1]), source).fingerprint != one


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.full(SHAPE, 300, np.uint16), "numbers from 0 to 255, got 300 to 300"),
        (np.dstack([numbers(1), numbers(2), numbers(3)]), r"must be grey .* \(20, 24, 3\)"),
    ],
)
def test_what_is_no_mask_is_refused(folders, values, said):
    cv2.imwrite(str(folders[1] / "a/0.png"), values)
    maps = open_label_maps(open_source(folders[1]), open_source(folders[0]))
    with pytest.raises(BadItem, match=f"mask a/0.png: .*{said}"):
        maps(0, SHAPE)


def test_a_mask_that_is_a_jpeg_or_damaged_is_refused_in_words_alone(folders):
    numbers_of = folders[1] / "a/0.png"
    whole = numbers_of.read_bytes()
    maps = open_label_maps(open_source(folders[1]), open_source(folders[0]))
    numbers_of.write_bytes(whole[:40])
    with pytest.raises(BadItem, match=r"cannot identify image file$"):
        maps(0, SHAPE)
    numbers_of.write_bytes(cv2.imencode(".jpg", np.zeros(SHAPE, np.uint8))[1].tobytes())
    with pytest.raises(BadItem, match=r"mask a/0.png: must hold numbers, got a JPEG"):
        maps(0, SHAPE)


def test_an_image_without_a_mask_is_named(folders):
    (folders[1] / "a/2.png").unlink()
    with pytest.raises(UserError, match="none found for 1 of 3, such as a/2.jpg"):
        open_label_maps(open_source(folders[1]), open_source(folders[0]))
