"""The recipes against the published numbers, in full."""

from dataclasses import replace

import pytest

from ilk.views import (
    ImageView,
    byol_pair,
    cifar_pair,
    dino_multicrop,
    fitted,
    local_size,
    moco_v2_pair,
    revisited_multicrop,
    simclr_pair,
    swav_multicrop,
    weak,
)

BYOL, MOCO, SIMCLR = (0.4, 0.4, 0.2, 0.1), (0.4, 0.4, 0.4, 0.1), (0.8, 0.8, 0.8, 0.2)
# name size scale jitter blur_p blur_kernel solarize_p interpolation
TABLE = [
    (byol_pair(), [
        ("a", 224, (0.08, 1.0), BYOL, 1.0, 23, 0.0, "bicubic"),
        ("b", 224, (0.08, 1.0), BYOL, 0.1, 23, 0.2, "bicubic"),
    ]),
    (byol_pair(64, min_scale=0.2, interpolation="bilinear"), [
        ("a", 64, (0.2, 1.0), BYOL, 1.0, 7, 0.0, "bilinear"),
        ("b", 64, (0.2, 1.0), BYOL, 0.1, 7, 0.2, "bilinear"),
    ]),
    (cifar_pair(), [
        ("a", 32, (0.08, 1.0), BYOL, 0.0, 3, 0.0, "bilinear"),
        ("b", 32, (0.08, 1.0), BYOL, 0.0, 3, 0.2, "bilinear"),
    ]),
    (simclr_pair(), [
        ("a", 224, (0.08, 1.0), SIMCLR, 0.5, 23, 0.0, "bicubic"),
        ("b", 224, (0.08, 1.0), SIMCLR, 0.5, 23, 0.0, "bicubic"),
    ]),
    (simclr_pair(96, strength=0.5), [
        ("a", 96, (0.08, 1.0), (0.4, 0.4, 0.4, 0.1), 0.5, 9, 0.0, "bicubic"),
        ("b", 96, (0.08, 1.0), (0.4, 0.4, 0.4, 0.1), 0.5, 9, 0.0, "bicubic"),
    ]),
    (moco_v2_pair(), [
        ("a", 224, (0.2, 1.0), MOCO, 0.5, None, 0.0, "bilinear"),
        ("b", 224, (0.2, 1.0), MOCO, 0.5, None, 0.0, "bilinear"),
    ]),
    (dino_multicrop(), [
        ("g1", 224, (0.4, 1.0), BYOL, 1.0, None, 0.0, "bicubic"),
        ("g2", 224, (0.4, 1.0), BYOL, 0.1, None, 0.2, "bicubic"),
        *((f"l{n}", 96, (0.05, 0.4), BYOL, 0.5, None, 0.0, "bicubic") for n in range(1, 9)),
    ]),
    (swav_multicrop(), [
        ("g1", 224, (0.14, 1.0), SIMCLR, 0.5, None, 0.0, "bilinear"),
        ("g2", 224, (0.14, 1.0), SIMCLR, 0.5, None, 0.0, "bilinear"),
        *((f"l{n}", 96, (0.05, 0.14), SIMCLR, 0.5, None, 0.0, "bilinear") for n in range(1, 7)),
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("views", "rows"), TABLE)
def test_published_parameters(views: tuple[ImageView, ...], rows):
    expected = tuple(
        ImageView(
            name=name, size=size, scale=scale, jitter=jitter, blur_p=blur, blur_kernel=kernel,
            solarize_p=solarize, interpolation=interpolation, ratio=(3 / 4, 4 / 3), flip=0.5,
            jitter_p=0.8, gray_p=0.2, blur_sigma=(0.1, 2.0), solarize_threshold=128,
        )
        for name, size, scale, jitter, blur, kernel, solarize, interpolation in rows
    )  # fmt: skip
    assert views == expected


def test_a_weak_view_is_a_crop_and_a_flip():
    assert weak(64) == ImageView(
        name="weak", size=64, scale=(0.2, 1.0), flip=0.5, jitter_p=0.0, gray_p=0.0, blur_p=0.0,
        solarize_p=0.0,
    )  # fmt: skip
    assert weak(64, min_scale=0.5, name="t").scale == (0.5, 1.0)


def test_local_views_can_be_fewer_or_none():
    assert [view.name for view in dino_multicrop(64, 32, 1)] == ["g1", "g2", "l1"]
    assert [view.name for view in swav_multicrop(64, 32, 0)] == ["g1", "g2"]


@pytest.mark.parametrize(("least", "most"), [(0.05, 0.14), (0.2, 0.56), (0.5, 1.0)])
def test_small_crops_of_small_pictures_may_be_larger(least, most):
    for crops in (swav_multicrop(32, 16, 2, least),
                  revisited_multicrop(32, 16, 2, min_local_scale=least)):  # fmt: skip
        assert crops[-1].scale == pytest.approx((least, most))
        assert crops[1].scale[1] == 1.0


def test_small_crops_share_a_part_with_the_key_which_has_plain_colours():
    key, *queries = revisited_multicrop(160, 96, 2)
    assert [view.name for view in queries] == ["large", "s1", "s2"]
    assert (key.near, key.autoaugment_p) == (None, 0)
    assert {view.autoaugment_p for view in queries} == {0.5}
    assert [view.near for view in queries] == [None, key, key]
    assert [view.size for view in (key, *queries)] == [160, 160, 96, 96]


def test_small_views_lose_their_blur_and_nothing_else():
    assert fitted(byol_pair(32, interpolation="bilinear")) == cifar_pair(32)
    assert fitted(byol_pair(65)) == byol_pair(65)
    g1, g2, l1 = dino_multicrop(96, 48, 1)
    assert fitted((g1, g2, l1)) == (g1, g2, replace(l1, blur_p=0.0))


@pytest.mark.parametrize(
    ("large", "small"), [(224, 96), (384, 160), (128, 48), (96, 48), (64, 32), (32, 16)]
)
def test_small_crops_keep_the_published_proportion(large, small):
    assert local_size(large) == small
