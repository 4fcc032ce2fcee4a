"""The source: pure, balanced, the same scene at any size."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ilk
from ilk.core import UserError
from ilk.data.source import Source
from ilk.rendered import CLASSES, DOMAINS, Rendered

# Of the first hundred images: mean and spread of red, green, blue; of the first five: means.
GOLDEN_MEAN = (120.4, 123.1, 123.6)
GOLDEN_SPREAD = (71.5, 66.3, 72.3)
GOLDEN_FIRST = (121.2, 218.9, 73.6, 175.9, 82.1)

_SHOW = """
import hashlib
from ilk.rendered import Rendered
source = Rendered(50, seed=3, domain="dusk")
print(hashlib.sha256(b"".join(source.item(i).tobytes() for i in (7, 0, 31))).hexdigest())
"""


def test_is_a_source_of_uint8_images():
    source = Rendered(12)
    assert isinstance(source, Source)
    assert len(source) == 12
    assert source.classes == CLASSES
    assert len(set(CLASSES)) == 10
    assert source.item(3).shape == (64, 64, 3)
    assert source.item(3).dtype == np.uint8
    assert len({source.key(i) for i in range(12)}) == 12


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**40), st.integers(0, 2**31), st.sampled_from(["train", "test", "x"]))
def test_any_image_is_repeatable(index: int, seed: int, split: str):
    first, second = (Rendered(2**41, seed=seed, split=split) for _ in range(2))
    image = first.item(index)
    second.item(index + 1)  # the order of calls must not matter
    np.testing.assert_array_equal(second.item(index), image)
    assert image.std() > 2


def test_another_process_draws_the_same_bytes():
    source = Rendered(50, seed=3, domain="dusk")
    here = hashlib.sha256(b"".join(source.item(i).tobytes() for i in (7, 0, 31))).hexdigest()
    env = os.environ | {"PYTHONPATH": str(Path(ilk.__file__).parents[1]), "PYTHONHASHSEED": "7"}
    run = [sys.executable, "-c", _SHOW]
    there = subprocess.run(run, capture_output=True, text=True, check=True, env=env)
    assert there.stdout.strip() == here


def test_every_block_of_ten_shows_every_class():
    source = Rendered(200)
    labels = np.array([source.label(i) for i in range(200)]).reshape(20, 10)
    assert (np.sort(labels, axis=1) == np.arange(10)).all()
    assert len({tuple(row) for row in labels}) > 15  # in another order each time


def test_count_only_limits():
    few, many = Rendered(5), Rendered(500)
    np.testing.assert_array_equal(few.item(4), many.item(4))
    assert few.label(4) == many.label(4)
    with pytest.raises(IndexError, match=r"0\.\.4"):
        few.item(5)


def test_splits_and_seeds_share_nothing():
    base, other = Rendered(12), [Rendered(12, split="test"), Rendered(12, seed=1)]
    for source in other:
        assert all((source.item(i) != base.item(i)).mean() > 0.5 for i in range(5))
        mine = {source.truth(i).pose for i in range(12)} | {
            source.truth(i).light for i in range(12)
        }
        assert not mine & {base.truth(i).pose for i in range(12)}


def test_family_shows_known_objects_in_new_scenes():
    train, again = (
        Rendered(10, instances=1),
        Rendered(10, instances=1, split="b", family="train"),
    )
    strange = Rendered(10, instances=1, split="b")
    where = {train.label(i): i for i in range(10)}
    same, other = [], []
    for i in range(10):
        known, seen, new = train.item(where[again.label(i)]), again.item(i), strange.item(i)
        masks = [
            train.truth(where[again.label(i)]).mask,
            again.truth(i).mask,
            strange.truth(i).mask,
        ]
        assert again.truth(i).instance == train.truth(where[again.label(i)]).instance
        known, seen, new = (
            _hues(image[mask > 0.9])
            for image, mask in zip((known, seen, new), masks, strict=True)
        )
        same.append(np.abs(known - seen).sum())
        other.append(np.abs(known - new).sum())
    assert np.mean(same) < 0.6 * np.mean(other)  # the same paint, whatever the light


def _hues(pixels: np.ndarray) -> np.ndarray:
    hsv = cv2.cvtColor(pixels[None], cv2.COLOR_RGB2HSV)[0]
    count = np.bincount(hsv[:, 0] // 15, weights=hsv[:, 1].astype(float), minlength=12)
    return count / count.sum()


def test_unlabelled_hides_the_class_but_not_from_truth():
    source = Rendered(10, labelled=False)
    assert source.classes == ()
    assert [source.label(i) for i in range(10)] == [-1] * 10
    assert sorted(source.truth(i).class_index for i in range(10)) == list(range(10))
    np.testing.assert_array_equal(source.item(2), Rendered(10).item(2))


def test_fingerprint_follows_every_setting():
    base = Rendered(10)
    changed = [
        {"count": 11}, {"seed": 1}, {"size": 32}, {"split": "test"}, {"domain": "fog"},
        {"labelled": False}, {"instances": 9}, {"family": "x"},
    ]  # fmt: skip
    prints = {base.fingerprint, *(replace(base, **change).fingerprint for change in changed)}
    assert len(prints) == len(changed) + 1
    assert Rendered(10).fingerprint == base.fingerprint


@pytest.mark.parametrize("size", [28, 96, 144, 256])
def test_same_scene_at_any_size(size: int):
    for i in range(4):
        large, small = Rendered(4, size=size).item(i), Rendered(4, size=28).item(i)
        assert large.shape == (size, size, 3)
        shrunk = cv2.resize(large, (28, 28), interpolation=cv2.INTER_AREA)
        assert np.abs(shrunk.astype(int) - small).mean() < 5


def test_images_have_not_drifted(train):
    """Statistics, not bytes: another OpenCV may round otherwise."""
    some = train.images[:100].astype(float)
    np.testing.assert_allclose(some.mean((0, 1, 2)), GOLDEN_MEAN, atol=1.5)
    np.testing.assert_allclose(some.std((0, 1, 2)), GOLDEN_SPREAD, atol=1.5)
    np.testing.assert_allclose(some[:5].mean((1, 2, 3)), GOLDEN_FIRST, atol=2)


def test_settings_are_checked():
    with pytest.raises(UserError, match="domain must be one of studio"):
        Rendered(3, domain="mars")
    with pytest.raises(UserError, match="size must be"):
        Rendered(3, size=8)
    with pytest.raises(UserError, match="count must be"):
        Rendered(-1)
    assert "studio" in DOMAINS
