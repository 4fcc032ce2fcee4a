"""Whitening and Euclidean k-means against loops, and what clusters do over epochs."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ilk.core import UNKNOWN, Composition, Progress, Rows, UserError
from ilk.kin import OwnClass
from ilk.memory import Bank, WhitenedClusters
from ilk.memory.whitened import k_means, nearest_centroid, whitened
from tests.kin.context import FakeLook, plain

BLOBS, EACH = 3, 8


def blobs() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.eye(6)[:BLOBS].repeat_interleave(EACH, 0) + 0.02 * torch.randn(24, 6)


def settled(items, *, seed=0, step=4, clusters=3, axes=2) -> WhitenedClusters:
    bank = Bank(25, 6, momentum=0.0)
    items = torch.as_tensor(items)
    bank.remember(Rows(blobs()[: len(items)], Composition.plain(items), items))
    found = WhitenedClusters(clusters, bank="bank", axes=axes, items=25)
    found.refresh({"bank": bank}, Progress(step, 8, 4.0), seed)
    return found


def test_whitened_rows_are_uncorrelated_with_unit_variance_on_the_largest_axes():
    torch.manual_seed(0)
    rows = (torch.randn(50, 7) @ torch.randn(7, 7)).double()
    made = whitened(rows, 4)
    torch.testing.assert_close(made.mean(0), torch.zeros(4).double())
    covariance = torch.from_numpy(np.cov(made.T.numpy()))
    torch.testing.assert_close(covariance, torch.eye(4).double())
    centred = (rows - rows.mean(0)).numpy()
    left, _, _ = np.linalg.svd(centred, full_matrices=False)
    expected = torch.from_numpy(left[:, :4] * np.sqrt(49))
    torch.testing.assert_close(made.abs(), expected.abs())


@pytest.mark.parametrize(("rows", "axes", "kept"), [(5, 256, 4), (50, 256, 7), (50, 3, 3)])
def test_axes_are_no_more_than_rows_and_features_allow(rows, axes, kept):
    torch.manual_seed(0)
    assert whitened(torch.randn(rows, 7).double(), axes).shape == (rows, kept)


def test_a_feature_that_is_dead_makes_no_axis():
    torch.manual_seed(0)
    rows = torch.randn(50, 4)
    rows[:, 2] = 0
    assert whitened(rows, 4).shape == (50, 3)


def test_k_means_matches_a_loop():
    torch.manual_seed(1)
    rows = torch.randn(40, 4).double()
    centroids = rows[:5].clone()
    expected = centroids.clone()
    for _ in range(4):
        labels = [
            min(range(5), key=lambda k: float((row - expected[k]).norm())) for row in rows
        ]
        for k in range(5):
            mine = [row for row, label in zip(rows, labels, strict=True) if label == k]
            expected[k] = sum(mine) / len(mine)
    torch.testing.assert_close(k_means(rows, centroids, 4), expected)
    labels = [min(range(5), key=lambda k: float((row - expected[k]).norm())) for row in rows]
    assert nearest_centroid(rows, expected).tolist() == labels


def test_an_empty_cluster_takes_half_of_the_largest():
    rows = torch.tensor([[0.0, 1], [0, 2], [0, 3], [0, 4], [9, 0]])
    start = torch.tensor([[0.0, 2], [9, 0], [-50, 0]])
    found = nearest_centroid(rows, k_means(rows, start, 5))
    assert torch.bincount(found, minlength=3).tolist() == [2, 1, 2]


def test_blobs_are_found_by_item_and_strangers_belong_nowhere():
    items = torch.randperm(25, generator=torch.Generator().manual_seed(5))[:24]
    tries = [settled(items, seed=seed) for seed in range(8)]
    right = [
        found
        for found in tries
        if all(len(found.labels[part].unique()) == 1 for part in items.split(EACH))
    ]
    assert len(right) >= 4  # random starts may share a blob
    assert len(right[0].labels[items].unique()) == BLOBS
    left = set(range(25)) - set(items.tolist())
    assert right[0].labels[list(left)].tolist() == [UNKNOWN]
    torch.testing.assert_close(right[0].rarity, torch.ones(BLOBS))
    kin = OwnClass(labels="clusters")(
        *[plain(torch.zeros(25, BLOBS))] * 2, FakeLook(memories={"clusters": right[0]})
    )
    assert kin.weights.sum(1).tolist() == [float(i not in left) for i in range(25)]


def test_clusters_count_alike_and_those_without_members_not_at_all():
    found = settled(range(24), clusters=5, seed=1)
    sizes = torch.bincount(found.labels[:24], minlength=5)
    assert len(sizes.unique()) > 1
    torch.testing.assert_close(found.rarity * sizes, torch.full((5,), 24 / 5))


def test_features_that_are_all_alike_make_one_cluster():
    bank, found = Bank(9, 6, momentum=0.0), WhitenedClusters(3, bank="bank", items=9)
    bank.remember(Rows(torch.ones(9, 6), Composition.plain(torch.arange(9)), torch.arange(9)))
    found.refresh({"bank": bank}, Progress(4, 8, 4.0), 0)
    assert len(found.labels.unique()) == 1
    assert sorted(found.rarity.tolist()) == [0, 0, 1]


def test_labels_change_in_the_first_step_of_an_epoch_alone_and_by_the_seed():
    dealt = WhitenedClusters(3, bank="bank", items=25).labels
    for step in (3, 5):
        assert torch.equal(settled(range(24), step=step).labels, dealt)
    assert torch.equal(settled([0, 1]).labels, dealt)  # too few to cluster
    one, same = settled(range(24)), settled(range(24))
    assert torch.equal(one.labels, same.labels)
    assert not torch.equal(one.labels, dealt)
    assert 0 < one.agreement < 0.5
    others = [settled(range(24), seed=s, clusters=7).labels for s in range(4)]
    assert any(not torch.equal(others[0], other) for other in others[1:])


def test_scale_and_shift_of_features_change_nothing():
    rows = F.normalize(blobs().double(), dim=1)
    moved = 3 * rows @ torch.diag(torch.tensor([1.0, 5, 0.2, 1, 2, 3])).double() + 1
    a, b = (F.normalize(whitened(part, 6), dim=1) for part in (rows, moved))
    torch.testing.assert_close(a @ a.T, b @ b.T)


def test_more_clusters_than_items_are_refused():
    with pytest.raises(UserError, match="no more than the 2 images, got 3"):
        WhitenedClusters(3, bank="bank", items=2)
