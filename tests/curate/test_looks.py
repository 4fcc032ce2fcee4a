"""Measures of one image, against plain formulas and at any size."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from ilk.curate.looks import SIDE, entropy, look, sharpness


def textured(height: int, width: int, seed: int = 0) -> np.ndarray:
    """An image with edges at all scales."""
    chance = np.random.default_rng(seed)
    out = np.zeros((height, width, 3))
    for step in (2, 4, 8, 16, 32):
        coarse = chance.normal(size=(height // step + 1, width // step + 1, 3))
        out += step * np.kron(coarse, np.ones((step, step, 1)))[:height, :width]
    out = 128 + 50 * out / out.std()
    return np.clip(out, 0, 255).astype(np.uint8)


def coded(pixels: np.ndarray, kind: str, **more) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **more)
    return buffer.getvalue()


def test_measures_equal_plain_formulas():
    pixels = textured(40, 60)
    found = look(pixels)
    luma = np.array([0.299, 0.587, 0.114]) @ pixels.reshape(-1, 3).T.astype(np.float64)
    assert (found.width, found.height) == (60, 40)
    assert found.highlight * 255 == pytest.approx(np.percentile(luma, 99), abs=1)
    assert found.shadow * 255 == pytest.approx(np.percentile(luma, 5), abs=1)
    spread = [int(max(p)) - int(min(p)) for p in pixels.reshape(-1, 3)]
    assert found.colour * 255 == pytest.approx(np.percentile(spread, 99), abs=1e-3)


def test_sharpness_is_what_a_blur_takes_of_the_gradients():
    luma = textured(24, 32)[..., 0].astype(np.float32)

    def total(image):
        rows = sum(abs(image[i + 1, j] - image[i, j]) for i in range(23) for j in range(32))
        return rows + sum(
            abs(image[i, j + 1] - image[i, j]) for i in range(24) for j in range(31)
        )

    blurred = cv2.GaussianBlur(luma, (0, 0), 1.0).astype(np.float64)
    wanted = 1 - total(blurred) / total(luma.astype(np.float64))
    assert sharpness(luma) == pytest.approx(wanted, rel=1e-5)
    assert np.isnan(sharpness(np.full((8, 8), 3.0, np.float32)))


def test_sharpness_falls_with_blur_and_does_not_go_by_contrast():
    luma = textured(128, 128)[..., 0].astype(np.float32)
    blurred = [sharpness(cv2.GaussianBlur(luma, (0, 0), sigma)) for sigma in (1, 2, 4)]
    assert sharpness(luma) > blurred[0] > blurred[1] > blurred[2] > 0
    assert sharpness(0.3 * luma + 20) == pytest.approx(sharpness(luma), rel=1e-3)


@pytest.mark.parametrize(
    ("levels", "bits"), [([7], 0), ([0, 1, 2, 3], 2), ([0, 0, 0, 9], 0.8113)]
)
def test_entropy_counts_levels(levels, bits):
    assert entropy(np.array([levels], np.uint8)) == pytest.approx(bits, abs=1e-4)


def test_a_large_jpeg_is_measured_in_part_and_its_size_is_that_of_the_whole():
    pixels = cv2.resize(textured(300, 400), (1600, 1200), interpolation=cv2.INTER_CUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6  # a turn by 90 degrees
    found = look(coded(pixels, "JPEG", quality=95, exif=exif))
    assert (found.width, found.height) == (1200, 1600)
    whole = look(np.rot90(pixels, -1))
    for name in ("highlight", "shadow", "entropy", "sharpness", "colour"):
        assert getattr(found, name) == pytest.approx(getattr(whole, name), abs=0.12), name


def test_gray_stays_gray_through_jpeg():
    gray = np.repeat(textured(64, 64)[..., :1], 3, 2)
    assert look(coded(gray, "JPEG", quality=80)).colour < 6 / 255
    assert look(textured(64, 64)).colour > 0.2


def test_the_measures_do_not_go_by_the_number_of_pixels():
    pixels = textured(SIDE, SIDE)
    large = np.kron(pixels, np.ones((3, 3, 1), np.uint8))
    assert look(large).sharpness == pytest.approx(look(pixels).sharpness, abs=0.02)
