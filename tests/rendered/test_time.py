"""Clips, seasons and domains: what changes, and what must not."""

import cv2
import numpy as np
import pytest

from ilk.rendered import DOMAINS, Rendered


def test_clip_starts_with_its_image_and_only_grows():
    source = Rendered(10)
    clip = source.clip(2, 6)
    assert clip.shape == (6, 64, 64, 3)
    np.testing.assert_array_equal(clip[0], source.item(2))
    np.testing.assert_array_equal(source.clip(2, 3), clip[:3])
    np.testing.assert_array_equal(source.clip_truth(2, 1)[0].mask, source.truth(2).mask)


@pytest.mark.parametrize("index", range(6))
def test_clip_is_smooth_and_keeps_the_object(index: int):
    source = Rendered(10)
    truths = source.clip_truth(index, 32)
    start = source.truth(index)
    assert {t.instance for t in truths} == {start.instance}
    assert {t.light for t in truths} == {start.light}
    path = np.array([[*_centre(t.mask), t.mask.mean() ** 0.5 * 64] for t in truths])
    pace = np.diff(path, axis=0)
    assert np.abs(pace).max() < 4  # pixels a frame
    assert np.abs(np.diff(pace, axis=0)).max() < 2  # no jolts
    assert np.linalg.norm(path - path[0], axis=1).max() > 2  # but it moves
    assert all(0 <= min(t.box) <= max(t.box) <= 64 for t in truths)


def test_clip_leaves_the_background_still():
    source = Rendered(10)
    clip, truths = source.clip(1, 8).astype(int), source.clip_truth(1, 8)
    far = cv2.dilate(np.max([t.mask for t in truths], axis=0), np.ones((27, 27))) == 0
    assert far.sum() > 100
    assert np.abs(clip - clip[0])[:, far].max() <= 1


def _centre(mask: np.ndarray) -> list[float]:
    return [float(np.average(grid, weights=mask)) for grid in np.mgrid[:64, :64]]


@pytest.mark.parametrize("bands", [1, 3, 4, 13])
def test_seasons_have_any_number_of_bands(bands: int):
    year = Rendered(4, size=48).seasons(1, 5, bands)
    assert year.shape == (5, 48, 48, bands)
    assert year.dtype == np.uint8
    np.testing.assert_array_equal(year, Rendered(4, size=48).seasons(1, 5, bands))


def test_seasons_share_geometry():
    source = Rendered(12)
    inner, outer = [], []
    for i in range(12):
        year, mask = source.seasons(i).astype(float).mean(-1), source.truth(i).mask
        for other in year[1:]:
            inner.append(np.corrcoef(year[0][mask > 0.9], other[mask > 0.9])[0, 1])
            outer.append(np.corrcoef(year[0][mask < 0.1], other[mask < 0.1])[0, 1])
    assert np.median(inner) > 0.95  # the object stays as it was, but for the light
    assert np.median(outer) < 0.9  # what is behind it grows, dries and is snowed under


def test_vegetation_shines_in_the_near_infrared():
    shine = []
    for i in range(8):
        summer = Rendered(8).seasons(i, 4, 13)[1].astype(float)
        behind = Rendered(8).truth(i).mask < 0.05
        near, red = summer[..., 3][behind], summer[..., 1][behind]  # 880 and 587 nm
        shine.append((near - red > 40).mean())
    assert np.mean(shine) > 0.2


def test_snow_is_white_and_dark_beyond_1400_nm():
    winter = np.stack([Rendered(8).seasons(i, 4, 13)[3] for i in range(8)]).astype(float)
    summer = np.stack([Rendered(8).seasons(i, 4, 13)[1] for i in range(8)]).astype(float)
    gain = (winter - summer).mean((0, 1, 2))
    assert gain[0] > 20
    assert gain[0] - gain[7] > 30  # 440 against 1467 nm


@pytest.mark.parametrize("domain", [name for name in DOMAINS if name != "studio"])
def test_domains_differ_in_look_and_share_truth(domain: str):
    plain, shifted = Rendered(8), Rendered(8, domain=domain)
    assert len(DOMAINS) >= 4
    for i in range(8):
        a, b = plain.truth(i), shifted.truth(i)
        np.testing.assert_array_equal(a.mask, b.mask)
        assert (a.instance, a.box, a.pose, a.light) == (b.instance, b.box, b.pose, b.light)
        assert plain.label(i) == shifted.label(i)
        difference = np.abs(plain.item(i).astype(int) - shifted.item(i)).mean()
        assert difference > 8
        assert shifted.item(i).std() > 8


def test_domains_differ_from_each_other():
    means = np.stack(
        [[Rendered(12, domain=d).item(i).mean((0, 1)) for i in range(12)] for d in DOMAINS]
    )
    apart = np.abs(means[:, None] - means[None]).mean((2, 3))
    assert (apart + 100 * np.eye(len(DOMAINS)) > 5).all()


def test_thermal_objects_are_warmer_than_what_is_behind():
    source = Rendered(10, domain="thermal")
    for i in range(10):
        heat, mask = source.item(i)[..., 0].astype(float), source.truth(i).mask
        assert heat[mask > 0.9].mean() > heat[mask < 0.05].mean() + 30
