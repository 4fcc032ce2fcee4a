"""Random and plain views as a whole."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest
import simplejpeg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import CenterCrop, Compose, Resize

from ilk.core import MinPixels, UserError
from ilk.data import decode
from ilk.views import (
    Background,
    ImageView,
    Plain,
    amdim_pair,
    byol_pair,
    dino_multicrop,
    draw,
    needed,
    render,
)

SIZES = [(40, 60), (200, 31), (64, 64), (90, 120), (33, 32), (10, 300), (128, 96)] * 3


@pytest.fixture(scope="module")
def images(picture) -> list[np.ndarray]:
    return [picture(*size, seed=seed) for seed, size in enumerate(SIZES)]


@pytest.mark.parametrize("view", [byol_pair(48)[1], dino_multicrop(48, 20)[4]])
def test_no_pixel_depends_on_the_batch_or_on_threads(view, images):
    items = np.arange(100, 100 + len(images))
    whole = view.render(images, items, 2, 3)
    order = np.random.default_rng(0).permutation(len(images))
    shuffled = view.render([images[i] for i in order], items[order], 2, 3)
    assert torch.equal(shuffled, whole[order])

    def chunk(rows: np.ndarray) -> torch.Tensor:
        return view.render([images[i] for i in rows], items[rows], 2, 3)

    for workers, chunks in ((1, 5), (4, 7), (8, len(images))):
        with ThreadPoolExecutor(workers) as pool:
            parts = pool.map(chunk, np.array_split(np.arange(len(images)), chunks))
            assert torch.equal(torch.cat(list(parts)), whole)


def test_views_made_together_are_those_made_alone(images):
    pair, items = dino_multicrop(48, 20, 3), np.arange(len(images))
    together = render(pair, images, items, 1, 2)
    assert list(together) == [view.name for view in pair]
    for view in pair:
        assert torch.equal(together[view.name], view.render(images, items, 1, 2))


def test_epoch_item_seed_and_name_change_the_picture(images):
    view, items = byol_pair(32)[0], np.zeros(len(images), np.int64)
    first = view.render(images, items, 0, 0)
    assert torch.equal(first, view.render(images, items, 0, 0))
    for other in (
        view.render(images, items, 1, 0),
        view.render(images, items, 0, 1),
        view.render(images, items + 1, 0, 0),
        replace(view, name="c").render(images, items, 0, 0),
    ):
        assert (first != other).flatten(1).any(1).all()


def test_views_are_channels_last_in_memory(images):
    view = byol_pair(32)[0].render(images, np.arange(len(images)), 0, 0)
    assert view.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 0}, {"scale": (0.0, 1.0)}, {"scale": (0.5, 0.4)}, {"scale": (0.5, 1.1)},
        {"ratio": (0.0, 1.0)}, {"ratio": (2.0, 1.0)}, {"flip": 1.2}, {"jitter_p": -0.1},
        {"gray_p": 2.0}, {"blur_p": -1.0}, {"solarize_p": 1.01}, {"blur_sigma": (0.0, 1.0)},
        {"jitter": (0.1, 0.1, -1.0, 0.0)}, {"jitter": (0.1, 0.1, 0.1, 0.6)},
        {"blur_sigma": (2.0, 1.0)},
        {"blur_kernel": 4}, {"blur_kernel": 0}, {"blur_kernel": -1}, {"solarize_threshold": -1},
    ],
)  # fmt: skip
def test_impossible_parameters_are_refused_by_name(wrong):
    (field,) = wrong
    with pytest.raises(UserError, match=f"'a': {field} must be"):
        ImageView(**{"name": "a", "size": 32} | wrong)


@pytest.mark.parametrize("size", [8, 32, 96])
@pytest.mark.parametrize("channels", [1, 3, 13])
def test_a_square_image_of_that_size_is_left_alone(picture, size, channels):
    image = picture(size, size, channels)
    rendered = Plain(size).render([image], np.zeros(1, np.int64))
    assert (rendered[0].permute(1, 2, 0).numpy() == image).all()


@pytest.mark.parametrize("size", [(256, 256), (375, 500), (600, 260), (901, 1000)])
@pytest.mark.parametrize("kind", ["bilinear", "bicubic"])
def test_large_images_are_resized_to_256_and_cropped_to_224(picture, size, kind):
    image = picture(*size)
    rendered = Plain(224, interpolation=kind).render([image], np.zeros(1, np.int64))
    usual = Compose([Resize(256, InterpolationMode(kind), antialias=True), CenterCrop(224)])
    assert torch.equal(rendered[0], usual(torch.from_numpy(image).permute(2, 0, 1)))


def test_small_images_keep_their_shorter_side(picture):
    image = picture(60, 90)
    middle = image[:, 15:75]
    rendered = Plain(56).render([image, middle], np.zeros(2, np.int64))
    assert torch.equal(rendered[0], rendered[1])
    assert torch.equal(Plain(60).render([image], np.zeros(1, np.int64))[0, :, :, 0],
                       torch.from_numpy(image[:, 15]).T)  # fmt: skip


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    height=st.integers(1, 400),
    width=st.integers(1, 400),
    channels=st.sampled_from([1, 3, 13]),
    size=st.integers(1, 100),
    interpolation=st.sampled_from(["bilinear", "bicubic"]),
)
def test_plain_views_of_anything(picture, height, width, channels, size, interpolation):
    image = picture(height, width, channels)
    before = image.copy()
    plain = Plain(size, interpolation=interpolation)
    rendered = plain.render([image], np.zeros(1, np.int64), 0, 0)
    again = plain.render([image, image], np.arange(2), 5, 6)
    assert rendered.shape == (1, channels, size, size)
    assert torch.equal(again, rendered.expand(2, -1, -1, -1))
    assert (image == before).all()


@pytest.mark.parametrize("wrong", [{"size": 0}, {"crop": 0.0}, {"crop": 1.5}])
def test_impossible_plain_views_are_refused(wrong):
    with pytest.raises(UserError, match=f"Plain 'plain': {next(iter(wrong))} must be"):
        Plain(**{"size": 32} | wrong)


@given(
    st.tuples(st.floats(0.02, 1), st.floats(0.02, 1)),
    st.tuples(st.floats(0.3, 2), st.floats(0.3, 2)),
    st.integers(4, 64),
    st.tuples(st.integers(8, 1000), st.integers(8, 1000)),
)
def test_no_crop_of_a_reduced_picture_is_smaller_than_its_view(scale, ratio, size, shape):
    made = ImageView(
        name="a", size=size, scale=tuple(sorted(scale)), ratio=tuple(sorted(ratio))
    )
    by = needed([made]).reduction(*shape, (2, 4, 8))
    reduced = [-(-side // by) for side in shape]
    heights, widths = (np.full(50, side) for side in reduced)
    boxes = draw(made, heights, widths, np.arange(50), 0, 0).boxes
    assert by == 1 or boxes[:, 2:].min() >= size


@pytest.mark.parametrize("pair", [byol_pair(32), dino_multicrop(48, 32)])
def test_views_of_a_reduced_picture_are_those_of_the_whole_one(picture, pair):
    image = cv2.GaussianBlur(picture(1200, 1600), (0, 0), 8)
    file = simplejpeg.encode_jpeg(image, 95, "RGB", "444")
    reduced = decode(file, detail=needed(pair))
    assert reduced.shape[0] < 1200
    items = np.arange(16)
    plain = [replace(view, jitter_p=0, solarize_p=0) for view in pair]  # these blow up noise
    ours, whole = (render(plain, [seen] * 16, items, 0, 0) for seen in (reduced, decode(file)))
    for name in ours:
        apart = (ours[name].int() - whole[name].int()).abs().float()
        assert apart.mean() < 3  # grey levels; boxes begin at other pixels


def test_the_most_demanding_view_decides():
    globe, local = (
        ImageView(name="a", size=224, scale=(0.5, 1)),
        ImageView(name="b", size=96, scale=(0.1, 0.5)),
    )
    assert needed([globe, local]) == MinPixels(area=math.ceil(224**2 / 0.5 * 4 / 3), side=224)
    assert needed([globe, replace(local, background=Background(kind="remove", p=0.5))]) is None


def test_two_views_are_mirrored_together():
    """AMDIM's: half of all items, the same ones in both; crops and colours stay apart."""
    sizes, items = np.full(2000, 64), np.arange(2000)
    a, b = (draw(view, sizes, sizes, items, 3, 0) for view in amdim_pair(32))
    assert np.array_equal(a.flip, b.flip)
    assert abs(a.flip.mean() - 0.5) < 0.05
    assert (a.boxes != b.boxes).any(axis=1).mean() > 0.99
    alone = replace(amdim_pair(32)[1], flip_as=None)
    assert abs((draw(alone, sizes, sizes, items, 3, 0).flip == a.flip).mean() - 0.5) < 0.05
