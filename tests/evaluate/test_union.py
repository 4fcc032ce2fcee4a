"""Intersection over union, against scikit-learn and against resampling written out."""

import numpy as np
import pytest
import torch
from sklearn.metrics import jaccard_score

from ilk.evaluate.metrics.union import Areas, areas_of


def drawn(images: int, classes: int, seed: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
    chance = torch.Generator().manual_seed(seed)
    pairs = []
    for _ in range(images):
        truth = torch.randint(-1, classes, (9, 7), generator=chance)
        found = torch.randint(0, classes, (9, 7), generator=chance)
        pairs.append((torch.where(torch.rand(9, 7, generator=chance) < 0.6, truth, found)
                      .clamp_min(0), truth))  # fmt: skip
    return pairs


def test_it_is_the_jaccard_index_of_all_pixels_that_count():
    pairs = drawn(5, 4)
    found, true = (torch.cat([pair[part].ravel() for pair in pairs]) for part in (0, 1))
    expected = jaccard_score(true[true >= 0], found[true >= 0], average=None)
    np.testing.assert_allclose(areas_of(pairs, 4).unions(), expected)


def test_a_class_that_does_not_occur_has_none():
    pairs = [(torch.tensor([0, 1, 2]), torch.tensor([0, 0, -1]))]
    assert areas_of(pairs, 3).unions()[0] == 0.5
    assert np.isnan(areas_of(pairs, 3).unions()[1:]).all()


def test_the_interval_draws_whole_images():
    areas = areas_of(drawn(12, 3), 3)
    low, high = areas.interval(0)
    rng = np.random.default_rng(1)
    means = []
    for _ in range(2000):
        rows = rng.integers(0, 12, 12)
        part = Areas(both=areas.both[rows], found=areas.found[rows], true=areas.true[rows])
        means.append(np.nanmean(part.unions()))
    np.testing.assert_allclose((low, high), np.quantile(means, [0.025, 0.975]), atol=0.006)
    assert (low, high) == areas.interval(0)
    assert areas_of(drawn(1, 3), 3).interval(0) is None


def test_parts_are_put_together():
    pairs = drawn(4, 3)
    parts = Areas.cat([areas_of(pairs[:1], 3), areas_of(pairs[1:], 3)])
    assert parts.unions() == pytest.approx(areas_of(pairs, 3).unions())


def test_images_of_which_nothing_counts_are_not_drawn():
    pairs = drawn(6, 3)
    void = [(found, torch.full_like(true, -1)) for found, true in pairs]
    alone, beside = areas_of(pairs, 3), areas_of(pairs + void * 3, 3)
    assert beside.interval(0) == alone.interval(0)
    assert areas_of(pairs[:1] + void, 3).interval(0) is None
