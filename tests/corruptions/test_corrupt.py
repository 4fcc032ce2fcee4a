import json
from itertools import pairwise

import numpy as np
import pytest

from ilk.core import UserError
from ilk.corruptions import COMMON, CORRUPTIONS, EXTRA, SEVERITIES, corrupt
from tests.corruptions.statistics import GOLDEN, picture, statistics

# Steps where the published definition itself comes closer to the clean image, as measured
# with its own parameters at 224 px, each from this severity to the next: other displacements
# (elastic, glass), halves that pixels divide into evenly (pixelate), less image under as much
# frost, and colour that is taken away first and added later (saturate).
CLOSER = {
    ("elastic_transform", 2), ("elastic_transform", 3), ("glass_blur", 1), ("glass_blur", 3),
    ("pixelate", 1), ("frost", 3), ("saturate", 2),
}  # fmt: skip


def distance(images: list[np.ndarray], name: str, severity: int) -> float:
    apart = [
        corrupt(image, name, severity, item=item, seed=0).astype(float) - image
        for item, image in enumerate(images)
    ]
    return float(np.sqrt(np.mean([(each**2).mean() for each in apart])))


def test_there_are_fifteen_and_four() -> None:
    assert (len(COMMON), len(EXTRA), len(set(CORRUPTIONS))) == (15, 4, 19)
    assert EXTRA == ("speckle_noise", "gaussian_blur", "spatter", "saturate")


@pytest.mark.parametrize("size", [32, 224])
def test_golden_statistics(size: int) -> None:
    golden = json.loads(GOLDEN.read_text())[str(size)]
    found = statistics(size)
    assert golden.keys() == found.keys()
    for name, rows in golden.items():
        np.testing.assert_allclose(found[name], rows, atol=0.4, err_msg=name)


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_severity_is_monotone(
    pictures: dict[int, list[np.ndarray]], name: str, size: int
) -> None:
    apart = [distance(pictures[size], name, severity) for severity in SEVERITIES]
    for severity, (less, more) in enumerate(pairwise(apart), start=1):
        assert more > less or (name, severity) in CLOSER, f"{severity}: {apart}"
    assert apart[-1] > 1


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_pure_function_of_seed_item_and_severity(name: str) -> None:
    image = picture(64)
    before = image.copy()
    once = corrupt(image, name, 3, item=5, seed=1)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(once, corrupt(image, name, 3, item=5, seed=1))
    drawn = CORRUPTIONS[name].__module__.endswith("noise") or name in {
        "glass_blur", "motion_blur", "snow", "frost", "fog", "elastic_transform", "spatter",
    }  # fmt: skip
    for other in (
        corrupt(image, name, 3, item=6, seed=1),
        corrupt(image, name, 3, item=5, seed=2),
    ):
        assert (once != other).any() == drawn
    assert (once != corrupt(image, name, 4, item=5, seed=1)).any()


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("shape", [(28, 28, 3), (28, 28, 1), (40, 33, 5), (512, 300, 3)])
def test_any_size_and_channels(name: str, shape: tuple[int, int, int]) -> None:
    levels = picture(max(shape))[: shape[0], : shape[1], ::-1]
    image = np.ascontiguousarray(np.resize(levels.transpose(2, 0, 1), (shape[2], *shape[:2])))
    spoilt = corrupt(image.transpose(1, 2, 0), name, 5, item=0, seed=0)
    assert (spoilt.shape, spoilt.dtype) == (shape, np.uint8)
    changed = (spoilt != image.transpose(1, 2, 0)).any()
    assert changed or (name == "saturate" and shape[2] != 3)


@pytest.mark.parametrize(
    ("image", "name", "severity", "what"),
    [
        (picture(32), "rain", 1, "must be one of gaussian_noise, .* got 'rain'"),
        (picture(32), "fog", 6, "severity must be from 1 to 5, got 6"),
        (picture(8), "fog", 1, "16 px or more on a side, got 8 x 8"),
    ],
)
def test_refusals(image: np.ndarray, name: str, severity: int, what: str) -> None:
    with pytest.raises(UserError, match=what):
        corrupt(image, name, severity, item=0, seed=0)
