"""Ground truth: mask, box and pixels agree, and no class leaks through anything but shape."""

import cv2
import numpy as np
import pytest
from scipy.stats import chi2_contingency
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from ilk.rendered import BACKGROUNDS, Rendered


def _bounds(mask: np.ndarray) -> np.ndarray:
    rows, columns = (np.flatnonzero(mask.max(axis)) for axis in (1, 0))
    return np.array([rows[0], columns[0], rows[-1] + 1, columns[-1] + 1])


@pytest.mark.parametrize("size", [32, 64, 200])
def test_box_bounds_the_mask(size: int):
    source = Rendered(20, size=size)
    for i in range(20):
        truth = source.truth(i)
        assert truth.mask.shape == (size, size)
        assert 0 <= min(truth.box) <= max(truth.box) <= size
        loose = 1 + 1.5 * size / 96  # the pixels it is painted at, and the mask's own
        assert np.abs(_bounds(truth.mask > 0.02) - truth.box).max() <= loose


def test_mask_is_where_the_object_changes_pixels(train):
    for i in range(40):
        truth, empty = train.truths[i], train.source.empty(i).astype(int)
        change = np.abs(train.images[i] - empty).max(-1)
        inside = truth.mask > 0.95
        assert (change[inside] > 8).mean() > 0.8
        shadow = _reach(truth)
        assert (change[(truth.mask == 0) & ~shadow] <= 2).all()


def _reach(truth) -> np.ndarray:
    """Where a shadow may fall: the mask, moved away from the lamp and widened."""
    side = truth.mask.shape[0]
    reach = 2 * truth.light.height * side + 0.1 * side
    size = 2 * int(np.ceil(reach)) + 1
    return cv2.dilate(truth.mask, np.ones((size, size))) > 0


def test_shadow_falls_away_from_the_lamp():
    source = Rendered(36, size=96)
    drift = []
    for i in range(36):
        truth = source.truth(i)
        dark = source.empty(i).astype(float).sum(-1) - source.item(i).astype(float).sum(-1)
        dark = np.clip(dark, 0, None) * (truth.mask == 0)
        if dark.sum() < 1000:
            continue
        centre = [
            np.array([np.average(g, weights=w) for g in np.mgrid[:96, :96]])
            for w in (dark, truth.mask)
        ]
        away = -np.array([np.sin(truth.light.azimuth), np.cos(truth.light.azimuth)])
        drift.append(float((centre[0] - centre[1]) @ away))
    assert len(drift) > 18
    assert np.mean(np.array(drift) > 0) > 0.9


def test_edges_are_soft(train):
    for truth in train.truths[:40]:
        inner = cv2.erode(truth.mask, np.ones((3, 3)))
        outer = cv2.dilate(truth.mask, np.ones((3, 3)))
        edge = (inner < 0.02) & (outer > 0.98) & (cv2.blur(truth.mask, (3, 3)) > 0.2)
        levels = np.unique((truth.mask * 32).astype(int))
        assert len(levels) > 16
        assert ((truth.mask > 0.02) & (truth.mask < 0.98))[edge].mean() > 0.3


def test_area_of_the_mask_tells_size_not_class(train):
    area = np.array([truth.mask.mean() for truth in train.truths])
    means = [area[train.labels == c].mean() for c in range(10)]
    assert min(means) > 0.08
    assert max(means) < 2.2 * min(means)


def test_instances_belong_to_their_class(train):
    ids = [truth.instance for truth in train.truths]
    assert {t.instance // 200 == t.class_index for t in train.truths} == {True}
    assert 250 < len(set(ids)) < 300  # many, some seen again


def test_backgrounds_do_not_know_the_class(train):
    table = np.zeros((10, len(BACKGROUNDS)))
    for truth in train.truths:
        table[truth.class_index, truth.background] += 1
    assert (table.sum(0) > 8).all()
    assert chi2_contingency(table).pvalue > 1e-3


def _told(features: np.ndarray, labels: np.ndarray) -> float:
    """Accuracy of 20 neighbours, learnt on two thirds and asked on one."""
    cut = 2 * len(labels) // 3
    return (
        KNeighborsClassifier(20)
        .fit(features[:cut], labels[:cut])
        .score(features[cut:], labels[cut:])
    )


def test_colour_brightness_and_place_do_not_know_the_class(train):
    corners = np.concatenate([train.images[:, :6, :6], train.images[:, -6:, -6:]], axis=1)
    centre = np.array([[t.pose.y, t.pose.x] for t in train.truths])
    light = np.array(
        [[t.light.azimuth, t.light.warmth, t.light.intensity] for t in train.truths]
    )
    turn = np.array([[t.pose.turn, t.pose.tilt, t.pose.mirrored] for t in train.truths])
    for features in (train.images.mean((1, 2)), corners.mean((1, 2)), light, turn):
        assert _told(features, train.labels) < 0.18
    assert _told(centre, train.labels) < 0.25  # the room that a shape leaves it


def test_raw_pixels_do_badly(train, test):
    x, z = (d.images[:, ::2, ::2].reshape(len(d.images), -1) / 255 for d in (train, test))
    neighbours = KNeighborsClassifier(20).fit(x, train.labels).score(z, test.labels)
    linear = LogisticRegression(C=1e-4, max_iter=300).fit(x, train.labels)
    assert neighbours < 0.35
    assert linear.score(z, test.labels) < 0.35


def test_shape_tells_the_class(train, test):
    """What a person sees: the silhouette alone, centred, says far more than all pixels."""

    def silhouettes(drawn) -> np.ndarray:
        rows = []
        for truth in drawn.truths:
            top, left, bottom, right = _bounds(truth.mask > 0.1)
            cut = truth.mask[top:bottom, left:right]
            cut = cut[:, ::-1] if truth.pose.mirrored else cut
            rows.append(cv2.resize(cut, (24, 24)).ravel())
        return np.stack(rows)

    model = KNeighborsClassifier(5).fit(silhouettes(train), train.labels)
    assert model.score(silhouettes(test), test.labels) > 0.7
