"""Where foreground comes from, and which other images there are."""

import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from ilk.core.errors import UserError
from ilk.data import Arrays, BadItem, Reader, Scenery, Subset, open_masks, open_source
from ilk.data.saliency import Guessed, salient, spectral_residual
from ilk.rendered import Rendered


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Six images in two folders, and a mask for each, of another ending."""
    source = Rendered(6, size=40)
    for index in range(6):
        for root, ending, pixels in (
            ("images", "png", source.item(index)),
            ("masks", "bmp", np.uint8(255) * source.mask(index)),
        ):
            place = tmp_path / root / "ab"[index % 2] / f"{index}.{ending}"
            place.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(place), pixels)
    return tmp_path / "images", tmp_path / "masks"


def test_a_source_that_knows_its_masks_is_asked():
    source = Rendered(8, size=48)
    masks = open_masks(None, source)
    part = open_masks(None, Subset(source, np.array([5, 2])))
    for index in range(8):
        exact = source.truth(index).mask
        assert (masks(index, source.item(index)) == (exact >= 0.5)).all()
    assert (part(1, source.item(2)) == source.mask(2)).all()
    assert source.mask(0).any()
    assert not source.mask(0).all()


def test_masks_of_a_folder_go_by_name(pair):
    images, masks = pair
    source = open_source(images)
    found = open_masks(str(masks), source)
    for index in range(6):
        number = int(Path(source.key(index)).stem)
        pixels = Reader(source).read(index)[0]
        assert (found(index, pixels) == Rendered(6, size=40).mask(number)).all()


def test_masks_and_images_may_code_their_names_differently(tmp_path):
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    for root, name in (("images", composed), ("masks", decomposed)):
        (tmp_path / root / name).mkdir(parents=True)
        pixels = np.full((40, 40), 255, np.uint8)
        cv2.imwrite(str(tmp_path / root / name / f"{name}.png"), pixels)
    found = open_masks(str(tmp_path / "masks"), open_source(tmp_path / "images"))
    assert found(0, np.zeros((40, 40, 3), np.uint8)).all()


def test_masks_that_are_missing_or_wrong_are_told(pair, tmp_path):
    images, masks = pair
    source = open_source(images)
    small = masks / "a" / "2.bmp"
    cv2.imwrite(str(small), np.zeros((7, 9), np.uint8))
    found = open_masks(str(masks), source)
    pixels = Reader(source).read(1)[0]
    with pytest.raises(BadItem, match=r"2.bmp: must have its image's size \(40, 40\), got \(7"):
        found(1, pixels)
    small.write_bytes(b"BM nothing")
    with pytest.raises(BadItem, match=r"2.bmp: "):
        found(1, pixels)
    small.unlink()
    with pytest.raises(UserError, match=r"none found for 1 of 6, such as a/2\.png"):
        open_masks(str(masks), source)
    with pytest.raises(UserError, match="must be a folder or saliency"):
        open_masks(str(tmp_path / "none"), source)
    with pytest.raises(UserError, match='has no masks; give masks="FOLDER"'):
        open_masks(None, source)


@pytest.mark.parametrize("broken", ["damaged", "another size", "a folder", "a pipe"])
def test_an_item_whose_mask_cannot_be_read_is_replaced(pair, broken):
    images, masks = pair
    source = open_source(images)
    keys = [source.key(index) for index in range(6)]
    spoiled = masks / "a" / "2.bmp"
    found = open_masks(str(masks), source)
    if broken == "damaged":
        spoiled.write_bytes(spoiled.read_bytes()[:70])
    elif broken == "another size":
        cv2.imwrite(str(spoiled), np.zeros((7, 9), np.uint8))
    else:
        spoiled.unlink()
        spoiled.mkdir() if broken == "a folder" else os.mkfifo(spoiled)
    reader = Reader(source, max_bad_share=0.5, masks=found)
    place = keys.index("a/2.png")
    pixels, item = reader.read(place)
    assert item == (place + 1) % 6
    assert [bad.key for bad in reader.bad] == ["a/2.png"]
    assert reader.bad[0].reason.startswith("mask a/2.bmp: ")
    assert Scenery(reader, found).foreground(item, pixels).any()
    with pytest.raises(UserError, match="at most 10% of the items may be bad"):
        Reader(source, masks=found).read(place)


def test_a_mask_that_breaks_later_ends_in_one_line(pair):
    images, masks = pair
    source = open_source(images)
    reader = Reader(source, masks=open_masks(str(masks), source))
    pixels, item = reader.read(0)
    for mask in masks.rglob("*.bmp"):
        mask.write_bytes(b"")
    with pytest.raises(UserError, match=r"must stay readable, got 'mask .*empty"):
        Scenery(reader, reader.masks).foreground(item, pixels)


def test_every_other_picture_is_as_likely():
    reader = Reader(Arrays(np.arange(5, dtype=np.uint8)[:, None, None, None].repeat(8, 1)))
    scenery = Scenery(reader, lambda item, image: np.full(image.shape[:2], item == 3))
    found = [scenery.other(3, chance) for chance in np.arange(1000) / 1000]
    values = np.array([image[0, 0, 0] for image, _ in found])
    assert np.bincount(values, minlength=5).tolist() == [250, 250, 250, 0, 250]
    assert not any(mask.any() for _, mask in found)
    alone = Scenery(Reader(Arrays(np.zeros((1, 8, 8, 3), np.uint8))), scenery.masks)
    with pytest.raises(UserError, match="there must be other images"):
        alone.other(0, 0.5)


def test_the_spectral_residual_is_the_papers():
    """As the paper writes it, with a loop for the local mean."""
    gray = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    gray[20:30, 34:44] += 3
    spectrum = np.fft.fft2(gray)
    logs = np.log(np.abs(spectrum) + 1e-9)
    padded = np.pad(logs, 1, mode="edge")
    mean = sum(padded[y : y + 64, x : x + 64] for y in range(3) for x in range(3)) / 9
    seen = np.abs(np.fft.ifft2(np.exp(logs - mean + 1j * np.angle(spectrum)))) ** 2
    smooth = cv2.GaussianBlur(seen, (0, 0), 64 / 20)
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    got = spectral_residual(gray)
    np.testing.assert_allclose(got, smooth, atol=1e-3)
    y, x = np.unravel_index(got.argmax(), got.shape)
    assert 18 <= y < 32
    assert 32 <= x < 46


def test_guesses_are_far_better_than_the_middle_of_the_picture():
    source = Rendered(40, size=96)
    middle = np.zeros((96, 96), np.bool_)
    middle[24:72, 24:72] = True
    overlaps = []
    for index in range(40):
        exact, guess = source.mask(index), salient(source.item(index))
        overlaps.append([(m & exact).sum() / (m | exact).sum() for m in (guess, middle)])
    guessed, blind = np.mean(overlaps, axis=0)
    assert guessed > 0.65
    assert guessed > blind + 0.2


def test_a_guess_depends_on_the_picture_alone():
    source = Rendered(12, size=64)
    images = [source.item(index) for index in range(12)]
    alone = [salient(image) for image in images]
    kept = Guessed()
    with ThreadPoolExecutor(4) as pool:
        for _ in range(2):  # the second time from memory
            for index, mask in enumerate(pool.map(kept, range(12), images)):
                assert (mask == alone[index]).all()
    again = pickle.loads(pickle.dumps(kept))
    assert (again(3, images[3]) == alone[3]).all()


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 200, 3), (33, 20, 1), (40, 40, 13)])
def test_any_picture_has_a_guess(shape):
    image = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    assert salient(image).shape == shape[:2]
    assert not salient(np.full(shape, 7, np.uint8)).any()


def test_images_that_differ_by_their_ending_have_masks_of_their_own(tmp_path):
    for root in ("images", "masks"):
        (tmp_path / root).mkdir()
        for number, name in enumerate(("a.bmp", "a.png")):
            tone = np.full((8, 8, 3), 255 * number, np.uint8)
            cv2.imwrite(str(tmp_path / root / name), tone)
    source = open_source(tmp_path / "images")
    found = open_masks(str(tmp_path / "masks"), source)
    shown = {source.key(index): bool(found(index, Reader(source).read(index)[0]).all())
             for index in range(2)}  # fmt: skip
    assert shown == {"a.bmp": False, "a.png": True}
    (tmp_path / "images" / "a.png").rename(tmp_path / "images" / "a.tiff")
    with pytest.raises(
        UserError, match="must hold one mask for each image, found 2 for a.tiff"
    ):
        open_masks(str(tmp_path / "masks"), open_source(tmp_path / "images"))
