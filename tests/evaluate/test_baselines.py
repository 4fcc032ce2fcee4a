import numpy as np
import pytest

from ilk.core import UserError
from ilk.data import Subset, open_source
from ilk.embedding import embed
from ilk.evaluate import evaluate, load_encoder_or_baseline, oriented_gradients, pixels
from ilk.networks import load_encoder


def test_pixels_are_the_picture_itself():
    pictures = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    found = pixels(open_source(pictures), size=8)
    expected = pictures.transpose(0, 3, 1, 2).reshape(5, -1) / 255
    np.testing.assert_allclose(found.vectors, expected, atol=1e-6)
    assert found.encoder == "pixels@1/8x8x3"


def test_large_pictures_are_scaled_to_32_pixels_at_most():
    source = open_source(np.full((2, 70, 50, 3), 51, np.uint8))
    found = pixels(source)
    assert found.vectors.shape == (2, 3 * 32 * 32)
    np.testing.assert_allclose(found.vectors, 0.2, atol=1e-6)
    with pytest.raises(UserError, match="size must be from 1 to 32, got 64"):
        pixels(source, size=64)


def test_other_numbers_of_channels():
    source = open_source(np.zeros((2, 9, 9, 3), np.uint8))
    assert pixels(source, size=4, channels=1).vectors.shape == (2, 16)


def test_pixels_of_real_images_are_better_than_chance_and_far_from_good(shared_data):
    source = open_source(f"{shared_data('cifar10-20k.parquet')}:train")
    parts = (Subset(source, np.arange(start, start + 600)) for start in (0, 600))
    train, test = (pixels(part, size=8) for part in parts)
    for result in evaluate(train, test):
        assert 0.15 < result.interval[0] < result.value < result.interval[1] < 0.45


def slow_gradients(picture):
    """The same by loops over pixels, cells and blocks."""
    image = np.pad(picture.astype(float) / 255, ((1, 1), (1, 1), (0, 0)), mode="edge")
    cells = np.zeros((8, 8, 9))
    for y in range(64):
        for x in range(64):
            across = image[y + 1, x + 2] - image[y + 1, x]
            down = image[y + 2, x + 1] - image[y, x + 1]
            steep = int(np.hypot(across, down).argmax())
            size = np.hypot(across[steep], down[steep])
            degrees = np.degrees(np.arctan2(down[steep], across[steep])) % 180
            for bin_ in range(9):
                away = abs(degrees - (10 + 20 * bin_))
                away = min(away, 180 - away)
                cells[y // 8, x // 8, bin_] += size * max(0, 1 - away / 20) / 64
    blocks = []
    for y in range(7):
        for x in range(7):
            block = cells[y : y + 2, x : x + 2].transpose(2, 0, 1).ravel()
            block = np.minimum(block / max(np.linalg.norm(block), 1e-3), 0.2)
            blocks.append(block / max(np.linalg.norm(block), 1e-3))
    return np.stack(blocks, 1).ravel()


def test_gradients_are_those_of_a_slow_loop():
    pictures = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    pictures[1] = np.arange(64)[:, None, None] + np.arange(3)
    found = embed(oriented_gradients(), open_source(pictures)).vectors
    for row, picture in zip(found, pictures, strict=True):
        np.testing.assert_allclose(row, slow_gradients(picture), atol=1e-4)
    assert found.shape == (2, 1764)


def test_gradients_do_not_see_brightness_but_pixels_do():
    gray = np.random.default_rng(0).integers(0, 100, (2, 64, 64, 1), dtype=np.uint8)
    dark = gray.repeat(3, axis=3)
    both = [open_source(dark), open_source(dark + 100)]
    gradients = [embed(oriented_gradients(), source).vectors for source in both]
    np.testing.assert_allclose(*gradients, atol=1e-4)
    assert np.abs(np.subtract(*(pixels(source).vectors for source in both))).min() > 0.3


def test_contenders_by_name():
    assert load_encoder_or_baseline("pixels").name == "pixels"
    assert load_encoder_or_baseline("hog").fingerprint == "hog@1/64x64x3"
    ours = load_encoder(
        "random:resnet_mini", image_size=40, options={"widths": (8, 16), "depths": (1, 1)}
    )
    untrained = load_encoder_or_baseline("random", ours=ours, seed=1)
    assert (untrained.name, untrained.image_size) == (ours.name, 40)
    assert untrained.options == ours.options
    assert untrained.fingerprint != ours.fingerprint
    assert load_encoder_or_baseline("random", ours=ours).fingerprint == ours.fingerprint, (
        "the same seed"
    )
    assert load_encoder_or_baseline("random:resnet_mini", ours=ours).image_size == 40
    for baseline in (None, load_encoder_or_baseline("pixels")):
        with pytest.raises(UserError, match="give random:NAME"):
            load_encoder_or_baseline("random", ours=baseline)
