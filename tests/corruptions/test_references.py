"""Each building block against a slow loop or SciPy, and the tables against the publication."""

import math

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from ilk.corruptions import CORRUPTIONS, corrupt
from ilk.corruptions.blur import disk, taken
from ilk.corruptions.scale import motion_kernel, plasma, scale, smooth_noise
from tests.corruptions.statistics import picture


def spoilt(name: str, severity: int, size: int = 224) -> np.ndarray:
    return corrupt(picture(size), name, severity, item=0, seed=0).astype(float)


def bytes_of(pixels: np.ndarray) -> np.ndarray:
    return np.rint(255 * np.clip(pixels, 0, 1))


def test_scale() -> None:
    assert [scale((n, 900)) for n in (28, 56, 112, 224, 448)] == [0.25, 0.25, 0.5, 1, 2]


@pytest.mark.parametrize(("severity", "deviation"), [(1, 0.08), (3, 0.18), (5, 0.38)])
def test_gaussian_noise_has_the_published_deviation(severity: int, deviation: float) -> None:
    grey = np.full((256, 256, 3), 0.5, np.float32)
    noise = CORRUPTIONS["gaussian_noise"](grey, severity, np.random.default_rng(0)) - grey
    assert noise.std() == pytest.approx(deviation, rel=0.01)


@pytest.mark.parametrize(("severity", "photons"), [(1, 60), (3, 12), (5, 3)])
def test_shot_noise_is_poisson(severity: int, photons: int) -> None:
    grey = np.full((256, 256, 3), 0.4, np.float32)
    noisy = CORRUPTIONS["shot_noise"](grey, severity, np.random.default_rng(0))
    assert noisy.mean() == pytest.approx(0.4, rel=0.01)
    assert noisy.var() == pytest.approx(0.4 / photons, rel=0.02)


@pytest.mark.parametrize(("severity", "share"), [(1, 0.03), (5, 0.27)])
def test_impulse_noise_is_half_salt_half_pepper(severity: int, share: float) -> None:
    grey = np.full((256, 256, 3), 0.5, np.float32)
    noisy = CORRUPTIONS["impulse_noise"](grey, severity, np.random.default_rng(0))
    for level in (0, 1):
        assert (noisy == level).mean() == pytest.approx(share / 2, rel=0.05)


@pytest.mark.parametrize(("severity", "sigma"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 6)])
def test_gaussian_blur_is_scipys(severity: int, sigma: float) -> None:
    pixels = picture(224) / 255
    blurred = ndimage.gaussian_filter(pixels, (sigma, sigma, 0), mode="nearest")
    np.testing.assert_allclose(spoilt("gaussian_blur", severity), 255 * blurred, atol=0.6)


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_zoom_blur_is_close_to_scipys_zoom(severity: int) -> None:
    pixels = picture(224) / 255
    factors = {1: (1, 1.11, 0.01), 3: (1, 1.21, 0.02), 5: (1, 1.31, 0.03)}[severity]
    total, count = pixels.copy(), 1
    for factor in np.arange(*factors):
        side = math.ceil(224 / factor)
        top = (224 - side) // 2
        crop = pixels[top : top + side, top : top + side]
        zoomed = ndimage.zoom(crop, (factor, factor, 1), order=1)
        trim = (len(zoomed) - 224) // 2
        total, count = total + zoomed[trim : trim + 224, trim : trim + 224], count + 1
    apart = spoilt("zoom_blur", severity) - 255 * total / count
    assert np.sqrt((apart**2).mean()) < 2


def test_disks() -> None:
    across = np.arange(-8, 9)
    flat = ((across**2)[:, None] + across**2 <= 36).astype(np.float32)
    soft = cv2.GaussianBlur(flat / flat.sum(), (3, 3), 0.5)
    np.testing.assert_allclose(disk(6, 0.5), soft, atol=1e-7)
    np.testing.assert_allclose(disk(1.5, 0.1).sum(), 1, rtol=1e-5)
    spreads = [(disk(r, 0.1) * _squares(disk(r, 0.1))).sum() for r in (0.75, 1, 1.25, 1.5, 2)]
    assert spreads == sorted(spreads)


def _squares(kernel: np.ndarray) -> np.ndarray:
    across = np.arange(len(kernel)) - len(kernel) // 2
    return (across**2)[:, None] + across**2


@pytest.mark.parametrize("angle", [-130.0, -45.0, 0.0, 30.0, 90.0])
def test_motion_kernel_against_a_loop(angle: float) -> None:
    kernel = np.zeros((63, 63))
    for step in range(31):
        x = math.ceil(step * math.cos(math.radians(angle)) - 0.5)
        y = math.ceil(step * math.sin(math.radians(angle)) - 0.5)
        kernel[31 + y, 31 + x] += math.exp(-(step**2) / (2 * 8**2))
    np.testing.assert_allclose(motion_kernel(15, 8, angle), kernel / kernel.sum(), atol=1e-6)


@pytest.mark.parametrize("reach", [1, 3])
def test_pixels_taken_one_after_the_other(reach: int) -> None:
    chance = np.random.default_rng(0)
    offsets = chance.integers(-reach, reach, (20, 23, 2))
    image = np.arange(20 * 23).reshape(20, 23)
    for row in range(20 - reach, reach, -1):
        for column in range(23 - reach, reach, -1):
            down, right = offsets[row, column]
            image[row, column] = image[row + down, column + right]
    np.testing.assert_array_equal(taken(offsets, reach), image.ravel())


def test_plasma_against_a_loop() -> None:
    class Waves(np.random.Generator):
        """Draws that depend on the position alone, so that both orders of drawing agree."""

        def uniform(self, low: float, high: float, shape: tuple[int, ...]) -> np.ndarray:  # type: ignore[override]
            return np.cos(np.arange(math.prod(shape))).reshape(shape)

    side, decay = 8, 2.0
    cloud = np.zeros((side, side))
    step, reach = side, 1.0
    while step >= 2:
        half = step // 2
        for first_row, first_column in ((half, half), (0, half), (half, 0)):
            around = cloud.copy()
            points = [
                (row, column)
                for row in range(first_row, side, step)
                for column in range(first_column, side, step)
            ]
            for number, (row, column) in enumerate(points):
                ways = (
                    [(1, 1), (1, -1), (-1, 1), (-1, -1)]
                    if first_row == first_column
                    else [(1, 0), (-1, 0), (0, 1), (0, -1)]
                )
                total = sum(
                    around[(row + half * y) % side, (column + half * x) % side] for y, x in ways
                )
                cloud[row, column] = total / 4 + reach * math.cos(number)
        step, reach = half, reach / decay**2
    cloud -= cloud.min()
    np.testing.assert_allclose(
        plasma((8, 8), decay, Waves(np.random.Philox(0))),
        cloud / cloud.max(),
        atol=1e-6,
    )


def test_smoothed_noise_keeps_its_spread_on_small_images() -> None:
    chance = np.random.default_rng(0)
    spreads = [
        smooth_noise(chance.standard_normal((side, side)).astype(np.float32), 16).std()
        for side in (112, 224, 448)
    ]
    theory = 1 / (2 * math.sqrt(math.pi) * 16)
    np.testing.assert_allclose(spreads, theory, rtol=0.35)


@pytest.mark.parametrize(("severity", "keep"), [(1, 0.4), (5, 0.05)])
def test_contrast(severity: int, keep: float) -> None:
    pixels = picture(224) / 255
    means = pixels.mean((0, 1))
    expected = bytes_of((pixels - means) * keep + means)
    np.testing.assert_allclose(spoilt("contrast", severity), expected, atol=1)


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("name", ["brightness", "saturate"])
def test_colour_is_changed_as_in_hsv(name: str, severity: int) -> None:
    import colorsys

    pixels = picture(24) / 255
    factor, more = ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2))[severity - 1]
    expected = np.empty_like(pixels)
    for place in np.ndindex(24, 24):
        hue, saturation, value = colorsys.rgb_to_hsv(*pixels[place])
        if name == "brightness":
            value = min(value + 0.1 * severity, 1)
        else:
            saturation = min(saturation * factor + more, 1)
        expected[place] = colorsys.hsv_to_rgb(hue, saturation, value)
    np.testing.assert_allclose(spoilt(name, severity, 24), bytes_of(expected), atol=1)


@pytest.mark.parametrize("size", [32, 224])
@pytest.mark.parametrize(("severity", "share"), [(1, 0.6), (3, 0.4), (5, 0.25)])
def test_pixelate_is_pillows_box(severity: int, share: float, size: int) -> None:
    few = int(size * share)
    image = Image.fromarray(picture(size)).resize((few, few), Image.Resampling.BOX)
    expected = np.asarray(image.resize((size, size), Image.Resampling.BOX), float)
    np.testing.assert_allclose(spoilt("pixelate", severity, size), expected, atol=1)


@pytest.mark.parametrize(("severity", "quality"), [(1, 25), (5, 7)])
def test_jpeg_is_pillows(severity: int, quality: int) -> None:
    import io

    file = io.BytesIO()
    Image.fromarray(picture(224)).save(file, "JPEG", quality=quality)
    expected = np.asarray(Image.open(file), float)
    apart = spoilt("jpeg_compression", severity) - expected
    assert np.sqrt((apart**2).mean()) < 1
